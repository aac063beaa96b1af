"""Net prices of structures from the quotes of their legs; a leg without the needed side makes the net missing."""

from __future__ import annotations

from collections.abc import Mapping

from v6.model.contract import Side
from v6.model.position import Structure
from v6.model.quote import Quote


def net_mid(structure: Structure, quotes: Mapping[int, Quote]) -> float | None:
    """Return the net mid per unit in price points, negative for a structure one is paid to hold."""
    total = 0.0
    for leg in structure.legs:
        quote = quotes.get(leg.contract.con_id)
        mid = None if quote is None else quote.mid
        if mid is None:
            return None
        total += leg.ratio * mid
    return total


def net_natural(structure: Structure, quotes: Mapping[int, Quote], side: Side) -> float | None:
    """Return the net at which buying (or selling) the structure fills at once: each leg at its far side."""
    total = 0.0
    for leg in structure.legs:
        quote = quotes.get(leg.contract.con_id)
        if quote is None:
            return None
        price = quote.ask if leg.ratio * side.sign > 0 else quote.bid
        if price is None:
            return None
        total += leg.ratio * price
    return total


def net_spread(structure: Structure, quotes: Mapping[int, Quote]) -> float | None:
    """Return the sum of the legs' bid-ask spreads per unit in price points."""
    total = 0.0
    for leg in structure.legs:
        quote = quotes.get(leg.contract.con_id)
        if quote is None or quote.bid is None or quote.ask is None:
            return None
        total += abs(leg.ratio) * (quote.ask - quote.bid)
    return total
