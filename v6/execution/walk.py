"""How a limit price walks from the mid to the far side: pure, in ticks."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import ROUND_CEILING, ROUND_FLOOR, Decimal
from typing import Final

from v6.model.contract import Side
from v6.model.decision import Urgency

COMBO_TICK: Final = Decimal("0.05")
"""Net price increment of SPX complex orders (Cboe specification)."""


@dataclass(frozen=True, slots=True)
class Policy:
    """The share of the way conceded at each step, and the seconds a step is given to fill."""

    shares: tuple[Decimal, ...]
    step_s: float


POLICIES: Final[dict[Urgency, Policy]] = {
    Urgency.LOW: Policy(tuple(Decimal(n) / 10 for n in (0, 1, 2, 3, 4, 5)), 10.0),
    Urgency.NORMAL: Policy(tuple(Decimal(n) / 5 for n in (0, 1, 2, 3, 4, 5)), 5.0),
    Urgency.HIGH: Policy(tuple(Decimal(n) / 4 for n in (1, 2, 3, 4)), 3.0),
    Urgency.IMMEDIATE: Policy((Decimal(1),), 3.0),
}


def to_tick(price: Decimal, side: Side, *, concede: bool, tick: Decimal = COMBO_TICK) -> Decimal:
    """Round to the grid; `concede` rounds towards a sooner fill, otherwise towards a better price."""
    up = (side is Side.BUY) == concede
    # The sum turns -0.00, which rounding makes of a small debit, into 0.00.
    return (price / tick).to_integral_value(ROUND_CEILING if up else ROUND_FLOOR) * tick + Decimal(0)


def steps(limit: Decimal, worst: Decimal, side: Side, urgency: Urgency) -> list[Decimal]:
    """Return the limits of a walk in order, repeats left out; both ends lie on the grid."""
    prices: list[Decimal] = []
    for share in POLICIES[urgency].shares:
        price = to_tick(limit + (worst - limit) * share, side, concede=False)
        if not prices or price != prices[-1]:
            prices.append(price)
    return prices
