"""The pure builder: offers of a chain become a structure with its price and size, or a list of reasons why not."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from v6.lang.desk import StrategyTemplate
from v6.model.contract import Contract, Leg, Right, Side
from v6.model.position import Structure
from v6.model.quote import Quote
from v6.strategy.choose import sides
from v6.strategy.net import net_mid, net_natural

DELTA_TOLERANCE = 0.06
"""A short strike whose delta is farther than this from the template's is not the strike that was asked for."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One listed option with what is quoted for it."""

    contract: Contract
    quote: Quote


@dataclass(frozen=True, slots=True)
class Proposal:
    """A structure to buy: net mid and net far side per unit (negative for a credit), and how many units."""

    structure: Structure
    quantity: int
    mid: float
    natural: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing is proposed; each reason is a sentence for the decision log."""

    reasons: tuple[str, ...]


def build(template: StrategyTemplate, offers: Sequence[Offer], net_liq: float | None) -> Proposal | Refused:
    """Return what the template would open now at these offers."""
    rights = sides(template.structure)
    if not rights:
        return Refused((f"{template.structure} cannot be built from a template yet",))
    legs: list[Leg] = []
    reasons: list[str] = []
    for right in rights:
        pair = _short_and_wing(template, right, offers)
        if isinstance(pair, str):
            reasons.append(pair)
        else:
            legs.extend(pair)
    if reasons:
        return Refused(tuple(reasons))
    legs.sort(key=lambda leg: (leg.contract.right is Right.CALL, leg.contract.strike))
    structure = Structure(template.structure, template.underlying.symbol, tuple(legs))
    return _price_and_size(template, structure, {o.contract.con_id: o.quote for o in offers}, net_liq)


def _short_and_wing(template: StrategyTemplate, right: Right, offers: Sequence[Offer]) -> tuple[Leg, Leg] | str:
    by_strike = {float(o.contract.strike or 0): o for o in offers if o.contract.right is right}
    sign = -1.0 if right is Right.PUT else 1.0
    target = template.strikes.short_delta
    best: tuple[float, float] | None = None
    for strike, offer in by_strike.items():
        greeks = offer.quote.greeks
        if greeks is None or strike + sign * template.strikes.width not in by_strike:
            continue
        miss = abs(abs(greeks.delta) - target)
        if best is None or (miss, strike) < best:
            best = (miss, strike)
    side = "put" if right is Right.PUT else "call"
    if best is None:
        return f"no {side} with a delta and a wing {template.strikes.width:g} points away is quoted"
    miss, strike = best
    if miss > DELTA_TOLERANCE:
        return f"the nearest {side} delta misses the target {target:.2f} by {miss:.2f}"
    wing = by_strike[strike + sign * template.strikes.width]
    return Leg(by_strike[strike].contract, -1), Leg(wing.contract, 1)


def _price_and_size(
    template: StrategyTemplate, structure: Structure, quotes: dict[int, Quote], net_liq: float | None
) -> Proposal | Refused:
    mid, natural = net_mid(structure, quotes), net_natural(structure, quotes, Side.BUY)
    if mid is None or natural is None:
        return Refused(("a leg has no two-sided quote",))
    if net_liq is None:
        return Refused(("net_liq is unknown, so the size is too",))
    width = template.strikes.width
    if not 0 < -mid < width:
        return Refused((f"a credit of {-mid:.2f} is not between 0 and the width {width:g}",))
    if -mid / width < template.entry.min_credit_ratio:
        return Refused((f"credit {-mid:.2f} is {-mid / width:.1%} of the width, less than asked",))
    low, _ = structure.extremes()
    if low is None:
        return Refused(("the loss is not bounded",))
    # Sized at the far side: what the order may cost at worst, not what it is hoped to cost.
    loss = (natural - float(low)) * structure.multiplier
    quantity = min(math.floor(template.size.risk_ratio * net_liq / loss), template.size.max_contracts)
    if quantity < 1:
        return Refused((f"one unit risks {loss:.0f}, more than {template.size.risk_ratio:.1%} of net_liq",))
    return Proposal(structure, quantity, mid, natural)
