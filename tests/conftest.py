"""Recorded runs that several tests read; each is made once a session and never written to."""

from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

# How long a case takes says more about what else the machine does than about us.
settings.register_profile("v6", deadline=None)
settings.load_profile("v6")

ROOT = Path(__file__).resolve().parents[1]


@dataclass(frozen=True)
class Run:
    """A headless demo and where it is recorded."""

    store: Path
    report: object


@pytest.fixture(scope="session")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    """Twelve days of the shipped desk on real history."""
    pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")
    from v6.demo import Plan, run_demo

    store = tmp_path_factory.mktemp("recorded") / "store"
    return Run(store, run_demo(Plan(ROOT, store, days=12, seed=1)))
