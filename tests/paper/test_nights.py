"""Exercise, assignment and dividends as a client of the gateway sees them: overnight, by changed positions."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

from ib_async import IB, LimitOrder, MarketOrder, Stock

from tests.paper.flat import (
    LONG_PUT,
    OPEN,
    SPY,
    SPY_CALL,
    SPY_PUT,
    SPY_WING,
    FlatMarket,
    Stage,
    play,
    wire,
    with_stock,
)
from v6.model.contract import Contract
from v6.paper.ports import Dividend, StockTerms

D = Decimal
EXPIRY_NOON = datetime(2015, 3, 20, 16, 0, tzinfo=UTC)
EXPIRY_CLOSE = datetime(2015, 3, 20, 20, 0, tzinfo=UTC)
SATURDAY = datetime(2015, 3, 21, 6, 0, tzinfo=UTC)
"""Two in the morning in New York."""
SHARE = Stock("SPY", "SMART", "USD", conId=SPY.con_id)


def fund(*pays: Dividend) -> FlatMarket:
    market = with_stock(StockTerms("ETF"))
    market.pays = list(pays)
    return market


async def until(stage: Stage, moment: datetime) -> None:
    await asyncio.sleep((moment - stage.clock.now()).total_seconds())


def held_over_expiry(
    *holdings: tuple[Contract, int], then: Callable[[Stage, IB], Awaitable[None]], market: FlatMarket | None = None
) -> None:
    """Hold a position from the noon of its expiry day to the morning after."""

    async def story(stage: Stage) -> None:
        ib = await stage.client()
        for contract, quantity in holdings:
            stage.gateway.hold(contract, quantity, D("2.00"))
        await then(stage, ib)

    play(story, at=EXPIRY_NOON, market=market or fund())


def test_a_short_call_in_the_money_is_assigned_overnight_and_told_by_positions_alone() -> None:
    async def then(stage: Stage, ib: IB) -> None:
        heard: list[str] = []
        ib.execDetailsEvent += lambda trade, fill: heard.append("execution")
        cash = stage.gateway.ledger.cash
        await until(stage, SATURDAY.replace(hour=5, minute=59))
        assert stage.gateway.positions() == {SPY_CALL.con_id: -2}
        await until(stage, SATURDAY.replace(minute=1))
        assert stage.gateway.positions() == {SPY.con_id: -200}
        assert {(p.contract.symbol, p.contract.secType, p.position) for p in ib.positions()} == {("SPY", "STK", -200)}
        assert stage.gateway.ledger.cash - cash == 200 * 205
        assert heard == [], "no event"
        done = await ib.reqExecutionsAsync()
        told = [(f.contract.secType, f.execution.side, f.execution.shares, f.execution.price) for f in done]
        assert told == [("OPT", "BOT", 2, 0.0), ("STK", "SLD", 200, 205.0)]
        assert {(f.execution.orderId, f.execution.permId, f.execution.clientId) for f in done} == {(0, 0, 0)}
        assert len({f.execution.execId for f in done}) == 2
        assert [f.commissionReport.commission for f in done] == [0.0, 0.0]
        assert done[0].commissionReport.realizedPNL == 400.0, "the premium is realised on the option"

    held_over_expiry((SPY_CALL, -2), then=then)


def test_what_is_out_of_the_money_is_gone_overnight_without_an_execution() -> None:
    async def then(stage: Stage, ib: IB) -> None:
        await until(stage, SATURDAY.replace(minute=1))
        assert stage.gateway.positions() == {}
        assert ib.positions() == []
        assert stage.gateway.desk.executions == []
        assert stage.gateway.ledger.realized == D("-200") + D("400")

    held_over_expiry((SPY_PUT, 1), (SPY_WING, -2), then=then, market=at_price(209.0))


def at_price(price: float) -> FlatMarket:
    market = fund()
    market.quotes[SPY.con_id] = (price - 0.01, price + 0.01)
    return market


def test_a_spread_through_its_strikes_leaves_no_shares() -> None:
    async def then(stage: Stage, ib: IB) -> None:
        await until(stage, SATURDAY.replace(minute=1))
        assert stage.gateway.positions() == {}
        assert len(stage.gateway.desk.executions) == 4
        assert len({e.exec_id for e in stage.gateway.desk.executions}) == 4

    held_over_expiry((SPY_CALL, -1), (SPY_WING, 1), then=then, market=at_price(215.0))


def test_an_index_option_is_settled_in_cash_at_the_close_beside_it() -> None:
    async def then(stage: Stage, ib: IB) -> None:
        await until(stage, EXPIRY_CLOSE.replace(minute=1))
        assert LONG_PUT.con_id not in stage.gateway.positions()
        assert stage.gateway.positions() == {SPY_CALL.con_id: 1}

    held_over_expiry((LONG_PUT, 1), (SPY_CALL, 1), then=then)


def test_an_order_on_an_option_ends_with_its_trading_though_the_position_stays_until_the_night() -> None:
    async def then(stage: Stage, ib: IB) -> None:
        trade = ib.placeOrder(wire(SPY_CALL), LimitOrder("SELL", 1, 50.0, tif="GTC"))
        await until(stage, EXPIRY_CLOSE.replace(minute=1))
        assert trade.orderStatus.status == "Cancelled"
        assert stage.gateway.positions() == {SPY_CALL.con_id: 1}

    held_over_expiry((SPY_CALL, 1), then=then)


PAID = Dividend(date(2015, 3, 6), date(2015, 3, 31), D("0.92"))
BEFORE = datetime(2015, 3, 5, 16, 0, tzinfo=UTC)
NIGHT = datetime(2015, 3, 6, 7, 1, tzinfo=UTC)


def test_short_calls_are_assigned_on_the_eve_of_a_dividend_that_is_worth_more_than_the_put() -> None:
    async def story(stage: Stage) -> None:
        stage.gateway.hold(SPY_CALL, -1, D("5.00"))
        stage.gateway.hold(SPY_WING, -1, D("1.00"))
        await until(stage, NIGHT)
        assert stage.gateway.positions() == {SPY_WING.con_id: -1, SPY.con_id: -100}
        assert stage.gateway.ledger.accrued == -92, "who delivers shares he has not got owes the dividend"

    play(story, at=BEFORE, market=fund(PAID))


def test_a_dear_put_or_no_dividend_keeps_a_short_call_where_it_is() -> None:
    async def story(stage: Stage) -> None:
        stage.gateway.hold(SPY_CALL, -1, D("5.00"))
        await until(stage, NIGHT)
        assert stage.gateway.positions() == {SPY_CALL.con_id: -1}

    dear = fund(PAID)
    dear.quotes[SPY_PUT.con_id] = (1.0, 1.1)
    unlisted = fund(PAID)
    unlisted.listed.remove(SPY_PUT)
    for market in (fund(), dear, unlisted):
        play(story, at=BEFORE, market=market)


def test_a_dividend_accrues_overnight_to_whoever_holds_and_is_cash_on_its_day() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        stage.gateway.hold(SPY, 300, D("210.00"))
        cash, worth = stage.gateway.ledger.cash, stage.gateway.net_liquidation()
        await until(stage, NIGHT)
        assert (stage.gateway.ledger.cash, stage.gateway.ledger.accrued) == (cash, 276)
        assert stage.gateway.net_liquidation() == worth + 276
        summary = {v.tag: v.value for v in await ib.accountSummaryAsync()}
        assert summary["AccruedDividend"] == "276.00"
        ib.placeOrder(SHARE, MarketOrder("SELL", 300, tif="DAY"))
        await until(stage, datetime(2015, 3, 6, 16, 0, tzinfo=UTC))
        assert stage.gateway.positions() == {}, "sold after the ex-dividend day has opened: the dividend stays"
        before = stage.gateway.ledger.cash
        await until(stage, datetime(2015, 3, 31, 5, 0, tzinfo=UTC))
        assert stage.gateway.ledger.cash == before
        await until(stage, datetime(2015, 3, 31, 7, 0, tzinfo=UTC))
        assert (stage.gateway.ledger.cash - before, stage.gateway.ledger.accrued) == (276, 0)

    play(story, at=BEFORE, market=fund(PAID))


def test_who_is_short_of_shares_pays_the_dividend() -> None:
    async def story(stage: Stage) -> None:
        stage.gateway.hold(SPY, -100, D("210.00"))
        cash = stage.gateway.ledger.cash
        await until(stage, datetime(2015, 4, 1, 0, 0, tzinfo=UTC))
        assert stage.gateway.ledger.cash == cash - 92

    play(story, at=BEFORE, market=fund(PAID))


def test_an_owner_exercises_early_and_it_happens_overnight() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        stage.gateway.hold(SPY_CALL, 3, D("5.00"))
        ib.exerciseOptions(wire(SPY_CALL), 1, 2, "DU1234567", 0)
        await asyncio.sleep(2)
        assert stage.codes() == [399]
        assert stage.gateway.positions() == {SPY_CALL.con_id: 3}
        await until(stage, NIGHT)
        assert stage.gateway.positions() == {SPY_CALL.con_id: 1, SPY.con_id: 200}
        await asyncio.sleep(86_400)
        assert stage.gateway.positions() == {SPY_CALL.con_id: 1, SPY.con_id: 200}, "once"

    play(story, at=BEFORE, market=fund())


def test_an_owner_lets_a_call_in_the_money_lapse() -> None:
    async def then(stage: Stage, ib: IB) -> None:
        ib.exerciseOptions(wire(SPY_CALL), 2, 1, "DU1234567", 1)
        await until(stage, SATURDAY.replace(minute=1))
        assert stage.codes() == [399]
        assert stage.gateway.positions() == {SPY.con_id: 100}

    held_over_expiry((SPY_CALL, 2), then=then)


def test_an_exercise_that_makes_no_sense_is_refused_with_its_reason() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        stage.gateway.hold(SPY_CALL, 1, D("5.00"))
        stage.gateway.hold(SPY_PUT, 1, D("0.10"))
        stage.gateway.hold(LONG_PUT, 1, D("1.00"))
        for contract, action, quantity, account in (
            (SPY_CALL, 1, 2, "DU1234567"), (SPY_WING, 1, 1, "DU1234567"), (SPY_PUT, 1, 1, "DU1234567"),
            (SPY_CALL, 2, 1, "DU1234567"), (LONG_PUT, 1, 1, "DU1234567"), (SPY_CALL, 1, 1, "U7654321"),
        ):  # fmt: skip
            ib.exerciseOptions(wire(contract), action, quantity, account, 0)
        await asyncio.sleep(2)
        assert stage.codes() == [322, 322, 322, 322, 322, 321]
        reasons = [text for _, code, text in stage.errors if code == 322]
        assert all("No unlapsed position" in text for text in reasons[:2])
        assert "out of the money" in reasons[2]
        assert "in the money is not lapsed" in reasons[3]
        assert "European" in reasons[4]
        await asyncio.sleep(86_400)
        assert SPY.con_id not in stage.gateway.positions()

    play(story, at=OPEN, market=fund())


def test_shares_are_bought_at_the_ask_for_half_a_cent_each_and_a_dollar_at_least() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        small = ib.placeOrder(SHARE, MarketOrder("BUY", 10, tif="DAY"))
        large = ib.placeOrder(SHARE, LimitOrder("BUY", 400, 210.01, tif="DAY"))
        await asyncio.sleep(60)
        assert {f.execution.price for f in small.fills + large.fills} == {210.01}
        assert {f.execution.exchange for f in small.fills} == {"ARCA"}
        assert [sum(f.commissionReport.commission for f in t.fills) for t in (small, large)] == [1.0, 2.0]
        assert stage.gateway.positions() == {SPY.con_id: 410}

    play(story, market=fund(), cash=200_000)


def test_a_night_that_comes_a_little_early_does_not_pay_twice() -> None:
    async def story(stage: Stage) -> None:
        stage.gateway.hold(SPY, 100, D("210.00"))
        await until(stage, NIGHT.replace(minute=0) - timedelta(milliseconds=1))
        stage.gateway.nights.run(stage.clock.now())
        assert stage.gateway.ledger.accrued == 92
        await until(stage, NIGHT)
        assert stage.gateway.ledger.accrued == 92

    play(story, at=BEFORE, market=fund(PAID))
