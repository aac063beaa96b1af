import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import ib_async
import pytest

from tests.ib.stage import CONDOR, Desk, Stage, play, ticket
from tests.paper.flat import EXPIRY, FAR, LONG_PUT, SHORT_PUT, SPX
from v6.errors import BrokerError
from v6.ib.health import LinkState
from v6.ib.orders import _completed, _listed
from v6.model.contract import Leg, SecType, Side
from v6.model.order import Fill
from v6.model.position import Structure, StructureKind
from v6.paper.fields import error
from v6.paper.session import Session
from v6.ports import BrokerStatus, CommissionReport, OrderReport, Ticket


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


def reports(desk: Desk) -> list[OrderReport]:
    return [event for event in desk.heard if isinstance(event, OrderReport)]


async def say(stage: Stage, code: int, number: int = -1) -> None:
    """Let the gateway send an error message, and wait until it has arrived."""
    stage.gateway.sessions[0].send(error(number, code, f"text of {code}"))
    await asyncio.sleep(0.01)


def test_a_half_open_link_is_found_by_its_silence_and_closed() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        stage.gateway.sessions[0].data_received = lambda _: None  # type: ignore[method-assign]
        began = stage.clock.now()
        with pytest.raises(BrokerError, match="half open"):
            await desk.link.server_time()
        assert stage.clock.now() - began <= timedelta(seconds=4)
        assert desk.link.state is LinkState.DOWN
        assert not desk.link.ib.isConnected()

    play(story)


def test_a_gateway_that_says_nothing_after_hello_is_no_connection(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Session, "_request", lambda *_: None)

    async def story(stage: Stage) -> None:
        desk = stage.desk()
        with pytest.raises(BrokerError, match="timed out") as caught:
            await desk.link.connect()
        assert "farm" not in str(caught.value), "that a data farm is well is never the reason"
        assert desk.link.state is LinkState.DOWN

    play(story)


def test_a_refused_start_up_question_is_the_brokers_error(monkeypatch: pytest.MonkeyPatch) -> None:
    answer = Session._request

    def refuse_executions(self: Session, fields: list[str]) -> None:
        if fields[0] == "7":
            self.send(error(int(fields[2]), 162, "no executions today"))
        else:
            answer(self, fields)

    monkeypatch.setattr(Session, "_request", refuse_executions)

    async def story(stage: Stage) -> None:
        desk = stage.desk()
        with pytest.raises(BrokerError, match="no executions today"):
            await desk.link.connect()
        assert desk.link.state is LinkState.DOWN

    play(story)


QUESTIONS: dict[str, Callable[[Desk], Awaitable[object]]] = {
    "once": lambda desk: desk.feed.once([LONG_PUT]),
    "index": lambda desk: desk.feed.index("SPX", SecType.INDEX, "CBOE"),
    "expiries": lambda desk: desk.feed.expiries(SPX, "SPXW"),
    "options": lambda desk: desk.feed.options("SPX", "SPXW", EXPIRY),
    "closes": lambda desk: desk.feed.closes(SPX, "1 Y", date(2015, 3, 2)),
    "positions": lambda desk: desk.broker.positions(),
    "evidence": lambda desk: desk.broker.evidence(),
    "time": lambda desk: desk.link.server_time(),
}


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_question_on_a_dead_connection_is_the_brokers_error(name: str) -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        stage.gateway.sessions[0].close()
        await asyncio.sleep(1)
        with pytest.raises(BrokerError):
            await QUESTIONS[name](desk)

    play(story)


@pytest.mark.parametrize("name", QUESTIONS)
def test_a_connection_that_dies_under_a_question_is_the_brokers_error(name: str) -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        stage.gateway.sessions[0].data_received = lambda _: None  # type: ignore[method-assign]
        asyncio.get_running_loop().call_later(1, stage.gateway.sessions[0].close)
        with pytest.raises(BrokerError):
            await QUESTIONS[name](desk)

    play(story)


def test_lines_and_orders_on_a_dead_connection_are_the_brokers_error() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([LONG_PUT])
        stage.gateway.sessions[0].close()
        await asyncio.sleep(1)
        with pytest.raises(BrokerError, match="market data"):
            desk.feed.stream([LONG_PUT, SHORT_PUT])
        with pytest.raises(BrokerError):
            desk.broker.next_order_id()

    play(story)


def test_one_contract_without_an_answer_costs_the_others_nothing() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        unknown = replace(LONG_PUT, con_id=999, strike=Decimal(17))
        assert list(await desk.feed.once([unknown, LONG_PUT])) == [LONG_PUT.con_id]
        with pytest.raises(BrokerError, match="200"):
            await desk.feed.once([unknown])

    play(story)


def test_asked_quotes_leave_nothing_behind_in_the_client() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([SHORT_PUT])
        for _ in range(3):
            await desk.feed.once([LONG_PUT, SHORT_PUT, FAR])
        wrapper = desk.link.ib.wrapper
        assert [t.contract.conId for t in wrapper.tickers.values()] == [SHORT_PUT.con_id]
        assert {t.contract.conId for t in wrapper.reqId2Ticker.values()} == {SHORT_PUT.con_id}
        stage.market.quotes[SHORT_PUT.con_id] = (2.5, 2.8)
        await asyncio.sleep(10)
        assert desk.feed.quotes()[SHORT_PUT.con_id].bid == 2.5, "the line that was open goes on"

    play(story)


def test_a_late_tick_of_a_closed_line_is_not_a_quote() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([LONG_PUT])
        await asyncio.sleep(1)
        old = next(iter(desk.link.ib.wrapper.tickers.values()))
        desk.feed.stream([])
        desk.feed.stream([LONG_PUT])
        desk.link.ib.pendingTickersEvent.emit({old})
        assert desk.feed.quotes() == {}
        await asyncio.sleep(1)
        assert list(desk.feed.quotes()) == [LONG_PUT.con_id]

    play(story)


@pytest.mark.parametrize("codes", [(1100, 1101), (2103, 2104)])
def test_after_a_gap_every_line_is_opened_anew(codes: tuple[int, ...]) -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        told: list[str] = []
        desk.link.on_restored(lambda: told.append("restored"))
        desk.feed.stream([LONG_PUT])
        await asyncio.sleep(1)
        await say(stage, codes[0])
        assert told == []
        await say(stage, codes[1])
        assert told == ["restored"]
        assert (desk.feed.lines(), desk.feed.quotes()) == (0, {}), "a dead line cannot be told from a quiet one"
        desk.feed.stream([LONG_PUT])
        await asyncio.sleep(1)
        assert desk.feed.quotes()[LONG_PUT.con_id].bid == 1.0
        assert desk.link.state is LinkState.HEALTHY

    play(story)


def test_a_farm_that_was_never_broken_is_no_news() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([LONG_PUT])
        await say(stage, 2104)
        assert desk.feed.lines() == 1

    play(story)


def test_without_ibs_servers_nothing_is_sent_and_nothing_confirmed() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        loaded = stage.clock.now()
        await say(stage, 1100)
        assert desk.link.state is LinkState.BROKEN
        assert not desk.broker.healthy()
        await asyncio.sleep(60)
        desk.feed.confirm(await desk.link.server_time())
        value = desk.feed.account_value("NetLiquidation")
        assert value is not None
        assert value[1] <= loaded + timedelta(seconds=1), "the gateway still answers, and knows nothing new"
        await say(stage, 1102)
        desk.feed.confirm(stage.clock.now())
        assert desk.feed.account_value("NetLiquidation") == (100_000.0, stage.clock.now())

    play(story)


def test_account_values_in_other_currencies_and_of_other_accounts_are_none_of_ours() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        emit = desk.link.ib.accountValueEvent.emit
        for account, currency, model in (
            ("DU1234567", "EUR", ""),
            ("DU1234567", "BASE", ""),
            ("DU1234567", "USD", "model"),
            ("DU7", "USD", ""),
        ):
            emit(ib_async.AccountValue(account, "NetLiquidation", "5.0", currency, model))
        assert desk.feed.account_value("NetLiquidation") == (100_000.0, stage.clock.now())
        emit(ib_async.AccountValue("DU1234567", "NetLiquidation", "99000.5", "USD", ""))
        assert desk.feed.account_value("NetLiquidation") == (99_000.5, stage.clock.now())

    play(story)


@pytest.mark.parametrize("text", ["1.7976931348623157E308", "NaN", "Infinity", "", "n/a"])
def test_an_account_value_that_is_taken_back_is_missing(text: str) -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        value = ib_async.AccountValue("DU1234567", "NetLiquidation", text, "USD", "")
        desk.link.ib.accountValueEvent.emit(value)
        assert desk.feed.account_value("NetLiquidation") is None

    play(story)


def test_the_bar_of_a_session_under_way_is_no_close() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()

        async def answer(*_: object) -> list[ib_async.BarData]:
            days = [(27, 2104.5), (28, -1.0), (29, float("nan")), (30, 2086.2), (31, 2067.9)]
            return [ib_async.BarData(date=date(2015, 3, day), close=close) for day, close in days]

        desk.link.ask = answer  # type: ignore[method-assign, assignment]
        closes = await desk.feed.closes(SPX, "1 M", date(2015, 3, 31))
        assert closes == {date(2015, 3, 27): 2104.5, date(2015, 3, 30): 2086.2}

    play(story)


@pytest.mark.parametrize("code", [10349, 321, 460])
def test_an_order_that_lives_on_after_an_error_is_doubted_found_and_still_cancelled(code: int) -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        order_id = desk.broker.next_order_id()
        desk.broker.place(ticket("v6-a", order_id, "-5.00"))
        await asyncio.sleep(1)
        assert reports(desk)[-1].status is BrokerStatus.WORKING
        await say(stage, code, order_id)
        assert reports(desk)[-1].status is BrokerStatus.DOUBTFUL
        (found,) = [event for event in await desk.broker.evidence() if isinstance(event, OrderReport)]
        assert (found.order_ref, found.status) == ("v6-a", BrokerStatus.WORKING), "it was listed as open since"
        desk.broker.cancel(order_id)
        await asyncio.sleep(1)
        assert [order.status for order in stage.gateway.orders()] == ["Cancelled"]
        (found,) = [event for event in await desk.broker.evidence() if isinstance(event, OrderReport)]
        assert found.status is BrokerStatus.CANCELLED

    play(story)


def test_an_order_that_only_ib_async_calls_cancelled_is_cancelled_for_real() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        order_id = desk.broker.next_order_id()
        desk.broker.place(ticket("v6-a", order_id, "-5.00"))
        await asyncio.sleep(1)
        await say(stage, 10349, order_id)
        assert [trade.orderStatus.status for trade in desk.link.ib.trades()] == ["Cancelled"]
        assert [order.status for order in stage.gateway.orders()] == ["Submitted"]
        desk.broker.cancel(order_id)
        await asyncio.sleep(1)
        assert [order.status for order in stage.gateway.orders()] == ["Cancelled"]

    play(story)


def unheard(status: str, code: int = 0) -> ib_async.Trade:
    """Return a trade with the status that ib_async has given it; a code makes it an inferred one."""
    order = ib_async.Order(orderId=5, orderRef="v6-x", permId=9)
    log = [ib_async.TradeLogEntry(None, status, "text", code)] if code else []  # type: ignore[arg-type]
    return ib_async.Trade(ib_async.Contract(secType="BAG"), order, ib_async.OrderStatus(status=status), [], log)


@pytest.mark.parametrize("status", ["PendingSubmit", "PendingCancel", "ApiPending", "PreSubmitted"])
def test_an_order_that_is_listed_as_open_exists_whatever_its_status(status: str) -> None:
    report = _listed(unheard(status), 1, None)
    assert report is not None
    assert (report.order_ref, report.status, report.filled) == ("v6-x", BrokerStatus.WORKING, 1)


def test_an_error_during_the_question_keeps_the_doubt() -> None:
    trade = unheard("Cancelled", 10349)
    before, during = _listed(trade, 0, trade.log[-1]), _listed(trade, 0, None)
    assert before is not None
    assert during is not None
    assert (before.status, during.status) == (BrokerStatus.WORKING, BrokerStatus.DOUBTFUL)


def test_a_completed_order_works_no_more_whatever_its_status() -> None:
    for status in ("Inactive", "Cancelled", "ApiCancelled"):
        report = _completed(unheard(status), 1)
        assert report is not None
        assert (report.status, report.filled) == (BrokerStatus.CANCELLED, 1), status
    filled = _completed(unheard("Filled"), 2)
    assert filled is not None
    assert filled.status is BrokerStatus.FILLED


def test_a_position_that_goes_amid_the_answer_is_gone() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()

        async def answer(*_: object) -> list[ib_async.Position]:
            contracts = [ib_async.Contract(conId=n) for n in (10, 11, 10)]
            return [ib_async.Position("DU", c, float(q), 0.0) for c, q in zip(contracts, (1, -1, 0), strict=True)]

        desk.link.ask = answer  # type: ignore[method-assign, assignment]
        assert await desk.broker.positions() == {11: -1}

    play(story)


def test_two_questions_of_a_kind_at_once_both_get_their_answer() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        began = stage.clock.now()
        await asyncio.gather(desk.broker.evidence(), desk.broker.evidence(), desk.broker.positions())
        assert stage.clock.now() - began < timedelta(seconds=5)

    play(story)


def test_a_single_short_leg_is_bought_by_selling_it() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        long, short = (Structure(StructureKind.SINGLE, "SPX", (Leg(LONG_PUT, ratio),)) for ratio in (1, -1))

        async def held_after(structure: Structure, side: Side, limit: str) -> dict[int, int]:
            order_id = desk.broker.next_order_id()
            desk.broker.place(Ticket(f"v6-{order_id}", order_id, structure, side, 1, Decimal(limit)))
            await asyncio.sleep(5)
            assert reports(desk)[-1].status is BrokerStatus.FILLED
            return stage.gateway.positions()

        assert await held_after(long, Side.BUY, "1.20") == {10: 1}
        assert await held_after(short, Side.BUY, "-1.00") == {}
        assert await held_after(short, Side.SELL, "-1.20") == {10: 1}
        assert await held_after(long, Side.SELL, "1.00") == {}

    play(story)


def test_a_connection_lost_under_a_working_order_is_recovered_with_the_truth() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        order_id = desk.broker.next_order_id()
        desk.broker.place(ticket("v6-a", order_id, "-5.00", 2))
        await asyncio.sleep(1)
        stage.gateway.sessions[0].close()
        await asyncio.sleep(1)
        assert not desk.broker.healthy()
        stage.market.quotes.update({10: (0.1, 0.2), 11: (3.0, 3.1), 12: (4.0, 4.1), 13: (0.1, 0.2)})
        await asyncio.sleep(30)
        again = await stage.connected()
        assert stage.gateway.positions() == {10: 2, 11: -2, 12: -2, 13: 2} == await again.broker.positions()
        found = await again.broker.evidence()
        (report,) = [event for event in found if isinstance(event, OrderReport)]
        assert (report.order_ref, report.status, report.filled) == ("v6-a", BrokerStatus.FILLED, 2)
        held: dict[int, int] = {}
        for fill in found:
            if isinstance(fill, Fill):
                held[fill.con_id] = held.get(fill.con_id, 0) + fill.quantity
                assert fill.commission is not None
                assert fill.at.utcoffset() == timedelta(0)
                assert abs(fill.at - stage.clock.now()) < timedelta(minutes=1)
        assert held == stage.gateway.positions()
        assert again.broker.next_order_id() > order_id

    play(story)
