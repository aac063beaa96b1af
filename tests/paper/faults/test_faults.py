"""The rows of the fault matrix that the wire can show, each seen by an unmodified ib_async."""

import asyncio
from typing import Any

import pytest
from ib_async import IB, LimitOrder, Trade

from tests.paper.flat import CONDOR, LONG_PUT, SHORT_PUT, Stage, bag, play, wire


def buy(ib: IB, price: float = 2.3, quantity: int = 1, ref: str = "v6-a") -> Trade:
    return ib.placeOrder(wire(SHORT_PUT), LimitOrder("BUY", quantity, price, tif="DAY", orderRef=ref))


def line(do: str, *, when: str) -> str:
    return f"  - {{id: x, when: {{{when}}}, do: {{{do}}}}}"


def statuses(trade: Trade) -> list[str]:
    return [entry.status for entry in trade.log]


def test_an_order_that_is_swallowed_stays_pending_for_ever_and_is_nowhere() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        lost, taken = buy(ib, ref="v6-lost"), buy(ib, ref="v6-taken")
        await asyncio.sleep(600)
        assert (lost.orderStatus.status, taken.orderStatus.status) == ("PendingSubmit", "Filled")
        assert list(stage.gateway.order_refs_placed) == ["v6-taken"]

    play(story, faults=line("drop: true", when="asked: placeOrder, times: 1"))


def test_an_order_whose_status_is_never_told_is_filled_all_the_same() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = buy(ib)
        await asyncio.sleep(60)
        assert trade.orderStatus.status == "PendingSubmit"
        assert [f.execution.shares for f in trade.fills] == [1]
        assert stage.gateway.positions() == {11: 1}

    play(story, faults=line("drop: true", when="sent: orderStatus"))


def test_a_fill_that_is_never_reported_is_in_the_positions_alone() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = buy(ib)
        await asyncio.sleep(60)
        assert (trade.orderStatus.status, trade.fills) == ("Filled", [])
        assert [p.position for p in ib.positions()] == [1]

    play(story, faults=line("drop: true", when="sent: execDetails"))


def test_a_late_commission_comes_late() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = buy(ib)
        await asyncio.sleep(590)
        assert trade.fills[0].commissionReport.commission == 0
        await asyncio.sleep(20)
        assert trade.fills[0].commissionReport.commission == 1.25

    play(story, faults=line("delay_s: 600", when="sent: commissionReport"))


@pytest.mark.parametrize("copies", [1, 3])
def test_a_status_comes_several_times(copies: int) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        heard: list[str] = []
        ib.client.decoder.handlers[3] = lambda fields: heard.append(fields[2])
        buy(ib)
        await asyncio.sleep(60)
        assert heard == ["Submitted"] * (1 + copies) + ["Filled"] * (1 + copies)

    play(story, faults=line(f"duplicate: {copies}", when="sent: orderStatus"))


def test_messages_change_their_order() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        heard: list[int] = []
        decode = ib.client.decoder.interpret
        ib.client.decoder.interpret = lambda fields: (heard.append(int(fields[0])), decode(fields))  # type: ignore[func-returns-value]
        buy(ib)
        await asyncio.sleep(60)
        assert [n for n in heard if n in (3, 5, 11, 59)] == [5, 3, 5, 3, 11, 59], "the fill after the last status"

    play(story, faults=line("hold: 2", when="sent: execDetails"))


@pytest.mark.parametrize(
    ("request_", "code"),
    [("placeOrder", 103), ("placeOrder", 201), ("placeOrder", 321), ("cancelOrder", 10147), ("cancelOrder", 161)],
)
def test_a_request_about_an_order_is_refused_instead_of_taken(request_: str, code: int) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = buy(ib, 1.0)
        await asyncio.sleep(1)
        ib.cancelOrder(trade.order)
        await asyncio.sleep(1)
        assert code in stage.codes()
        taken = [o.status for o in stage.gateway.orders()]
        assert taken == ([] if request_ == "placeOrder" else ["Submitted"])

    play(story, faults=line(f"error: {{code: {code}}}", when=f"asked: {request_}"))


def test_an_unknown_code_about_a_live_order_makes_ib_async_believe_that_it_is_gone() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = buy(ib, 1.0)
        await asyncio.sleep(0.01)
        assert trade.orderStatus.status == "Cancelled"
        await asyncio.sleep(1)
        assert trade.orderStatus.status == "Submitted", "the next status repairs it"
        assert [o.status for o in stage.gateway.orders()] == ["Submitted"]

    play(story, faults=line("warning: {code: 10349}", when="asked: placeOrder"))


@pytest.mark.parametrize("code", [101, 354, 10089, 10197])
def test_market_data_is_refused(code: int) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        tickers = [ib.reqMktData(wire(c)) for c in (SHORT_PUT, LONG_PUT)]
        await asyncio.sleep(5)
        assert [t.hasBidAsk() for t in tickers] == [True, False]
        assert stage.codes() == [code]

    play(story, faults=line(f"error: {{code: {code}}}", when="asked: reqMktData, skip: 1"))


def test_the_connection_breaks_before_an_order_is_read() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        buy(ib)
        await asyncio.sleep(5)
        assert not ib.isConnected()
        assert stage.gateway.orders() == []
        again = await stage.client()
        assert again.isConnected()

    play(story, faults=line("reset: before", when="asked: placeOrder, times: 1"))


def test_the_connection_breaks_after_an_order_was_read_and_before_it_is_acknowledged() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = buy(ib)
        await asyncio.sleep(5)
        assert not ib.isConnected()
        assert trade.orderStatus.status == "PendingSubmit"
        again = await stage.client()
        assert [f.execution.orderRef for f in again.fills()] == ["v6-a"]

    play(story, faults=line("reset: after", when="asked: placeOrder, times: 1"))


@pytest.mark.parametrize(("code", "kept"), [(1102, True), (1101, False)])
def test_an_outage_holds_fills_back_and_loses_the_lines_or_keeps_them(code: int, kept: bool) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ticker = ib.reqMktData(wire(LONG_PUT))
        trade = buy(ib, 2.0)
        await asyncio.sleep(31)
        assert stage.codes() == [1100]
        stage.market.quotes |= {11: (1.5, 1.9), 10: (0.8, 0.9)}
        late = buy(ib, 1.0, ref="v6-late")
        await asyncio.sleep(280)
        assert stage.gateway.positions() == {11: 1}
        assert (trade.orderStatus.status, late.orderStatus.status) == ("Submitted", "PendingSubmit")
        assert (ticker.bid, list(stage.gateway.order_refs_placed)) == (1.0, ["v6-a"])
        await asyncio.sleep(600)
        assert stage.codes() == [1100, code]
        assert (trade.orderStatus.status, late.orderStatus.status) == ("Filled", "Submitted")
        assert (ticker.bid == 0.8) is kept

    play(story, faults=line(f"outage: {{seconds: 400, code: {code}}}", when="at_s: 30"))


def test_a_farm_breaks_and_comes_back() -> None:
    async def story(stage: Stage) -> None:
        await stage.client()
        await asyncio.sleep(100)
        assert stage.codes() == [2103]
        assert [code for _, code, _ in stage.errors].count(2104) == 2

    faults = "  - {id: a, when: {at_s: 10}, do: {notice: {code: 2103}}}\n"
    play(story, faults=faults + "  - {id: b, when: {at_s: 20}, do: {notice: {code: 2104}}}")


def test_a_half_open_connection_looks_connected_and_says_nothing_until_it_comes_back() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        await asyncio.sleep(11)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), 10)
        assert ib.isConnected()
        trade = buy(ib)
        await asyncio.sleep(10)
        assert stage.gateway.orders() == []
        await asyncio.sleep(60)
        assert trade.orderStatus.status == "Filled"

    play(story, faults=line("half_open_s: 60", when="at_s: 10"))


def test_what_happens_behind_a_half_open_connection_is_heard_when_it_comes_back() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ticker = ib.reqMktData(wire(LONG_PUT))
        await asyncio.sleep(11)
        stage.market.quotes[10] = (0.8, 0.9)
        await asyncio.sleep(500)
        assert ticker.bid == 1.0
        await asyncio.sleep(100)
        assert ticker.bid == 0.8

    play(story, faults=line("half_open_s: 590", when="at_s: 10"))


def test_a_fault_of_one_client_leaves_the_others_alone() -> None:
    async def story(stage: Stage) -> None:
        one, two = await stage.client(1), await stage.client(2)
        trades = [buy(one), buy(two)]
        await asyncio.sleep(10)
        assert [t.orderStatus.status for t in trades] == ["Filled", "PendingSubmit"]

    play(story, faults=line("drop: true", when="asked: placeOrder, client: 2"))


def test_a_slow_reader_takes_one_request_a_second() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        await asyncio.sleep(21)
        for i in range(5):
            buy(ib, ref=f"v6-{i}")
        taken = []
        for _ in range(5):
            await asyncio.sleep(1)
            taken.append(len(stage.gateway.orders()))
        assert taken == [1, 2, 3, 4, 5]

    play(story, faults=line("slow: 1", when="at_s: 20"))


def test_every_fill_comes_in_parts() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        await asyncio.sleep(1)
        trades = [buy(ib, quantity=10, ref=f"v6-{i}") for i in range(5)]
        await asyncio.sleep(300)
        assert all(t.orderStatus.status == "Filled" and len(t.fills) > 1 for t in trades)

    play(story, faults=line("partial_fills: 1", when="at_s: 0"))


def test_a_garbled_message_is_lost_on_the_decoder(caplog: pytest.LogCaptureFixture) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = buy(ib)
        await asyncio.sleep(60)
        assert trade.fills == []
        assert ib.isConnected()

    play(story, faults=line("garble: true", when="sent: execDetails"))
    assert [r.name for r in caplog.records if r.name == "ib_async.Decoder"] == ["ib_async.Decoder"]
    caplog.clear()


def test_a_fill_is_corrected_under_the_next_revision_of_its_id() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        buy(ib)
        await asyncio.sleep(60)
        fills = [(f.execution.execId[-3:], f.execution.price, f.execution.avgPrice) for f in ib.fills()]
        assert fills == [(".01", 2.3, 2.3), (".02", 2.2, 2.2)], "ib_async takes a correction for a second fill"
        assert stage.gateway.positions() == {11: 1}

    play(story, faults=line("correct: -0.1", when="sent: execDetails"))


def test_order_ids_are_rolled_back() -> None:
    async def story(stage: Stage) -> None:
        first = await stage.client()
        used = buy(first).order.orderId
        await asyncio.sleep(5)
        first.disconnect()
        ib = await stage.client()
        again = [ib.placeOrder(wire(LONG_PUT), LimitOrder("BUY", 1, 0.5, tif="DAY")) for _ in range(10)]
        await asyncio.sleep(5)
        assert used in [t.order.orderId for t in again]
        assert [(number, code) for number, code, _ in stage.errors if code == 103] == [(used, 103)]

    play(story, faults=line("rewrite: {orderId: 1}", when="sent: nextValidId"))


@pytest.mark.parametrize(
    ("sent", "rewrite", "seen"),
    [
        ("tickPrice", "price: -1", lambda t: (t.bid, t.ask) == (-1, -1)),
        ("tickPrice", "price: 1.7976931348623157e+308", lambda t: t.bid == 1.7976931348623157e308),
        ("tickPrice", "price: 23.0", lambda t: t.bid == 23.0),
        ("tickOptionComputation", "delta: -2", lambda t: t.modelGreeks.delta is None),
        ("tickOptionComputation", "vega: -2", lambda t: t.modelGreeks.vega == -2),
        ("tickOptionComputation", "gamma: nan", lambda t: t.modelGreeks.gamma != t.modelGreeks.gamma),
    ],
)  # fmt: skip
def test_a_quote_is_wrong_in_the_ways_that_are_seen_in_the_field(sent: str, rewrite: str, seen: Any) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ticker = ib.reqMktData(wire(SHORT_PUT))
        await asyncio.sleep(1)
        assert seen(ticker)

    play(story, faults=line(f"rewrite: {{{rewrite}}}", when=f"sent: {sent}"))


def test_positions_are_told_wrong_or_never_to_their_end() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        buy(ib)
        await asyncio.sleep(5)
        assert [p.position for p in ib.positions()] == [7]
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ib.reqPositionsAsync(), 60)

    faults = "  - {id: a, when: {sent: position}, do: {rewrite: {position: 7}}}\n"
    play(story, faults=faults + "  - {id: b, when: {sent: positionEnd, skip: 1}, do: {drop: true}}")


def test_a_frame_that_announces_four_gigabytes_silences_the_client() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        await asyncio.sleep(11)
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(ib.reqCurrentTimeAsync(), 10)

    play(story, faults=line("oversized: true", when="at_s: 10"))


def test_the_gateway_hangs_up_on_everybody_at_a_moment() -> None:
    async def story(stage: Stage) -> None:
        one, two = await stage.client(1), await stage.client(2)
        await asyncio.sleep(11)
        assert (one.isConnected(), two.isConnected()) == (True, False)

    play(story, faults=line("reset: before", when="at_s: 10, client: 2"))


def test_a_combo_whose_legs_are_reported_apart() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
        await asyncio.sleep(10)
        assert len(trade.fills) == 3
        await asyncio.sleep(15)
        assert len(trade.fills) == 5

    faults = line("delay_s: 20", when="sent: execDetails, skip: 2, times: 2")
    play(story, faults=faults)


def test_the_same_seed_meets_the_same_faults_and_another_seed_others() -> None:
    def run(seed: int) -> list[Any]:
        async def story(stage: Stage) -> list[Any]:
            ib = await stage.client()
            for i in range(20):
                buy(ib, ref=f"v6-{i}")
                await asyncio.sleep(7)
            assert stage.faults is not None
            return stage.faults.done

        return play(story, seed=seed, faults=line("drop: true", when="sent: commissionReport, chance: 0.5"))

    first = run(4)
    assert first == run(4)
    assert 3 < len(first) < 17
    assert first != run(5)
