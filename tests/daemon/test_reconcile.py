from dataclasses import replace
from datetime import date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.execution.fakes import CONDOR, EXPIRY, NOON, fills, open_intent
from v6.daemon.conflicts import Kind, Resolution
from v6.daemon.reconcile import Comparison
from v6.daemon.reconcile import compare as hold_against
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.order import OrderState
from v6.model.position import Position
from v6.model.statement import Held, Statement

POSITION = Position("p1", "iron_condor", CONDOR, 2, Decimal("-9.5"), NOON, Decimal(10))
HELD = {1: 2, 2: -2, 3: -2, 4: 2}
TODAY = date(2014, 1, 8)
NONE: dict[date, float] = {}


def compare(ours: Ledger, broker: dict[int, int], today: date, closes: dict[date, float], at: datetime) -> Comparison:
    return hold_against(ours, Statement({c: Held(n) for c, n in broker.items()}, ()), today, closes, at)


def ledger(*more: e.Event) -> Ledger:
    return Ledger([e.PositionOpened(NOON, POSITION), *more])


def test_agreement_is_silent() -> None:
    assert compare(ledger(), HELD, TODAY, NONE, NOON) == compare(Ledger(), {}, TODAY, NONE, NOON)


@pytest.mark.parametrize(
    ("broker", "found"),
    [
        ({}, dict.fromkeys((1, 2, 3, 4), (Kind.MISSING_THERE, Resolution.FENCE))),
        ({**HELD, 99: 1}, {99: (Kind.MISSING_HERE, Resolution.HALT)}),
        ({**HELD, 2: -1}, {2: (Kind.QUANTITY, Resolution.FENCE)}),
        ({**HELD, 2: -3}, {2: (Kind.QUANTITY, Resolution.HALT)}),
        ({**HELD, 2: 2}, {2: (Kind.QUANTITY, Resolution.FENCE)}),
        ({1: 2, 2: -2, 4: 2}, {3: (Kind.MISSING_THERE, Resolution.FENCE)}),
    ],
    ids=["missing there", "missing here", "fewer", "more", "turned around", "one leg"],
)
def test_each_difference_is_named(broker: dict[int, int], found: dict[int, tuple[Kind, Resolution]]) -> None:
    result = compare(ledger(), broker, TODAY, {NOON.date(): 1800.0}, NOON)
    assert {c.con_id: (c.kind, c.resolution) for c in result.conflicts} == found
    assert len(result.halts) == len(found)
    fenced = any(resolution is Resolution.FENCE for _, resolution in found.values())
    assert result.fenced == ({"p1"} if fenced else set()), "what the broker does not wholly hold is not traded"


def test_a_structure_that_is_gone_after_its_expiry_has_expired() -> None:
    found = compare(ledger(), {}, EXPIRY + timedelta(days=3), {EXPIRY: 1910.0, EXPIRY + timedelta(days=1): 1.0}, NOON)
    assert {c.con_id: (c.kind, c.resolution) for c in found.conflicts} == dict.fromkeys(
        HELD, (Kind.EXPIRED, Resolution.BOOK)
    )
    assert (found.halts, found.fenced) == ((), set())
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
    assert [c.kind for c in found.conflicts] == [Kind.EXPIRED] * 4
    assert (len(found.halts), found.fenced) == (4, {"p1"})


def test_a_structure_that_vanishes_on_its_last_day_is_no_expiry_yet() -> None:
    assert compare(ledger(), {}, EXPIRY, {EXPIRY: 1800.0}, NOON).events == ()


def test_what_is_left_of_a_reduced_position_is_expected() -> None:
    reduced = e.PositionReduced(NOON, "p1", 1, Decimal("-4.5"), Decimal(490), Decimal(10), "take_profit")
    assert compare(ledger(reduced), {k: v // 2 for k, v in HELD.items()}, TODAY, NONE, NOON).conflicts == ()
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
    assert [c.kind for c in found.conflicts] == [Kind.EXPIRED] * 4
    assert (len(found.halts), found.fenced) == (4, {"p1"})


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


def test_a_leg_of_an_expired_structure_that_another_position_still_needs_is_not_settled_by_it() -> None:
    far = replace(CONDOR.legs[3], contract=replace(CONDOR.legs[3].contract, con_id=9, expiry=EXPIRY + timedelta(28)))
    other = replace(POSITION, position_id="p2", structure=replace(CONDOR, legs=(CONDOR.legs[0], far)))
    ours = ledger(e.PositionOpened(NOON, other))
    found = compare(ours, {9: 2}, EXPIRY + timedelta(days=1), {EXPIRY: 1800.0}, NOON)
    assert [event.position_id for event in found.events if isinstance(event, e.PositionClosed)] == ["p1"]
    assert {c.con_id: c.resolution for c in found.conflicts} == {
        1: Resolution.FENCE, 2: Resolution.BOOK, 3: Resolution.BOOK, 4: Resolution.BOOK
    }  # fmt: skip
    assert found.fenced == {"p2"}


@pytest.mark.parametrize(("units", "clean"), [(1, True), (2, True), (3, False)])
def test_what_a_working_order_may_just_have_filled_is_no_conflict_yet(units: int, clean: bool) -> None:
    intent = open_intent(quantity=2)
    ours = Ledger(
        [
            e.OrderIntended(NOON, intent),
            e.OrderSending(NOON, intent.order_ref, 1),
            e.OrderSubmitted(NOON, "v6-open1", 5),
        ]
    )
    broker = {leg.contract.con_id: leg.ratio * units for leg in CONDOR.legs}
    assert (compare(ours, broker, TODAY, NONE, NOON).conflicts == ()) is clean
    broker[1] += 1
    assert compare(ours, broker, TODAY, NONE, NOON).conflicts != (), "no whole units of the order"
