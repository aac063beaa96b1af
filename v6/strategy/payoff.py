"""What a structure of one expiry can earn and lose, and how likely: exact at expiry, modelled before it."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

import numpy as np
from scipy.special import ndtr

from v6.model.contract import Right
from v6.model.position import Structure
from v6.pricing.bsm import DAYS_PER_YEAR, evaluate


@dataclass(frozen=True, slots=True)
class Region:
    """Prices of the underlying at expiry between which something holds; None is unbounded."""

    low: float | None
    high: float | None


def profits(structure: Structure, entry: Decimal) -> tuple[Region, ...]:
    """Return where at expiry the structure, bought at `entry` per unit, is worth more than it cost, from low to high.

    The value is linear between strikes, so its crossings of the entry price are exact.
    """
    strikes = sorted({leg.contract.strike for leg in structure.legs if leg.contract.strike is not None})
    beyond = strikes[-1] + 1
    corners = [Decimal(0), *strikes, beyond]
    values = [structure.payoff(corner) - entry for corner in corners]
    found: list[Region] = []
    low: float | None = None
    inside = values[0] > 0
    for (a, at), (b, after) in pairwise(zip(corners, values, strict=True)):
        if at == after or not min(at, after) <= 0 <= max(at, after) or (at > 0) == (after > 0):
            continue
        crossing = float(a + (b - a) * -at / (after - at))
        if inside:
            found.append(Region(low, crossing))
        low, inside = crossing, not inside
    slope = values[-1] - values[-2]
    if not inside and slope > 0:
        return (*found, Region(float(beyond - values[-1] / slope), None))
    if inside and slope < 0:
        return (*found, Region(low, float(beyond - values[-1] / slope)))
    return (*found, Region(low, None)) if inside else tuple(found)


def breakevens(regions: Sequence[Region]) -> tuple[float, ...]:
    """Return the ends of the regions of profit, from low to high."""
    return tuple(end for region in regions for end in (region.low, region.high) if end is not None)


def probability(
    regions: Sequence[Region], spot: float, vol_at: Mapping[float, float], years: float, rate: float = 0.0
) -> float | None:
    """Return the risk-neutral chance that the underlying ends in one of the regions.

    `vol_at` has implied volatilities by strike; at each end the volatility is interpolated over log strikes, held
    flat beyond them, and the end is passed with N(-d2) (Hull, ch. 15). The slope of the skew is left out, so the
    figure is an estimate. None without time or without a volatility.
    """
    if years <= 0 or not vol_at or spot <= 0:
        return None
    strikes = np.log(np.array(sorted(vol_at)))
    vols = np.array([vol_at[strike] for strike in sorted(vol_at)])

    def below(end: float) -> float:
        vol = float(np.interp(math.log(end), strikes, vols))
        deviation = vol * math.sqrt(years)
        return float(ndtr((math.log(end / spot) - rate * years) / deviation + deviation / 2))

    total = 0.0
    for region in regions:
        upper = 1.0 if region.high is None else below(region.high)
        total += max(0.0, upper - (0.0 if region.low is None else below(region.low)))
    return total


@dataclass(frozen=True, slots=True)
class Curve:
    """Profit or loss per unit in money by price of the underlying: at expiry, and today at unchanged volatilities."""

    spots: tuple[float, ...]
    at_expiry: tuple[float, ...]
    today: tuple[float, ...]


def curve(
    structure: Structure, entry: Decimal, vols: Mapping[int, float], years: float, spots: Sequence[float]
) -> Curve:
    """Return the curve over `spots`; each leg keeps its own volatility of `vols` (by con_id), rates are left out."""
    price = float(entry)
    grid = np.asarray(spots, dtype=np.float64)
    worth = np.zeros_like(grid)
    for leg in structure.legs:
        contract = leg.contract
        assert contract.strike is not None
        call = contract.right is Right.CALL
        value = evaluate(grid, float(contract.strike), years, vols[contract.con_id], 0.0, 0.0, call).price
        worth += leg.ratio * value
    final = [float(structure.payoff(Decimal(repr(float(spot))))) - price for spot in spots]
    each = structure.multiplier
    return Curve(tuple(grid.tolist()), tuple(each * v for v in final), tuple((each * (worth - price)).tolist()))


def years_to(days: float) -> float:
    """Return calendar days as the model's years."""
    return days / DAYS_PER_YEAR
