"""Black-Scholes-Merton prices, greeks and implied volatilities of European options, for whole arrays at once.

Rates and dividend yields are continuous and per year, volatilities are ratios (0.18), times are years. Sources: Hull,
"Options, Futures, and Other Derivatives", ch. 15-19; Jaeckel, "By Implication" (2006), for the normalised price.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isfinite, pi, sqrt
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import erfcx, ndtr

from v6.model.contract import Right
from v6.model.quote import Greeks, GreeksSource

Array: TypeAlias = npt.NDArray[np.float64]
Mask: TypeAlias = npt.NDArray[np.bool_]

DAYS_PER_YEAR: Final = 365.0
_ROOT_2 = sqrt(2.0)
_ROOT_2PI = sqrt(2.0 * pi)
# Where |log moneyness| is 38 deviations the price underflows a double, so no smaller volatility can be told apart.
_MOST_DEVIATIONS = 38.0
_WIDEST = 20.0
_MOST_STEPS = 100


@dataclass(frozen=True, slots=True)
class Valuation:
    """Price and greeks of each option per share: theta per calendar day, vega per volatility point."""

    price: Array
    delta: Array
    gamma: Array
    theta: Array
    vega: Array


def evaluate(
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    vol: npt.ArrayLike,
    rate: npt.ArrayLike,
    dividend: npt.ArrayLike,
    call: npt.ArrayLike,
) -> Valuation:
    """Price options and their greeks; inputs broadcast, `call` is boolean.

    Spot, strike, years and vol must be positive and finite: an element where they are not comes out as NaN throughout.
    """
    s, k, t, v = (np.asarray(x, dtype=np.float64) for x in (spot, strike, years, vol))
    r, q = np.asarray(rate, dtype=np.float64), np.asarray(dividend, dtype=np.float64)
    sign = np.where(np.asarray(call, dtype=np.bool_), 1.0, -1.0)
    with np.errstate(all="ignore"):
        lacking = ~((s > 0) & (k > 0) & (t > 0) & (v > 0) & np.isfinite(s * k * t * v))
        root = np.sqrt(t)
        deviation = v * root
        d1 = np.log(s / k) / deviation + ((r - q) / v + 0.5 * v) * root
        d2 = d1 - deviation
        stock, bond = s * np.exp(-q * t), k * np.exp(-r * t)
        n1, n2 = ndtr(sign * d1), ndtr(sign * d2)
        density = stock * np.exp(-0.5 * d1 * d1) / _ROOT_2PI
        price = np.maximum(sign * (stock * n1 - bond * n2), 0.0)
        delta = sign * stock / s * n1
        gamma = density / (s * s * deviation)
        decay = -0.5 * density * v / root + sign * (q * stock * n1 - r * bond * n2)
        vega = density * root / 100.0
    columns: tuple[Array, ...] = (price, delta, gamma, decay / DAYS_PER_YEAR, vega)
    if len({column.shape for column in columns}) > 1:
        columns = np.broadcast_arrays(*columns)
    if lacking.any():
        columns = tuple(np.where(lacking, np.nan, column) for column in columns)
    return Valuation(*columns)


def implied_vol(
    price: npt.ArrayLike,
    spot: npt.ArrayLike,
    strike: npt.ArrayLike,
    years: npt.ArrayLike,
    rate: npt.ArrayLike,
    dividend: npt.ArrayLike,
    call: npt.ArrayLike,
) -> Array:
    """Return the volatility that gives each price, NaN where none does (at or below intrinsic, at or above the bound).

    Bracketed Halley steps on the logarithm of the normalised out-of-the-money price; 5 or 6 steps are usual.
    """
    inputs = np.broadcast_arrays(
        *(np.asarray(x, dtype=np.float64) for x in (price, spot, strike, years, rate, dividend))
    )
    p, s, k, t, r, q = inputs
    is_call = np.broadcast_to(np.asarray(call, dtype=np.bool_), p.shape)
    with np.errstate(all="ignore"):
        forward = s * np.exp((r - q) * t)
        undiscounted = p * np.exp(r * t)
        intrinsic = np.maximum(np.where(is_call, forward - k, k - forward), 0.0)
        # Parity turns an option in the money into its twin out of the money, whose price is all time value.
        normal = (undiscounted - intrinsic) / np.sqrt(forward * k)
        x = -np.abs(np.log(forward / k))
        # What parity leaves of a price at intrinsic is rounding noise, from which no volatility can be read.
        noise = 8.0 * np.finfo(np.float64).eps * np.maximum(undiscounted, intrinsic) / np.sqrt(forward * k)
        solvable = (normal > noise) & (normal < np.exp(0.5 * x)) & (t > 0) & (s > 0) & (k > 0)
        result = np.full(p.shape, np.nan)
        result[solvable] = _total_deviation(normal[solvable], x[solvable]) / np.sqrt(t[solvable])
    return result


def _total_deviation(normal: Array, x: Array) -> Array:
    """Solve b(x, s) = normal for s; b is the Black price over sqrt(FK), x <= 0 its log moneyness."""
    goal = np.log(normal)
    low = -x / _MOST_DEVIATIONS + 1e-12
    high = np.full_like(x, _WIDEST)
    s = np.clip(np.maximum(np.sqrt(-2.0 * x), normal * _ROOT_2PI), low, high)
    settled = np.zeros(x.shape, dtype=np.bool_)
    for _ in range(_MOST_STEPS):
        h, half = x / s, 0.5 * s
        # b = vega(s) * ratio: the exponentials cancel, so nothing under- or overflows far from the money.
        ratio = 0.5 * _ROOT_2PI * (erfcx(-(h + half) / _ROOT_2) - erfcx(-(h - half) / _ROOT_2))
        gap = np.log(ratio / _ROOT_2PI) - 0.5 * (h * h + half * half) - goal
        low, high = np.where(gap < 0, s, low), np.where(gap > 0, s, high)
        bend = ratio * (h * h / s - 0.5 * half) - 1.0
        step = gap * ratio / np.maximum(1.0 - 0.5 * gap * bend, 0.25)
        following = s - step
        escaped = ~((following >= low) & (following <= high))
        following = np.where(escaped, 0.5 * (low + high), following)
        settled = np.abs(following - s) <= 4e-15 * s
        s = following
        if settled.all():
            break
    # A bound within rounding of the largest price has no volatility that can be told from infinity.
    return np.where(s < _WIDEST * (1.0 - 1e-9), s, np.nan)


def implied_vol_of(
    price: float, spot: float, strike: float, years: float, right: Right, rate: float = 0.0, dividend: float = 0.0
) -> float | None:
    """Return the implied volatility of one option, or None if no volatility gives that price."""
    if not all(isfinite(x) for x in (price, spot, strike, years, rate, dividend)):
        return None
    found = float(implied_vol(price, spot, strike, years, rate, dividend, right is Right.CALL))
    return found if isfinite(found) else None


def greeks_of(
    spot: float, strike: float, years: float, vol: float, right: Right, rate: float = 0.0, dividend: float = 0.0
) -> Greeks | None:
    """Return the greeks of one option, marked as locally computed, or None where the inputs give none."""
    v = evaluate(spot, strike, years, vol, rate, dividend, right is Right.CALL)
    numbers = (float(v.delta), float(v.gamma), float(v.theta), float(v.vega))
    return Greeks(*numbers, iv=vol, source=GreeksSource.LOCAL) if all(map(isfinite, numbers)) else None


def price_of(
    spot: float, strike: float, years: float, vol: float, right: Right, rate: float = 0.0, dividend: float = 0.0
) -> float | None:
    """Return the price of one option per share, or None where the inputs give none."""
    price = float(evaluate(spot, strike, years, vol, rate, dividend, right is Right.CALL).price)
    return price if isfinite(price) else None
