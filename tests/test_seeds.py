"""One seed, one history of events: run again, in another process, with another order of sets; other seeds differ."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT
from v6.demo import Plan, Report, run_demo

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

SEEDS = tuple(range(1, 15))
ELSEWHERE = (3, 11)
DAYS, CYCLE_S = 2, 1800.0

PROGRAM = """
import json, sys
from pathlib import Path
from v6.demo import Plan, run_demo
root, store, days, cycle_s, *seeds = sys.argv[1:]
found = {}
for seed in seeds:
    plan = Plan(Path(root), Path(store) / seed, days=int(days), seed=int(seed), cycle_s=float(cycle_s))
    found[seed] = run_demo(plan).event_log_sha256
print(json.dumps({"hash_of_a_word": hash("seed"), "found": found}))
"""


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The shipped desk without its own tests, which would be most of the time of a run this short."""
    folder = tmp_path_factory.mktemp("seeds") / "desk"
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    return folder


def run(desk: Path, store: Path, seed: int) -> Report:
    return run_demo(Plan(desk, store, days=DAYS, seed=seed, cycle_s=CYCLE_S))


@pytest.fixture(scope="module")
def first(desk: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[int, Report]:
    """The first run of every seed."""
    stores = tmp_path_factory.mktemp("first")
    return {seed: run(desk, stores / str(seed), seed) for seed in SEEDS}


@pytest.mark.parametrize("seed", SEEDS)
def test_a_seed_run_again_gives_the_same_events(
    seed: int, desk: Path, first: dict[int, Report], tmp_path: Path
) -> None:
    assert run(desk, tmp_path / "store", seed) == first[seed]


@pytest.mark.parametrize("hash_seed", ["1", "2"])
def test_another_process_with_its_own_hashes_gives_the_same_events(
    hash_seed: str, desk: Path, first: dict[int, Report], tmp_path: Path
) -> None:
    environment = {**os.environ, "PYTHONHASHSEED": hash_seed, "PYTHONPATH": str(ROOT)}
    arguments = [str(desk), str(tmp_path), str(DAYS), str(CYCLE_S), *map(str, ELSEWHERE)]
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, *arguments], env=environment, capture_output=True, text=True, check=True
    )
    told = json.loads(done.stdout.splitlines()[-1])
    assert told["found"] == {str(seed): first[seed].event_log_sha256 for seed in ELSEWHERE}
    if os.environ.get("PYTHONHASHSEED") != hash_seed:
        assert told["hash_of_a_word"] != hash("seed"), "the two processes would have to order sets differently"


def test_every_seed_has_events_of_its_own(first: dict[int, Report]) -> None:
    assert len({report.event_log_sha256 for report in first.values()}) == len(SEEDS)


def test_the_runs_are_not_idle(first: dict[int, Report]) -> None:
    assert sum(report.fills for report in first.values()) > len(SEEDS)
    assert all(report.orders_sent for report in first.values())
