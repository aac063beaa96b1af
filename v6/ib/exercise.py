"""What can be exercised against a position, and what it would be worth to whoever does: pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from v6.model.catalogue import Value
from v6.model.contract import Contract, Right, SecType
from v6.model.position import Structure
from v6.model.quote import Quote
from v6.model.upcoming import Exercise

EUROPEAN_CLASSES: Final = frozenset(
    {"SPX", "SPXW", "XSP", "MRUT", "RUT", "RUTW", "NDX", "NDXP", "XND", "VIX", "VIXW", "DJX", "XEO"}
)
"""Trading classes of index options that are exercised at expiry only (Cboe and Nasdaq contract specifications)."""

AMERICAN_INDEX_CLASSES: Final = frozenset({"OEX"})
"""The one index whose options are American (Cboe contract specification)."""


def style_of(option: Contract, underlying: SecType | None) -> Exercise | None:
    """Return how the option is exercised, None if that is not known: the broker's contract details do not tell it.

    Options on US stocks and funds are American; one with another class than its symbol is adjusted or flexible, and
    its terms are its own.
    """
    if option.trading_class in EUROPEAN_CLASSES:
        return Exercise.EUROPEAN
    if option.trading_class in AMERICAN_INDEX_CLASSES:
        return Exercise.AMERICAN
    standard = option.trading_class == option.symbol.replace(" ", "")
    return Exercise.AMERICAN if underlying is SecType.STOCK and standard else None


def short_options(structure: Structure) -> list[Contract]:
    """Return the options that are short."""
    return [leg.contract for leg in structure.legs if leg.ratio < 0 and leg.contract.sec_type is SecType.OPTION]


def short_exercise(structure: Structure, underlying: SecType | None) -> Exercise | None:
    """Return how the short options are exercised: American if one of them is, unknown if one of them is unknown."""
    styles = {style_of(contract, underlying) for contract in short_options(structure)}
    if not styles:
        return Exercise.NONE
    if Exercise.AMERICAN in styles:
        return Exercise.AMERICAN
    return None if None in styles else Exercise.EUROPEAN


def moneyness(structure: Structure, spot: float | None) -> dict[str, Value]:
    """Return how far the short calls and puts are in the money; 0 without any, whatever the price."""
    found: dict[str, Value] = {}
    for name, right in (("short_call_itm", Right.CALL), ("short_put_itm", Right.PUT)):
        short = [contract for contract in short_options(structure) if contract.right is right]
        if not short:
            found[name] = 0.0
        else:
            found[name] = None if spot is None else max(_intrinsic(contract, spot) for contract in short) / spot
    return found


def extrinsics(structure: Structure, quotes: Mapping[int, Quote], spot: float | None) -> dict[str, Value]:
    """Return the least extrinsic value of a short call and a short put in the money.

    It is missing when none is, and when one of those that are has no mid: the least is not known then.
    """
    found: dict[str, Value] = {}
    for name, right in (("short_call_extrinsic", Right.CALL), ("short_put_extrinsic", Right.PUT)):
        inside = [
            (contract, spot)
            for contract in short_options(structure)
            if contract.right is right and spot is not None and _intrinsic(contract, spot) > 0
        ]
        values = [_extrinsic(contract, quotes.get(contract.con_id), price) for contract, price in inside]
        known = [value for value in values if value is not None]
        found[name] = min(known) if known and len(known) == len(values) else None
    return found


def _extrinsic(contract: Contract, quote: Quote | None, spot: float) -> float | None:
    mid = None if quote is None else quote.mid
    return None if mid is None else mid - _intrinsic(contract, spot)


def _intrinsic(contract: Contract, spot: float) -> float:
    assert contract.strike is not None
    strike = float(contract.strike)
    return max(spot - strike if contract.right is Right.CALL else strike - spot, 0.0)
