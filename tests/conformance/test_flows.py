"""The flows of ib_async's own example notebooks, played by `IB` against the market of the paper gateway."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from itertools import pairwise
from typing import Any

import pytest
from ib_async import IB, Bag, ComboLeg, Contract, Index, LimitOrder, Option, RealTimeBar, StopOrder, Ticker
from ib_async.wrapper import RequestError

from tests.daemon.history import walked
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual

NOW = datetime(2015, 4, 15, 15, 0, tzinfo=UTC)
SPX = Index("SPX", "CBOE", "USD")
EXPIRY = "20150515"


def play(story: Callable[[IB], Awaitable[None]]) -> None:
    """Run a story with a connected client, on a Wednesday at eleven in New York."""

    async def main(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop, NOW)
        gateway = PaperGateway(HistoryMarket(walked(), 3), clock=clock, cash=Decimal(100_000), seed=3, step_s=60.0)
        port = await gateway.start("127.0.0.1", 0)
        ib = IB()
        ib.RaiseRequestErrors = True
        try:
            await ib.connectAsync("127.0.0.1", port, 1, raiseSyncErrors=True)
            await story(ib)
        finally:
            ib.disconnect()
            await gateway.stop()

    run_virtual(main)


async def qualified(ib: IB, *contracts: Contract) -> list[Any]:
    found = await ib.qualifyContractsAsync(*contracts)
    assert all(isinstance(c, Contract) and c.conId for c in found)
    return list(found)


def near(strike: float, right: str) -> Option:
    return Option("SPX", EXPIRY, strike, right, "SMART", tradingClass="SPXW")


async def quoted(ib: IB, option: Option) -> Ticker:
    (ticker,) = await ib.reqTickersAsync(option)
    return ticker


def test_an_option_chain_from_the_index_to_greeks() -> None:
    """notebooks/option_chain.ipynb"""

    async def story(ib: IB) -> None:
        (spx,) = await qualified(ib, SPX)
        (ticker,) = await ib.reqTickersAsync(spx)
        value = ticker.marketPrice()
        assert 1900 < value < 2300
        chains = await ib.reqSecDefOptParamsAsync(spx.symbol, "", spx.secType, spx.conId)
        chain = next(c for c in chains if c.tradingClass == "SPXW" and c.exchange == "SMART")
        strikes = [k for k in chain.strikes if k % 5 == 0 and value - 20 < k < value + 20]
        wanted = [
            Option("SPX", expiry, strike, right, "SMART", tradingClass="SPXW")
            for right in ("P", "C")
            for expiry in sorted(chain.expirations)[:3]
            for strike in strikes
        ]
        contracts = await qualified(ib, *wanted)
        assert len(contracts) == len(wanted) == 2 * 3 * len(strikes) > 40
        tickers = await ib.reqTickersAsync(*contracts)
        for t in tickers:
            assert t.modelGreeks is not None
            assert t.contract is not None
            delta = t.modelGreeks.delta
            assert delta is not None
            assert 0.05 < abs(delta) < 0.95
            assert (delta > 0) == (t.contract.right == "C")
            assert 0 < t.bid < t.ask

    play(story)


def test_a_bracket_whose_children_wait_for_their_parent() -> None:
    """notebooks/ordering.ipynb, `IB.bracketOrder`"""

    async def story(ib: IB) -> None:
        (call,) = await qualified(ib, near(2100, "C"))
        ticker = await quoted(ib, call)
        far = round(ticker.ask + 1, 1)
        bracket = ib.bracketOrder("BUY", 1, ticker.ask, far + 50, 1.0, tif="DAY")
        trades = [ib.placeOrder(call, order) for order in bracket]
        await asyncio.sleep(5)
        assert [t.orderStatus.status for t in trades] == ["Filled", "Submitted", "PreSubmitted"]
        ib.cancelOrder(trades[1].order)
        await asyncio.sleep(5)
        assert trades[1].orderStatus.status == "Cancelled"
        assert [p.position for p in ib.positions()] == [1]

    play(story)


def test_a_bracket_whose_parent_rests_holds_its_children_back() -> None:
    async def story(ib: IB) -> None:
        (call,) = await qualified(ib, near(2100, "C"))
        trades = [ib.placeOrder(call, order) for order in ib.bracketOrder("BUY", 1, 1.0, 90.0, 0.5, tif="DAY")]
        await asyncio.sleep(5)
        assert [t.orderStatus.status for t in trades] == ["Submitted", "PreSubmitted", "PreSubmitted"]
        assert [t.orderStatus.whyHeld for t in trades] == ["", "child", "child,trigger"]
        ib.cancelOrder(trades[0].order)
        await asyncio.sleep(5)
        assert [t.orderStatus.status for t in trades] == ["Cancelled"] * 3

    play(story)


def test_one_cancels_all() -> None:
    """`IB.oneCancelsAll`"""

    async def story(ib: IB) -> None:
        contracts = await qualified(ib, near(2100, "C"), near(2050, "P"), near(2150, "C"))
        asks = [(await quoted(ib, c)).ask for c in contracts]
        limits = [1.0, 1.0, asks[2]]
        orders = ib.oneCancelsAll([LimitOrder("BUY", 1, price, tif="DAY") for price in limits], "either", 1)
        trades = [ib.placeOrder(c, o) for c, o in zip(contracts, orders, strict=True)]
        await asyncio.sleep(5)
        assert [t.orderStatus.status for t in trades] == ["Cancelled", "Cancelled", "Filled"]

    play(story)


def test_what_if_tells_the_margin_of_an_option_and_of_a_combo() -> None:
    """`IB.whatIfOrder`"""

    async def story(ib: IB) -> None:
        short, long = await qualified(ib, near(2000, "P"), near(1950, "P"))
        alone = await ib.whatIfOrderAsync(short, LimitOrder("SELL", 1, 5.0, tif="DAY"))
        legs = [ComboLeg(short.conId, 1, "SELL", "SMART"), ComboLeg(long.conId, 1, "BUY", "SMART")]
        combo = Bag(symbol="SPX", exchange="SMART", currency="USD", comboLegs=legs)
        spread = await ib.whatIfOrderAsync(combo, LimitOrder("BUY", 1, -1.0, tif="DAY"))
        model = (await quoted(ib, short)).modelGreeks
        naked = max(0.15 * model.undPrice - max(model.undPrice - 2000, 0), 0.10 * 2000) + model.optPrice
        assert float(alone.initMarginChange) == pytest.approx(100 * naked, abs=0.05)
        assert float(spread.initMarginChange) == 5_000
        assert (alone.commission, spread.commission) == (1.25, 2.5)
        assert ib.trades() == []

    play(story)


def test_bars_of_a_day_are_those_of_its_minutes() -> None:
    """notebooks/bar_data.ipynb"""

    async def story(ib: IB) -> None:
        (spx,) = await qualified(ib, SPX)
        first = await ib.reqHeadTimeStampAsync(spx, "TRADES", True, 1)
        assert first.isoformat() == "2015-03-03T14:30:00"
        days = await ib.reqHistoricalDataAsync(spx, "", "5 D", "1 day", "TRADES", True)
        minutes = await ib.reqHistoricalDataAsync(spx, "", "6 D", "1 min", "TRADES", True, formatDate=2)
        assert [str(b.date) for b in days][-1] == "2015-04-14"
        assert minutes[-1].date == datetime(2015, 4, 15, 14, 59, tzinfo=UTC)
        for day in days:
            inside = [b for b in minutes if b.date.date() == day.date]
            assert len(inside) == 390
            assert inside[0].open == day.open
            assert inside[-1].close == day.close
            assert max(b.high for b in inside) == day.high
            assert min(b.low for b in inside) == day.low

    play(story)


def test_seconds_of_history_are_the_last_ones() -> None:
    async def story(ib: IB) -> None:
        (spx,) = await qualified(ib, SPX)
        bars = await ib.reqHistoricalDataAsync(spx, "", "1800 S", "1 secs", "TRADES", True, formatDate=2)
        assert len(bars) == 1800
        assert all((b.date - a.date).seconds == 1 and b.open == a.close for a, b in pairwise(bars))
        assert bars[-1].date == NOW - timedelta(seconds=1)
        over_night = await ib.reqHistoricalDataAsync(
            spx, "20150415 09:40:00 US/Eastern", "1800 S", "5 mins", "TRADES", True
        )
        assert [f"{b.date:%d %H:%M}" for b in over_night] == [
            "14 15:40", "14 15:45", "14 15:50", "14 15:55", "15 09:30", "15 09:35"
        ]  # fmt: skip

    play(story)


def test_hourly_bars_begin_at_the_hour_and_the_first_at_the_opening() -> None:
    async def story(ib: IB) -> None:
        (put,) = await qualified(ib, near(2000, "P"))
        bars = await ib.reqHistoricalDataAsync(put, "20150414 16:00:00 US/Eastern", "1 D", "1 hour", "MIDPOINT", True)
        assert [f"{b.date:%H:%M}" for b in bars] == ["09:30", "10:00", "11:00", "12:00", "13:00", "14:00", "15:00"]
        assert all(b.low <= min(b.open, b.close) <= max(b.open, b.close) <= b.high for b in bars)
        assert (bars[0].volume, bars[0].barCount) == (-1, -1)

    play(story)


def test_weeks_and_months_are_made_of_days() -> None:
    async def story(ib: IB) -> None:
        (spx,) = await qualified(ib, SPX)
        days = await ib.reqHistoricalDataAsync(spx, "", "2 M", "1 day", "TRADES", True)
        months = await ib.reqHistoricalDataAsync(spx, "", "2 M", "1 month", "TRADES", True)
        march = [d for d in days if d.date.month == 3]
        assert [m.date.month for m in months] == [3, 4]
        assert (months[0].open, months[0].close) == (march[0].open, march[-1].close)
        assert (months[0].high, months[0].low) == (max(d.high for d in march), min(d.low for d in march))
        weeks = await ib.reqHistoricalDataAsync(spx, "", "2 W", "1 week", "TRADES", True)
        assert [str(w.date) for w in weeks] == ["2015-03-31", "2015-04-06", "2015-04-13"]

    play(story)


def test_bars_kept_up_to_date_grow_and_begin_anew() -> None:
    async def story(ib: IB) -> None:
        (spx,) = await qualified(ib, SPX)
        bars = await ib.reqHistoricalDataAsync(spx, "", "1800 S", "1 min", "TRADES", True, keepUpToDate=True)
        turns: list[bool] = []
        bars.updateEvent += lambda _, fresh: turns.append(fresh)
        begun = len(bars)
        await asyncio.sleep(181)
        assert len(bars) == begun + 3 or len(bars) == begun + 4
        assert turns.count(True) == len(bars) - begun
        assert len(turns) > 25
        later = await ib.reqHistoricalDataAsync(spx, "", "300 S", "1 min", "TRADES", True)
        assert [(b.date, b.open, b.close) for b in bars[-3:-1]] == [(b.date, b.open, b.close) for b in later[-3:-1]]
        ib.cancelHistoricalData(bars)
        turns.clear()
        await asyncio.sleep(60)
        assert turns == []

    play(story)


def test_bars_kept_over_night_end_at_the_close_and_begin_at_the_opening() -> None:
    async def story(ib: IB) -> None:
        (spx,) = await qualified(ib, SPX)
        minutes = await ib.reqHistoricalDataAsync(spx, "", "1800 S", "5 mins", "TRADES", True, keepUpToDate=True)
        days = await ib.reqHistoricalDataAsync(spx, "", "2 D", "1 day", "TRADES", True, keepUpToDate=True)
        assert [str(d.date) for d in days] == ["2015-04-14", "2015-04-15"]
        await asyncio.sleep(25 * 3600)
        after = await ib.reqHistoricalDataAsync(spx, "", "2 D", "5 mins", "TRADES", True)
        close = next(b for b in minutes if f"{b.date:%d %H:%M}" == "15 15:55")
        opening = next(b for b in minutes if f"{b.date:%d %H:%M}" == "16 09:30")
        assert close.close == next(b for b in after if b.date == close.date).close
        assert opening.open == next(b for b in after if b.date == opening.date).open
        assert [str(d.date) for d in days] == ["2015-04-14", "2015-04-15", "2015-04-16"]
        assert (days[1].close, days[2].open) == (close.close, opening.open)

    play(story)


def test_real_time_bars_join_and_stop_with_the_session() -> None:
    async def story(ib: IB) -> None:
        (spx,) = await qualified(ib, SPX)
        bars = ib.reqRealTimeBars(spx, 5, "TRADES", True)
        await asyncio.sleep(63)
        told: list[RealTimeBar] = list(bars)
        assert len(told) in (11, 12)
        assert all((b.time.timestamp() - a.time.timestamp(), b.open_) == (5, a.close) for a, b in pairwise(told))
        await asyncio.sleep(6 * 3600)
        count = len(bars)
        assert bars[-1].time == datetime(2015, 4, 15, 19, 59, 55, tzinfo=UTC)
        await asyncio.sleep(3600)
        assert len(bars) == count
        await asyncio.sleep(17 * 3600)
        assert bars[count].time == datetime(2015, 4, 16, 13, 30, tzinfo=UTC)

    play(story)


def test_tick_by_tick_tells_every_change_of_the_quote() -> None:
    """notebooks/tick_data.ipynb"""

    async def story(ib: IB) -> None:
        (call,) = await qualified(ib, near(2100, "C"))
        ticker = ib.reqTickByTickData(call, "BidAsk")
        told: list[Any] = []
        ticker.updateEvent += lambda t: told.extend(t.tickByTicks)
        await asyncio.sleep(600)
        assert len(told) > 5
        sides = [(t.bidPrice, t.askPrice, t.bidSize, t.askSize) for t in told]
        assert all(a != b for a, b in pairwise(sides))
        assert (ticker.bid, ticker.ask) == sides[-1][:2]
        ib.cancelTickByTickData(call, "BidAsk")
        await asyncio.sleep(0.5)
        told.clear()
        await asyncio.sleep(600)
        assert told == []

    play(story)


def test_historical_ticks_lie_where_they_were_asked_for() -> None:
    async def story(ib: IB) -> None:
        (call,) = await qualified(ib, near(2100, "C"))
        back = await ib.reqHistoricalTicksAsync(
            call, "", datetime(2015, 4, 15, 14, 40, tzinfo=UTC), 20, "BID_ASK", True
        )
        assert len(back) == 20
        assert back[-1].time == datetime(2015, 4, 15, 14, 39, tzinfo=UTC)
        assert [t.time for t in back] == sorted(t.time for t in back)
        on = await ib.reqHistoricalTicksAsync(call, datetime(2015, 4, 15, 14, 30, tzinfo=UTC), "", 5, "MIDPOINT", True)
        assert [t.time.minute for t in on] == [30, 31, 32, 33, 34]
        at = {t.time: (t.priceBid + t.priceAsk) / 2 for t in back}
        assert all(at[t.time] == pytest.approx(t.price) for t in on)

    play(story)


def test_the_option_calculator_undoes_itself_and_agrees_with_the_quotes() -> None:
    async def story(ib: IB) -> None:
        (put,) = await qualified(ib, near(2000, "P"))
        ticker = await quoted(ib, put)
        model = ticker.modelGreeks
        assert model is not None
        spot, price = model.undPrice, model.optPrice
        assert spot is not None
        assert price is not None
        implied = await ib.calculateImpliedVolatilityAsync(put, price, spot)
        assert implied is not None
        assert implied.impliedVol == pytest.approx(model.impliedVol, rel=1e-4)
        assert implied.delta == pytest.approx(model.delta, rel=1e-3)
        assert (implied.gamma, implied.vega, implied.theta) == (
            pytest.approx(model.gamma, rel=1e-3), pytest.approx(model.vega, rel=1e-3),
            pytest.approx(model.theta, rel=1e-3),
        )  # fmt: skip
        assert implied.impliedVol is not None
        again = await ib.calculateOptionPriceAsync(put, implied.impliedVol, spot)
        assert again is not None
        assert again.optPrice == pytest.approx(price, abs=1e-4)
        impossible = await ib.calculateImpliedVolatilityAsync(put, 5000.0, spot)
        assert impossible is not None
        assert (impossible.impliedVol, impossible.delta) == (None, None)

    play(story)


def test_the_account_in_all_its_forms_after_a_trade() -> None:
    """notebooks/basics.ipynb: account values, summary, portfolio, PnL"""

    async def story(ib: IB) -> None:
        (call,) = await qualified(ib, near(2100, "C"))
        ask = (await quoted(ib, call)).ask
        total, single = ib.reqPnL("DU1234567"), ib.reqPnLSingle("DU1234567", "", call.conId)
        trade = ib.placeOrder(call, LimitOrder("BUY", 2, ask, tif="DAY", orderRef="flow"))
        await asyncio.sleep(120)
        assert trade.orderStatus.status == "Filled"
        paid = sum(f.execution.shares * f.execution.price for f in trade.fills) * 100
        fees = sum(f.commissionReport.commission for f in trade.fills)
        values = {v.tag: v.value for v in ib.accountValues()}
        assert float(values["CashBalance"]) == pytest.approx(100_000 - paid - fees)
        summary = {v.tag: v.value for v in await ib.accountSummaryAsync()}
        assert summary["TotalCashValue"] == values["TotalCashValue"]
        (item,) = ib.portfolio()
        assert (item.position, item.contract.conId) == (2, call.conId)
        assert (single.position, single.value) == (2, pytest.approx(item.marketValue))
        assert total.unrealizedPnL == pytest.approx(single.unrealizedPnL)
        assert total.dailyPnL == pytest.approx(float(values["NetLiquidation"]) - 100_000)
        (done,) = await ib.reqCompletedOrdersAsync(False)
        assert (done.order.orderRef, done.orderStatus.status) == ("flow", "Filled")
        assert len(await ib.reqExecutionsAsync()) == len(trade.fills)

    play(story)


def test_a_stop_waits_until_its_price_is_reached() -> None:
    async def story(ib: IB) -> None:
        (call,) = await qualified(ib, near(2100, "C"))
        ask = (await quoted(ib, call)).ask
        far = ib.placeOrder(call, StopOrder("BUY", 1, round(ask + 60, 0), tif="DAY"))
        due = ib.placeOrder(call, StopOrder("BUY", 1, 1.0, tif="DAY"))
        await asyncio.sleep(60)
        assert (far.orderStatus.status, due.orderStatus.status) == ("PreSubmitted", "Filled")

    play(story)


def test_symbols_are_found_by_how_they_begin() -> None:
    async def story(ib: IB) -> None:
        found = await ib.reqMatchingSymbolsAsync("s")
        assert [(d.contract.symbol, d.derivativeSecTypes) for d in found] == [("SPX", ["OPT"]), ("SPY", ["OPT"])]
        assert await ib.reqMatchingSymbolsAsync("QQ") == []

    play(story)


@pytest.mark.parametrize("size", ["5 mins", "1 day"])
@pytest.mark.parametrize("end", ["19700101 00:00:00", "20140101 00:00:00", "20150303 09:30:00 US/Eastern"])
def test_there_are_no_bars_before_the_market_begins(end: str, size: str) -> None:
    async def story(ib: IB) -> None:
        call = near(2100, "C")
        with pytest.raises(RequestError) as failure:
            await ib.reqHistoricalDataAsync(call, end, "1 D", size, "MIDPOINT", True)
        assert failure.value.code == 162

    play(story)


@pytest.mark.parametrize(
    ("ask", "code"),
    [
        (lambda ib: ib.reqFundamentalDataAsync(SPX, "ReportSnapshot"), 430),
        (lambda ib: ib.reqHistoricalNewsAsync(416904, "BRFG", "", "", 5), 10276),
        (lambda ib: ib.reqNewsArticleAsync("BRFG", "BRFG$1"), 10172),
        (lambda ib: ib.reqHistogramDataAsync(SPX, True, "3 days"), 162),
        (lambda ib: ib.getWshMetaDataAsync(), 10276),
        (lambda ib: ib.reqHistoricalDataAsync(SPX, "", "1 D", "5 mins", "BID", True), 162),
    ],
)
def test_what_is_not_served_fails_with_its_code_at_once(ask: Callable[[IB], Awaitable[Any]], code: int) -> None:
    async def story(ib: IB) -> None:
        with pytest.raises(RequestError) as failure:
            await asyncio.wait_for(ask(ib), 1)
        assert failure.value.code == code

    play(story)


def test_lists_that_are_empty_here_are_answered_as_empty() -> None:
    async def story(ib: IB) -> None:
        assert await ib.reqNewsProvidersAsync() == []
        assert await ib.reqMktDepthExchangesAsync() == []
        assert "ScanParameterResponse" in await ib.reqScannerParametersAsync()

    play(story)
