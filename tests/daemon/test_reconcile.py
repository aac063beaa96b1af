from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.execution.fakes import CONDOR, EXPIRY, NOON
from v6.daemon.reconcile import compare
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.position import Position

POSITION = Position("p1", "iron_condor", CONDOR, 2, Decimal("-9.5"), NOON, Decimal(10))
HELD = {1: 2, 2: -2, 3: -2, 4: 2}
TODAY = date(2014, 1, 8)


def ledger(*more: e.Event) -> Ledger:
    return Ledger([e.PositionOpened(NOON, POSITION), *more])


def test_agreement_is_silent() -> None:
    assert compare(ledger(), HELD, TODAY, None, NOON) == compare(Ledger(), {}, TODAY, None, NOON)


@pytest.mark.parametrize(
    ("broker", "con_ids"),
    [
        ({}, [1, 2, 3, 4]),
        ({**HELD, 99: 1}, [99]),
        ({**HELD, 2: -1}, [2]),
        ({con_id: quantity for con_id, quantity in HELD.items() if con_id != 3}, [3]),
    ],
    ids=["missing there", "missing here", "quantity", "one leg"],
)
def test_each_difference_is_named(broker: dict[int, int], con_ids: list[int]) -> None:
    found = compare(ledger(), broker, TODAY, 1800.0, NOON).unexplained
    assert [int(text.split()[1].rstrip(":")) for text in found] == con_ids


def test_a_structure_that_is_gone_after_its_expiry_has_expired() -> None:
    found = compare(ledger(), {}, EXPIRY + timedelta(days=3), 1910.0, NOON)
    assert found.unexplained == ()
    (closed,) = found.events
    assert isinstance(closed, e.PositionClosed)
    assert closed.reason == "expired"
    assert closed.exit_price == Decimal("-10")
    assert closed.pnl == Decimal("-0.5") * 200 - 10


def test_expiry_without_a_settlement_price_is_left_open_for_a_person() -> None:
    found = compare(ledger(), {}, EXPIRY + timedelta(days=3), None, NOON)
    assert found.events == ()
    assert len(found.unexplained) == 4


def test_a_structure_that_vanishes_on_its_last_day_is_no_expiry_yet() -> None:
    assert compare(ledger(), {}, EXPIRY, 1800.0, NOON).events == ()


def test_what_is_left_of_a_reduced_position_is_expected() -> None:
    reduced = e.PositionReduced(NOON, "p1", 1, Decimal("-4.5"), Decimal(490), Decimal(10), "take_profit")
    assert compare(ledger(reduced), {k: v // 2 for k, v in HELD.items()}, TODAY, None, NOON).unexplained == ()
    expired = compare(ledger(reduced), {}, EXPIRY + timedelta(days=1), 1800.0, NOON)
    (closed,) = expired.events
    assert isinstance(closed, e.PositionClosed)
    assert closed.pnl == replace(POSITION, quantity=1).credit * 100 - 5
