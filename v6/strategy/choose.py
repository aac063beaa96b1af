"""Which expiry to trade and which strikes to look at, before any quote is asked for."""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from v6.lang.desk import StrategyTemplate
from v6.model.contract import Right
from v6.model.position import StructureKind

NEAREST_DEVIATIONS = 0.3
FARTHEST_DEVIATIONS = 2.6
STRIKES_PER_SIDE = 18

_SIDES: dict[StructureKind, tuple[Right, ...]] = {
    StructureKind.IRON_CONDOR: (Right.PUT, Right.CALL),
    StructureKind.BULL_PUT_SPREAD: (Right.PUT,),
    StructureKind.BEAR_CALL_SPREAD: (Right.CALL,),
}


def sides(kind: StructureKind) -> tuple[Right, ...]:
    """Return the rights in which the structure is short a strike; empty if V6 cannot build it yet."""
    return _SIDES.get(kind, ())


def choose_expiry(template: StrategyTemplate, expiries: Sequence[date], today: date) -> date | None:
    """Return the listed expiry nearest to the target within the window; of two alike the earlier."""
    window = template.expiry
    fitting = [e for e in expiries if window.dte_min <= (e - today).days <= window.dte_max]
    return min(fitting, key=lambda e: (abs((e - today).days - window.dte_target), e), default=None)


def candidate_strikes(
    template: StrategyTemplate, right: Right, spot: float, vol: float, days: int, listed: Sequence[float]
) -> list[float]:
    """Return the listed strikes worth a quote as short strike, those that also have a wing at the template's width.

    `vol` is an annual volatility as a ratio (VIX / 100 serves). The range is in standard deviations of the move to
    expiry, wide enough for a skewed surface; at most STRIKES_PER_SIDE strikes, evenly spread.
    """
    deviation = spot * vol * math.sqrt(max(days, 1) / 365.0)
    sign = -1.0 if right is Right.PUT else 1.0
    low, high = sorted(spot + sign * deviation * n for n in (NEAREST_DEVIATIONS, FARTHEST_DEVIATIONS))
    known = set(listed)
    fitting = [s for s in sorted(known) if low <= s <= high and s + sign * template.strikes.width in known]
    step = max(1, math.ceil(len(fitting) / STRIKES_PER_SIDE))
    return fitting[::step]
