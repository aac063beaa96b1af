from __future__ import annotations

import numpy as np
import pytest

from v6.paper.market import surface
from v6.pricing.bsm import evaluate

VIXES = [9.0, 12.0, 16.0, 24.0, 40.0, 60.0, 80.0]
DAYS = np.array([1 / 1440, 1 / 24, 1, 2, 7, 14, 30, 45, 70, 180]) / 365


def prices(vix: float, strikes: np.ndarray, years: float, call: np.ndarray | bool) -> np.ndarray:
    """Return undiscounted prices for a forward of 1."""
    vols = surface.vols(vix, np.log(strikes), years)
    return evaluate(1.0, strikes, years, vols, 0.0, 0.0, call).price


@pytest.mark.parametrize("vix", [*VIXES, 8.5, 10.37, 90.0])
def test_the_models_own_vix_is_the_vix_observed(vix: float) -> None:
    """By Cboe's sum over out-of-the-money options, on a fine grid of strikes far into both wings."""
    strikes = np.exp(np.linspace(-6.0, 4.0, 200_001))
    out_of_the_money = prices(vix, strikes, 30 / 365, strikes > 1.0)
    variance = 2.0 / (30 / 365) * np.sum(out_of_the_money / strikes**2 * np.gradient(strikes))
    assert 100 * np.sqrt(variance) == pytest.approx(vix, abs=0.01)


@pytest.mark.parametrize("vix", VIXES)
def test_no_butterfly_costs_less_than_nothing(vix: float) -> None:
    for years in DAYS:
        width = vix / 100 * np.sqrt(years)
        strikes = np.linspace(max(0.02, 1 - 12 * width), 1 + 8 * width, 1201)
        calls = prices(vix, strikes, float(years), True)
        assert np.diff(calls).max() <= 1e-12
        assert np.diff(calls, n=2).min() >= -1e-13


@pytest.mark.parametrize("vix", [6.0, 8.0, *VIXES])
def test_total_variance_grows_with_time_at_every_moneyness(vix: float) -> None:
    moneyness = np.linspace(-0.7, 0.5, 121)
    variance = surface.vols(vix, moneyness, DAYS[:, None]) ** 2 * DAYS[:, None]
    assert np.diff(variance, axis=0).min() > 0


def test_puts_below_the_money_are_dearer_than_calls_above() -> None:
    low, middle, high = surface.vols(16.0, np.array([-0.1, 0.0, 0.1]), 30 / 365)
    assert low > 1.3 * middle
    assert high < 1.1 * middle


def test_a_high_vix_is_expected_to_fall_and_a_low_one_to_rise() -> None:
    near, far = surface.vols(50.0, 0.0, np.array([7, 180]) / 365)
    assert near > far
    near, far = surface.vols(12.0, 0.0, np.array([7, 180]) / 365)
    assert near < far
