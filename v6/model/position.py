"""Structures (what is held) and positions (a structure with its history)."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from v6.model.contract import Leg, Right


class StructureKind(StrEnum):
    IRON_CONDOR = "iron_condor"
    BULL_PUT_SPREAD = "bull_put_spread"
    BEAR_CALL_SPREAD = "bear_call_spread"
    BULL_CALL_SPREAD = "bull_call_spread"
    BEAR_PUT_SPREAD = "bear_put_spread"
    SINGLE = "single"
    CUSTOM = "custom"
    BROKEN = "broken"


@dataclass(frozen=True, slots=True)
class Structure:
    """Legs held together; prices are the net of the signed legs per unit, so a credit is negative."""

    kind: StructureKind
    symbol: str
    legs: tuple[Leg, ...]

    @property
    def expiry(self) -> date:
        """Return the nearest expiry of the legs."""
        return min(leg.contract.expiry for leg in self.legs if leg.contract.expiry is not None)

    @property
    def multiplier(self) -> int:
        return self.legs[0].contract.multiplier

    def payoff(self, spot: Decimal) -> Decimal:
        """Return the value per unit at expiry in price points, for legs of one expiry."""
        total = Decimal(0)
        for leg in self.legs:
            strike = leg.contract.strike
            if strike is None:
                raise ValueError(f"{leg.contract} has no strike")
            intrinsic = spot - strike if leg.contract.right is Right.CALL else strike - spot
            total += leg.ratio * max(intrinsic, Decimal(0))
        return total

    def extremes(self) -> tuple[Decimal | None, Decimal | None]:
        """Return (lowest, highest) payoff per unit at expiry; None where it is unbounded.

        The payoff is piecewise linear with corners at the strikes, so its extremes are at 0 and at the strikes,
        unless the slope beyond the highest strike (the sum of the call ratios) is not zero.
        """
        known = _EXTREMES.get(id(self))
        if known is None or known[0] is not self:
            if len(_EXTREMES) >= _MOST_KEPT:
                _EXTREMES.clear()
            known = _EXTREMES[id(self)] = (self, *self._extremes())
        return known[1], known[2]

    def _extremes(self) -> tuple[Decimal | None, Decimal | None]:
        strikes = [leg.contract.strike for leg in self.legs if leg.contract.strike is not None]
        values = [self.payoff(s) for s in (Decimal(0), *strikes)]
        slope = sum(leg.ratio for leg in self.legs if leg.contract.right is Right.CALL)
        return (None if slope < 0 else min(values)), (None if slope > 0 else max(values))


# A held structure is asked in every cycle and never changes. By identity, because comparing legs costs as much as
# adding them up; the structure itself is kept, so that its id is nobody else's.
_EXTREMES: Final[dict[int, tuple[Structure, Decimal | None, Decimal | None]]] = {}
_MOST_KEPT: Final = 1024


@dataclass(frozen=True, slots=True)
class Position:
    """A structure that was opened: quantity units at entry_price (net per unit, negative for a credit)."""

    position_id: str
    strategy: str
    structure: Structure
    quantity: int
    entry_price: Decimal
    opened_at: datetime
    commission: Decimal = Decimal(0)

    @property
    def credit(self) -> Decimal:
        """Return the net credit per unit, 0 for a debit."""
        return max(-self.entry_price, Decimal(0))

    @property
    def max_loss(self) -> Decimal | None:
        """Return the largest loss at expiry of the whole position in money, or None if unbounded."""
        low, _ = self.structure.extremes()
        if low is None:
            return None
        return max(self.entry_price - low, Decimal(0)) * self.structure.multiplier * self.quantity

    @property
    def max_profit(self) -> Decimal | None:
        """Return the largest profit at expiry of the whole position in money, or None if unbounded."""
        _, high = self.structure.extremes()
        if high is None:
            return None
        return max(high - self.entry_price, Decimal(0)) * self.structure.multiplier * self.quantity
