import asyncio
from decimal import Decimal

import pytest

from tests.ib.stage import CONDOR, Stage, play, ticket
from tests.paper.flat import EXPIRY, FAR, LONG_PUT, SHORT_PUT, SPX
from v6.errors import BrokerError
from v6.ib.link import LinkState
from v6.model.contract import SecType, Side
from v6.model.order import Fill
from v6.ports import BrokerStatus, CommissionReport, OrderReport


def test_a_connection_is_healthy_and_knows_its_account() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        assert desk.link.state is LinkState.HEALTHY
        assert desk.link.account == "DU1234567"
        assert abs((await desk.link.server_time() - stage.clock.now()).total_seconds()) <= 1
        assert desk.feed.account_value("NetLiquidation") == (100_000.0, stage.clock.now())

    play(story)


def test_a_live_account_is_refused() -> None:
    async def story(stage: Stage) -> None:
        desk = stage.desk()
        with pytest.raises(BrokerError, match="live account"):
            await desk.link.connect()
        assert desk.link.state is LinkState.DOWN

    play(story, account="U7654321")


def test_nobody_there_is_an_error_with_the_address() -> None:
    async def story(stage: Stage) -> None:
        with pytest.raises(BrokerError, match=r"cannot connect to 127\.0\.0\.1:1"):
            await stage.desk(account_port=1).link.connect()

    play(story)


def test_a_client_id_in_use_is_told_in_the_brokers_words() -> None:
    async def story(stage: Stage) -> None:
        first = await stage.connected(1)
        with pytest.raises(BrokerError, match="326"):
            await stage.desk(1).link.connect()
        assert first.link.state is LinkState.HEALTHY

    play(story)


def test_a_dropped_link_is_down_and_sends_nothing() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        stage.gateway.sessions[0].close()
        await asyncio.sleep(1)
        assert desk.link.state is LinkState.DOWN
        assert not desk.broker.healthy()
        with pytest.raises(BrokerError):
            desk.broker.place(ticket("v6-a", 1, "-2.20"))
        assert stage.gateway.order_refs_placed == {}

    play(story)


def test_lines_are_opened_and_closed_exactly_as_wanted() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([LONG_PUT, SHORT_PUT])
        assert desk.feed.quotes() == {}, "no tick of this subscription has come yet"
        await asyncio.sleep(1)
        quotes = desk.feed.quotes()
        assert {c: (q.bid, q.ask) for c, q in quotes.items()} == {10: (1.0, 1.2), 11: (2.0, 2.3)}
        assert quotes[10].greeks is not None
        desk.feed.stream([SHORT_PUT])
        assert (list(desk.feed.quotes()), desk.feed.lines()) == ([11], 1)
        stage.market.quotes[11] = (2.5, 2.8)
        await asyncio.sleep(10)
        assert desk.feed.quotes()[11].bid == 2.5

    play(story)


def test_a_closed_line_is_closed_at_the_gateway_too() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([LONG_PUT, SHORT_PUT])
        await asyncio.sleep(1)
        desk.feed.stream([])
        await asyncio.sleep(1)
        asked = stage.market.calls
        await asyncio.sleep(60)
        assert stage.market.calls == asked, "the gateway prices only what somebody watches"

    play(story)


def test_no_order_is_queued_behind_other_requests() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        await asyncio.sleep(5)
        for _ in range(100):
            desk.link.ib.client.reqCurrentTime()
        assert not desk.broker.healthy()
        with pytest.raises(BrokerError, match="queue"):
            desk.broker.place(ticket("v6-a", 1, "-2.20"))
        await asyncio.sleep(5)
        assert desk.broker.healthy()
        assert stage.gateway.order_refs_placed == {}

    play(story)


def test_a_snapshot_quote_is_fresh_and_leaves_no_line() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        first = await desk.feed.once([LONG_PUT, FAR])
        assert {c: q.bid for c, q in first.items()} == {10: 1.0, 14: 6.0}
        assert desk.feed.lines() == 0
        stage.market.quotes[10] = (None, 0.10)
        again = await desk.feed.once([LONG_PUT])
        assert (again[10].bid, again[10].ask) == (0.0, 0.10)

    play(story)


def test_old_ticks_count_for_nothing_after_a_reconnect() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([LONG_PUT])
        await asyncio.sleep(1)
        desk.link.disconnect()
        desk.feed.forget_lines()
        await asyncio.sleep(1)
        await desk.link.connect()
        assert desk.feed.quotes() == {}
        desk.feed.stream([LONG_PUT])
        await asyncio.sleep(1)
        assert desk.feed.quotes()[10].bid == 1.0

    play(story)


def test_the_chain_is_found_by_its_trading_class() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        spx = await desk.feed.index("SPX", SecType.INDEX, "CBOE")
        assert spx.con_id == SPX.con_id
        assert EXPIRY in await desk.feed.expiries(spx, "SPXW")
        assert await desk.feed.expiries(spx, "NONE") == []
        options = await desk.feed.options("SPX", "SPXW", EXPIRY)
        assert options[(1950.0, "P")] == LONG_PUT
        with pytest.raises(BrokerError):
            await desk.feed.index("NOPE", SecType.INDEX, "CBOE")

    play(story)


def test_a_bag_fills_and_every_word_of_it_is_passed_on() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.broker.place(ticket("v6-a", desk.broker.next_order_id(), "-2.20", 2))
        await asyncio.sleep(5)
        fills = [event for event in desk.heard if isinstance(event, Fill)]
        reports = [event for event in desk.heard if isinstance(event, OrderReport)]
        fees = [event for event in desk.heard if isinstance(event, CommissionReport)]
        held: dict[int, int] = {}
        for fill in fills:
            held[fill.con_id] = held.get(fill.con_id, 0) + fill.quantity
        assert held == {10: 2, 11: -2, 12: -2, 13: 2} == stage.gateway.positions() == await desk.broker.positions()
        assert sum(fill.price * fill.quantity for fill in fills) / 2 == Decimal("-2.2")
        assert (reports[-1].status, reports[-1].filled) == (BrokerStatus.FILLED, 2)
        assert {fee.exec_id for fee in fees} == {fill.exec_id for fill in fills}

    play(story)


def test_a_working_order_is_repriced_and_cancelled() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        order_id = desk.broker.next_order_id()
        desk.broker.place(ticket("v6-a", order_id, "-5.00"))
        await asyncio.sleep(1)
        desk.broker.reprice(ticket("v6-a", order_id, "-4.50"))
        await asyncio.sleep(1)
        assert stage.gateway.order_refs_placed == {"v6-a": 1}
        desk.broker.cancel(order_id)
        await asyncio.sleep(1)
        last = [event for event in desk.heard if isinstance(event, OrderReport)][-1]
        assert (last.status, last.filled) == (BrokerStatus.CANCELLED, 0)
        desk.broker.cancel(order_id)
        desk.broker.reprice(ticket("v6-a", order_id, "-4.00"))
        await asyncio.sleep(1)
        assert stage.gateway.positions() == {}

    play(story)


def test_a_price_off_the_grid_is_a_rejection_with_its_text() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.broker.place(ticket("v6-a", desk.broker.next_order_id(), "-2.23"))
        await asyncio.sleep(1)
        last = [event for event in desk.heard if isinstance(event, OrderReport)][-1]
        assert last.status is BrokerStatus.REJECTED
        assert "110" in last.text

    play(story)


def test_a_new_connection_finds_what_happened_while_it_was_away() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.broker.place(ticket("v6-filled", desk.broker.next_order_id(), "-2.20"))
        desk.broker.place(ticket("v6-works", desk.broker.next_order_id(), "-5.00"))
        await asyncio.sleep(0)
        desk.link.disconnect()
        await asyncio.sleep(20)
        again = await stage.connected()
        found = await again.broker.evidence()
        reports = {event.order_ref: event for event in found if isinstance(event, OrderReport)}
        assert reports["v6-filled"].status is BrokerStatus.FILLED
        assert reports["v6-filled"].filled == 1, "a completed order says 0; its executions count"
        assert reports["v6-works"].status is BrokerStatus.WORKING
        fills = [event for event in found if isinstance(event, Fill)]
        assert {fill.con_id: fill.quantity for fill in fills} == {10: 1, 11: -1, 12: -1, 13: 1}
        assert all(fill.order_ref == "v6-filled" and fill.commission is not None for fill in fills)

    play(story)


def test_order_ids_never_roll_back() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.broker.raise_order_id(5000)
        first = desk.broker.next_order_id()
        assert first == 5001
        assert desk.broker.next_order_id() > first
        desk.link.disconnect()
        await asyncio.sleep(1)
        await desk.link.connect()
        assert desk.broker.next_order_id() > first + 1

    play(story)


def test_orders_of_others_are_not_ours() -> None:
    async def story(stage: Stage) -> None:
        ours, other = await stage.connected(1), await stage.connected(2)
        other.broker.place(ticket("", other.broker.next_order_id(), "-2.20", side=Side.BUY))
        await asyncio.sleep(5)
        assert ours.heard == []
        assert [e for e in await ours.broker.evidence() if isinstance(e, Fill | OrderReport)] == []
        assert await ours.broker.positions() == {10: 1, 11: -1, 12: -1, 13: 1}

    play(story)


def test_the_brokers_own_profit_is_kept_by_contract() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.broker.place(ticket("v6-a", desk.broker.next_order_id(), "-2.20"))
        await asyncio.sleep(200)
        assert set(desk.feed.unrealized()) == {leg.contract.con_id for leg in CONDOR.legs}

    play(story)
