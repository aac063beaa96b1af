"""An implied-volatility surface without arbitrage whose own VIX equals the VIX that was observed.

SSVI (Gatheral & Jacquier 2014, arXiv 1204.0646) with phi = eta / sqrt(theta): the total variance at log moneyness k is
w = theta/2 (1 + rho phi k + sqrt((phi k + rho)^2 + 1 - rho^2)). Free of butterflies as eta (1 + |rho|) = 1.445 <= 2,
and of calendar arbitrage as long as theta grows with the time to expiry.
"""

from __future__ import annotations

from functools import cache
from math import expm1
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtr

Array: TypeAlias = npt.NDArray[np.float64]

# Fitted to real SPX chains of December 2015.
RHO: Final = -0.70
ETA: Final = 0.85
# Term structure V(T)^2 = L^2 + (I^2 - L^2) f(T), f(T) = (1 - exp(-kT)) / kT: long-run level L in points, speed k per
# year, I such that V(30 days) is the VIX.
LONG_RUN: Final = 21.0
SPEED: Final = 4.0
VIX_YEARS: Final = 30.0 / 365.0
_VIX_WEIGHT = -expm1(-SPEED * VIX_YEARS) / (SPEED * VIX_YEARS)
# Below this multiple of the VIX the instantaneous variance I^2 stays positive, so total variance grows with T.
_LONG_RUN_CAP = 2.4


def variance_swap(vix: float | Array, years: npt.ArrayLike) -> Array:
    """Return the total variance (volatility squared times years) that a log contract of each maturity is worth."""
    t = np.asarray(years, dtype=np.float64)
    long_run = np.minimum(LONG_RUN, _LONG_RUN_CAP * vix)
    instant_less_long = (vix * vix - long_run * long_run) / _VIX_WEIGHT
    result: Array = 1e-4 * (long_run * long_run * t + instant_less_long * -np.expm1(-SPEED * t) / SPEED)
    return result


def theta(total_variance: npt.ArrayLike) -> Array:
    """Return the at-the-money total variance at which the surface's log contract is worth this total variance."""
    swaps, thetas = _relation()
    result: Array = np.exp(np.interp(np.log(total_variance), swaps, thetas))
    return result


def smile(at_the_money: npt.ArrayLike, log_moneyness: npt.ArrayLike) -> Array:
    """Return the total variance at each log moneyness ln(K/F)."""
    w = np.asarray(at_the_money, dtype=np.float64)
    x = ETA * np.asarray(log_moneyness, dtype=np.float64) / np.sqrt(w)
    result: Array = 0.5 * w * (1.0 + RHO * x + np.sqrt((x + RHO) ** 2 + (1.0 - RHO * RHO)))
    return result


def vols(vix: float | Array, log_moneyness: npt.ArrayLike, years: npt.ArrayLike) -> Array:
    """Return the implied volatilities (ratios) at ln(K/F) and years to expiry, given the VIX in points."""
    t = np.asarray(years, dtype=np.float64)
    result: Array = np.sqrt(smile(theta(variance_swap(vix, t)), log_moneyness) / t)
    return result


@cache
def _relation() -> tuple[Array, Array]:
    """Return (log of the log contract's variance, log theta), both increasing: one depends on the other alone."""
    # 0.1 % of variance at one minute up to the square of 100 % for four years; the curve is nearly straight.
    log_thetas = np.linspace(np.log(1e-12), np.log(4.0), 160)
    swaps = np.array([log_contract(float(np.exp(value))) for value in log_thetas])
    return np.log(swaps), log_thetas


def log_contract(at_the_money: float) -> float:
    """Return 2 * integral of Q(K)/K^2 dK over all strikes, Q the undiscounted out-of-the-money price, for F = 1."""
    # In units of sqrt(theta) the smile keeps its shape; at 60 to the left and 20 to the right nothing is left of it.
    edges = np.linspace(-60.0, 20.0, 3201) * np.sqrt(at_the_money)
    k = 0.5 * (edges[1:] + edges[:-1])
    deviation = np.sqrt(smile(at_the_money, k))
    d1 = -k / deviation + 0.5 * deviation
    d2 = d1 - deviation
    sign = np.where(k < 0, -1.0, 1.0)
    # Q(K)/K^2 dK = Q exp(-k) dk.
    weighted = sign * (np.exp(-k) * ndtr(sign * d1) - ndtr(sign * d2))
    return float(2.0 * np.sum(weighted * np.diff(edges)))


def forward(spot: float, years: npt.ArrayLike, rate: float, dividend: float) -> Array:
    """Return the forward price of the index for each time to expiry."""
    result: Array = spot * np.exp((rate - dividend) * np.asarray(years, dtype=np.float64))
    return result
