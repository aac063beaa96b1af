"""The computations of bid, ask and last, as a client hears them and as the array model has them."""

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_async import MarketOrder

from tests.paper.flat import FAR, LONG_PUT, SPY_CALL, Stage, play, wire, with_stock
from v6.paper.ports import Mark, StockTerms
from v6.paper.sides import ASK, BID, LAST, Sides, evaluate
from v6.pricing import bsm

MONTH_S = 30 * 86_400.0
RATE, DIVIDEND = 0.005, 0.02


@given(
    st.floats(50, 150), st.floats(0.01, 2), st.floats(0.05, 1.5), st.floats(-0.01, 0.08), st.floats(0, 0.05),
    st.booleans(),
)  # fmt: skip
def test_one_option_is_what_the_array_model_says(
    strike: float, years: float, vol: float, rate: float, dividend: float, call: bool
) -> None:
    one = evaluate(100.0, strike, years, vol, rate, dividend, 1.0 if call else -1.0)
    many = bsm.evaluate(100.0, strike, years, vol, rate, dividend, call)
    assert one.price == pytest.approx(float(many.price), abs=1e-9)
    assert (one.delta, one.gamma) == (pytest.approx(float(many.delta)), pytest.approx(float(many.gamma)))
    assert (one.vega, one.theta) == (pytest.approx(float(many.vega)), pytest.approx(float(many.theta)))


def sides(last: float | None = None) -> Sides:
    return Sides(FAR, MONTH_S, (RATE, DIVIDEND), lambda: 0.0, lambda con_id: last)


def mark(bid: float | None, ask: float, *, shift: float = 0.0) -> Mark:
    model = float(bsm.evaluate(2100.0, 2000.0, 30 / 365, 0.18, RATE, DIVIDEND, False).price)
    return Mark(model + shift, bid, ask, 1, 1, 1.0, 0.18, -0.2, 0.001, -0.5, 1.5, 2100.0)


def told(made: Sides, of: Mark) -> dict[int, list[float]]:
    """Return the numbers by kind of tick: iv, delta, price, pvDividend, gamma, vega, theta, underlying."""
    rows = [tick[4:].decode().split("\0")[:-1] for tick in made.ticks(7, of)]
    assert all(row[0] == "21" and row[1] == "7" and len(row) == 12 for row in rows)
    return {int(row[2]): [float(x) for x in row[4:]] for row in rows}


def test_each_side_has_the_volatility_of_its_price() -> None:
    prices = {BID: 12.0, ASK: 13.0, LAST: 12.5}
    found = told(sides(last=12.5), mark(12.0, 13.0))
    for kind, price in prices.items():
        vol = float(bsm.implied_vol(price, 2100.0, 2000.0, 30 / 365, RATE, DIVIDEND, False))
        exact = bsm.evaluate(2100.0, 2000.0, 30 / 365, vol, RATE, DIVIDEND, False)
        iv, delta, told_price, _, *rest, under = found[kind]
        assert (iv, told_price, under) == (pytest.approx(vol, abs=1e-6), price, 2100.0)
        greeks = [float(exact.gamma), float(exact.vega), float(exact.theta)]
        assert (delta, rest) == (pytest.approx(float(exact.delta), abs=1e-6), pytest.approx(greeks, rel=1e-4))


def test_the_markets_own_price_has_the_markets_own_volatility_whatever_the_model_leaves_out() -> None:
    worth = mark(1.0, 99.0, shift=0.7)
    assert told(sides(last=worth.price), worth)[LAST][0] == pytest.approx(0.18, abs=1e-6)


def test_a_side_that_is_not_there_has_the_sentinels_and_one_without_a_volatility_its_price() -> None:
    found = told(sides(), mark(None, 0.05))
    assert found[BID] == [-1.0, -2.0, -1.0, 0.0, -2.0, -2.0, -2.0, 2100.0]
    deep = told(Sides(FAR, MONTH_S, (RATE, DIVIDEND), lambda: 0.0, lambda _: None), mark(-5.0, 13.0))
    assert deep[BID] == [-1.0, -2.0, -5.0, 0.0, -2.0, -2.0, -2.0, 2100.0]


def test_what_has_not_changed_is_not_told_again() -> None:
    made, same = sides(), mark(12.0, 13.0)
    assert sorted(told(made, same)) == [BID, ASK]
    assert made.ticks(7, same) == []
    assert sorted(told(made, mark(12.0, 13.1))) == [ASK]


def test_a_client_hears_of_bid_ask_and_after_its_own_trade_of_last() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ticker = ib.reqMktData(wire(FAR))
        await asyncio.sleep(2)
        assert ticker.bidGreeks.impliedVol < ticker.modelGreeks.impliedVol < ticker.askGreeks.impliedVol
        assert (ticker.bidGreeks.optPrice, ticker.askGreeks.optPrice) == (6.0, 6.4)
        assert ticker.lastGreeks is None
        ib.placeOrder(wire(FAR), MarketOrder("BUY", 1, tif="DAY"))
        await asyncio.sleep(600)
        assert ticker.lastGreeks.optPrice == 6.4
        stage.market.quotes[14] = (None, 0.05)
        await asyncio.sleep(300)
        assert ticker.bidGreeks.impliedVol is None, "ib_async reads the sentinel so"

    play(story, sides=True)


def test_a_gateway_that_does_not_serve_them_tells_the_models_alone() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        tickers = [ib.reqMktData(wire(contract)) for contract in (LONG_PUT, SPY_CALL)]
        await asyncio.sleep(2)
        assert all(t.modelGreeks is not None and t.bidGreeks is None for t in tickers)

    play(story, market=with_stock(StockTerms("ETF")))
