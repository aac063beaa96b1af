"""What the desk records of the market for itself: the plan, and what one question brought. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, datetime, timedelta

from v6.model.contract import Contract, SecType
from v6.model.quote import Quote


@dataclass(frozen=True, slots=True)
class Watched:
    """An index, a stock, or the front month of a future, as the broker finds it."""

    symbol: str
    sec_type: SecType
    exchange: str


@dataclass(frozen=True, slots=True)
class Band:
    """Which options of a class: calendar days to expiry, and the distance of strikes from the price (0.1: 10 %)."""

    symbol: str
    trading_class: str
    dte_min: int
    dte_max: int
    strikes: float

    def expiries(self, listed: Iterable[date], today: date) -> list[date]:
        """Return the expiries within the band, sorted."""
        return sorted(day for day in listed if self.dte_min <= (day - today).days <= self.dte_max)

    def holds(self, contract: Contract, spot: float) -> bool:
        """Tell whether the strike is within the band around this price of the underlying."""
        return contract.strike is not None and abs(float(contract.strike) / spot - 1.0) <= self.strikes


@dataclass(frozen=True, slots=True)
class RecordingPlan:
    """A sweep over `watched`, then over `chains`, starts at the opening and every so many seconds after it."""

    every_s: int
    watched: tuple[Watched, ...]
    chains: tuple[Band, ...]

    def slots(self, opens: datetime, closes: datetime) -> list[datetime]:
        """Return when the sweeps of one session start; none starts at its close."""
        step = timedelta(seconds=self.every_s)
        return [opens + n * step for n in range(-(-int((closes - opens).total_seconds()) // self.every_s))]


@dataclass(frozen=True, slots=True)
class Observation:
    """What one question of a sweep brought; `quote` is None where the broker gave no answer, and `error` says why.

    `spot` is the price of the underlying when the sweep over its chain began.
    """

    sweep: datetime
    at: datetime
    contract: Contract
    quote: Quote | None
    bid_size: float | None = None
    ask_size: float | None = None
    volume: float | None = None
    open_interest: float | None = None
    spot: float | None = None
    error: str | None = None
