"""Which expiry to trade and which strikes to look at, before any quote is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date
from typing import Final

from scipy.special import ndtri

from v6.lang.desk import StrategyTemplate
from v6.strategy.spreads import Spread, anchor_delta, wing_strikes

NEARER_DEVIATIONS: Final = 0.7
FARTHER_DEVIATIONS: Final = 1.6
"""A skewed surface has the strike of a delta this much nearer or farther than a flat one, at most."""

STRIKES_PER_SIDE: Final = 18
NEAREST_BY_DISTANCE: Final = 3


def choose_expiry(template: StrategyTemplate, expiries: Sequence[date], today: date) -> date | None:
    """Return the listed expiry nearest to the target within the window; of two alike the earlier."""
    window = template.expiry
    fitting = [e for e in expiries if window.dte_min <= (e - today).days <= window.dte_max]
    return min(fitting, key=lambda e: (abs((e - today).days - window.dte_target), e), default=None)


def candidate_strikes(
    template: StrategyTemplate, spread: Spread, spot: float, vol: float, days: int, listed: Sequence[float]
) -> list[float]:
    """Return the listed strikes worth a quote: anchors that have a wing, then their wings.

    `vol` is an annual volatility as a ratio (VIX / 100 serves). The range of a delta is in standard deviations of the
    move to expiry, wide enough for a skewed surface; at most STRIKES_PER_SIDE anchors, evenly spread.
    """
    known, strikes = set(listed), template.strikes
    wings = {s: wing_strikes(strikes, spread, s, spot, known) for s in known}
    usable = sorted(s for s in known if wings[s])
    delta = anchor_delta(strikes)
    if delta is None:
        assert strikes.distance is not None
        wanted = spot * (1.0 + spread.outward * strikes.distance)
        anchors = sorted(usable, key=lambda s: (abs(s - wanted), s))[:NEAREST_BY_DISTANCE]
    else:
        anchors = _around(delta, usable, spread, spot, vol, days)
    if strikes.wing_delta is None:
        return list(dict.fromkeys((*anchors, *(s for anchor in anchors for s in wings[anchor]))))
    return list(dict.fromkeys((*anchors, *_around(strikes.wing_delta, sorted(known), spread, spot, vol, days))))


def _around(delta: float, listed: Sequence[float], spread: Spread, spot: float, vol: float, days: int) -> list[float]:
    deviation = spot * vol * math.sqrt(max(days, 1) / 365.0)
    flat = float(ndtri(1.0 - delta))
    ends = (round(flat - NEARER_DEVIATIONS, 1), round(flat + FARTHER_DEVIATIONS, 1))
    low, high = sorted(spot + spread.outward * deviation * n for n in ends)
    fitting = [s for s in listed if low <= s <= high]
    return fitting[:: max(1, math.ceil(len(fitting) / STRIKES_PER_SIDE))]
