import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from ib_async import Contract, Dividends, ExecutionFilter, Index, LimitOrder, Option, Stock
from ib_async.contract import ContractDetails

from tests.paper.flat import (
    CONDOR,
    EXPIRY,
    LONG_PUT,
    OPEN,
    SHORT_PUT,
    SPY,
    SPY_CALL,
    FlatMarket,
    Stage,
    bag,
    play,
    wire,
    with_stock,
)
from v6.model.contract import SecType
from v6.paper.ports import Payout, StockTerms

INDEX = Index("SPX", "CBOE", "USD", conId=1)


def put(strike: float = 0.0, right: str = "", **more: Any) -> Option:
    return Option("SPX", f"{EXPIRY:%Y%m%d}", strike, right, "SMART", **more)


def test_the_time_is_that_of_the_injected_clock() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        await asyncio.sleep(12)
        assert await ib.reqCurrentTimeAsync() == OPEN + timedelta(seconds=12)

    play(story)


def test_a_subscription_gets_the_book_at_once_and_then_what_changes_at_each_step() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ticker, index = ib.reqMktData(wire(SHORT_PUT)), ib.reqMktData(INDEX)
        await asyncio.sleep(1)
        assert (ticker.bid, ticker.bidSize, ticker.ask, ticker.askSize, ticker.close) == (2.0, 20, 2.3, 30, 1.0)
        greeks = ticker.modelGreeks
        assert greeks is not None
        assert (greeks.impliedVol, greeks.delta, greeks.gamma, greeks.theta, greeks.vega, greeks.undPrice) == (
            0.2, -0.1, 0.001, -0.5, 1.5, 2100.0
        )  # fmt: skip
        assert (index.last, index.close, index.minTick) == (2100.0, 2090.0, 0.01)
        assert ticker.marketDataType == 1
        ticks: list[tuple[int, float, float]] = []
        ib.pendingTickersEvent += lambda ts: ticks.extend((t.tickType, t.price, t.size) for x in ts for t in x.ticks)
        await asyncio.sleep(600)
        assert ticks == []
        stage.market.quotes[11] = (2.1, 2.3)
        await asyncio.sleep(300)
        assert [t for t in ticks if t[0] in (1, 2)] == [(1, 2.1, 20.0)]
        assert (ticker.bid, index.last) == (2.1, 2100.0)

    play(story)


def test_a_snapshot_ends_and_a_cancelled_line_is_silent() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        (ticker,) = await ib.reqTickersAsync(wire(SHORT_PUT))
        assert ticker.bid == 2.0
        line = ib.reqMktData(wire(LONG_PUT))
        await asyncio.sleep(1)
        ib.cancelMktData(wire(LONG_PUT))
        stage.market.quotes[10] = (0.9, 1.1)
        await asyncio.sleep(600)
        assert line.bid == 1.0
        assert stage.codes() == []

    play(story)


def test_a_combo_has_a_net_book_that_may_be_negative() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ticker = ib.reqMktData(bag(*CONDOR))
        await asyncio.sleep(1)
        assert (ticker.bid, ticker.ask) == (-3.2, -2.2)

    play(story)


def test_an_option_nobody_bids_for_has_no_bid() -> None:
    async def story(stage: Stage) -> None:
        stage.market.quotes[10] = (None, 0.05)
        ib = await stage.client()
        ticker = ib.reqMktData(wire(LONG_PUT))
        await asyncio.sleep(1)
        assert (ticker.bid, ticker.bidSize, ticker.ask) == (-1, 0, 0.05)

    play(story)


def test_contract_details_take_patterns_and_answer_all_that_fit() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        found = await ib.reqContractDetailsAsync(put())
        assert sorted(d.contract.conId for d in found if d.contract) == [10, 11, 12, 13]
        assert [d.contract.conId for d in await ib.reqContractDetailsAsync(put(right="C")) if d.contract] == [12, 13]
        (one,) = await ib.reqContractDetailsAsync(put(2000, "P"))
        check_details(one)
        month = Option("SPX", "201503", 2000, "P", "SMART")
        assert len(await ib.reqContractDetailsAsync(month)) == 1
        named = Contract(secType="OPT", localSymbol="SPXW  150320P02000000", exchange="SMART")
        assert len(await ib.reqContractDetailsAsync(named)) == 1
        (qualified,) = await ib.qualifyContractsAsync(Index("SPX", "CBOE"))
        assert isinstance(qualified, Contract)
        assert qualified.conId == 1

    play(story)


def check_details(details: ContractDetails) -> None:
    contract = details.contract
    assert contract is not None
    assert (contract.conId, contract.localSymbol, contract.multiplier) == (11, "SPXW  150320P02000000", "100")
    assert (contract.lastTradeDateOrContractMonth, details.lastTradeTime) == ("20150320", "16:00:00")
    assert (details.timeZoneId, details.marketRuleIds, details.underConId) == ("US/Eastern", "110,110", 1)
    assert details.tradingHours.startswith("20150302:0930-20150302:1600;20150303:0930")
    assert len(details.tradingSessions()) == 5


def test_unknown_contracts_answer_200_and_a_combo_answers_the_warning_that_hangs_ib_async() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        for contract in (put(1234, "P"), Contract(secType="CASH", symbol="EUR"), Contract(conId=99)):
            with pytest.raises(Exception, match="200"):
                await ib.reqContractDetailsAsync(contract)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ib.reqContractDetailsAsync(bag(*CONDOR)), 60)
        assert stage.codes() == [200, 200, 200, 321]

    play(story)


def test_chains_and_market_rules_are_answered() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        chains = await ib.reqSecDefOptParamsAsync("SPX", "", "IND", 1)
        assert {(c.exchange, c.tradingClass, c.multiplier) for c in chains} == {
            ("SMART", "SPXW", "100"), ("CBOE", "SPXW", "100")
        }  # fmt: skip
        assert chains[0].expirations == ["20150320", "20150417"]
        assert chains[0].strikes == [1950.0, 2000.0, 2200.0, 2250.0]
        rule = await ib.reqMarketRuleAsync(110)
        assert rule is not None
        assert [(r.lowEdge, r.increment) for r in rule] == [(0.0, 0.05), (3.0, 0.1)]

    play(story)


def test_daily_bars_end_with_the_last_session_that_has_closed() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        bars = await ib.reqHistoricalDataAsync(INDEX, "", "3 D", "1 day", "TRADES", True)
        assert [str(bar.date) for bar in bars] == ["2015-03-02", "2015-03-03", "2015-03-04"]
        assert (bars[0].open, bars[0].high, bars[0].low, bars[0].close) == (1.0, 3.0, 0.5, 2.0)
        with pytest.raises(Exception, match="162"):
            await ib.reqHistoricalDataAsync(INDEX, "", "3 D", "5 mins", "MIDPOINT", True)

    play(story, at=OPEN + timedelta(days=3))


def test_all_that_happened_while_away_is_reported_after_a_reconnect() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY", orderRef="v6-filled"))
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -3.5, tif="GTC", orderRef="v6-open"))
        last = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -3.5, tif="DAY", orderRef="v6-gone"))
        ib.cancelOrder(last.order)
        await asyncio.sleep(0.01)
        ib.disconnect()
        await asyncio.sleep(60)
        ib = await stage.client()
        states = {t.order.orderRef: t.orderStatus.status for t in ib.trades()}
        assert states == {"v6-filled": "Filled", "v6-open": "Submitted", "v6-gone": "Cancelled"}
        assert [f.execution.orderRef for f in ib.fills()] == ["v6-filled"] * 5
        assert [f.commissionReport.commission for f in ib.fills()] == [0, 1.25, 1.25, 1.25, 1.25]
        assert ib.fills()[0].execution.time == OPEN.replace(second=0)
        assert {p.contract.conId: p.position for p in ib.positions()} == stage.gateway.positions()
        assert ib.client.getReqId() > last.order.orderId
        assert stage.gateway.order_refs_placed == {"v6-filled": 1, "v6-open": 1, "v6-gone": 1}
        other = await stage.client(2)
        assert other.openTrades() == []
        assert [t.order.orderRef for t in await other.reqAllOpenOrdersAsync()] == ["v6-open"]
        assert len(await other.reqExecutionsAsync(ExecutionFilter(clientId=2))) == 0
        assert len(await other.reqExecutionsAsync(ExecutionFilter(secType="BAG", side="BUY"))) == 1

    play(story)


def test_an_open_order_is_echoed_as_it_was_placed() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        sent = LimitOrder(
            "SELL", 3, 1.9, tif="GTC", orderRef="v6-echo", ocaGroup="g", ocaType=1, outsideRth=True, triggerMethod=4,
            openClose="C", displaySize=2,
        )  # fmt: skip
        ib.placeOrder(bag((SHORT_PUT, 1), (LONG_PUT, -1)), sent)
        await asyncio.sleep(1)
        ib.disconnect()
        (trade,) = (await stage.client()).openTrades()
        names = "action totalQuantity orderType lmtPrice tif orderRef ocaGroup ocaType outsideRth triggerMethod"
        for name in [*names.split(), "openClose", "displaySize", "orderId", "clientId", "transmit", "conditions"]:
            assert getattr(trade.order, name) == getattr(sent, name), name
        assert (trade.order.account, trade.order.permId) == ("DU1234567", stage.gateway.orders()[0].perm_id)
        assert trade.contract.comboLegsDescrip == "11|1,10|-1"
        assert trade.orderStatus.remaining == 3

    play(story)


def test_a_completed_order_tells_what_was_filled_and_when() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY", orderRef="v6-done"))
        await asyncio.sleep(1)
        ib.disconnect()
        (trade,) = await (await stage.client()).reqCompletedOrdersAsync(False)
        assert (trade.order.orderRef, trade.order.filledQuantity, trade.order.lmtPrice) == ("v6-done", 1.0, -2.0)
        assert trade.order.permId == stage.gateway.orders()[0].perm_id
        assert [leg.conId for leg in trade.contract.comboLegs] == [10, 11, 12, 13]
        assert trade.order.orderId == 0

    play(story)


def test_perm_ids_are_unique_and_rise() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        for _ in range(5):
            ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -3.5, tif="DAY"))
        await asyncio.sleep(1)
        perm_ids = [o.perm_id for o in stage.gateway.orders()]
        assert perm_ids == sorted(set(perm_ids))

    play(story)


def test_executions_and_completed_orders_are_those_of_the_day() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        await asyncio.sleep(86400)
        assert await ib.reqExecutionsAsync() == []
        assert await ib.reqCompletedOrdersAsync(False) == []

    play(story)


def test_only_options_trade() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(INDEX, LimitOrder("BUY", 1, 2000.0, tif="DAY"))
        ib.placeOrder(put(1234, "P"), LimitOrder("BUY", 1, 2.0, tif="DAY"))
        await asyncio.sleep(1)
        assert stage.codes() == [201, 200]
        assert stage.market.contract(1).sec_type is SecType.INDEX  # type: ignore[union-attr]

    play(story)


PAYING = StockTerms("ETF", Payout(3.8, 4.0, date(2015, 3, 3), 0.93))
FUND = Stock("SPY", "SMART", "USD", conId=2)


def test_a_fund_tells_its_dividends_to_those_who_ask_and_an_index_an_option_and_a_combo_none() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        covered_call = bag((SPY, 1), (SPY_CALL, -1))
        tickers = [ib.reqMktData(c, "456") for c in (FUND, INDEX, wire(SHORT_PUT), covered_call)]
        other = await stage.client(2)
        plain = other.reqMktData(FUND)
        await asyncio.sleep(1)
        assert [t.dividends for t in tickers] == [Dividends(3.8, 4.0, date(2015, 3, 3), 0.93), None, None, None]
        assert plain.dividends is None
        assert plain.bid == 209.99
        assert stage.codes() == []

    play(story, market=with_stock(PAYING))


def test_a_dividend_that_changes_is_told_anew() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ticker = ib.reqMktData(FUND, "456")
        await asyncio.sleep(1)
        stage.market.stocks[2] = StockTerms("ETF", Payout(3.9, 4.1, date(2015, 6, 3), 0.97))
        await asyncio.sleep(301)
        assert ticker.dividends == Dividends(3.9, 4.1, date(2015, 6, 3), 0.97)

    play(story, market=with_stock(PAYING))


def test_a_snapshot_takes_no_generic_ticks() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.reqMktData(FUND, "456", True)
        await asyncio.sleep(1)
        assert stage.codes() == [321]

    play(story, market=with_stock(PAYING))


def test_details_tell_what_kind_of_stock_it_is_and_an_options_underlying() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        (fund,) = await ib.reqContractDetailsAsync(FUND)
        assert (fund.stockType, fund.contract.secType) == ("ETF", "STK")  # type: ignore[union-attr]
        (call,) = await ib.reqContractDetailsAsync(Contract(conId=20))
        assert (call.underConId, call.underSecType, call.underSymbol) == (2, "STK", "SPY")

    play(story, market=with_stock(PAYING))


def test_a_market_without_stocks_has_nothing_to_tell_of_them() -> None:
    async def story(stage: Stage) -> None:
        stage.gateway.market = HistoryLike(stage.market)  # type: ignore[assignment]
        ib = await stage.client()
        ticker = ib.reqMktData(FUND, "456")
        await asyncio.sleep(1)
        assert ticker.dividends is None
        assert ticker.bid == 209.99

    play(story, market=with_stock(PAYING))


class HistoryLike:
    """A market that has everything but `stock`."""

    def __init__(self, market: FlatMarket) -> None:
        self.contract, self.find, self.marks = market.contract, market.find, market.marks
        self.first_day, self.last_day = market.first_day, market.last_day
