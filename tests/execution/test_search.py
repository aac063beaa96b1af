"""Orders whose fate is not known: found, concluded to be absent, or fenced; never sent again."""

import asyncio
from datetime import timedelta
from itertools import pairwise

import pytest

from tests.execution.fakes import (
    EXIT_PRICES,
    NOON,
    FakeBroker,
    Station,
    close_intent,
    fills,
    findings,
    open_intent,
    opened,
    play,
    report,
    state_of,
)
from v6.errors import BrokerError
from v6.execution.search import LOOK_EVERY_S
from v6.model.contract import Side
from v6.model.order import OrderIntent, OrderState
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.ports import BrokerStatus

HELD = {1: 2, 2: -2, 3: -2, 4: 2}


async def working_exit(station: Station) -> OrderIntent:
    """Hold two units, and have an exit that has finished its walk and rests."""
    await opened(station)
    intent = close_intent()
    station.submit(intent)
    station.broker.say(report(intent, BrokerStatus.WORKING))
    await asyncio.sleep(60)
    return intent


def test_an_order_in_doubt_is_looked_for_without_a_reconnect() -> None:
    async def story(station: Station) -> None:
        intent = await working_exit(station)
        station.broker.known = [report(intent, BrokerStatus.WORKING)]
        station.broker.say(report(intent, BrokerStatus.DOUBTFUL, text="Error 161"))
        assert state_of(station, intent.order_ref) is OrderState.UNKNOWN
        await asyncio.sleep(30)
        assert state_of(station, intent.order_ref) is OrderState.WORKING
        looks = station.broker.looks
        await asyncio.sleep(3600)
        assert station.broker.looks == looks, "nothing is in doubt any more"

    play(story)


def test_an_entry_that_turns_up_again_is_cancelled() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        await asyncio.sleep(11)
        assert state_of(station, intent.order_ref) is OrderState.UNKNOWN
        station.broker.known = [report(intent, BrokerStatus.WORKING)]
        await asyncio.sleep(30)

    station = play(story)
    assert station.broker.cancelled
    assert len(station.broker.placed) == 1


def test_a_word_between_the_looks_saves_the_order_from_the_verdict() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        await asyncio.sleep(15)
        assert station.broker.looks == 1
        station.broker.say(report(intent, BrokerStatus.WORKING))
        await asyncio.sleep(15)
        assert state_of(station, intent.order_ref) is OrderState.WORKING

    play(story)


def test_a_doubtful_word_between_the_looks_starts_the_count_anew() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        await asyncio.sleep(15)
        station.broker.say(report(intent, BrokerStatus.DOUBTFUL))
        await asyncio.sleep(10)
        assert station.broker.looks == 2
        assert state_of(station, intent.order_ref) is OrderState.UNKNOWN
        await asyncio.sleep(60)
        assert state_of(station, intent.order_ref) is OrderState.NOT_SENT

    play(story)


def test_a_word_that_comes_while_the_positions_are_asked_stays_the_verdict() -> None:
    class Slow(FakeBroker):
        async def positions(self):  # type: ignore[no-untyped-def]
            self.say(report(open_intent(), BrokerStatus.WORKING))
            return {}

    async def main(loop: VirtualLoop) -> None:
        station = Station(VirtualClock(loop, NOON), Slow([]))
        station.submit(open_intent())
        await asyncio.sleep(25)
        assert state_of(station, "v6-open1") is OrderState.WORKING
        await station.executor.close()

    run_virtual(main)


def test_a_word_that_comes_while_the_broker_is_asked_saves_the_order_too() -> None:
    class Slow(FakeBroker):
        async def evidence(self):  # type: ignore[no-untyped-def]
            answer = await super().evidence()
            if self.looks == 2:
                self.say(report(open_intent(), BrokerStatus.WORKING))
            return answer

    async def main(loop: VirtualLoop) -> None:
        station = Station(VirtualClock(loop, NOON), Slow([]))
        station.submit(open_intent())
        await asyncio.sleep(25)
        assert station.broker.looks == 2
        assert state_of(station, "v6-open1") is OrderState.WORKING
        await station.executor.close()

    run_virtual(main)


def test_a_look_that_fails_is_no_look() -> None:
    async def story(station: Station) -> None:
        station.submit(open_intent())
        await asyncio.sleep(11)
        station.broker.deaf = True
        await asyncio.sleep(300)
        assert state_of(station, "v6-open1") is OrderState.UNKNOWN
        station.broker.deaf = False
        await asyncio.sleep(600)

    assert state_of(play(story), "v6-open1") is OrderState.NOT_SENT


def test_a_gateway_without_its_servers_is_not_believed_to_know_nothing() -> None:
    async def story(station: Station) -> None:
        station.submit(open_intent())
        station.broker.up = False
        await asyncio.sleep(600)
        assert station.broker.looks == 0
        assert state_of(station, "v6-open1") is OrderState.UNKNOWN
        station.broker.up = True
        await asyncio.sleep(900)

    assert state_of(play(story), "v6-open1") is OrderState.NOT_SENT


def test_looks_are_never_closer_than_ten_seconds_while_the_search_runs() -> None:
    class Timed(FakeBroker):
        at: list[float]

        async def evidence(self):  # type: ignore[no-untyped-def]
            self.at.append(asyncio.get_running_loop().time())
            return await super().evidence()

    async def main(loop: VirtualLoop) -> list[float]:
        broker = Timed([])
        broker.at = []
        broker.held = {1: 9}
        station = Station(VirtualClock(loop, NOON), broker)
        for name in ("a", "b", "c"):
            station.submit(open_intent(name))
            await asyncio.sleep(3)
        await asyncio.sleep(3600)
        await station.executor.close()
        return broker.at

    at = run_virtual(main)
    gaps = [later - earlier for earlier, later in pairwise(at)]
    assert min(gaps) >= LOOK_EVERY_S - 0.01
    assert len(at) < 30, "an order that stays in doubt is asked about less and less often"


def test_an_unknown_entry_that_the_positions_show_is_not_declared_unsent() -> None:
    async def story(station: Station) -> None:
        station.submit(open_intent())
        station.broker.held = dict(HELD)
        await asyncio.sleep(120)

    station = play(story)
    assert state_of(station, "v6-open1") is OrderState.UNKNOWN
    assert findings(station) == ["order-lost"]


def test_an_exit_that_may_have_filled_unseen_keeps_its_position_fenced() -> None:
    async def story(station: Station) -> None:
        intent = await working_exit(station)
        # The night passes: the order is gone, its executions are not listed any more, and so is the position.
        station.broker.held = {}
        await station.executor.recover()
        await asyncio.sleep(600)
        assert station.ledger.live_for(intent.position_id) is not None, "a second exit would turn the position around"

    station = play(story)
    assert findings(station) == ["order-lost"]
    assert station.ledger.holdings["condor-open1"].units == 2


def test_an_exit_that_died_in_the_night_frees_its_position() -> None:
    async def story(station: Station) -> None:
        intent = await working_exit(station)
        station.broker.held = dict(HELD)
        await station.executor.recover()
        assert state_of(station, intent.order_ref) is OrderState.UNKNOWN
        await asyncio.sleep(30)
        assert state_of(station, intent.order_ref) is OrderState.CANCELLED
        assert station.ledger.live_for(intent.position_id) is None
        station.submit(close_intent(attempt=2))

    station = play(story)
    assert findings(station) == []
    assert [ticket.side for ticket in station.broker.placed] == [Side.BUY, Side.SELL, Side.SELL]


def test_an_exit_that_died_after_a_partial_fill_books_what_was_filled() -> None:
    async def story(station: Station) -> None:
        intent = await working_exit(station)
        station.broker.say(*fills(intent, 1, EXIT_PRICES))
        station.broker.held = {1: 1, 2: -1, 3: -1, 4: 1}
        await station.executor.recover()
        await asyncio.sleep(30)
        assert state_of(station, intent.order_ref) is OrderState.CANCELLED

    station = play(story)
    assert station.ledger.holdings["condor-open1"].units == 1
    assert station.ledger.expected_contracts() == {1: 1, 2: -1, 3: -1, 4: 1}


def test_an_order_on_expired_legs_ends_though_the_position_is_gone() -> None:
    async def story(station: Station) -> None:
        intent = await working_exit(station)
        await asyncio.sleep(timedelta(days=60).total_seconds())
        await station.executor.recover()
        await asyncio.sleep(30)
        assert state_of(station, intent.order_ref) is OrderState.CANCELLED

    assert findings(play(story)) == []


@pytest.mark.parametrize("units", [1, 2])
def test_an_order_that_was_given_up_and_lives_is_cancelled_and_its_fills_are_booked(units: int) -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        await asyncio.sleep(60)
        assert state_of(station, intent.order_ref) is OrderState.NOT_SENT
        station.broker.say(report(intent, BrokerStatus.WORKING), report(intent, BrokerStatus.WORKING))
        station.broker.say(*fills(intent, units))
        await asyncio.sleep(60)

    station = play(story)
    assert set(station.broker.cancelled) == {1}
    assert findings(station) == ["order-came-alive", "late-fill"]
    assert station.ledger.holdings["condor-open1"].units == units
    assert len(station.broker.placed) == 1


def test_recovery_asks_again_when_the_broker_did_not_answer() -> None:
    async def story(station: Station) -> None:
        intent = await working_exit(station)
        station.broker.deaf = True
        with pytest.raises(BrokerError):
            await station.executor.recover()
        station.broker.deaf = False
        station.broker.held = dict(HELD)
        await asyncio.sleep(60)
        assert state_of(station, intent.order_ref) is OrderState.CANCELLED

    play(story)


def test_two_recoveries_at_once_end_nothing_twice() -> None:
    async def story(station: Station) -> None:
        station.submit(open_intent())
        await asyncio.sleep(11)
        await asyncio.gather(*(station.executor.recover() for _ in range(3)))
        await asyncio.sleep(60)

    station = play(story)
    assert station.log.count("OrderEnded") == 1
    assert station.log.count("OrderUnresolved") == 1


def test_after_a_reconnect_entries_are_withdrawn_and_exits_get_their_limit_again() -> None:
    async def story(station: Station) -> None:
        out = await working_exit(station)
        entry = open_intent("open2")
        station.submit(entry)
        station.broker.say(report(entry, BrokerStatus.WORKING))
        station.broker.known = [report(out, BrokerStatus.WORKING), report(entry, BrokerStatus.WORKING)]
        before = len(station.broker.repriced)
        await station.executor.recover()
        await asyncio.sleep(1)
        assert [(t.order_ref, t.limit) for t in station.broker.repriced[before:]] == [
            (out.order_ref, station.ledger.orders[out.order_ref].limit)
        ]
        assert station.broker.cancelled == [station.ledger.orders[entry.order_ref].order_id]
        await asyncio.sleep(60)
        assert all(t.order_ref != entry.order_ref for t in station.broker.repriced), "its walk is over"

    play(story)
