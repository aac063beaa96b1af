"""When an order fills, and at which price: pure rules over the books of its legs.

Policy. An order at or through the far side fills there on arrival, with price improvement. A limit between the mid
and the far side has no queue model: it waits an exponential time whose rate grows linearly from `REST_RATE_MID` at
the mid to `REST_RATE_FAR` at the far side (per minute), then fills at its limit if it still lies there. A limit on
the near side of the mid waits for the market. A leg that nobody bids for counts as 0 inside a combo (the wing of a
condor is given away), but a single order to sell it cannot fill. This is our assumption, not a measurement of IB.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from math import gcd
from typing import Final

from v6.model.contract import Side
from v6.paper.ports import Mark

REST_RATE_MID: Final = 0.1
REST_RATE_FAR: Final = 1.0
CENT: Final = Decimal("0.01")
BAG_TICK: Final = Decimal("0.05")

Increments = tuple[tuple[Decimal, Decimal], ...]
"""(low edge, increment) of a market rule, from the lowest edge."""


@dataclass(frozen=True, slots=True)
class Quote:
    """The two sides of one leg; bid is None where nobody bids."""

    bid: Decimal | None
    ask: Decimal


@dataclass(frozen=True, slots=True)
class Book:
    """The net book of the signed legs per unit; `bid` is None for a single leg that nobody bids for."""

    bid: Decimal | None
    ask: Decimal
    quotes: tuple[Quote, ...]

    @property
    def mid(self) -> Decimal:
        return self.ask / 2 if self.bid is None else (self.bid + self.ask) / 2

    def far(self, side: Side) -> Decimal | None:
        """Return the price at which the side trades at once."""
        return self.ask if side is Side.BUY else self.bid


def cents(value: float) -> Decimal:
    """Return a float price as the decimal it stands for."""
    return Decimal(repr(round(value, 4)))


def book_of(ratios: Sequence[int], marks: Sequence[Mark | None]) -> Book | None:
    """Return the net book of legs with signed ratios, or None if one of them has no market."""
    quotes: list[Quote] = []
    for mark in marks:
        if mark is None:
            return None
        quotes.append(Quote(None if mark.bid is None else cents(mark.bid), cents(mark.ask)))
    if len(quotes) == 1 and ratios[0] == 1:
        return Book(quotes[0].bid, quotes[0].ask, tuple(quotes))
    zero = Decimal(0)
    ask = sum(((q.ask if r > 0 else q.bid or zero) * r for r, q in zip(ratios, quotes, strict=True)), zero)
    bid = sum(((q.bid or zero if r > 0 else q.ask) * r for r, q in zip(ratios, quotes, strict=True)), zero)
    return Book(bid, ask, tuple(quotes))


def crosses(side: Side, limit: Decimal | None, book: Book) -> Decimal | None:
    """Return the price at which the order fills at once (limit None: at market), or None if it rests."""
    far = book.far(side)
    if far is None or limit is None:
        return far
    return far if side.sign * (limit - far) >= 0 else None


def rest_rate(side: Side, limit: Decimal, book: Book) -> float:
    """Return the fill rate per minute of a resting limit; 0 on the near side of the mid."""
    far = book.far(side)
    if far is None:
        return 0.0
    room = side.sign * (far - book.mid)
    depth = side.sign * (limit - book.mid)
    if depth < 0 or room <= 0:
        return 0.0
    return REST_RATE_MID + (REST_RATE_FAR - REST_RATE_MID) * float(min(depth / room, Decimal(1)))


def stop_reached(side: Side, stop: Decimal, book: Book) -> bool:
    """Tell whether a stop triggers: a buy when the ask has risen to it, a sell when the bid has fallen to it."""
    if side is Side.BUY:
        return book.ask >= stop
    return (book.bid or Decimal(0)) <= stop


@dataclass(frozen=True, slots=True)
class Trail:
    """How far a trailing stop stays behind the market: dollars, or a percentage of the price."""

    amount: Decimal | None
    percent: Decimal | None = None

    def behind(self, side: Side, price: Decimal) -> Decimal:
        """Return the stop for a price: above it for a buy, below it for a sell, to the cent."""
        gap = self.amount if self.amount is not None else price * (self.percent or Decimal(0)) / 100
        return (price + side.sign * gap).quantize(CENT)


def trailed(side: Side, stop: Decimal | None, trail: Trail, book: Book) -> Decimal | None:
    """Return where a trailing stop is now: it follows the side that it would trade at, and never gives way."""
    price = book.far(side)
    if price is None:
        return stop
    fresh = trail.behind(side, price)
    if stop is None:
        return fresh
    return min(stop, fresh) if side is Side.BUY else max(stop, fresh)


def on_tick(price: Decimal, increments: Increments) -> bool:
    """Tell whether a price lies on the grid of a market rule."""
    step = increments[0][1]
    for low, increment in increments:
        if abs(price) >= low:
            step = increment
    return price % step == 0


def divisible(ratios: Sequence[int]) -> bool:
    """Tell whether any net price can be split over the legs: reduced ratios, the smallest of them 1 or 2."""
    return gcd(*ratios) == 1 and min(abs(r) for r in ratios) <= 2


def leg_prices(side: Side, ratios: Sequence[int], book: Book, net: Decimal) -> list[Decimal]:
    """Return a price per leg whose signed sum by ratio is exactly `net`.

    The improvement over the far side is shared by the widths of the legs in whole cents; what does not divide goes to
    the widest leg of the smallest ratio, which `divisible` keeps at 1 or 2 so that the division ends.
    """
    zero = Decimal(0)
    pays = [side.sign * r > 0 for r in ratios]
    prices = [q.ask if p else q.bid or zero for p, q in zip(pays, book.quotes, strict=True)]
    rest = side.sign * (sum((x * r for x, r in zip(prices, ratios, strict=True)), zero) - net)
    width = [(q.ask - (q.bid or zero)) * abs(r) for q, r in zip(book.quotes, ratios, strict=True)]
    total = sum(width, zero)
    moves = [zero] * len(prices)
    if rest and total:
        for i, ratio in enumerate(ratios):
            share = rest * width[i] / total / abs(ratio)
            moves[i] = share - share % CENT
        left = rest - sum((m * abs(r) for m, r in zip(moves, ratios, strict=True)), zero)
        i = min(range(len(ratios)), key=lambda k: (abs(ratios[k]), -width[k]))
        moves[i] += left / abs(ratios[i])
    return [x - m if p else x + m for x, m, p in zip(prices, moves, pays, strict=True)]
