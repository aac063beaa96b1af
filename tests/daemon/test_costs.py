"""What a contract cost, by the broker and by our own fills."""

from decimal import Decimal

import pytest

from tests.execution.fakes import CONDOR, ENTRY_PRICES, NOON, close_intent, fills, open_intent
from v6.daemon.conflicts import Kind, Resolution
from v6.daemon.costs import cost_conflicts
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.position import Position
from v6.model.statement import Held

INTENT = open_intent()
FILLS = fills(INTENT, 2)
HELD = {f.con_id: Held(f.quantity, None, float(f.price) * 100) for f in FILLS}


def opened(fee: str | None = "2.50", *more: e.Event) -> Ledger:
    """Return books with two condors at ENTRY_PRICES."""
    position = Position(INTENT.position_id, "iron_condor", CONDOR, 2, Decimal("-9.5"), NOON)
    paid = [] if fee is None else [e.CommissionReported(NOON, fill.exec_id, Decimal(fee)) for fill in FILLS]
    return Ledger(
        [
            e.OrderIntended(NOON, INTENT),
            *(e.OrderFilled(NOON, fill) for fill in FILLS),
            e.PositionOpened(NOON, position),
            *paid,
            *more,
        ]
    )


def test_the_brokers_cost_with_multiplier_and_commission_is_ours() -> None:
    assert ENTRY_PRICES[0] * 100 == 200
    assert list(cost_conflicts(opened(), HELD)) == []
    with_fees = {**HELD, 1: Held(2, None, 201.25), 2: Held(-2, None, 698.75)}
    assert list(cost_conflicts(opened(), with_fees)) == []


@pytest.mark.parametrize(("fee", "cost", "differs"), [("2.50", 202.24, False), ("2.50", 202.26, True),
                                                      (None, 203.99, False), (None, 204.01, True)])  # fmt: skip
def test_another_cost_is_told_with_both_figures(fee: str | None, cost: float, differs: bool) -> None:
    found = list(cost_conflicts(opened(fee), {**HELD, 1: Held(2, None, cost)}))
    assert [(c.kind, c.resolution, c.con_id, c.ours, c.theirs) for c in found] == (
        [(Kind.COST, Resolution.TELL, 1, 200.0, cost)] if differs else []
    )


def test_a_cost_without_the_multiplier_is_another_cost() -> None:
    assert [c.con_id for c in cost_conflicts(opened(), {**HELD, 1: Held(2, None, 2.0)})] == [1]


def test_what_others_hold_or_later_orders_traded_has_a_cost_of_its_own() -> None:
    wrong = {1: Held(3, None, 1.0), 2: Held(-2, None, None), 99: Held(1, None, 5.0)}
    assert list(cost_conflicts(opened(), wrong)) == [], "another number, no cost told, not ours"
    closing = close_intent(quantity=1)
    later = [e.OrderIntended(NOON, closing), *(e.OrderFilled(NOON, fill) for fill in fills(closing, 1))]
    assert list(cost_conflicts(opened("2.50", *later), {1: Held(2, None, 1.0)})) == []
