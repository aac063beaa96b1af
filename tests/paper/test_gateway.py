import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from ib_async import IB, Index, LimitOrder

from tests.paper.flat import (
    CONDOR,
    LONG_CALL,
    LONG_PUT,
    OPEN,
    SHORT_CALL,
    SHORT_PUT,
    FlatMarket,
    Stage,
    bag,
    play,
    weekdays,
    wire,
)
from v6.paper.gateway import PaperGateway

INDEX = Index("SPX", "CBOE", "USD", conId=1)


def test_steps_fall_on_multiples_of_the_step_from_the_opening_in_one_call_of_the_market() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        for contract in (SHORT_PUT, LONG_PUT, SHORT_CALL):
            ib.reqMktData(wire(contract))
        at: list[float] = []
        ib.pendingTickersEvent += lambda _: at.append((stage.clock.now() - OPEN).total_seconds())
        await asyncio.sleep(1)
        at.clear()
        stage.market.calls = 0
        for i in range(3):
            stage.market.quotes |= {10: (1.0 + i, 9.0), 11: (2.0 + i, 9.0), 12: (3.0 + i, 9.0)}
            await asyncio.sleep(300)
        assert at == [pytest.approx(300), pytest.approx(600), pytest.approx(900)]
        assert stage.market.calls == 3

    play(story, at=OPEN + timedelta(seconds=77))


def test_no_ticks_come_while_the_market_is_closed_and_the_opening_brings_all() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ticker = ib.reqMktData(wire(SHORT_PUT))
        await asyncio.sleep(1)
        assert (ticker.hasBidAsk(), ticker.close) == (False, 1.0)
        await asyncio.sleep(3600)
        assert (ticker.bid, ticker.ask) == (2.0, 2.3)

    play(story, at=OPEN - timedelta(hours=1))


def test_frozen_quotes_can_be_asked_for_and_are_live_again_from_the_opening() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.reqMarketDataType(2)
        ticker = ib.reqMktData(wire(SHORT_PUT))
        await asyncio.sleep(1)
        assert (ticker.bid, ticker.marketDataType) == (2.0, 2)
        await asyncio.sleep(3600)
        assert ticker.marketDataType == 1
        await asyncio.sleep(7 * 3600)
        assert ticker.marketDataType == 2

    play(story, at=OPEN - timedelta(hours=1))


def test_summaries_and_profit_and_loss_follow_the_account() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        summary = {v.tag: v.value for v in await ib.accountSummaryAsync()}
        assert summary["NetLiquidation"] == "100000.00"
        total, single = ib.reqPnL("DU1234567"), ib.reqPnLSingle("DU1234567", "", 11)
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        await asyncio.sleep(300)
        assert (total.unrealizedPnL, total.realizedPnL) == (pytest.approx(-55), 0)
        assert total.dailyPnL == pytest.approx(-55)
        assert single.position == -1
        assert single.unrealizedPnL == pytest.approx(-15 - 1.25)
        assert stage.gateway.net_liquidation() == Decimal("99945")

    play(story)


def test_the_day_begins_at_the_close_of_the_day_before() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        await asyncio.sleep(86400)
        assert stage.gateway.net_liquidation() == Decimal("99945")
        total = ib.reqPnL("DU1234567")
        await asyncio.sleep(1)
        assert (total.dailyPnL, total.unrealizedPnL) == (0, pytest.approx(-55))
        stage.market.quotes[11] = (2.1, 2.4)
        await asyncio.sleep(300)
        assert total.dailyPnL == pytest.approx(-10)

    play(story)


def test_what_each_contract_makes_in_a_day_adds_up_to_what_the_account_makes() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        await asyncio.sleep(86400)
        total = ib.reqPnL("DU1234567")
        parts = [
            ib.reqPnLSingle("DU1234567", "", c.conId) for c in map(wire, (LONG_PUT, SHORT_PUT, SHORT_CALL, LONG_CALL))
        ]
        await asyncio.sleep(1)
        assert [p.dailyPnL for p in parts] == [0, 0, 0, 0]
        stage.market.quotes |= {10: (1.4, 1.6), 11: (2.4, 2.6)}
        ib.placeOrder(wire(SHORT_PUT), LimitOrder("BUY", 1, 3.0, tif="DAY"))
        await asyncio.sleep(600)
        put, short = parts[0], parts[1]
        assert put.dailyPnL == pytest.approx(100 * (1.5 - 1.1))
        assert (short.position, short.value, short.unrealizedPnL) == (0, 0, 0)
        assert short.dailyPnL == pytest.approx(100 * (2.15 - 2.6) - 1.25)
        assert sum(p.dailyPnL for p in parts) == pytest.approx(total.dailyPnL)

    play(story)


def test_account_values_come_again_at_steps_when_they_have_changed() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        await asyncio.sleep(2)
        seen: list[str] = []
        ib.accountValueEvent += lambda value: seen.append(value.tag)
        await asyncio.sleep(600)
        seen.clear()
        stage.market.quotes[11] = (2.1, 2.4)
        await asyncio.sleep(300)
        assert "NetLiquidation" in seen
        assert "CashBalance" not in seen
        (short,) = [p for p in ib.portfolio() if p.contract.conId == 11]
        assert (short.marketPrice, short.averageCost) == (2.25, 198.75)
        assert short.unrealizedPNL == pytest.approx(198.75 - 225)

    play(story)


def test_a_gateway_that_is_restarted_still_knows_its_orders_and_positions() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -3.5, tif="GTC", orderRef="v6-gtc"))
        await asyncio.sleep(1)
        await stage.gateway.stop()
        await asyncio.sleep(86400)
        stage.port = await stage.gateway.start("127.0.0.1", 0)
        assert not ib.isConnected()
        ib = await stage.client()
        assert [t.order.orderRef for t in ib.openTrades()] == ["v6-gtc"]
        assert {p.contract.conId: p.position for p in ib.positions()} == {10: 1, 11: -1, 12: -1, 13: 1}
        await asyncio.sleep(20 * 86400)
        assert stage.gateway.positions() == {}

    play(story)


def test_expired_options_settle_in_cash_and_vanish_without_an_execution() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        await asyncio.sleep(60)
        fills, cash = len(ib.fills()), stage.gateway.ledger.cash
        stage.market.spot = 1990.0
        open_order = ib.placeOrder(bag(*CONDOR), LimitOrder("SELL", 1, -1.0, tif="GTC"))
        await asyncio.sleep((datetime(2015, 3, 20, 20, 0, tzinfo=UTC) - stage.clock.now()).total_seconds() + 1)
        assert stage.gateway.positions() == {}
        assert stage.gateway.ledger.cash == cash - 1000
        assert ib.positions() == ib.portfolio() == []
        assert len(ib.fills()) == fills
        assert open_order.orderStatus.status == "Cancelled"
        assert {v.tag: v.value for v in ib.accountValues()}["TotalCashValue"] == f"{cash - 1000:.2f}"

    play(story)


def test_the_gateway_lives_on_without_clients_and_past_the_end_of_the_market() -> None:
    async def story(stage: Stage) -> None:
        await asyncio.sleep(90 * 86400)
        await stage.client()

    play(story)


def test_the_same_gateway_serves_a_real_socket() -> None:
    class Still:
        def now(self) -> datetime:
            return OPEN

    async def main() -> None:
        market = FlatMarket()
        gateway = PaperGateway(market, clock=Still(), cash=Decimal(100_000), seed=1, step_s=60, calendar=weekdays())
        port = await gateway.start("127.0.0.1", 0)
        ib = IB()
        await ib.connectAsync("127.0.0.1", port, clientId=1, timeout=30, raiseSyncErrors=True)
        trade = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        await asyncio.wait_for(trade.filledEvent, 30)
        assert gateway.positions() == {10: 1, 11: -1, 12: -1, 13: 1}
        ib.disconnect()
        await gateway.stop()

    asyncio.run(main())


def test_the_books_of_many_lines_are_sent_in_one_write() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        for contract in (SHORT_PUT, LONG_PUT, SHORT_CALL, LONG_CALL):
            ib.reqMktData(wire(contract))
        await asyncio.sleep(1)
        writes: list[int] = []
        (session,) = stage.gateway.sessions
        send = session.send
        session.send = lambda message: (writes.append(len(message)), send(message))[1]  # type: ignore[method-assign]
        stage.market.quotes = {n: ((bid or 0) + 0.1, ask + 0.1) for n, (bid, ask) in stage.market.quotes.items()}
        await asyncio.sleep(300)
        assert len([n for n in writes if n > 1000]) == 1

    play(story)
