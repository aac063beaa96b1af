from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import numpy as np
import pytest

from v6.model.contract import Contract, Right
from v6.paper.market import SPX, VIX, HistoryMarket
from v6.paper.market.book import FLAT_RATES, quotes
from v6.paper.market.history import DailyHistory
from v6.paper.market.listing import Terms, encode
from v6.paper.ports import Mark
from v6.pricing.bsm import implied_vol_of, price_of

NOON = datetime(2014, 3, 3, 17, tzinfo=UTC)
EXPIRY = date(2014, 4, 17)


def option(strike: int, right: Right = Right.PUT, expiry: date = EXPIRY, trading_class: str = "SPXW") -> int:
    return encode(Terms(trading_class, expiry, strike, right))


def chain(market: HistoryMarket, right: Right, at: datetime = NOON) -> list[Mark]:
    strikes = market.strikes("SPX", "SPXW", EXPIRY, at)
    marks = market.marks([option(int(strike), right) for strike in strikes], at)
    return [mark for mark in marks if mark is not None]


def on_grid(price: float) -> bool:
    tick = Decimal("0.05") if price < 3 else Decimal("0.10")
    return Decimal(str(price)) % tick == 0


@pytest.mark.parametrize("right", Right)
def test_quotes_lie_on_the_tick_grid_and_enclose_the_value(market: HistoryMarket, right: Right) -> None:
    marks = chain(market, right)
    assert len(marks) > 150
    for mark in marks:
        assert on_grid(mark.ask)
        assert mark.ask >= max(mark.price, 0.05)
        if mark.bid is not None:
            assert on_grid(mark.bid)
            assert 0 < mark.bid <= mark.price


def test_nobody_bids_for_an_option_worth_less_than_a_tick(market: HistoryMarket) -> None:
    (mark,) = market.marks([option(1300)], datetime(2014, 4, 16, 17, tzinfo=UTC))
    assert mark is not None
    assert (mark.bid, mark.bid_size, mark.ask) == (None, 0, 0.05)
    assert mark.ask_size > 0


@pytest.mark.parametrize(
    ("mid", "spread"), [(0.5, 0.10), (2.0, 0.15), (4.0, 0.20), (7.5, 0.30), (17.0, 0.40), (37.0, 0.50)]
)
def test_spreads_are_about_those_of_january_2021(mid: float, spread: float) -> None:
    """Medians of real SPXW quotes at VIX 24; rounding outward adds less than two ticks."""
    bid, ask = quotes(np.array([mid]), 24.0)
    tick = 0.05 if mid < 3 else 0.10
    assert spread - tick <= float(ask[0] - bid[0]) < spread + 2 * tick + 1e-9


def test_spreads_widen_with_the_vix() -> None:
    calm, storm = (quotes(np.array([20.0]), vix) for vix in (12.0, 60.0))
    assert storm[1] - storm[0] > 3 * (calm[1] - calm[0])


def test_greeks_and_volatility_belong_to_the_price(market: HistoryMarket) -> None:
    years = (market.settles_at(market_contract(market)) - NOON).total_seconds() / (365 * 86400)
    (mark,) = market.marks([option(1750)], NOON)
    assert mark is not None
    assert mark.underlying is not None
    assert mark.iv is not None
    rates = {"rate": FLAT_RATES.rate, "dividend": FLAT_RATES.dividend}
    found = implied_vol_of(mark.price, mark.underlying, 1750, years, Right.PUT, **rates)
    assert found == pytest.approx(mark.iv, abs=1e-6)
    bumped = price_of(mark.underlying + 1, 1750, years, mark.iv, Right.PUT, **rates)
    assert bumped is not None
    assert mark.delta is not None
    assert mark.gamma is not None
    assert bumped - mark.price == pytest.approx(mark.delta + mark.gamma / 2, abs=1e-4)
    tomorrow = price_of(mark.underlying, 1750, years - 1 / 365, mark.iv, Right.PUT, **rates)
    assert tomorrow is not None
    assert tomorrow - mark.price == pytest.approx(mark.theta, rel=0.03)
    dearer = price_of(mark.underlying, 1750, years, mark.iv + 0.01, Right.PUT, **rates)
    assert dearer is not None
    assert dearer - mark.price == pytest.approx(mark.vega, rel=0.05)


def market_contract(market: HistoryMarket) -> Contract:
    contract = market.contract(option(1750))
    assert contract is not None
    return contract


def test_calls_and_puts_of_a_strike_keep_parity(market: HistoryMarket) -> None:
    calls, puts = chain(market, Right.CALL), chain(market, Right.PUT)
    slope = np.diff([c.price - p.price for c, p in zip(calls, puts, strict=True)])
    assert slope == pytest.approx(np.full(len(slope), slope[0]), abs=1e-5)
    assert slope[0] == pytest.approx(-5.0, abs=0.01)


def test_an_index_has_a_price_and_no_market(market: HistoryMarket, history: DailyHistory) -> None:
    spx, vix = market.marks([SPX.con_id, VIX.con_id], NOON)
    friday = next(s for s in history.sessions if s.day == date(2014, 2, 28))
    assert spx == Mark(spx.price, None, spx.price, 0, 0, friday.close)
    assert vix == Mark(vix.price, None, vix.price, 0, 0, friday.vix)


def test_the_order_of_the_request_is_kept_and_strangers_have_no_mark(market: HistoryMarket) -> None:
    ids = [option(1750), 99, SPX.con_id, option(1900, Right.CALL), VIX.con_id, 2**30]
    together = market.marks(ids, NOON)
    assert together == [market.marks([con_id], NOON)[0] for con_id in ids]
    assert [mark is None for mark in together] == [False, True, False, False, False, True]
    assert market.marks([], NOON) == []


def test_an_option_has_marks_until_it_settles(market: HistoryMarket) -> None:
    end = datetime(2014, 4, 17, 20, tzinfo=UTC)
    assert market.marks([option(1750)], end - timedelta(seconds=1)) != [None]
    assert market.marks([option(1750)], end) == [None]
    assert market.marks([option(1750, expiry=date(2014, 4, 16), trading_class="SPX")], end) == [None]


def test_in_the_last_second_an_option_is_worth_what_it_settles_to(market: HistoryMarket) -> None:
    end = datetime(2014, 4, 17, 20, tzinfo=UTC)
    for strike in market.strikes("SPX", "SPXW", EXPIRY, end - timedelta(seconds=1)):
        for right in Right:
            contract = market.contract(option(int(strike), right))
            assert contract is not None
            (mark,) = market.marks([contract.con_id], end - timedelta(seconds=1))
            assert mark is not None
            assert mark.price == pytest.approx(market.settlement(contract), abs=0.6)
            assert mark.gamma is not None


def test_the_close_of_an_option_is_its_value_when_the_last_session_closed(market: HistoryMarket) -> None:
    closed = datetime(2014, 2, 28, 21, tzinfo=UTC)
    (at_the_close,), (monday,) = (market.marks([option(1750)], moment) for moment in (closed, NOON))
    assert at_the_close is not None
    assert monday is not None
    assert monday.close == at_the_close.price


def test_time_decays_overnight_and_through_the_day(market: HistoryMarket) -> None:
    evening = datetime(2014, 3, 3, 22, tzinfo=UTC)
    (first,), (second,) = (market.marks([option(1750)], evening + timedelta(hours=h)) for h in (0, 8))
    assert first is not None
    assert second is not None
    assert first.underlying == second.underlying
    assert second.price < first.price


def test_sizes_change_with_the_minute_and_the_contract(market: HistoryMarket) -> None:
    sizes = {
        (mark.bid_size, mark.ask_size)
        for minute in range(10)
        for mark in market.marks([option(1750), option(1755)], NOON + timedelta(minutes=minute))
        if mark is not None
    }
    assert len(sizes) > 10
    assert all(5 <= size < 125 for pair in sizes for size in pair)
