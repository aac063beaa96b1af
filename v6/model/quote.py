"""Quotes and greeks after conversion: no sentinel, NaN or stale default is left in them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class QuoteType(StrEnum):
    """IB's market data types 1-4."""

    LIVE = "live"
    FROZEN = "frozen"
    DELAYED = "delayed"
    DELAYED_FROZEN = "delayed_frozen"


class GreeksSource(StrEnum):
    BROKER = "broker"
    LOCAL = "local"


@dataclass(frozen=True, slots=True)
class Greeks:
    """Per option of one share: theta per calendar day, vega per volatility point, iv as a ratio (0.18)."""

    delta: float
    gamma: float
    theta: float
    vega: float
    iv: float
    source: GreeksSource = GreeksSource.BROKER


@dataclass(frozen=True, slots=True)
class Quote:
    """What is known of one contract's market; None is missing. `at` is when the last tick arrived.

    A `halted` contract is not traded at present, whatever stands in its book; None says nothing of it.
    """

    con_id: int
    at: datetime
    bid: float | None = None
    ask: float | None = None
    last: float | None = None
    close: float | None = None
    greeks: Greeks | None = None
    type: QuoteType = QuoteType.LIVE
    halted: bool | None = None

    @property
    def mid(self) -> float | None:
        """Return the middle of a two-sided, uncrossed market; a one-sided or crossed one has no mid."""
        if self.bid is None or self.ask is None or self.ask < self.bid:
            return None
        return (self.bid + self.ask) / 2.0
