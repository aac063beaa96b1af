"""What a structure is made of: spreads, each an anchor and a wing beyond it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from v6.lang.desk import Strikes
from v6.model.contract import Right
from v6.model.position import StructureKind


@dataclass(frozen=True, slots=True)
class Spread:
    """One vertical: its right and the ratio of its anchor, -1 in a credit, +1 in a debit; the wing has the other."""

    right: Right
    anchor: int

    @property
    def outward(self) -> float:
        """Return the sign of the direction out of the money: lower strikes for puts, higher ones for calls."""
        return -1.0 if self.right is Right.PUT else 1.0


_SPREADS: Final[Mapping[StructureKind, tuple[Spread, ...]]] = {
    StructureKind.IRON_CONDOR: (Spread(Right.PUT, -1), Spread(Right.CALL, -1)),
    StructureKind.BULL_PUT_SPREAD: (Spread(Right.PUT, -1),),
    StructureKind.BEAR_CALL_SPREAD: (Spread(Right.CALL, -1),),
    StructureKind.BULL_CALL_SPREAD: (Spread(Right.CALL, 1),),
    StructureKind.BEAR_PUT_SPREAD: (Spread(Right.PUT, 1),),
}


def spreads(kind: StructureKind) -> tuple[Spread, ...]:
    """Return the spreads of the structure; empty if V6 cannot build it."""
    return _SPREADS.get(kind, ())


def anchor_delta(strikes: Strikes) -> float | None:
    """Return the absolute delta that is wanted of the anchor, None where it is placed by distance."""
    return strikes.short_delta if strikes.short_delta is not None else strikes.long_delta


def wing_strikes(
    strikes: Strikes, spread: Spread, anchor: float, spot: float, listed: Mapping[float, object] | set[float]
) -> list[float]:
    """Return the strikes that may be the wing of this anchor: one, or all beyond it where a delta chooses."""
    outward = spread.outward
    if strikes.width is not None:
        wanted = anchor + outward * strikes.width
        return [wanted] if wanted in listed else []
    beyond = [s for s in listed if (s - anchor) * outward > 0]
    if strikes.wing_delta is not None:
        return sorted(beyond)
    assert strikes.width_ratio is not None
    wanted = anchor + spread.outward * strikes.width_ratio * spot
    nearest = min(beyond, key=lambda s: (abs(s - wanted), s), default=None)
    # A chain that ends early has no wing where it was wanted; half as wide or twice is another trade.
    if nearest is None or not 0.5 <= abs(nearest - anchor) / (strikes.width_ratio * spot) <= 1.5:
        return []
    return [nearest]
