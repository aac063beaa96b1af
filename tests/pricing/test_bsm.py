"""Reference values: Hull, "Options, Futures, and Other Derivatives"; Haug, "The Complete Guide to Option Pricing"."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from v6.model.contract import Right
from v6.model.quote import GreeksSource
from v6.pricing.bsm import evaluate, greeks_of, implied_vol, implied_vol_of, price_of

C, P = Right.CALL, Right.PUT

spots = st.floats(100, 5000)
moneyness = st.floats(-0.6, 0.5)
maturities = st.floats(1 / 365, 3)
volatilities = st.floats(0.05, 1.5)
rates = st.floats(-0.02, 0.10)


@pytest.mark.parametrize(
    ("printed", "spot", "strike", "years", "vol", "right", "rate", "dividend"),
    [
        ("4.76", 42, 40, 0.5, 0.20, C, 0.10, 0.0),  # Hull, example 15.6
        ("0.81", 42, 40, 0.5, 0.20, P, 0.10, 0.0),
        ("2.40", 49, 50, 20 / 52, 0.20, C, 0.05, 0.0),  # Hull, ch. 19
        ("51.83", 930, 900, 2 / 12, 0.20, C, 0.08, 0.03),  # Hull, example 17.1
        ("2.1334", 60, 65, 0.25, 0.30, C, 0.08, 0.0),  # Haug, Black-Scholes
        ("2.4648", 100, 95, 0.5, 0.20, P, 0.10, 0.05),  # Haug, Merton
    ],
)
def test_prices_are_those_printed_in_the_books(
    printed: str, spot: float, strike: float, years: float, vol: float, right: Right, rate: float, dividend: float
) -> None:
    price = price_of(spot, strike, years, vol, right, rate, dividend)
    digits = len(printed.partition(".")[2])
    assert f"{price:.{digits}f}" == printed


def test_greeks_are_those_printed_in_hull() -> None:
    greeks = greeks_of(49, 50, 20 / 52, 0.20, C, rate=0.05)
    assert greeks is not None
    assert greeks.delta == pytest.approx(0.522, abs=5e-4)
    assert greeks.gamma == pytest.approx(0.066, abs=5e-4)
    assert greeks.vega == pytest.approx(0.121, abs=5e-4)
    assert greeks.theta == pytest.approx(-4.31 / 365, abs=0.005 / 365)
    assert (greeks.iv, greeks.source) == (0.20, GreeksSource.LOCAL)


@settings(deadline=None)
@given(spots, moneyness, maturities, volatilities, rates, rates)
def test_call_less_put_is_the_discounted_forward_less_strike(
    spot: float, k: float, years: float, vol: float, rate: float, dividend: float
) -> None:
    strike = spot * math.exp(k)
    call, put = evaluate(spot, strike, years, vol, rate, dividend, [True, False]).price
    parity = spot * math.exp(-dividend * years) - strike * math.exp(-rate * years)
    assert call - put == pytest.approx(parity, abs=1e-9 * spot)


@settings(deadline=None)
@given(spots, moneyness, maturities, volatilities, rates, rates, st.booleans())
def test_greeks_are_the_slopes_of_the_price(
    spot: float, k: float, years: float, vol: float, rate: float, dividend: float, call: bool
) -> None:
    strike = spot * math.exp(k)

    def price(s: float, t: float, v: float) -> float:
        return float(evaluate(s, strike, t, v, rate, dividend, call).price)

    v = evaluate(spot, strike, years, vol, rate, dividend, call)
    h, dt, dv = 1e-4 * spot, 1e-4 * years, 1e-4 * vol
    up, mid, down = price(spot + h, years, vol), price(spot, years, vol), price(spot - h, years, vol)
    assert float(v.delta) == pytest.approx((up - down) / (2 * h), abs=2e-4)
    assert float(v.gamma) * spot == pytest.approx((up - 2 * mid + down) / (h * h) * spot, rel=2e-3, abs=1e-3)
    slope = (price(spot, years + dt, vol) - price(spot, years - dt, vol)) / (2 * dt)
    assert float(v.theta) == pytest.approx(-slope / 365, rel=1e-4, abs=1e-6 * spot)
    slope = (price(spot, years, vol + dv) - price(spot, years, vol - dv)) / (2 * dv)
    assert float(v.vega) == pytest.approx(slope / 100, rel=1e-4, abs=1e-7 * spot)


@settings(deadline=None)
@given(spots, moneyness, maturities, volatilities, rates, rates, st.booleans())
def test_the_implied_volatility_of_a_price_is_the_volatility_that_made_it(
    spot: float, k: float, years: float, vol: float, rate: float, dividend: float, call: bool
) -> None:
    strike = spot * math.exp(k)
    v = evaluate(spot, strike, years, vol, rate, dividend, call)
    # In the money all but the time value is lost to rounding when nothing depends on the volatility any more.
    assume(float(v.vega) > 1e-4 * spot / 100)
    found = implied_vol(v.price, spot, strike, years, rate, dividend, call)
    assert float(found) == pytest.approx(vol, abs=1e-8)


def test_implied_volatility_of_a_far_option_survives_prices_near_nothing() -> None:
    price = price_of(2000, 1000, 7 / 365, 0.20, P)
    assert price is not None
    assert 0 < price < 1e-100
    assert implied_vol_of(price, 2000, 1000, 7 / 365, P) == pytest.approx(0.20, abs=1e-12)


@pytest.mark.parametrize(
    ("price", "why"),
    [
        (10.0, "intrinsic value"),
        (9.0, "below intrinsic value"),
        (0.0, "nothing"),
        (-1.0, "negative"),
        (100.0, "the bound"),
        (101.0, "above the bound"),
        (math.nan, "not a number"),
        (math.inf, "infinite"),
    ],
)
def test_a_price_that_no_volatility_gives_has_none(price: float, why: str) -> None:
    assert implied_vol_of(price, 100, 90, 0.1, C) is None, why


def test_rounding_noise_at_intrinsic_is_no_volatility() -> None:
    strikes = np.arange(300.0, 900.0, 1.0)
    worthless = evaluate(2000.0, strikes, 1 / 365, 0.2, 0.03, 0.02, True)
    assert np.isnan(implied_vol(worthless.price, 2000.0, strikes, 1 / 365, 0.03, 0.02, True)).all()


def test_missing_and_present_volatilities_share_an_array() -> None:
    found = implied_vol([10.0, 12.0, 200.0], 100, [90, 90, 90], 0.1, 0.0, 0.0, True)
    assert np.isnan(found).tolist() == [True, False, True]


@pytest.mark.parametrize(
    ("spot", "strike", "years", "vol"),
    [(0, 100, 1, 0.2), (100, 0, 1, 0.2), (100, 100, 0, 0.2), (100, 100, 1, 0), (100, 100, 1, math.nan)],
)
def test_an_option_without_time_price_or_volatility_has_no_value(
    spot: float, strike: float, years: float, vol: float
) -> None:
    assert price_of(spot, strike, years, vol, C) is None
    assert greeks_of(spot, strike, years, vol, C) is None


def test_one_bad_element_leaves_its_neighbours_alone() -> None:
    value = evaluate([100, 100], 100, [0, 1], 0.2, 0.0, 0.0, True)
    assert np.isnan(value.price).tolist() == [True, False]
    assert np.isnan(value.gamma).tolist() == [True, False]
