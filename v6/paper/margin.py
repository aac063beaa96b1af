"""Reg T margin: what a broker asks for stock and options, by the strategy-based rules.

Sources: FINRA Rule 4210 (c) for stock, (f)(2) for options, Reg T (12 CFR 220.12) for the first purchase, and Cboe Rule
10.3 (c)(5), as the order 88 FR 14416 quotes it: a naked short option asks its market value and 15 % of the underlying
(a broad-based index; 20 % for anything else) less what it is out of the money, at least its value and 10 % of the
underlying (a put: of its strike). A short put and a short call ask the greater of the two and the value of the other.
A spread asks its worst payoff at expiry, if that is less. Shares cover calls and shares owed cover puts, valued no
better than at the strike.

Requirements are against the equity with loan value, which is cash and shares and no options: the 150 % and 130 % of
shares owed are the 100 % that their negative value takes from it, and the 50 % and 30 % here.

Stricter than the rules: options of different expiries or classes do not cover each other, and a long put does not
lower what the share that it protects asks. The $2,000 minimum, and IB's own house requirements, are not here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Final

from v6.model.contract import Contract, Right, SecType
from v6.paper.listing import INDEX_SYMBOLS
from v6.paper.matching import cents
from v6.paper.ports import Mark

BROAD_BASED: Final = INDEX_SYMBOLS - {"VIX"}
INDEX_RATE, EQUITY_RATE, LEAST_RATE = Decimal("0.15"), Decimal("0.20"), Decimal("0.10")
LONG_INITIAL, LONG_MAINTENANCE = Decimal("0.50"), Decimal("0.25")
SHORT_INITIAL, SHORT_MAINTENANCE = Decimal("0.50"), Decimal("0.30")
NARROW: Final = Decimal("0.05")
"""A spread whose worst is less than this share of its strikes asks less than its short option would naked."""

_ZERO: Final = Decimal(0)
Position = tuple[Contract, int]
"""A contract and how many are held, signed."""


@dataclass(frozen=True, slots=True)
class Quotes:
    """Prices a share by con_id, and prices of underlyings by symbol; what is not in them is not known."""

    prices: Mapping[int, Decimal] = field(default_factory=dict)
    spots: Mapping[str, Decimal] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Requirement:
    """What an account must have, in dollars; `moves` tells whether it changes with the market."""

    initial: Decimal = _ZERO
    maintenance: Decimal = _ZERO
    moves: bool = False

    def __add__(self, other: Requirement) -> Requirement:
        return Requirement(
            self.initial + other.initial, self.maintenance + other.maintenance, self.moves or other.moves
        )


def quotes_of(contracts: Mapping[int, Contract], marks: Mapping[int, Mark | None]) -> Quotes:
    """Return the quotes that marks hold."""
    prices, spots = {}, {}
    for con_id, mark in marks.items():
        if mark is None or con_id not in contracts:
            continue
        prices[con_id] = cents(mark.price)
        if contracts[con_id].sec_type is SecType.STOCK:
            spots[contracts[con_id].symbol] = prices[con_id]
        elif mark.underlying is not None:
            spots.setdefault(contracts[con_id].symbol, cents(mark.underlying))
    return Quotes(prices, spots)


def requirement(positions: Iterable[Position], quotes: Quotes) -> Requirement:
    """Return what positions ask; with the price of an underlying unknown, short options ask their worst payoff.

    Where shares can cover options or not, and in every choice of which options are naked, the least is asked.
    """
    by_symbol: dict[str, list[Position]] = {}
    for contract, quantity in positions:
        if quantity:
            by_symbol.setdefault(contract.symbol, []).append((contract, quantity))
    return sum((_symbol(held, quotes) for held in by_symbol.values()), Requirement())


def _symbol(held: list[Position], quotes: Quotes) -> Requirement:
    options = [(c, q) for c, q in held if c.sec_type is SecType.OPTION]
    total = sum((_group(legs, quotes) for legs in _by_expiry(options)), Requirement())
    for stock, shares in ((c, q) for c, q in held if c.sec_type is SecType.STOCK):
        alone = _shares(stock, shares, quotes)
        rest, extra = _covered(options, shares, quotes)
        # Valued at the strike, the shares lend less by that, and themselves ask their share of the strike.
        kept = -LONG_MAINTENANCE if shares > 0 else SHORT_MAINTENANCE
        asked = Requirement(extra, extra * (1 + kept), moves=True)
        covered = sum((_group(legs, quotes) for legs in _by_expiry(rest)), asked)
        total = alone + min(total, covered, key=lambda r: r.initial)
    return total


def _by_expiry(options: list[Position]) -> Iterable[list[Position]]:
    groups: dict[tuple[object, str], list[Position]] = {}
    for contract, quantity in options:
        groups.setdefault((contract.expiry, contract.trading_class), []).append((contract, quantity))
    return groups.values()


# -- shares


def _shares(stock: Contract, shares: int, quotes: Quotes) -> Requirement:
    price = quotes.prices.get(stock.con_id) or quotes.spots.get(stock.symbol) or _ZERO
    initial, kept = (LONG_INITIAL, LONG_MAINTENANCE) if shares > 0 else (SHORT_INITIAL, SHORT_MAINTENANCE)
    value = abs(shares) * price
    return Requirement(initial * value, kept * value, moves=True)


def _covered(options: list[Position], shares: int, quotes: Quotes) -> tuple[list[Position], Decimal]:
    """Return the options that shares do not cover, and what those that they do take from the value of the shares."""
    right = Right.CALL if shares > 0 else Right.PUT
    free, extra, rest = abs(shares), _ZERO, []
    for contract, quantity in sorted(options, key=lambda leg: leg[0].strike or _ZERO, reverse=shares < 0):
        units = 0
        if contract.right is right and quantity < 0:
            units = min(-quantity, free // contract.multiplier)
            free -= units * contract.multiplier
            extra += units * contract.multiplier * max(_inside(contract, quotes.spots.get(contract.symbol)), _ZERO)
        if quantity + units:
            rest.append((contract, quantity + units))
    return rest, extra


# -- options of one expiry


def _group(legs: list[Position], quotes: Quotes) -> Requirement:
    short = -sum(q for _, q in legs if q < 0)
    if not short:
        return Requirement()
    worst = _worst(legs)
    calls, puts = ([(c, q) for c, q in legs if c.right is right] for right in (Right.CALL, Right.PUT))
    bound = NARROW * min(c.strike or _ZERO for c, _ in legs) * legs[0][0].multiplier
    if sum(q for _, q in calls) >= 0 and worst <= bound:
        return Requirement(worst, worst)
    least = worst
    if legs[0][0].symbol in quotes.spots:
        for bare_calls in _naked_choices(calls):
            for bare_puts in _naked_choices(puts):
                rest = _without(legs, [*bare_calls, *bare_puts])
                least = min(least, _worst(rest) + _naked(bare_calls, bare_puts, quotes))
    return Requirement(least, least, moves=True)


def _naked_choices(legs: list[Position]) -> list[list[Position]]:
    """Return which short options of one side may be taken as naked: none, those without a long one, or all."""
    shorts = sorted(((c, -q) for c, q in legs if q < 0), key=lambda leg: leg[0].strike or _ZERO)
    excess = -sum(q for _, q in legs)
    choices: list[list[Position]] = [[], shorts]
    if excess > 0:
        choices += [_first(shorts, excess), _first(shorts[::-1], excess)]
    return choices


def _first(legs: list[Position], units: int) -> list[Position]:
    taken = []
    for contract, quantity in legs:
        size = min(quantity, units)
        units -= size
        if size:
            taken.append((contract, size))
    return taken


def _without(legs: list[Position], naked: list[Position]) -> list[Position]:
    bare = {contract.con_id: size for contract, size in naked}
    return [(c, q + bare.get(c.con_id, 0)) for c, q in legs if q + bare.get(c.con_id, 0)]


def _naked(calls: list[Position], puts: list[Position], quotes: Quotes) -> Decimal:
    """Return what naked options ask: a call and a put together the greater of the two, and the value of both."""
    value = sum((quotes.prices.get(c.con_id, _ZERO) * c.multiplier * size for c, size in (*calls, *puts)), _ZERO)
    sides = [sorted(((_percentage(c, quotes), size) for c, size in side), reverse=True) for side in (calls, puts)]
    total, (one, other) = value, sides
    while one or other:
        size = min(side[0][1] for side in (one, other) if side)
        total += max(side[0][0] for side in (one, other) if side) * size
        for side in (one, other):
            if side:
                asked, left = side.pop(0)
                if left > size:
                    side.insert(0, (asked, left - size))
    return total


def _percentage(option: Contract, quotes: Quotes) -> Decimal:
    """Return what one naked option asks beyond its value."""
    assert option.strike is not None
    spot = quotes.spots[option.symbol]
    rate = INDEX_RATE if option.symbol in BROAD_BASED else EQUITY_RATE
    outside = max(-_inside(option, spot), _ZERO)
    least = LEAST_RATE * (spot if option.right is Right.CALL else option.strike)
    return max(rate * spot - outside, least) * option.multiplier


def _inside(option: Contract, spot: Decimal | None) -> Decimal:
    """Return how far an option is in the money, negative out of it; 0 where the price is not known."""
    if spot is None or option.strike is None:
        return _ZERO
    return spot - option.strike if option.right is Right.CALL else option.strike - spot


def _worst(legs: list[Position]) -> Decimal:
    """Return the worst payoff at expiry: piecewise linear, so it is at 0 or at a strike.

    Where calls are short without cover it is taken at twice the highest strike.
    """
    if not legs:
        return _ZERO
    strikes = [c.strike for c, _ in legs if c.strike is not None]
    levels = [_ZERO, *strikes, 2 * max(strikes)]
    return max(_ZERO, *(-sum((_payoff(c, level) * q for c, q in legs), _ZERO) for level in levels))


def _payoff(option: Contract, level: Decimal) -> Decimal:
    return max(_inside(option, level), _ZERO) * option.multiplier
