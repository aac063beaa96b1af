"""HistoryMarket as a whole: a pure function of (history, seed, moment)."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from v6.errors import V6Error
from v6.model.contract import Contract, Right
from v6.paper.market import SPX, VIX, HistoryMarket
from v6.paper.market.history import DailyHistory
from v6.paper.market.listing import Terms, encode
from v6.paper.ports import Bar, Market
from v6.pricing.calendar import xnys

NOON = datetime(2014, 3, 3, 17, tzinfo=UTC)
IDS = [SPX.con_id, VIX.con_id] + [
    encode(Terms("SPXW", date(2014, 4, 17), strike, right)) for strike in (1700, 1900) for right in Right
]


def contract(market: HistoryMarket, trading_class: str, expiry: date, strike: int, right: Right) -> Contract:
    found = market.contract(encode(Terms(trading_class, expiry, strike, right)))
    assert found is not None
    return found


def test_the_market_is_what_the_gateway_asks_for(market: HistoryMarket, history: DailyHistory) -> None:
    asked: Market = market
    assert (asked.first_day, asked.last_day) == (date(2014, 1, 3), date(2014, 12, 31))
    assert asked.first_day == history.sessions[1].day


def test_the_same_seed_gives_the_same_marks_in_any_order(history: DailyHistory) -> None:
    moments = [NOON + timedelta(hours=7 * i) for i in range(60)]
    first, second = HistoryMarket(history, seed=11), HistoryMarket(history, seed=11)
    forwards = [first.marks(IDS, moment) for moment in moments]
    backwards = [second.marks(IDS[::-1], moment)[::-1] for moment in reversed(moments)]
    assert forwards == backwards[::-1]


def test_another_seed_gives_other_marks(history: DailyHistory) -> None:
    first, second = (HistoryMarket(history, seed).marks(IDS, NOON) for seed in (1, 2))
    assert all(a != b for a, b in zip(first, second, strict=True))


def test_the_future_of_the_history_does_not_change_the_past(history: DailyHistory) -> None:
    short = HistoryMarket(history.between(history.first_day, date(2014, 3, 3)), seed=7)
    assert short.marks(IDS, NOON) == HistoryMarket(history, seed=7).marks(IDS, NOON)


def test_a_weekly_settles_to_the_close_and_a_monthly_to_the_next_open(
    market: HistoryMarket, history: DailyHistory
) -> None:
    session = next(s for s in history.sessions if s.day == date(2014, 4, 17))
    weekly = contract(market, "SPXW", date(2014, 4, 17), 1000, Right.CALL)
    monthly = contract(market, "SPX", date(2014, 4, 16), 1000, Right.CALL)
    assert market.settlement(weekly) == round(session.close - 1000, 2)
    assert market.settlement(monthly) == round(session.open - 1000, 2)
    assert session.open != session.close
    assert market.settles_at(weekly) == xnys().close_utc(session.day)
    assert market.settles_at(monthly) == xnys().open_utc(session.day)


def test_a_put_pays_below_its_strike_and_nothing_above(market: HistoryMarket, history: DailyHistory) -> None:
    close = next(s.close for s in history.sessions if s.day == date(2014, 4, 17))
    assert market.settlement(contract(market, "SPXW", date(2014, 4, 17), 3000, Right.PUT)) == round(3000 - close, 2)
    assert market.settlement(contract(market, "SPXW", date(2014, 4, 17), 1000, Right.PUT)) == 0.0
    assert market.settlement(contract(market, "SPXW", date(2014, 4, 17), 3000, Right.CALL)) == 0.0


def test_what_does_not_settle_in_this_history_is_an_error(market: HistoryMarket) -> None:
    with pytest.raises(V6Error, match="settles on 2015-01-09, outside the history"):
        market.settlement(contract(market, "SPXW", date(2015, 1, 9), 1800, Right.PUT))
    with pytest.raises(V6Error, match="SPX IND is not an option"):
        market.settlement(SPX)
    with pytest.raises(V6Error, match="VIX IND is not an option"):
        market.settles_at(VIX)


def test_daily_bars_of_the_index_are_the_history(market: HistoryMarket, history: DailyHistory) -> None:
    bars = market.daily(SPX.con_id, date(2014, 3, 2), 2)
    assert bars == [Bar(s.day, s.open, s.high, s.low, s.close) for s in history.sessions if s.day in _TWO]


def test_daily_bars_of_the_vix_run_from_close_to_close(market: HistoryMarket, history: DailyHistory) -> None:
    before, day = (next(s.vix for s in history.sessions if s.day == d) for d in _TWO)
    assert market.daily(VIX.con_id, _TWO[1], 1) == [Bar(_TWO[1], before, max(before, day), min(before, day), day)]


_TWO = (date(2014, 2, 27), date(2014, 2, 28))


def test_bars_stop_where_the_history_begins(market: HistoryMarket) -> None:
    assert [bar.day for bar in market.daily(VIX.con_id, date(2014, 1, 3), 252)] == [date(2014, 1, 2), date(2014, 1, 3)]
    assert market.daily(SPX.con_id, date(2013, 12, 31), 5) == []
    assert market.daily(SPX.con_id, date(2014, 3, 3), 0) == []


def test_an_option_has_no_daily_bars(market: HistoryMarket) -> None:
    with pytest.raises(V6Error, match="no daily bars"):
        market.daily(IDS[-1], date(2014, 3, 3), 5)
