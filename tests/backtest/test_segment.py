"""One segment is a headless demo of the same days, and its figures add up."""

from __future__ import annotations

from datetime import date, timedelta
from pathlib import Path

import pytest

from tests.conftest import ROOT
from v6.backtest.desk import TrialDesk, trial_desk
from v6.backtest.record import STILL_OPEN, SegmentResult, from_json, to_json
from v6.backtest.segment import Conditions, Places, Segment, run_segment
from v6.demo import Plan, Report, run_demo
from v6.errors import StoreError
from v6.paper.market import DailyHistory, load_package_history
from v6.pricing.calendar import xnys

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

CASH = 250_000.0
FAST_S = 1800.0


@pytest.fixture(scope="module")
def history() -> DailyHistory:
    return load_package_history()


@pytest.fixture(scope="module")
def desk() -> TrialDesk:
    return trial_desk(ROOT, ROOT / "strategies/iron_condor.yaml", None)


def run(
    desk: TrialDesk, history: DailyHistory, folder: Path, segment: Segment, cycle_s: float, costs: bool = True
) -> SegmentResult:
    desk.write(folder / "desk")
    places = Places(folder / "desk", folder / "store", desk.bundle_without_templates)
    longest = desk.template.expiry.dte_max
    return run_segment(segment, Conditions(1, cycle_s, CASH, costs), history, places, longest)


def days(history: DailyHistory, count: int) -> tuple[date, ...]:
    return tuple(s.day for s in history.sessions[1 : count + 1])


@pytest.fixture(scope="module")
def ten(
    desk: TrialDesk, history: DailyHistory, tmp_path_factory: pytest.TempPathFactory
) -> tuple[SegmentResult, Report]:
    folder = tmp_path_factory.mktemp("ten")
    segment = run(desk, history, folder, Segment(days(history, 10), run_off=False), 300.0)
    return segment, run_demo(Plan(folder / "desk", folder / "demo", days=10, seed=1))


def test_ten_days_are_the_demo_of_the_same_days_event_by_event(ten: tuple[SegmentResult, Report]) -> None:
    segment, demo = ten
    assert demo.positions_closed > 0
    assert segment.event_log_sha256 == demo.event_log_sha256
    assert segment.fingerprint == demo.bundle_fingerprint
    assert segment.cycles == demo.cycles
    assert len(segment.trades) == demo.positions_opened
    assert sum(t.exit != STILL_OPEN for t in segment.trades) == demo.positions_closed


def test_the_days_add_up_to_the_trades_to_the_cent(ten: tuple[SegmentResult, Report]) -> None:
    segment, _ = ten
    assert [m.day for m in segment.days] == list(xnys().sessions(segment.first, segment.last))
    gains = [t.unrealized if t.pnl is None else t.pnl for t in segment.trades]
    total = sum(m.pnl for m in segment.days)
    assert None not in gains
    assert total == pytest.approx(sum(g for g in gains if g is not None), abs=0.01 * len(gains))
    assert segment.days[-1].net_liq == pytest.approx(CASH + total)
    assert sum(m.slippage for m in segment.days) == pytest.approx(sum(t.slippage for t in segment.trades))
    assert sum(m.commission for m in segment.days) == pytest.approx(sum(t.commission for t in segment.trades))
    assert all(t.slippage > 0 and t.commission >= 5.0 for t in segment.trades)


def test_a_result_survives_as_json(ten: tuple[SegmentResult, Report]) -> None:
    segment, _ = ten
    assert from_json(to_json(segment)) == segment
    with pytest.raises(StoreError, match="cannot be read"):
        from_json(to_json(segment)[:-9])


@pytest.fixture(scope="module")
def run_off(desk: TrialDesk, history: DailyHistory, tmp_path_factory: pytest.TempPathFactory) -> SegmentResult:
    folder = tmp_path_factory.mktemp("off")
    return run(desk, history, folder, Segment(days(history, 20), run_off=True), FAST_S)


def test_a_run_off_opens_nothing_and_ends_when_the_last_position_has(run_off: SegmentResult) -> None:
    assert max(t.opened.date() for t in run_off.trades) <= run_off.last
    assert all(t.pnl is not None for t in run_off.trades)
    own = [m for m in run_off.days if m.own]
    assert len(own) == 20
    assert own[-1].open_positions > 0
    assert len(run_off.days) > 20
    assert (run_off.days[-1].open_positions, run_off.days[-1].margin) == (0, 0.0)
    last = max(t.closed for t in run_off.trades if t.closed is not None)
    assert timedelta(0) <= run_off.days[-1].day - last.date() <= timedelta(days=4)
    assert sum(m.pnl for m in run_off.days) == pytest.approx(sum(t.pnl or 0.0 for t in run_off.trades), abs=0.1)


def test_a_run_off_changes_nothing_before_it(
    desk: TrialDesk, history: DailyHistory, run_off: SegmentResult, tmp_path: Path
) -> None:
    marked = run(desk, history, tmp_path, Segment(days(history, 20), run_off=False), FAST_S)
    assert list(marked.days) == [m for m in run_off.days if m.own]


def test_without_costs_nothing_is_paid(desk: TrialDesk, history: DailyHistory, tmp_path: Path) -> None:
    free = run(desk, history, tmp_path, Segment(days(history, 12), run_off=False), FAST_S, costs=False)
    assert any(t.pnl is not None for t in free.trades)
    assert all(t.commission == 0.0 for t in free.trades)
    # What is left is the rounding of four legs to the cent, in and out.
    assert all(abs(t.slippage) <= 100 * 4 * 0.005 * 2 for t in free.trades)
