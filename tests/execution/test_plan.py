from decimal import Decimal
from functools import cache

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from tests.conftest import ROOT
from tests.execution.fakes import CONDOR, LIMITS, NOON, PORTFOLIO
from v6.execution.plan import closing_limit, intent_id, kept_units, plan_close, plan_open
from v6.execution.walk import COMBO_TICK, steps
from v6.lang.desk import StrategyTemplate
from v6.model.decision import Action, ActionKind, Decision, Urgency
from v6.model.order import OrderIntent, Purpose
from v6.model.position import Position
from v6.model.quote import Quote
from v6.risk import Approved, Book, review
from v6.rules import load_desk
from v6.strategy import Proposal

HELD = Book({"p1": 3}, frozenset(), 0, Decimal(0), 0)
POSITION = Position("p1", "iron_condor", CONDOR, 3, Decimal("-9.5"), NOON)


def quotes(*sides: tuple[float | None, float | None]) -> dict[int, Quote]:
    return {n: Quote(n, NOON, bid, ask) for n, (bid, ask) in enumerate(sides, start=1)}


WIDE = quotes((0.9, 1.1), (2.9, 3.1), (2.9, 3.1), (0.4, 0.6))
"""Mid -4.50, natural for selling the structure (buying the shorts back) -4.90."""


@cache
def the_template() -> StrategyTemplate:
    return load_desk(ROOT).strategies[0]


def decide(kind: ActionKind, urgency: Urgency = Urgency.NORMAL) -> Decision:
    return Decision("s1:p1", "s1", NOON, "p1", "stop_loss", Action(kind, urgency), 1, 0, "b", "r")


def test_a_close_walks_from_the_mid_to_the_far_side() -> None:
    intent = plan_close(decide(ActionKind.CLOSE), POSITION, 3, WIDE, NOON, 1)
    assert isinstance(intent, OrderIntent)
    assert (intent.limit, intent.worst) == (Decimal("-4.50"), Decimal("-4.90"))
    assert (intent.quantity, intent.purpose, intent.rolls) == (3, Purpose.CLOSE, False)


def test_a_reduction_closes_the_units_it_is_told_to() -> None:
    intent = plan_close(decide(ActionKind.REDUCE), POSITION, 2, WIDE, NOON, 1)
    assert isinstance(intent, OrderIntent)
    assert (intent.quantity, intent.purpose, intent.rolls) == (2, Purpose.CLOSE, False)


@pytest.mark.parametrize(
    ("units", "fraction", "kept"),
    [(4, 0.5, 2), (3, 0.5, 1), (1, 0.5, 0), (10, 0.1 + 0.2, 7), (3, 1 / 3, 2), (10, 0.01, 9), (10, 0.999, 0)],
)
def test_what_is_given_up_is_rounded_up_to_whole_units(units: int, fraction: float, kept: int) -> None:
    assert kept_units(units, fraction) == kept


def test_an_immediate_close_goes_two_ticks_beyond_the_far_side() -> None:
    intent = plan_close(decide(ActionKind.CLOSE, Urgency.IMMEDIATE), POSITION, 3, WIDE, NOON, 1)
    assert isinstance(intent, OrderIntent)
    assert intent.worst == Decimal("-5.00")


def test_a_close_never_pays_more_than_the_structure_can_cost() -> None:
    crazy = quotes((0.0, 1.0), (60.0, 90.0), (0.1, 0.2), (0.0, 0.1))
    intent = plan_close(decide(ActionKind.CLOSE, Urgency.IMMEDIATE), POSITION, 3, crazy, NOON, 1)
    assert isinstance(intent, OrderIntent)
    assert intent.worst == Decimal(-50)
    assert intent.limit >= intent.worst


def test_a_roll_is_a_close_that_owes_a_replacement() -> None:
    intent = plan_close(decide(ActionKind.ROLL), POSITION, 3, WIDE, NOON, 1)
    assert isinstance(intent, OrderIntent)
    assert intent.rolls


@pytest.mark.parametrize("hole", [(None, 3.1), (2.9, None), (3.2, 3.1)])
def test_a_leg_without_a_market_gives_a_reason_and_no_price(hole: tuple[float | None, float | None]) -> None:
    broken = quotes((0.9, 1.1), hole, (2.9, 3.1), (0.4, 0.6))
    assert isinstance(plan_close(decide(ActionKind.CLOSE), POSITION, 3, broken, NOON, 1), str)


def test_what_does_not_close_is_not_planned_as_a_close() -> None:
    with pytest.raises(ValueError, match="does not close"):
        plan_close(decide(ActionKind.HALT_OPENS), POSITION, 3, WIDE, NOON, 1)


def test_a_resting_close_would_fill_at_the_far_side() -> None:
    intent = plan_close(decide(ActionKind.CLOSE), POSITION, 3, WIDE, NOON, 1)
    assert isinstance(intent, OrderIntent)
    wider = quotes((0.8, 1.1), (2.9, 3.3), (2.9, 3.1), (0.4, 0.6))
    assert closing_limit(intent, wider) == Decimal("-5.20")
    assert closing_limit(intent, {}) is None


def test_an_open_is_identified_by_its_cause() -> None:
    template = the_template()
    proposal = Proposal(CONDOR, 2, -9.58, -9.2, -5.0)
    first = plan_open(template, proposal, "s1", NOON, None)
    assert (first.limit, first.worst) == (Decimal("-9.60"), Decimal("-9.20"))
    assert plan_open(template, proposal, "s1", NOON, None) == first
    assert plan_open(template, proposal, "s2", NOON, None).intent_id != first.intent_id
    assert plan_open(template, proposal, "s1", NOON, "old").intent_id != first.intent_id


def test_identities_do_not_run_into_each_other() -> None:
    assert intent_id("ab", "c") != intent_id("a", "bc")
    assert len(f"v6-{intent_id('x')}") <= 32, "IB's orderRef"


def test_an_entry_never_walks_below_the_least_credit_of_its_template() -> None:
    template = the_template()
    intent = plan_open(template, Proposal(CONDOR, 2, -9.58, -0.4, -5.0), "s1", NOON, None)
    assert -intent.worst >= 5
    assert intent.limit <= intent.worst


def test_a_worthless_structure_is_offered_at_nothing_and_not_at_a_debit() -> None:
    # The wings are quoted higher than the shorts: the mid is +0.10, which a condor can never be worth.
    odd = quotes((0.0, 0.4), (0.0, 0.2), (0.0, 0.2), (0.0, 0.2))
    intent = plan_close(decide(ActionKind.CLOSE), POSITION, 3, odd, NOON, 1)
    assert isinstance(intent, OrderIntent)
    assert intent.limit == 0
    assert isinstance(review(intent, PORTFOLIO, LIMITS, HELD), Approved)


sides = st.tuples(st.integers(0, 6000), st.integers(0, 400)).map(lambda q: (q[0] / 100, (q[0] + q[1]) / 100))


@given(sides, sides, sides, sides, st.sampled_from(Urgency))
def test_whatever_is_quoted_a_close_passes_the_gate_on_the_grid(
    a: tuple[float, float], b: tuple[float, float], c: tuple[float, float], d: tuple[float, float], urgency: Urgency
) -> None:
    intent = plan_close(decide(ActionKind.CLOSE, urgency), POSITION, 3, quotes(a, b, c, d), NOON, 1)
    assert isinstance(intent, OrderIntent)
    assert isinstance(review(intent, PORTFOLIO, LIMITS, HELD), Approved)
    prices = steps(intent.limit, intent.worst, intent.side, urgency)
    low, high = CONDOR.extremes()
    assert low is not None
    assert high is not None
    for price in prices:
        assert price % COMBO_TICK == 0
        assert low <= price <= high
        assert not (price.is_zero() and price.is_signed()), "the wire would read -0.0"


@given(st.integers(-4900, -600), st.integers(0, 3000))
def test_whatever_is_quoted_an_open_walks_on_the_grid_between_its_ends(mid: int, distance: int) -> None:
    template = the_template()
    assume(-mid / 100 >= 5)
    intent = plan_open(template, Proposal(CONDOR, 1, mid / 100, (mid + distance) / 100, -5.0), "s", NOON, None)
    assert intent.limit <= Decimal(mid) / 100
    assert intent.limit % COMBO_TICK == intent.worst % COMBO_TICK == 0
    assert intent.limit <= intent.worst < 0
