"""A backtest in a process of its own, to be killed: python -m tests.backtest.killed STORE."""

from __future__ import annotations

import sys
from pathlib import Path

from tests.conftest import ROOT
from v6.backtest.desk import TrialDesk, trial_desk
from v6.backtest.history import Loaded, Sources, load_history
from v6.backtest.run import Backtest, run_backtest
from v6.backtest.segment import Conditions, Segment

FAST = Conditions(seed=1, cycle_s=3600.0, cash=250_000.0, costs=True)
COUNT = 36


def trial(desk: TrialDesk, loaded: Loaded, store: Path, segments: int, conditions: Conditions = FAST) -> Backtest:
    """Return a backtest shorter than `split` would cut, of one segment or of two."""
    days = tuple(s.day for s in loaded.history.sessions[1 : COUNT + 1])
    half = COUNT // 2
    pieces = (Segment(days[:half], True), Segment(days[half:], False)) if segments == 2 else (Segment(days, False),)
    return Backtest(desk, loaded, pieces, conditions, store)


if __name__ == "__main__":
    tested = trial_desk(ROOT, ROOT / "strategies/iron_condor.yaml", None)
    run_backtest(trial(tested, load_history(Sources()), Path(sys.argv[1]), 2), 1)
