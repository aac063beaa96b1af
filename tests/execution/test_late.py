"""Executions, commissions and corrections that come late, alone or not at all."""

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest

from tests.execution.fakes import (
    EXIT_PRICES,
    Station,
    close_intent,
    commissions,
    corrected,
    fills,
    findings,
    open_intent,
    opened,
    play,
    report,
    state_of,
)
from v6.errors import StoreError
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.order import OrderState
from v6.ports import BrokerStatus


def test_executions_of_the_whole_order_end_it_without_a_status() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        done = fills(intent, 2)
        station.broker.say(*done, *commissions(done))

    station = play(story)
    assert state_of(station, "v6-open1") is OrderState.FILLED
    assert station.ledger.holdings["condor-open1"].units == 2


def test_executions_that_never_come_are_asked_for() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.known = list(fills(intent, 2))
        station.broker.say(report(intent, BrokerStatus.WORKING), report(intent, BrokerStatus.FILLED, 2))
        await asyncio.sleep(30)

    station = play(story)
    assert station.ledger.holdings["condor-open1"].units == 2
    assert findings(station) == ["fills-missing"]


def test_a_leg_that_filled_alone_is_told_and_keeps_the_order_fenced() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        leg = fills(intent, 1)[0]
        station.broker.known = [leg, report(intent, BrokerStatus.CANCELLED, 0)]
        station.broker.say(report(intent, BrokerStatus.WORKING), leg)
        station.broker.say(report(intent, BrokerStatus.CANCELLED, 0))
        await asyncio.sleep(600)

    station = play(story)
    assert findings(station) == ["fills-missing"]
    assert not state_of(station, "v6-open1").terminal
    assert station.ledger.expected_contracts() == {1: 1}


def test_a_cancel_does_not_take_back_units_it_claimed_before() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING), report(intent, BrokerStatus.CANCELLED, 1))
        # A completed order comes back with 0 units when its executions are not among the evidence.
        station.broker.say(report(intent, BrokerStatus.CANCELLED, 0))
        assert not state_of(station, intent.order_ref).terminal

    play(story)


def test_a_fill_after_the_end_becomes_a_position_all_the_same() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        first, second = fills(intent, 1), fills(intent, 1, serial=2)
        station.broker.say(report(intent, BrokerStatus.WORKING), *first, *commissions(first))
        station.broker.say(report(intent, BrokerStatus.CANCELLED, 1))
        assert state_of(station, intent.order_ref) is OrderState.CANCELLED
        station.broker.say(*second, *commissions(second))

    station = play(story)
    assert state_of(station, "v6-open1") is OrderState.FILLED
    assert sorted(holding.units for holding in station.ledger.holdings.values()) == [1, 1]
    assert station.ledger.expected_contracts() == {1: 2, 2: -2, 3: -2, 4: 2}
    assert findings(station) == ["late-fill"]
    held = [holding.position for holding in station.ledger.holdings.values()]
    assert [station.ledger.commission_of(position) for position in held] == [Decimal(5), Decimal(5)]


def test_a_late_fill_of_an_exit_reduces_what_is_held() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        intent = close_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING), report(intent, BrokerStatus.CANCELLED, 0))
        late = fills(intent, 1, EXIT_PRICES)
        station.broker.say(*late, *commissions(late))

    station = play(story)
    assert station.ledger.holdings["condor-open1"].units == 1
    assert station.ledger.expected_contracts() == {1: 1, 2: -1, 3: -1, 4: 1}


def test_a_correction_after_the_end_is_told_and_booked_no_second_time() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        done = fills(open_intent(), 2)
        station.broker.say(corrected(done[0], Decimal("2.5")))
        await asyncio.sleep(30)

    station = play(story)
    assert findings(station) == ["late-correction"]
    assert station.ledger.expected_contracts() == {1: 2, 2: -2, 3: -2, 4: 2}


def test_a_commission_that_comes_with_a_repeated_execution_is_taken() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        done = fills(intent, 2)
        station.broker.say(report(intent, BrokerStatus.WORKING), *done)
        station.broker.say(*(replace(fill, commission=Decimal("1.25")) for fill in done))

    station = play(story)
    assert station.ledger.holdings["condor-open1"].position.commission == Decimal(5)


def test_a_commission_after_the_booking_still_counts_in_the_profit() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        done = fills(intent, 2)
        station.broker.say(report(intent, BrokerStatus.WORKING), *done)
        await asyncio.sleep(10)
        station.broker.say(*commissions(done))
        out = close_intent()
        station.submit(out)
        done = fills(out, 2, EXIT_PRICES)
        station.broker.say(report(out, BrokerStatus.WORKING), *done, *commissions(done))

    station = play(story)
    closed = [event for event in station.journal.written if isinstance(event, e.PositionClosed)]
    assert [(event.pnl, event.commission) for event in closed] == [(Decimal(990), Decimal(10))]


def test_a_listener_that_fails_leaves_the_books_whole() -> None:
    async def story(station: Station) -> None:
        def fail(event: e.Event) -> None:
            if isinstance(event, e.OrderEnded):
                raise RuntimeError("a listener's own mistake")

        station.books.listen(fail)
        intent = open_intent()
        station.submit(intent)
        done = fills(intent, 2)
        with pytest.raises(RuntimeError, match="own mistake"):
            station.broker.say(*done, *commissions(done))

    station = play(story)
    assert station.ledger.holdings == Ledger(station.journal.written).holdings != {}


def test_what_the_journal_refuses_is_in_no_books() -> None:
    async def story(station: Station) -> None:
        def refuse(*_: e.Event, state: object = None) -> int:
            raise StoreError("the disk is full")

        station.journal.append = refuse  # type: ignore[method-assign]
        with pytest.raises(StoreError):
            station.submit(open_intent())

    station = play(story)
    assert station.ledger.orders == {}
    assert station.broker.placed == []
