import asyncio
from decimal import Decimal
from itertools import pairwise

import pytest

from tests.execution.fakes import (
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
from v6.model import event as e
from v6.model.decision import Urgency
from v6.model.order import OrderState
from v6.ports import BrokerStatus


def test_the_intent_and_the_sending_are_on_disk_before_the_bytes() -> None:
    async def story(station: Station) -> None:
        station.submit(open_intent())

    assert play(story).log[:3] == ["OrderIntended", "OrderSending", "bytes of v6-open1"]


def test_a_filled_entry_becomes_a_position_with_its_price_and_commissions() -> None:
    station = play(opened)
    holding = station.ledger.holdings["condor-open1"]
    assert holding.units == 2
    assert holding.position.entry_price == Decimal("-9.5")
    assert holding.position.credit == Decimal("9.5")
    assert holding.position.commission == Decimal("10.00") / 2
    assert station.ledger.expected_contracts() == {1: 2, 2: -2, 3: -2, 4: 2}
    assert not list(station.ledger.live_orders())


def test_a_filled_exit_books_the_profit_after_all_commissions() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        intent = close_intent()
        station.submit(intent)
        done = fills(intent, 2, EXIT_PRICES)
        station.broker.say(report(intent, BrokerStatus.WORKING), *done, *commissions(done))
        station.broker.say(report(intent, BrokerStatus.FILLED, 2))

    station = play(story)
    closed = [event for event in station.journal.written if isinstance(event, e.PositionClosed)]
    assert len(closed) == 1
    assert closed[0].exit_price == Decimal("-4.5")
    assert closed[0].pnl == Decimal(5) * 100 * 2 - 10
    assert closed[0].reason == "take_profit"
    assert station.ledger.holdings == {}
    assert station.ledger.expected_contracts() == {}


def test_a_refusal_before_the_bytes_ends_the_order_unsent() -> None:
    async def story(station: Station) -> None:
        station.broker.refuses = True
        station.submit(open_intent())

    station = play(story)
    assert station.broker.placed == []
    assert state_of(station, "v6-open1") is OrderState.NOT_SENT


def test_an_unhealthy_link_sends_nothing() -> None:
    async def story(station: Station) -> None:
        station.broker.up = False
        station.submit(open_intent())

    station = play(story)
    assert station.broker.placed == []
    assert "OrderSending" not in station.log
    assert state_of(station, "v6-open1") is OrderState.NOT_SENT


def test_an_entry_walks_to_its_worst_price_and_is_then_cancelled() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING))
        await asyncio.sleep(120)

    station = play(story)
    prices = [station.broker.placed[0].limit, *(ticket.limit for ticket in station.broker.repriced)]
    assert prices[0] == Decimal("-9.70")
    assert prices[-1] == Decimal("-9.20")
    assert all(later > earlier for earlier, later in pairwise(prices))
    assert set(station.broker.cancelled) == {1}


def test_an_exit_rests_at_its_worst_price_and_follows_the_market() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        intent = close_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING))
        await asyncio.sleep(120)
        assert station.broker.repriced[-1].limit == Decimal("-4.90")
        record = station.ledger.orders[intent.order_ref]
        station.executor.chase(record, Decimal("-4.50"))
        assert station.broker.repriced[-1].limit == Decimal("-4.90"), "never back to a price that fills later"
        station.executor.chase(record, Decimal("-5.20"))

    station = play(story)
    assert station.broker.repriced[-1].limit == Decimal("-5.20")
    assert station.broker.cancelled == []


def test_no_answer_is_unknown_and_nothing_is_sent_again() -> None:
    async def story(station: Station) -> None:
        station.submit(open_intent())
        await asyncio.sleep(11)
        assert state_of(station, "v6-open1") is OrderState.UNKNOWN
        await asyncio.sleep(60)

    station = play(story)
    assert len(station.broker.placed) == 1
    assert station.broker.looks == 2
    assert state_of(station, "v6-open1") is OrderState.NOT_SENT


def test_an_unknown_order_that_was_filled_is_found() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        done = fills(intent, 2)
        station.submit(intent)
        station.broker.known = [report(intent, BrokerStatus.FILLED, 2), *done]
        await asyncio.sleep(60)

    station = play(story)
    assert len(station.broker.placed) == 1
    assert state_of(station, "v6-open1") is OrderState.FILLED
    assert station.ledger.holdings["condor-open1"].units == 2


def test_an_inferred_cancel_is_doubted_until_the_broker_says_otherwise() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING), report(intent, BrokerStatus.DOUBTFUL, text="10349"))
        assert state_of(station, intent.order_ref) is OrderState.UNKNOWN
        done = fills(intent, 2)
        station.broker.say(*done, *commissions(done), report(intent, BrokerStatus.FILLED, 2))

    station = play(story)
    assert state_of(station, "v6-open1") is OrderState.FILLED
    assert station.ledger.holdings["condor-open1"].units == 2


def test_a_cancel_waits_for_the_fills_that_were_on_their_way() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING), report(intent, BrokerStatus.CANCELLED, 1))
        assert not state_of(station, intent.order_ref).terminal
        done = fills(intent, 1)
        station.broker.say(*done, *commissions(done))

    station = play(story)
    assert state_of(station, "v6-open1") is OrderState.CANCELLED
    assert station.ledger.holdings["condor-open1"].units == 1


def test_a_partly_filled_exit_leaves_the_rest_held() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        intent = close_intent()
        station.submit(intent)
        done = fills(intent, 1, EXIT_PRICES)
        station.broker.say(report(intent, BrokerStatus.WORKING), *done, *commissions(done))
        station.broker.say(report(intent, BrokerStatus.CANCELLED, 1))

    station = play(story)
    assert station.ledger.holdings["condor-open1"].units == 1
    assert station.ledger.expected_contracts() == {1: 1, 2: -1, 3: -1, 4: 1}


def test_fills_of_a_working_order_count_as_held_before_it_ends() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING), *fills(intent, 1))
        assert station.ledger.expected_contracts() == {1: 1, 2: -1, 3: -1, 4: 1}

    play(story)


def test_a_correction_replaces_the_execution_it_corrects() -> None:
    async def story(station: Station) -> None:
        intent = open_intent(quantity=1)
        station.submit(intent)
        done = fills(intent, 1)
        better = corrected(done[0], done[0].price + Decimal("0.5"))
        station.broker.say(report(intent, BrokerStatus.WORKING), *done, better, done[0])
        station.broker.say(report(intent, BrokerStatus.FILLED, 1))
        await asyncio.sleep(10)

    station = play(story)
    assert station.ledger.holdings["condor-open1"].position.entry_price == Decimal("-9.0")


def test_missing_commissions_delay_the_booking_and_do_not_stop_it() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING), *fills(intent, 2))
        station.broker.say(report(intent, BrokerStatus.FILLED, 2))
        assert station.ledger.holdings == {}
        await asyncio.sleep(6)

    station = play(story)
    assert station.ledger.holdings["condor-open1"].units == 2


def test_a_roll_owes_a_replacement_once_it_is_closed() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        intent = close_intent(rolls=True)
        station.submit(intent)
        assert station.ledger.rolls == {}
        done = fills(intent, 2, EXIT_PRICES)
        station.broker.say(report(intent, BrokerStatus.WORKING), *done, *commissions(done))
        station.broker.say(report(intent, BrokerStatus.FILLED, 2))

    station = play(story)
    assert list(station.ledger.rolls) == ["condor-open1"]


def test_a_rejected_order_keeps_the_brokers_text() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.REJECTED, perm_id=0, text="201 margin"))

    station = play(story)
    ended = [event for event in station.journal.written if isinstance(event, e.OrderEnded)]
    assert [(event.state, event.reason) for event in ended] == [(OrderState.REJECTED, "201 margin")]


def test_the_books_know_the_price_an_immediate_exit_was_placed_at() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        intent = close_intent(urgency=Urgency.IMMEDIATE)
        station.submit(intent)
        assert station.ledger.orders[intent.order_ref].limit == station.broker.placed[-1].limit == Decimal("-4.90")
        station.broker.say(report(intent, BrokerStatus.WORKING))
        await asyncio.sleep(60)
        station.executor.chase(station.ledger.orders[intent.order_ref], Decimal("-4.60"))
        assert station.broker.repriced == [], "-4.60 would fill later than -4.90"

    play(story)


def test_nothing_chases_an_order_that_is_still_walking() -> None:
    async def story(station: Station) -> None:
        await opened(station)
        intent = close_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING))
        await asyncio.sleep(6)
        before = list(station.broker.repriced)
        station.executor.chase(station.ledger.orders[intent.order_ref], Decimal("-5.20"))
        assert station.broker.repriced == before

    play(story)


@pytest.mark.parametrize("state", [BrokerStatus.DOUBTFUL, BrokerStatus.CANCELLED])
def test_an_order_that_may_have_ended_is_not_repriced(state: BrokerStatus) -> None:
    async def story(station: Station) -> None:
        await opened(station)
        intent = close_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING))
        await asyncio.sleep(60)
        before = list(station.broker.repriced)
        # The cancel claims a unit whose executions are still on their way, so the order has not ended in our books.
        station.broker.say(report(intent, state, 1))
        assert not state_of(station, intent.order_ref).terminal
        station.executor.chase(station.ledger.orders[intent.order_ref], Decimal("-5.20"))
        assert station.broker.repriced == before

    play(story)


def test_a_new_limit_is_on_disk_before_the_broker_has_it() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING))
        await asyncio.sleep(6)

    log = play(story).log
    assert log[log.index("new limit") - 1] == "OrderRepriced"


def test_an_entry_is_cancelled_until_the_broker_confirms_it() -> None:
    async def story(station: Station) -> None:
        intent = open_intent()
        station.submit(intent)
        station.broker.say(report(intent, BrokerStatus.WORKING))
        station.broker.up = False
        await asyncio.sleep(60)
        assert station.broker.cancelled == []
        station.broker.up = True
        await asyncio.sleep(30)
        assert len(station.broker.cancelled) == 3
        station.broker.say(report(intent, BrokerStatus.CANCELLED))
        await asyncio.sleep(60)

    station = play(story)
    assert len(station.broker.cancelled) == 3
    assert state_of(station, "v6-open1") is OrderState.CANCELLED
