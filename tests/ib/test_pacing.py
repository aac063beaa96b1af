"""Who may send when: the pacer alone, and through the real client to the gateway."""

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from tests.ib.stage import Stage, play, ticket
from v6.errors import BrokerError
from v6.ib.pacing import CEILINGS, MESSAGES_PER_S, SLOW_FOR_S, Lane, Pacer
from v6.model.contract import Side
from v6.paper.session import Session
from v6.paper.vtime import VirtualLoop, run_virtual

TIME, QUOTE, ORDER, CANCEL = "49\x001\x00", "1\x0011\x007\x00", "3\x00{}\x00", "4\x001\x00{}\x00\x00"
IB_LIMIT = 50


class Wire:
    """A pacer whose messages are noted with the second at which they left."""

    def __init__(self, loop: VirtualLoop) -> None:
        self.left: list[tuple[float, str]] = []
        self.pacer = Pacer(lambda message: self.left.append((loop.time(), message)))
        self.loop = loop

    def when(self, message: str) -> float:
        return next(at for at, sent in self.left if sent == message)

    def most_in_a_second(self) -> int:
        times = [at for at, _ in self.left]
        return max(sum(1 for t in times if first <= t <= first + 1.0) for first in times)


def wired(story: Callable[[Wire], Awaitable[None]]) -> None:
    async def main(loop: VirtualLoop) -> None:
        await story(Wire(loop))

    run_virtual(main)


def test_questions_leave_at_45_a_second_and_in_order() -> None:
    async def story(wire: Wire) -> None:
        messages = [f"1\x0011\x00{n}\x00" for n in range(450)]
        for message in messages:
            wire.pacer.submit(message)
        await asyncio.sleep(20)
        assert [message for _, message in wire.left] == messages
        assert wire.most_in_a_second() == wire.pacer.peak == MESSAGES_PER_S
        assert 9.0 <= wire.left[-1][0] - wire.left[0][0] <= 9.1

    wired(story)


@pytest.mark.parametrize("lane", [Lane.CLOSE, Lane.OPEN])
def test_an_order_behind_180_questions_leaves_at_once(lane: Lane) -> None:
    async def story(wire: Wire) -> None:
        for _ in range(180):
            wire.pacer.submit(QUOTE)
        await asyncio.sleep(0.5)
        asked = wire.loop.time()
        with wire.pacer.using(lane):
            wire.pacer.submit(ORDER.format(5))
        wire.pacer.submit(CANCEL.format(4))
        assert wire.when(ORDER.format(5)) == wire.when(CANCEL.format(4)) == asked
        await asyncio.sleep(10)
        assert wire.most_in_a_second() < IB_LIMIT

    wired(story)


def test_when_even_orders_must_wait_the_most_urgent_goes_first() -> None:
    async def story(wire: Wire) -> None:
        for n in range(100):
            with wire.pacer.using(Lane.OPEN):
                wire.pacer.submit(ORDER.format(n))
        assert not wire.pacer.free(Lane.OPEN)
        assert wire.pacer.free(Lane.CLOSE)
        for n in range(200, 220):
            with wire.pacer.using(Lane.CLOSE):
                wire.pacer.submit(ORDER.format(n))
        wire.pacer.submit(CANCEL.format(900))
        await asyncio.sleep(10)
        names = [message for _, message in wire.left]
        assert names.index(CANCEL.format(900)) < names.index(ORDER.format(201)) < names.index(ORDER.format(60))
        assert wire.most_in_a_second() <= max(CEILINGS.values()) < IB_LIMIT

    wired(story)


def test_a_cancel_never_overtakes_its_own_order() -> None:
    async def story(wire: Wire) -> None:
        for n in range(60):
            wire.pacer.submit(ORDER.format(n))
        assert wire.pacer.waiting(Lane.OPEN) == 60 - CEILINGS[Lane.OPEN]
        wire.pacer.submit(CANCEL.format(59))
        await asyncio.sleep(5)
        names = [message for _, message in wire.left]
        assert names.index(CANCEL.format(59)) == names.index(ORDER.format(59)) + 1

    wired(story)


def test_the_sweep_leaves_room_for_everything_else() -> None:
    async def story(wire: Wire) -> None:
        with wire.pacer.using(Lane.BULK):
            for _ in range(500):
                wire.pacer.submit(QUOTE)
        await asyncio.sleep(3.3)
        asked = wire.loop.time()
        wire.pacer.submit(TIME)
        assert wire.when(TIME) == asked

    wired(story)


def test_what_waits_for_a_lost_connection_is_never_sent() -> None:
    async def story(wire: Wire) -> None:
        for _ in range(100):
            wire.pacer.submit(QUOTE)
        wire.pacer.clear()
        await asyncio.sleep(10)
        assert (len(wire.left), wire.pacer.waiting()) == (MESSAGES_PER_S, 0)

    wired(story)


def test_after_error_100_questions_go_at_half_the_pace_and_orders_do_not() -> None:
    async def story(wire: Wire) -> None:
        wire.pacer.slow_down()
        for _ in range(100):
            wire.pacer.submit(QUOTE)
        assert len(wire.left) == MESSAGES_PER_S // 2
        wire.pacer.submit(ORDER.format(1))
        assert wire.left[-1][1] == ORDER.format(1)
        await asyncio.sleep(SLOW_FOR_S + 10)
        before = len(wire.left)
        for _ in range(100):
            wire.pacer.submit(QUOTE)
        assert len(wire.left) == before + MESSAGES_PER_S

    wired(story)


# -- over the real client


def test_an_order_reaches_the_gateway_ahead_of_180_requests_for_quotes(monkeypatch: pytest.MonkeyPatch) -> None:
    arrived: list[str] = []
    answer = Session._request

    def note(self: Session, fields: list[str]) -> None:
        arrived.append(fields[0])
        answer(self, fields)

    monkeypatch.setattr(Session, "_request", note)

    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        await asyncio.sleep(5)
        arrived.clear()
        client = desk.link.ib.client
        for _ in range(180):
            client.reqCurrentTime()  # type: ignore[no-untyped-call]
        asked = stage.clock.now()
        desk.broker.place(ticket("v6-a", desk.broker.next_order_id(), "-2.20"))
        desk.broker.place(ticket("v6-b", desk.broker.next_order_id(), "-2.20", side=Side.SELL))
        await asyncio.sleep(0.01)
        assert (stage.clock.now() - asked).total_seconds() < 0.1
        assert arrived == ["49"] * MESSAGES_PER_S + ["3", "3"]
        assert not client._msgQ, "nothing waits in a queue of ib_async's"
        await asyncio.sleep(10)
        assert len(arrived) == 182
        assert stage.gateway.order_refs_placed == {"v6-a": 1, "v6-b": 1}

    play(story)


def test_an_opening_order_without_room_is_refused_before_any_byte() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        await asyncio.sleep(5)
        for n in range(CEILINGS[Lane.OPEN]):
            desk.link.pacer.submit(CANCEL.format(9000 + n))
        with pytest.raises(BrokerError, match="no room"):
            desk.broker.place(ticket("v6-a", desk.broker.next_order_id(), "-2.20"))
        await asyncio.sleep(5)
        assert stage.gateway.order_refs_placed == {}
        desk.broker.place(ticket("v6-b", desk.broker.next_order_id(), "-2.20"))

    play(story)


def test_an_order_and_the_desks_own_questions_never_wait_for_the_recorder() -> None:
    async def story(wire: Wire) -> None:
        with wire.pacer.using(Lane.RECORD):
            for _ in range(500):
                wire.pacer.submit(QUOTE)
        await asyncio.sleep(3.3)
        asked = wire.loop.time()
        wire.pacer.submit(ORDER.format(1))
        wire.pacer.submit(TIME)
        with wire.pacer.using(Lane.BULK):
            wire.pacer.submit(QUOTE + "bulk")
        assert wire.when(ORDER.format(1)) == wire.when(TIME) == wire.when(QUOTE + "bulk") == asked

    wired(story)
