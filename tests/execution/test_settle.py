from dataclasses import replace
from decimal import Decimal

import pytest

from tests.execution.fakes import CONDOR, EXIT_PRICES, NOON, close_intent, fills, open_intent, report
from v6.execution.ledger import Ledger, OrderRecord
from v6.execution.settle import by_executions, complete, ending, merged
from v6.model import event as e
from v6.model.order import OrderState
from v6.model.position import Position
from v6.ports import BrokerStatus


def record(units: int, *, closing: bool = False, rolls: bool = False) -> OrderRecord:
    intent = close_intent(rolls=rolls) if closing else open_intent()
    prices = (EXIT_PRICES,) if closing else ()
    return OrderRecord(intent, OrderState.WORKING, 1, 77, fills=tuple(fills(intent, units, *prices)) if units else ())


def holding(units: int) -> Ledger:
    position = Position("condor-open1", "iron_condor", CONDOR, units, Decimal("-9.5"), NOON, Decimal(units))
    return Ledger([e.PositionOpened(NOON, position)])


@pytest.mark.parametrize(
    ("earlier", "later", "status", "filled"),
    [
        ((BrokerStatus.CANCELLED, 1), (BrokerStatus.CANCELLED, 0), BrokerStatus.CANCELLED, 1),
        ((BrokerStatus.CANCELLED, 0), (BrokerStatus.FILLED, 2), BrokerStatus.FILLED, 2),
        ((BrokerStatus.FILLED, 2), (BrokerStatus.CANCELLED, 0), BrokerStatus.FILLED, 2),
    ],
)
def test_final_words_add_up(
    earlier: tuple[BrokerStatus, int], later: tuple[BrokerStatus, int], status: BrokerStatus, filled: int
) -> None:
    found = merged(report(open_intent(), *earlier), report(open_intent(), *later))
    assert (found.status, found.filled) == (status, filled)


def test_a_final_word_waits_for_its_executions() -> None:
    filled = report(open_intent(), BrokerStatus.FILLED, 2)
    assert not complete(record(1), filled)
    assert complete(record(2), filled)
    legged = replace(record(2), fills=record(2).fills[:3])
    assert not complete(legged, report(open_intent(), BrokerStatus.CANCELLED, 0))
    assert complete(record(0), report(open_intent(), BrokerStatus.CANCELLED, 0))


def test_executions_are_a_final_word_only_when_all_is_filled() -> None:
    assert by_executions(record(1)) is None
    found = by_executions(record(2))
    assert found is not None
    assert found.status is BrokerStatus.FILLED


def test_an_end_without_fills_books_nothing() -> None:
    events = ending(record(0), report(open_intent(), BrokerStatus.CANCELLED, text="202"), Ledger(), NOON)
    assert events == [e.OrderEnded(NOON, "v6-open1", OrderState.CANCELLED, "202")]


def test_a_cancel_that_came_too_late_is_a_fill() -> None:
    events = ending(record(2), report(open_intent(), BrokerStatus.CANCELLED, 2), Ledger(), NOON)
    assert isinstance(events[0], e.OrderEnded)
    assert events[0].state is OrderState.FILLED


def test_a_replacement_ends_its_roll() -> None:
    rolled = record(2)
    rolled = replace(rolled, intent=replace(rolled.intent, roll_of="old"))
    events = ending(rolled, report(open_intent(), BrokerStatus.FILLED, 2), Ledger(), NOON)
    assert events[-1] == e.RollEnded(NOON, "old", "condor-open1", "replaced")


def test_a_partial_close_reports_its_own_share_and_starts_no_roll() -> None:
    events = ending(
        record(1, closing=True, rolls=True), report(close_intent(), BrokerStatus.CANCELLED, 1), holding(4), NOON
    )
    assert events[1:] == [
        e.PositionReduced(NOON, "condor-open1", 1, Decimal("-4.5"), Decimal(499), Decimal(1), "take_profit")
    ]


def test_a_whole_close_starts_the_roll() -> None:
    events = ending(
        record(2, closing=True, rolls=True), report(close_intent(), BrokerStatus.FILLED, 2), holding(2), NOON
    )
    assert [type(event) for event in events] == [e.OrderEnded, e.PositionClosed, e.RollStarted]


def test_closing_more_than_is_held_books_what_was_held_and_is_told() -> None:
    events = ending(record(2, closing=True), report(close_intent(), BrokerStatus.FILLED, 2), holding(1), NOON)
    assert isinstance(events[1], e.FindingRaised)
    assert events[1].code == "closed-too-much"
    assert isinstance(events[2], e.PositionClosed)
    assert events[2].pnl == Decimal(5) * 100 * 1 - 1


def test_closing_what_is_not_held_is_told_and_books_nothing() -> None:
    events = ending(record(2, closing=True), report(close_intent(), BrokerStatus.FILLED, 2), Ledger(), NOON)
    assert [type(event) for event in events] == [e.OrderEnded, e.FindingRaised]


def test_a_loss_is_negative_after_commissions() -> None:
    intent = close_intent()
    dear = tuple(fills(intent, 2, (Decimal(1), Decimal(12), Decimal(6), Decimal(1))))
    events = ending(
        OrderRecord(intent, OrderState.WORKING, fills=dear), report(intent, BrokerStatus.FILLED, 2), holding(2), NOON
    )
    assert isinstance(events[1], e.PositionClosed)
    # Opened for 9.50, bought back for 16.00.
    assert (events[1].exit_price, events[1].pnl) == (Decimal(-16), Decimal(-1302))
