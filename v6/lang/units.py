"""Units of expressions: a product of powers of the catalogue's units, or a bare number that fits any."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from v6.model.catalogue import Unit

_PLAIN: Final = frozenset({Unit.NONE, Unit.RATIO})


@dataclass(frozen=True, slots=True)
class Dimension:
    """Exponents by unit; ratios have none. `free` marks an expression of literals only, which takes any unit."""

    powers: tuple[tuple[Unit, int], ...] = ()
    free: bool = False

    @classmethod
    def of(cls, unit: Unit) -> Dimension:
        return cls() if unit in _PLAIN else cls(((unit, 1),))

    def times(self, other: Dimension, sign: int = 1) -> Dimension:
        """Return the unit of the product, or of the quotient with sign -1."""
        powers = dict(self.powers)
        for unit, power in other.powers:
            powers[unit] = powers.get(unit, 0) + sign * power
        kept = tuple(sorted((u, p) for u, p in powers.items() if p))
        return Dimension(kept, self.free and other.free)

    def meet(self, other: Dimension) -> Dimension | None:
        """Return the common unit of a sum or comparison, or None when the two clash."""
        if self.free:
            return other
        if other.free or self.powers == other.powers:
            return self
        return None

    def __str__(self) -> str:
        if self.free:
            return "number"
        if not self.powers:
            return "ratio"
        return "*".join(u.value if p == 1 else f"{u.value}^{p}" for u, p in self.powers)


FREE: Final = Dimension(free=True)
