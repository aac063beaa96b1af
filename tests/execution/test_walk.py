from decimal import Decimal
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v6.execution.walk import COMBO_TICK, POLICIES, steps, to_tick
from v6.model.contract import Side
from v6.model.decision import Urgency

ticks = st.integers(-2000, 2000).map(lambda n: n * COMBO_TICK)


@pytest.mark.parametrize(
    ("price", "side", "concede", "expected"),
    [
        ("-9.58", Side.BUY, False, "-9.60"),
        ("-9.58", Side.BUY, True, "-9.55"),
        ("-4.42", Side.SELL, False, "-4.40"),
        ("-4.42", Side.SELL, True, "-4.45"),
        ("1.05", Side.BUY, False, "1.05"),
    ],
)
def test_rounding_betters_the_price_unless_it_concedes(price: str, side: Side, concede: bool, expected: str) -> None:
    assert to_tick(Decimal(price), side, concede=concede) == Decimal(expected)


@given(ticks, st.integers(0, 400), st.sampled_from(Side), st.sampled_from(Urgency))
def test_a_walk_concedes_on_the_grid_and_never_beyond_its_end(
    start: Decimal, distance: int, side: Side, urgency: Urgency
) -> None:
    worst = start + side.sign * distance * COMBO_TICK
    prices = steps(start, worst, side, urgency)
    assert all(price % COMBO_TICK == 0 for price in prices)
    assert all((later - earlier) * side.sign > 0 for earlier, later in pairwise(prices))
    assert all((worst - price) * side.sign >= 0 for price in prices)
    assert all((price - start) * side.sign >= 0 for price in prices)
    if POLICIES[urgency].shares[-1] == 1:
        assert prices[-1] == worst


def test_an_immediate_order_starts_at_the_far_side() -> None:
    assert steps(Decimal("-4.40"), Decimal("-4.90"), Side.SELL, Urgency.IMMEDIATE) == [Decimal("-4.90")]


def test_an_unhurried_walk_stops_half_way() -> None:
    assert steps(Decimal("-4.00"), Decimal("-5.00"), Side.SELL, Urgency.LOW)[-1] == Decimal("-4.50")


def test_a_step_that_falls_between_two_ticks_concedes_the_smaller_one() -> None:
    # Fifths of 0.35 are 0.07.
    walk = steps(Decimal("-9.70"), Decimal("-9.35"), Side.BUY, Urgency.NORMAL)
    assert walk == [Decimal(p) for p in ("-9.70", "-9.65", "-9.60", "-9.50", "-9.45", "-9.35")]


def test_nothing_is_written_as_nothing_and_not_as_minus_nothing() -> None:
    assert str(to_tick(Decimal("-0.02"), Side.SELL, concede=False)) == "0.00"
