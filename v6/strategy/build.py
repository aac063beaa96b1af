"""The pure builder: offers of a chain become a structure with its price and size, or a list of reasons why not."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from v6.lang.desk import CREDITS, StrategyTemplate, Strikes
from v6.model.contract import Contract, Leg, Right, Side
from v6.model.position import Structure
from v6.model.quote import Quote
from v6.strategy.net import net_mid, net_natural
from v6.strategy.spreads import Spread, anchor_delta, spreads, wing_strikes

DELTA_TOLERANCE = 0.06
"""A strike whose delta is farther than this from the template's is not the strike that was asked for."""

DISTANCE_TOLERANCE = 0.01
"""As DELTA_TOLERANCE, for strikes by distance: a ratio of the underlying."""


@dataclass(frozen=True, slots=True)
class Offer:
    """One listed option with what is quoted for it."""

    contract: Contract
    quote: Quote


@dataclass(frozen=True, slots=True)
class Proposal:
    """A structure to buy: net mid and net far side per unit (negative for a credit), and how many units.

    `bound` is the highest net price that the template accepts, whatever is quoted.
    """

    structure: Structure
    quantity: int
    mid: float
    natural: float
    bound: float


@dataclass(frozen=True, slots=True)
class Refused:
    """Why nothing is proposed; each reason is a sentence for the decision log."""

    reasons: tuple[str, ...]


def build(
    template: StrategyTemplate, offers: Sequence[Offer], spot: float, net_liq: float | None
) -> Proposal | Refused:
    """Return what the template would open now at these offers, with the underlying at `spot`."""
    wanted = spreads(template.structure)
    if not wanted:
        return Refused((f"{template.structure} cannot be built from a template",))
    legs: list[Leg] = []
    reasons: list[str] = []
    for spread in wanted:
        pair = _anchor_and_wing(template, spread, offers, spot)
        if isinstance(pair, str):
            reasons.append(pair)
        else:
            legs.extend(pair)
    if reasons:
        return Refused(tuple(reasons))
    legs.sort(key=lambda leg: (leg.contract.right is Right.CALL, leg.contract.strike))
    structure = Structure(template.structure, template.underlying.symbol, tuple(legs))
    return _price_and_size(template, structure, {o.contract.con_id: o.quote for o in offers}, net_liq)


def _anchor_and_wing(
    template: StrategyTemplate, spread: Spread, offers: Sequence[Offer], spot: float
) -> tuple[Leg, Leg] | str:
    strikes = template.strikes
    by_strike = {float(o.contract.strike or 0): o for o in offers if o.contract.right is spread.right}
    side = "put" if spread.right is Right.PUT else "call"
    wings = {s: wing_strikes(strikes, spread, s, spot, by_strike) for s in by_strike}
    anchor = _nearest(strikes, spread, {s: o for s, o in by_strike.items() if wings[s]}, spot)
    if anchor is None:
        return f"no {side} is quoted that is where the template wants one and has a wing"
    chosen, miss = anchor
    if miss:
        return f"the nearest {side} {miss}"
    wing = _wing(strikes, [by_strike[s] for s in wings[chosen]])
    if isinstance(wing, str):
        return f"the nearest {side} wing {wing}"
    return Leg(by_strike[chosen].contract, spread.anchor), Leg(wing.contract, -spread.anchor)


def _nearest(strikes: Strikes, spread: Spread, usable: Mapping[float, Offer], spot: float) -> tuple[float, str] | None:
    """Return the strike nearest to what is wanted and, if it is too far from it, how far."""
    target = anchor_delta(strikes)
    if target is not None:
        deltas = {s: abs(g.delta) for s, offer in usable.items() if (g := offer.quote.greeks) is not None}
        if not deltas:
            return None
        best = min(deltas, key=lambda s: (abs(deltas[s] - target), s))
        miss = abs(deltas[best] - target)
        return best, (f"delta misses the target {target:.2f} by {miss:.2f}" if miss > DELTA_TOLERANCE else "")
    if not usable:
        return None
    assert strikes.distance is not None
    wanted = spot * (1.0 + spread.outward * strikes.distance)
    best = min(usable, key=lambda s: (abs(s - wanted), s))
    miss = abs(best - wanted) / spot
    return best, (f"strike misses {wanted:.2f} by {miss:.1%} of the underlying" if miss > DISTANCE_TOLERANCE else "")


def _wing(strikes: Strikes, usable: Sequence[Offer]) -> Offer | str:
    target = strikes.wing_delta
    if target is None:
        return usable[0]
    deltas = [(abs(abs(g.delta) - target), o) for o in usable if (g := o.quote.greeks) is not None]
    if not deltas:
        return "has no delta"
    miss, best = min(deltas, key=lambda item: (item[0], item[1].contract.strike))
    return best if miss <= DELTA_TOLERANCE else f"delta misses the target {target:.2f} by {miss:.2f}"


def _price_and_size(
    template: StrategyTemplate, structure: Structure, quotes: Mapping[int, Quote], net_liq: float | None
) -> Proposal | Refused:
    mid, natural = net_mid(structure, quotes), net_natural(structure, quotes, Side.BUY)
    if mid is None or natural is None:
        return Refused(("a leg has no two-sided quote",))
    if net_liq is None:
        return Refused(("net_liq is unknown, so the size is too",))
    low, high = structure.extremes()
    if low is None or high is None:
        return Refused(("the loss is not bounded",))
    width = float(high - low)
    word = "credit" if template.structure in CREDITS else "debit"
    if not low < mid < high:
        return Refused((f"a {word} of {abs(mid):.2f} is not between 0 and the width {width:g}",))
    bound = _bound(template, width)
    if mid > bound:
        less = "less" if word == "credit" else "more"
        return Refused((f"{word} {abs(mid):.2f} is {abs(mid) / width:.1%} of the width, {less} than asked",))
    # Sized at the far side: what the order may cost at worst, not what it is hoped to cost.
    loss = (natural - float(low)) * structure.multiplier
    quantity = min(math.floor(template.size.risk_ratio * net_liq / loss), template.size.max_contracts)
    if quantity < 1:
        return Refused((f"one unit risks {loss:.0f}, more than {template.size.risk_ratio:.1%} of net_liq",))
    return Proposal(structure, quantity, mid, natural, bound)


def _bound(template: StrategyTemplate, width: float) -> float:
    """Return the highest net price that the template accepts: minus its least credit, or its most debit."""
    entry = template.entry
    if entry.min_credit_ratio is not None:
        return -entry.min_credit_ratio * width
    assert entry.max_debit_ratio is not None
    return entry.max_debit_ratio * width
