"""Bars of the simulated market: how a request names them, where they begin and end, and what they are made of.

The market is a function of time, so a bar is made of the prices at moments inside it: at most a minute apart, which is
where the index path has its corners, at most a twelfth of the bar for long ones. Bars begin at multiples of their size
since midnight in New York, the first of a session at the opening, as at IB.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from v6.model.contract import Contract, SecType
from v6.paper.codec import Malformed, Wire
from v6.paper.ports import Mark
from v6.pricing.calendar import NEW_YORK

SIZES: Final[dict[str, int]] = {
    "1 secs": 1, "5 secs": 5, "10 secs": 10, "15 secs": 15, "30 secs": 30, "1 min": 60, "2 mins": 120,
    "3 mins": 180, "5 mins": 300, "10 mins": 600, "15 mins": 900, "20 mins": 1200, "30 mins": 1800, "1 hour": 3600,
    "2 hours": 7200, "3 hours": 10800, "4 hours": 14400, "8 hours": 28800,
}  # fmt: skip
"""Seconds of each intraday bar size."""

DAY: Final = "1 day"
LONG_SIZES: Final[dict[str, str]] = {DAY: DAY, "1d": DAY, "1 week": "1 week", "1W": "1 week", "1 month": "1 month",
                                     "1M": "1 month"}  # fmt: skip
SESSIONS: Final[dict[str, int]] = {"D": 1, "W": 5, "M": 21, "Y": 252}
MOST_SAMPLES: Final = 30_000
"""Moments that one request may look at; IB's own limit is on the length per bar size."""

_CORNER_S: Final = 60
_SAMPLES_PER_BAR: Final = 12

Price = Callable[[Mark], float | None]


@dataclass(frozen=True, slots=True)
class Candle:
    """Open, high, low and close from `start` on."""

    start: datetime
    open: float
    high: float
    low: float
    close: float

    def to(self, price: float) -> Candle:
        """Return the candle after one more price."""
        return Candle(self.start, self.open, max(self.high, price), min(self.low, price), price)


def candle(start: datetime, prices: Iterable[float]) -> Candle | None:
    """Return the candle of prices in order, None for none."""
    result: Candle | None = None
    for price in prices:
        result = Candle(start, price, price, price, price) if result is None else result.to(price)
    return result


@dataclass(frozen=True, slots=True)
class Duration:
    """How far back a request reaches: seconds of trading, or sessions."""

    seconds: int = 0
    sessions: int = 0


def duration(field: str) -> Duration:
    """Return the length `2 D`, `1800 S`; Malformed for another form."""
    count, _, unit = field.partition(" ")
    if not count.isascii() or not count.isdigit() or len(count) > 5 or not int(count):
        raise Malformed(f"duration {field!r}")
    if unit == "S":
        return Duration(seconds=int(count))
    if unit not in SESSIONS:
        raise Malformed(f"duration {field!r}")
    return Duration(sessions=int(count) * SESSIONS[unit])


def price_of(contract: Contract, what: str) -> Price | None:
    """Return how to read a price from a mark, None where the simulated market has no such prices.

    An index has a value and no quotes; an option has quotes and, since nobody else trades, no trades.
    """
    if contract.sec_type is SecType.INDEX:
        return (lambda mark: mark.price) if what == "TRADES" else None
    prices: dict[str, Price] = {
        "BID": lambda mark: mark.bid,
        "ASK": lambda mark: mark.ask,
        "MIDPOINT": lambda mark: None if mark.bid is None else round((mark.bid + mark.ask) / 2, 4),
    }
    return prices.get(what)


def volume(what: str) -> tuple[Wire, Wire, Wire]:
    """Return volume, average price and number of trades: an index has none, quotes say -1 as at IB."""
    return (0, 0.0, 0) if what == "TRADES" else (-1, -1.0, -1)


def span_of(moment: datetime, size_s: int, opened: datetime, closed: datetime) -> tuple[datetime, datetime]:
    """Return begin and end of the bar that holds a moment of a session, cut to the session."""
    local = moment.astimezone(NEW_YORK)
    into = (local.hour * 3600 + local.minute * 60 + local.second) % size_s
    start = moment - timedelta(seconds=into, microseconds=local.microsecond)
    return max(start, opened), min(start + timedelta(seconds=size_s), closed)


def spans(opened: datetime, closed: datetime, size_s: int) -> Iterator[tuple[datetime, datetime]]:
    """Yield begin and end of every bar of a session."""
    at = opened
    while at < closed:
        start, end = span_of(at, size_s, opened, closed)
        yield start, end
        at = end


def moments(start: datetime, end: datetime) -> list[datetime]:
    """Return the moments to look at, both ends among them."""
    length = (end - start).total_seconds()
    gap = min(max(_CORNER_S, length / _SAMPLES_PER_BAR), length) or 1.0
    count = max(int(length / gap), 1)
    return [start + timedelta(seconds=i * length / count) for i in range(count + 1)] if length else [start]
