from dataclasses import replace
from datetime import date, timedelta
from decimal import Decimal

import pytest

from tests.execution.fakes import CONDOR, EXPIRY, NOON, fills, open_intent
from v6.daemon.reconcile import compare
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.order import OrderState
from v6.model.position import Position

POSITION = Position("p1", "iron_condor", CONDOR, 2, Decimal("-9.5"), NOON, Decimal(10))
HELD = {1: 2, 2: -2, 3: -2, 4: 2}
TODAY = date(2014, 1, 8)
NONE: dict[date, float] = {}


def ledger(*more: e.Event) -> Ledger:
    return Ledger([e.PositionOpened(NOON, POSITION), *more])


def test_agreement_is_silent() -> None:
    assert compare(ledger(), HELD, TODAY, NONE, NOON) == compare(Ledger(), {}, TODAY, NONE, NOON)


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
    found = compare(ledger(), broker, TODAY, {NOON.date(): 1800.0}, NOON).unexplained
    assert [int(text.split()[1].rstrip(":")) for text in found] == con_ids


def test_a_structure_that_is_gone_after_its_expiry_has_expired() -> None:
    found = compare(ledger(), {}, EXPIRY + timedelta(days=3), {EXPIRY: 1910.0, EXPIRY + timedelta(days=1): 1.0}, NOON)
    assert found.unexplained == ()
    (closed,) = found.events
    assert isinstance(closed, e.PositionClosed)
    assert closed.reason == "expired"
    assert closed.exit_price == Decimal("-10")
    assert closed.pnl == Decimal("-0.5") * 200 - 10


def test_expiry_without_a_settlement_price_is_left_open_for_a_person() -> None:
    found = compare(
        ledger(),
        {},
        EXPIRY + timedelta(days=3),
        {EXPIRY - timedelta(days=1): 1800.0, EXPIRY + timedelta(days=1): 1.0},
        NOON,
    )
    assert found.events == ()
    assert len(found.unexplained) == 4


def test_a_structure_that_vanishes_on_its_last_day_is_no_expiry_yet() -> None:
    assert compare(ledger(), {}, EXPIRY, {EXPIRY: 1800.0}, NOON).events == ()


def test_what_is_left_of_a_reduced_position_is_expected() -> None:
    reduced = e.PositionReduced(NOON, "p1", 1, Decimal("-4.5"), Decimal(490), Decimal(10), "take_profit")
    assert compare(ledger(reduced), {k: v // 2 for k, v in HELD.items()}, TODAY, NONE, NOON).unexplained == ()
    expired = compare(ledger(reduced), {}, EXPIRY + timedelta(days=1), {EXPIRY: 1800.0}, NOON)
    (closed,) = expired.events
    assert isinstance(closed, e.PositionClosed)
    assert closed.pnl == replace(POSITION, quantity=1).credit * 100 - 5


def test_what_settles_at_the_next_opening_is_not_booked_at_the_close() -> None:
    morning = replace(
        CONDOR,
        legs=tuple(replace(leg, contract=replace(leg.contract, trading_class="SPX")) for leg in CONDOR.legs),
    )
    ours = Ledger([e.PositionOpened(NOON, replace(POSITION, structure=morning))])
    found = compare(ours, {}, EXPIRY + timedelta(days=1), {EXPIRY: 1800.0}, NOON)
    assert found.events == ()
    assert len(found.unexplained) == 4


def test_legs_of_several_expiries_do_not_expire_together() -> None:
    far = replace(CONDOR.legs[3], contract=replace(CONDOR.legs[3].contract, expiry=EXPIRY + timedelta(days=28)))
    ours = Ledger([e.PositionOpened(NOON, replace(POSITION, structure=replace(CONDOR, legs=(*CONDOR.legs[:3], far))))])
    assert compare(ours, {}, EXPIRY + timedelta(days=1), {EXPIRY: 1800.0}, NOON).events == ()


def test_commissions_that_came_after_the_booking_count() -> None:
    intent = replace(open_intent(), position_id="p1")
    executed = fills(intent, 2)
    ours = Ledger(
        [
            e.OrderIntended(NOON, intent),
            e.OrderSending(NOON, intent.order_ref, 1),
            *(e.OrderFilled(NOON, fill) for fill in executed),
            e.OrderEnded(NOON, intent.order_ref, OrderState.FILLED),
            e.PositionOpened(NOON, replace(POSITION, commission=Decimal(0))),
            *(e.CommissionReported(NOON, fill.exec_id, Decimal("2.5")) for fill in executed),
        ]
    )
    (closed,) = compare(ours, {}, EXPIRY + timedelta(days=1), {EXPIRY: 1800.0}, NOON).events
    assert isinstance(closed, e.PositionClosed)
    assert (closed.commission, closed.pnl) == (Decimal(10), Decimal("9.5") * 200 - 10)
