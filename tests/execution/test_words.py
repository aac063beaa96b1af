"""The broker says things twice, late and in any order; what we make of them does not depend on it."""

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.execution.fakes import (
    ENTRY_PRICES,
    EXIT_PRICES,
    Station,
    close_intent,
    commissions,
    corrected,
    fills,
    open_intent,
    opened,
    play,
    report,
    state_of,
)
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.order import Fill, OrderIntent, OrderState
from v6.ports import BrokerEvent, BrokerStatus, CommissionReport

THREE = {1: 3, 2: -3, 3: -3, 4: 3}


def shuffled(data: st.DataObject, said: list[BrokerEvent]) -> Sequence[BrokerEvent]:
    """Return the words in any order, some of them repeated."""
    return data.draw(st.permutations(said + data.draw(st.lists(st.sampled_from(said), max_size=12))))


async def hear(station: Station, words: Sequence[BrokerEvent], pauses: Sequence[float]) -> None:
    for n, word in enumerate(words):
        station.broker.say(word)
        await asyncio.sleep(pauses[n % len(pauses)])
    await asyncio.sleep(60)


def in_parts(intent: OrderIntent, prices: tuple[Decimal, ...]) -> list[Fill]:
    return [*fills(intent, 1, prices, serial=1), *fills(intent, 2, prices, serial=2)]


def assert_rebuilds(station: Station) -> None:
    rebuilt, live = Ledger(station.journal.written), station.ledger
    assert (rebuilt.orders, rebuilt.holdings, rebuilt.rolls) == (live.orders, live.holdings, live.rolls)
    assert rebuilt.expected_contracts() == live.expected_contracts()
    assert list(rebuilt.live_orders()) == list(live.live_orders())
    assert rebuilt.unbooked() == live.unbooked()


PAUSES = st.lists(st.sampled_from([0.0, 0.0, 0.0, 1.0, 6.0]), min_size=1, max_size=5)


@settings(max_examples=150, deadline=None)
@given(st.data(), PAUSES)
def test_an_entry_is_booked_once_and_alike(data: st.DataObject, pauses: list[float]) -> None:
    intent = open_intent(quantity=3)
    done = in_parts(intent, ENTRY_PRICES)
    said: list[BrokerEvent] = [
        report(intent, BrokerStatus.WORKING),
        report(intent, BrokerStatus.WORKING, 1),
        *done,
        *commissions(done),
        report(intent, BrokerStatus.FILLED, 3),
    ]
    words = shuffled(data, said)

    async def story(station: Station) -> None:
        station.broker.known = list(said)
        station.submit(intent)
        await hear(station, words, pauses)

    station = play(story)
    assert state_of(station, intent.order_ref) is OrderState.FILLED
    assert station.ledger.expected_contracts() == THREE
    position = station.ledger.holdings[intent.position_id].position
    assert (position.quantity, position.entry_price) == (3, Decimal("-9.5"))
    assert station.ledger.commission_of(position) == Decimal(10)
    assert sum(isinstance(event, e.PositionOpened) for event in station.journal.written) == 1
    assert len(station.broker.placed) == 1
    assert_rebuilds(station)


@settings(max_examples=150, deadline=None)
@given(st.data(), PAUSES)
def test_a_cancelled_exit_reduces_by_what_was_filled_however_it_is_told(
    data: st.DataObject, pauses: list[float]
) -> None:
    intent = close_intent(quantity=3)
    done = fills(intent, 1, EXIT_PRICES, serial=1) + fills(intent, 1, EXIT_PRICES, serial=2)
    said: list[BrokerEvent] = [
        report(intent, BrokerStatus.WORKING),
        *done,
        *commissions(done),
        report(intent, BrokerStatus.CANCELLED, 2),
        # What a completed order says when its executions are not among the evidence.
        report(intent, BrokerStatus.CANCELLED, 0),
    ]
    words = shuffled(data, said)

    async def story(station: Station) -> None:
        await opened(station, 3)
        station.broker.known = list(said)
        station.submit(intent)
        await hear(station, words, pauses)

    station = play(story)
    assert state_of(station, intent.order_ref) is OrderState.CANCELLED
    assert station.ledger.holdings[intent.position_id].units == 1
    assert station.ledger.expected_contracts() == {1: 1, 2: -1, 3: -1, 4: 1}
    booked = [event for event in station.journal.written if isinstance(event, e.PositionReduced)]
    assert sum(event.units for event in booked) == 2
    assert {event.exit_price for event in booked} == {Decimal("-4.5")}
    assert_rebuilds(station)


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_the_latest_correction_counts_whenever_it_comes(data: st.DataObject) -> None:
    intent = open_intent(quantity=1)
    done = fills(intent, 1)
    better = corrected(done[0], Decimal("2.5"))
    said: list[BrokerEvent] = [
        *done,
        better,
        *commissions(done),
        CommissionReport(better.exec_id, Decimal("3.25")),
        report(intent, BrokerStatus.WORKING),
    ]
    words = shuffled(data, said)

    async def story(station: Station) -> None:
        station.submit(intent)
        # The last leg is held back, so that the correction is there before the order ends.
        held_back = {done[3].exec_id}
        for word in words:
            if not (isinstance(word, Fill) and word.exec_id in held_back):
                station.broker.say(word)
        assert state_of(station, intent.order_ref) in {OrderState.SENDING, OrderState.WORKING}
        station.broker.say(done[3])
        await asyncio.sleep(10)

    station = play(story)
    position = station.ledger.holdings[intent.position_id].position
    assert position.entry_price == Decimal("-9.0")
    assert station.ledger.commission_of(position) == 3 * Decimal("1.25") + Decimal("3.25")
    assert_rebuilds(station)


@settings(max_examples=100, deadline=None)
@given(st.data(), PAUSES)
def test_evidence_with_commissions_in_it_gives_the_same_books(data: st.DataObject, pauses: list[float]) -> None:
    intent = open_intent(quantity=3)
    bare = in_parts(intent, ENTRY_PRICES)
    full = [replace(fill, commission=Decimal("1.25")) for fill in bare]
    words = shuffled(data, [*bare, *full, report(intent, BrokerStatus.FILLED, 3)])

    async def story(station: Station) -> None:
        station.submit(intent)
        await hear(station, words, pauses)

    station = play(story)
    position = station.ledger.holdings[intent.position_id].position
    assert station.ledger.commission_of(position) == Decimal(10)
    assert station.ledger.expected_contracts() == THREE
    assert_rebuilds(station)
