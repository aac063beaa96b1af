from __future__ import annotations

from datetime import date

import pytest

from tests.backtest.accounts import DAYS, account, trade
from v6.backtest.breakdown import UNKNOWN, by_exit, by_trend, by_vix, by_year
from v6.backtest.chain import chain
from v6.backtest.record import STILL_OPEN, DayMark, SegmentResult
from v6.paper.market import DailyHistory
from v6.paper.market.history import Session


def test_a_year_begins_with_the_equity_that_the_last_one_ended_with() -> None:
    count = sum(day.year == 2014 for day in DAYS)
    years = by_year(account(*[1.0] * (count + 3), trades=(trade(5.0), trade(-1.0, opened=date(2015, 1, 5)))))
    assert list(years) == [2014, 2015]
    assert (years[2014].pnl, years[2014].trades) == (pytest.approx(count), 1)
    assert (years[2015].start_equity, years[2015].pnl) == (1000.0 + count, pytest.approx(3.0))
    assert (years[2015].trades, years[2015].win_rate) == (1, 0.0)


def test_exits_are_listed_by_how_often_they_closed_and_open_trades_come_last() -> None:
    trades = (
        trade(5.0, exit="a"),
        trade(-9.0, exit="b"),
        trade(1.0, exit="b"),
        trade(None, open_gain=3.0),
        trade(None),
    )
    groups = by_exit(trades)
    assert [(g.name, g.trades, g.pnl) for g in groups] == [("b", 2, -8.0), ("a", 1, 5.0), (STILL_OPEN, 2, 3.0)]
    assert (groups[0].worst, groups[0].win_rate, groups[0].profit_factor) == (-9.0, 0.5, pytest.approx(1 / 9))
    assert (groups[2].win_rate, groups[2].average_days) == (None, None)


def history(vix: list[float], closes: list[float]) -> DailyHistory:
    sessions = (Session(d, c, c, c, c, v) for d, v, c in zip(DAYS, vix, closes, strict=False))
    return DailyHistory(tuple(sessions))


def test_a_session_belongs_to_the_vix_of_the_close_before_it() -> None:
    regimes = by_vix(account(0.0, 1.0, 2.0, 4.0, 8.0), history([14.9, 15.0, 20.0, 30.0, 99.0], [100.0] * 5))
    assert [(r.name, r.sessions, r.pnl) for r in regimes] == [
        ("VIX below 15", 1, 1.0),
        ("VIX 15 to 20", 1, 2.0),
        ("VIX 20 to 30", 1, 4.0),
        ("VIX above 30", 1, 8.0),
    ]


def test_without_two_hundred_closes_the_trend_is_not_known() -> None:
    rising = [100.0 + i for i in range(202)]
    regimes = by_trend(account(*[1.0] * 202), history([15.0] * 202, rising))
    assert [(r.name, r.sessions) for r in regimes] == [("index above its 200-session mean", 2), (UNKNOWN, 200)]


def segment(first: int, pnl: list[float]) -> SegmentResult:
    marks, equity = [], 1000.0
    for day, change in zip(DAYS[first:], pnl, strict=False):
        equity += change
        marks.append(DayMark(day, equity, change, 100.0, 1, 0.5, 0.25))
    return SegmentResult(DAYS[first], DAYS[first], 1000.0, tuple(marks), (), 1, (), 0, 0, "f", "h")


def test_the_run_off_of_a_segment_falls_on_the_days_of_the_next() -> None:
    chained = chain([segment(0, [10.0, 20.0, 30.0]), segment(2, [1.0, 2.0])])
    assert [d.equity for d in chained.days] == [1010.0, 1030.0, 1061.0, 1063.0]
    both = chained.days[2]
    assert (both.pnl, both.margin, both.open_positions, both.commission) == (31.0, 200.0, 2, 1.0)
    assert chained.returns[2] == pytest.approx(31.0 / 1030.0)


def test_segments_of_different_accounts_are_not_chained() -> None:
    one = segment(0, [1.0])
    with pytest.raises(ValueError, match="different accounts"):
        chain([one, SegmentResult(**{**{f: getattr(one, f) for f in one.__slots__}, "cash": 1.0})])
