"""Segments in processes: what is kept, what goes on after a kill, and what the number of segments changes."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.backtest.killed import COUNT, FAST, trial
from tests.conftest import ROOT
from v6.backtest.chain import chain
from v6.backtest.desk import TrialDesk, trial_desk
from v6.backtest.history import Loaded, Sources, load_history
from v6.backtest.record import SegmentResult
from v6.backtest.run import Backtest, Progress, forget, run_backtest, stored
from v6.backtest.segment import Conditions
from v6.backtest.split import FEWEST, split
from v6.cli_backtest import progress_bar
from v6.errors import StoreError, V6Error
from v6.pricing.calendar import xnys

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

TEMPLATE = ROOT / "strategies/iron_condor.yaml"


@pytest.fixture(scope="module")
def loaded() -> Loaded:
    return load_history(Sources())


@pytest.fixture(scope="module")
def desk() -> TrialDesk:
    return trial_desk(ROOT, TEMPLATE, None)


Runs = tuple[Backtest, tuple[SegmentResult, ...], tuple[SegmentResult, ...], list[Progress]]


@pytest.fixture(scope="module")
def runs(desk: TrialDesk, loaded: Loaded, tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """Return a backtest of two segments, its results, those of the same days in one piece, and its progress."""
    told: list[Progress] = []
    store = tmp_path_factory.mktemp("runs")
    two = trial(desk, loaded, store, 2)
    parted = run_backtest(two, 2, told.append)
    return two, parted, run_backtest(trial(desk, loaded, store, 1), 1), told


def test_a_range_is_cut_into_segments_of_about_the_same_work() -> None:
    days = xnys().sessions(date(2014, 1, 6), date(2018, 12, 31))
    one, two = split(days, 2)
    assert (*one.days, *two.days) == tuple(days)
    assert (one.run_off, two.run_off) == (True, False)
    assert 0 < len(two.days) - len(one.days) < 30
    assert [s.days for s in split(days[:70], 4)] == [tuple(days[:70])]
    assert all(len(s.days) >= FEWEST for s in split(days[:200], 4))


def test_the_progress_counts_the_days_of_all_segments(runs: Runs) -> None:
    *_, told = runs
    assert [p.done for p in told] == sorted(p.done for p in told)
    assert (told[-1].done, told[-1].total, told[-1].kept) == (COUNT, COUNT, 0)


def test_before_the_cut_segments_are_the_run_in_one_piece(runs: Runs) -> None:
    _, parted, [whole], _ = runs
    account, exact = chain(parted), chain([whole])
    cut = parted[0].last
    count = sum(d.day <= cut for d in exact.days)
    assert 0 < count < COUNT
    assert account.days[:count] == exact.days[:count]
    before = [t.position_id for t in exact.trades if t.opened.date() <= cut]
    assert [t.position_id for t in parted[0].trades] == before


def test_after_the_cut_segments_differ_by_what_is_documented_and_no_more(runs: Runs) -> None:
    _, parted, [whole], _ = runs
    account, exact = chain(parted), chain([whole])
    assert [d.day for d in account.days] == [d.day for d in exact.days]
    cut = parted[0].last
    ends = {t.position_id: t for t in parted[0].trades}
    for one in exact.trades:
        if one.opened.date() > cut or one.closed is None:
            continue
        # What was open at the cut is closed by the same rule on the same day, for its rules read nothing of the
        # account; only how long an order rests is drawn by its number, and may be another.
        other = ends[one.position_id]
        assert other.closed is not None
        assert (other.exit, other.closed.date()) == (one.exit, one.closed.date())
        assert other.pnl == pytest.approx(one.pnl, abs=60.0)
    # And the next segment begins from flat with the same cash, so it may open at once.
    first = min(t.opened.date() for t in parted[1].trades)
    assert cut < first <= cut + timedelta(days=4)
    assert parted[1].days[0].net_liq == pytest.approx(FAST.cash + parted[1].days[0].pnl)
    gains = [t.pnl if t.pnl is not None else t.unrealized for t in account.trades]
    assert account.days[-1].equity - account.cash == pytest.approx(sum(g for g in gains if g is not None), abs=0.5)


def test_what_is_kept_is_not_run_again(runs: Runs) -> None:
    two, parted, _, _ = runs
    times = [path.stat().st_mtime_ns for path in sorted(two.folder.glob("*.json"))]
    told: list[Progress] = []
    assert run_backtest(two, 2, told.append) == parted
    assert [path.stat().st_mtime_ns for path in sorted(two.folder.glob("*.json"))] == times
    assert told == []
    assert not list((two.folder / "work").iterdir())


@pytest.mark.parametrize(
    "other",
    [
        Conditions(seed=2, cycle_s=3600.0, cash=250_000.0, costs=True),
        Conditions(seed=1, cycle_s=1800.0, cash=250_000.0, costs=True),
        Conditions(seed=1, cycle_s=3600.0, cash=100_000.0, costs=True),
        Conditions(seed=1, cycle_s=3600.0, cash=250_000.0, costs=False),
    ],
)
def test_other_conditions_are_another_backtest(runs: Runs, desk: TrialDesk, loaded: Loaded, other: Conditions) -> None:
    two, *_ = runs
    assert trial(desk, loaded, two.store, 2, other).fingerprint != two.fingerprint


def test_other_prices_or_rules_are_another_backtest(runs: Runs, desk: TrialDesk, loaded: Loaded) -> None:
    two, *_ = runs
    shorter = Loaded.of(loaded.history.between(date(2014, 1, 3), date(2018, 12, 28)))
    assert trial(desk, shorter, two.store, 2).fingerprint != two.fingerprint
    text = desk.texts["rules/take_profit.yaml"].replace("target: {value: 0.50", "target: {value: 0.55")
    assert text != desk.texts["rules/take_profit.yaml"]
    assert (
        trial(desk.with_texts({"rules/take_profit.yaml": text}), loaded, two.store, 2).fingerprint != two.fingerprint
    )


def test_a_damaged_result_is_told_and_can_be_forgotten(
    runs: Runs, desk: TrialDesk, loaded: Loaded, tmp_path: Path
) -> None:
    one = trial(desk, loaded, tmp_path, 1)
    one.folder.mkdir(parents=True)
    [segment] = one.segments
    (one.folder / f"{segment.name}.json").write_bytes(b"{}")
    with pytest.raises(StoreError, match=rf"{segment.name}\.json: .*--fresh"):
        run_backtest(one, 1)
    forget(one)
    assert stored(one, segment) is None


def test_a_segment_that_fails_ends_the_run_with_its_reason(desk: TrialDesk, loaded: Loaded, tmp_path: Path) -> None:
    one = trial(desk, loaded, tmp_path, 1)
    # The store of a segment cannot be made where a file is.
    (one.folder / "work").parent.mkdir(parents=True)
    (one.folder / "work").write_text("in the way")
    with pytest.raises((V6Error, OSError)):
        run_backtest(one, 1)


# -- killed


def started(store: Path) -> subprocess.Popen[bytes]:
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    return subprocess.Popen(
        [sys.executable, "-m", "tests.backtest.killed", str(store)], env=environment, cwd=ROOT,
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True,
    )  # fmt: skip


def test_ctrl_c_says_where_the_finished_segments_are(runs: Runs) -> None:
    two, *_ = runs
    with pytest.raises(V6Error, match=f"stopped; finished segments are kept in {two.folder}"), progress_bar(two):
        raise KeyboardInterrupt


@pytest.mark.parametrize("how", [signal.SIGINT, signal.SIGKILL])
def test_a_run_that_was_stopped_goes_on_behind_its_finished_segments(
    runs: Runs, desk: TrialDesk, loaded: Loaded, tmp_path: Path, how: signal.Signals
) -> None:
    _, parted, _, _ = runs
    store = tmp_path / "store"
    process = started(store)
    try:
        while not list(store.glob("*/*.json")):
            assert process.poll() is None, process.communicate()
            time.sleep(0.05)
        os.killpg(process.pid, how)
        _, said = process.communicate(timeout=60)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
    assert b"KeyboardInterrupt" in said if how is signal.SIGINT else process.returncode == -signal.SIGKILL
    two = trial(desk, loaded, store, 2)
    [kept] = two.folder.glob("*.json")
    before = kept.stat().st_mtime_ns
    told: list[Progress] = []
    assert run_backtest(two, 1, told.append) == parted
    assert kept.stat().st_mtime_ns == before
    assert told[0].kept == len(two.segments[0].days)
