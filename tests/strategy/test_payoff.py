"""Payoffs against hand calculations and against brute force over prices."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.execution.fakes import option
from v6.model.contract import Leg, Right
from v6.model.position import Structure, StructureKind
from v6.strategy.payoff import Region, breakevens, curve, probability, profits, years_to


def structure(*legs: tuple[int, Right, int]) -> Structure:
    made = tuple(Leg(option(n + 1, strike, right), ratio) for n, (strike, right, ratio) in enumerate(legs))
    return Structure(StructureKind.CUSTOM, "SPX", made)


P, C = Right.PUT, Right.CALL
CONDOR = structure((1650, P, 1), (1700, P, -1), (1900, C, -1), (1950, C, 1))


def test_a_condor_earns_between_its_shorts_widened_by_the_credit() -> None:
    assert profits(CONDOR, Decimal("-9.5")) == (Region(1690.5, 1909.5),)
    assert breakevens(profits(CONDOR, Decimal("-9.5"))) == (1690.5, 1909.5)


def test_a_debit_call_spread_earns_above_its_strike_and_what_it_cost() -> None:
    spread = structure((1800, C, 1), (1825, C, -1))
    assert profits(spread, Decimal(10)) == (Region(1810.0, None),)
    assert profits(structure((1800, P, 1), (1775, P, -1)), Decimal(10)) == (Region(None, 1790.0),)


def test_unbounded_legs_are_followed_beyond_the_last_strike() -> None:
    assert profits(structure((1800, C, 1)), Decimal(30)) == (Region(1830.0, None),)
    assert profits(structure((1800, C, -1)), Decimal(-30)) == (Region(None, 1830.0),)
    straddle = structure((1800, P, 1), (1800, C, 1))
    assert profits(straddle, Decimal(50)) == (Region(None, 1750.0), Region(1850.0, None))


def test_what_never_earns_has_no_region_and_what_always_earns_has_no_end() -> None:
    assert profits(CONDOR, Decimal(1)) == ()
    assert profits(CONDOR, Decimal(-60)) == (Region(None, None),)


@given(
    st.lists(
        st.tuples(st.integers(10, 30).map(lambda n: n * 10), st.sampled_from([P, C]), st.sampled_from([-2, -1, 1, 2])),
        min_size=1,
        max_size=4,
    ),
    st.integers(-500, 500).map(lambda n: Decimal(n) / 10 + Decimal("0.03")),
)
def test_the_regions_are_where_brute_force_finds_profit(legs: list[tuple[int, Right, int]], entry: Decimal) -> None:
    made = structure(*legs)
    regions = profits(made, entry)
    for spot in range(1, 900, 3):
        earns = made.payoff(Decimal(spot)) > entry
        inside = any((r.low is None or spot > r.low) and (r.high is None or spot < r.high) for r in regions)
        assert earns is inside, spot


def test_the_chance_of_a_lognormal_price_is_the_textbooks() -> None:
    # N(-d2) with S = K = 100, 20 %, one year: d2 = -0.1, so it ends below 100 with N(0.1).
    assert probability((Region(None, 100.0),), 100.0, {100.0: 0.2}, 1.0) == pytest.approx(0.539827837)
    assert probability((Region(100.0, None),), 100.0, {100.0: 0.2}, 1.0) == pytest.approx(1 - 0.539827837)
    assert probability((Region(None, None),), 100.0, {100.0: 0.2}, 1.0) == 1.0
    assert probability((), 100.0, {100.0: 0.2}, 1.0) == 0.0


def test_without_time_or_volatility_there_is_no_chance_to_tell() -> None:
    assert probability((Region(None, 1.0),), 100.0, {100.0: 0.2}, 0.0) is None
    assert probability((Region(None, 1.0),), 100.0, {}, 1.0) is None


def test_the_curve_ends_at_the_payoff_and_is_smooth_before() -> None:
    vols = {1: 0.2, 2: 0.17, 3: 0.13, 4: 0.12}
    spots = [1500.0, 1690.5, 1800.0, 1909.5, 2100.0]
    found = curve(CONDOR, Decimal("-9.5"), vols, years_to(45), spots)
    assert found.at_expiry == pytest.approx((-4050, 0, 950, 0, -4050))
    assert all(-4050 < value < 950 for value in found.today)
    late = curve(CONDOR, Decimal("-9.5"), vols, years_to(0.001), spots)
    assert late.today == pytest.approx(late.at_expiry, abs=5)
