"""Reference values: Haug, "The Complete Guide to Option Pricing" (1998), as QuantLib's test-suite quotes them; and
the standard set of American puts on a share of 40 at 4.88 % (Geske & Johnson 1984 and after)."""

from __future__ import annotations

from math import exp

import pytest

from v6.model.contract import Right
from v6.model.quote import GreeksSource
from v6.pricing.american import American
from v6.pricing.bsm import greeks_of, price_of

C, P = Right.CALL, Right.PUT
RATE = 0.053


@pytest.mark.parametrize(
    ("known", "strike", "years", "vol"),
    [
        (0.0062, 35, 0.0833, 0.2),
        (0.2004, 35, 0.3333, 0.2),
        (0.4328, 35, 0.5833, 0.2),
        (0.8523, 40, 0.0833, 0.2),
        (1.5798, 40, 0.3333, 0.2),
        (1.9904, 40, 0.5833, 0.2),
        (5.0000, 45, 0.0833, 0.2),
        (5.0883, 45, 0.3333, 0.2),
        (5.2670, 45, 0.5833, 0.2),
        (1.3102, 40, 0.0833, 0.3),
        (2.4825, 40, 0.3333, 0.3),
        (3.1696, 40, 0.5833, 0.3),
        (1.7681, 40, 0.0833, 0.4),
        (3.3874, 40, 0.3333, 0.4),
        (4.3526, 40, 0.5833, 0.4),
        (7.3830, 45, 0.5833, 0.4),
    ],
)
def test_puts_are_worth_what_the_literature_says(known: float, strike: float, years: float, vol: float) -> None:
    assert American(40, strike, years, P, 0.0488).price(vol) == pytest.approx(known, abs=6e-4)


@pytest.mark.parametrize("strike", [440.0, 475.0, 510.0])
def test_a_call_on_a_share_without_dividends_is_worth_the_european_one(strike: float) -> None:
    option = American(475, strike, 45 / 365, C, RATE)
    assert option.price(0.14) == pytest.approx(price_of(475, strike, 45 / 365, 0.14, C, RATE), abs=1e-6)
    ours, theirs = option.greeks(0.14), greeks_of(475, strike, 45 / 365, 0.14, C, RATE)
    assert ours is not None
    assert theirs is not None
    assert ours.source is GreeksSource.LOCAL
    assert ours.delta == pytest.approx(theirs.delta, abs=2e-4)
    assert ours.gamma == pytest.approx(theirs.gamma, rel=5e-3)
    assert ours.theta == pytest.approx(theirs.theta, rel=1e-3)
    assert ours.vega == pytest.approx(theirs.vega, rel=1e-3)


@pytest.mark.parametrize(
    ("premium", "strike", "days"), [(0.011, 460, 21), (0.050, 460, 45), (0.183, 475, 45), (0.884, 490, 90)]
)
def test_a_put_can_be_exercised_early_and_costs_more_for_it(premium: float, strike: float, days: int) -> None:
    price = American(475, strike, days / 365, P, RATE, 0.014).price(0.14)
    european = price_of(475, strike, days / 365, 0.14, P, RATE, 0.014)
    assert price is not None
    assert european is not None
    assert price - european == pytest.approx(premium, abs=5e-4)


@pytest.mark.parametrize(("premium", "strike"), [(1.51, 440), (1.23, 460), (0.69, 475), (0.22, 490)])
def test_a_call_is_exercised_for_the_dividend(premium: float, strike: float) -> None:
    """A dividend of 1.60 one day before expiry, on a share like SPY: what a yield hides a payment in cash shows."""
    price = American(475, strike, 21 / 365, C, RATE, 0.0, ((20 / 365, 1.60),)).price(0.14)
    european = price_of(475 - 1.60 * exp(-RATE * 20 / 365), strike, 21 / 365, 0.14, C, RATE)
    assert price is not None
    assert european is not None
    assert price - european == pytest.approx(premium, abs=0.02)


def test_a_dividend_after_expiry_changes_nothing() -> None:
    plain = American(475, 475, 21 / 365, C, RATE)
    later = American(475, 475, 21 / 365, C, RATE, 0.0, ((22 / 365, 1.60), (-1 / 365, 1.60)))
    assert later.price(0.14) == plain.price(0.14)


@pytest.mark.parametrize("days", [3 / 24, 1, 45, 700])
@pytest.mark.parametrize("right", [C, P])
def test_minutes_and_years_are_priced_alike(days: float, right: Right) -> None:
    """With neither rate nor dividend there is nothing to gain from exercise, and European is exact."""
    price = American(475, 476, days / 365, right).price(0.2)
    assert price == pytest.approx(price_of(475, 476, days / 365, 0.2, right), abs=1e-4)


@pytest.mark.parametrize("dividends", [(), ((20 / 365, 1.60),)])
@pytest.mark.parametrize(("strike", "right"), [(460.0, C), (475.0, P), (500.0, C)])
def test_the_implied_volatility_of_a_price_is_the_volatility_that_made_it(
    strike: float, right: Right, dividends: tuple[tuple[float, float], ...]
) -> None:
    option = American(475, strike, 30 / 365, right, RATE, 0.0, dividends)
    price = option.price(0.17)
    assert price is not None
    assert option.implied_vol(price) == pytest.approx(0.17, abs=1e-6)


def test_greeks_with_a_dividend_ahead_are_the_slopes_of_the_price() -> None:
    option = American(475, 470, 21 / 365, C, RATE, 0.0, ((20 / 365, 1.60),))
    greeks = option.greeks(0.14)
    assert greeks is not None
    tomorrow = American(475, 470, 20 / 365, C, RATE, 0.0, ((19 / 365, 1.60),)).price(0.14)
    today = option.price(0.14)
    dearer = option.price(0.15)
    assert today is not None
    assert tomorrow is not None
    assert dearer is not None
    assert greeks.theta == pytest.approx(tomorrow - today, rel=0.03)
    assert greeks.vega == pytest.approx(dearer - today, rel=0.02)
    assert 0.5 < greeks.delta < 0.9


@pytest.mark.parametrize(
    ("price", "why"),
    [(15.0, "exercise value"), (14.0, "below exercise value"), (490.0, "above any"), (float("nan"), "no number")],
)
def test_a_price_that_no_volatility_gives_has_none(price: float, why: str) -> None:
    assert American(475, 490, 30 / 365, P, RATE).implied_vol(price) is None, why


@pytest.mark.parametrize(
    "option",
    [
        American(0, 475, 0.1, C),
        American(475, 0, 0.1, C),
        American(475, 475, 0, C),
        American(475, 475, 0.1, C, float("nan")),
        American(475, 475, 0.1, C, 0.0, 0.0, ((0.05, 480.0),)),
    ],
)
def test_what_cannot_be_priced_has_neither_price_nor_greeks(option: American) -> None:
    assert option.price(0.2) is None
    assert option.greeks(0.2) is None
    assert option.implied_vol(5.0) is None
