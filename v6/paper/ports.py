"""What the gateway asks of a market; the history market, scenarios and test doubles all answer this."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, runtime_checkable

from v6.model.contract import Contract


@dataclass(frozen=True, slots=True)
class Mark:
    """The simulated book of one contract; the greeks are None for anything but an option.

    `theta` is per calendar day, `vega` per volatility point, `iv` a ratio (0.18). bid and ask lie on the tick grid;
    bid is None where nobody bids (an option worth less than a tick). `price` is the theoretical value.
    """

    price: float
    bid: float | None
    ask: float
    bid_size: int
    ask_size: int
    close: float
    iv: float | None = None
    delta: float | None = None
    gamma: float | None = None
    theta: float | None = None
    vega: float | None = None
    underlying: float | None = None


@dataclass(frozen=True, slots=True)
class Bar:
    day: date
    open: float
    high: float
    low: float
    close: float


class Market(Protocol):
    """A market is a pure function of (its seed and history, the moment asked for)."""

    @property
    def first_day(self) -> date:
        """Return the first session for which there are prices."""
        ...

    @property
    def last_day(self) -> date: ...

    def contract(self, con_id: int) -> Contract | None:
        """Return a contract by identity, or None if there is none."""
        ...

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        """Return the listed contracts that fit the pattern.

        Empty or None fields and con_id 0 match anything, so one call can give all strikes of an expiry.
        """
        ...

    def expiries(self, symbol: str, at: datetime) -> list[tuple[str, date]]:
        """Return (trading class, expiry) of the listed option series."""
        ...

    def strikes(self, symbol: str, trading_class: str, expiry: date, at: datetime) -> list[float]: ...

    def marks(self, con_ids: Sequence[int], at: datetime) -> list[Mark | None]:
        """Return the book of each contract, None for one that is unknown or expired, in one vectorised call."""
        ...

    def settlement(self, contract: Contract) -> float:
        """Return the cash value of one share of the option at its expiry, from the settlement price."""
        ...

    def settles_at(self, contract: Contract) -> datetime:
        """Return the moment (UTC) at which the contract stops trading and its settlement price is known."""
        ...

    def daily(self, con_id: int, until: date, sessions: int) -> list[Bar]:
        """Return up to `sessions` daily bars that end on or before `until`, oldest first."""
        ...


@dataclass(frozen=True, slots=True)
class Payout:
    """What is known of a stock's dividends at a moment; a None is not known, and sent as an empty field."""

    past_year: float | None = None
    next_year: float | None = None
    ex_day: date | None = None
    amount: float | None = None


@dataclass(frozen=True, slots=True)
class StockTerms:
    """What a stock is, in IB's words (ETF, COMMON, ADR), and what it pays; no payout, and nothing is sent of it."""

    stock_type: str
    payout: Payout | None = None


@runtime_checkable
class StockMarket(Protocol):
    """A market that lists stocks or funds besides indices; the gateway asks only those that are one."""

    def stock(self, con_id: int, at: datetime) -> StockTerms | None:
        """Return the terms of a stock at the moment, None for what is no stock."""
        ...


@dataclass(frozen=True, slots=True)
class Dividend:
    """Dollars a share, for whoever holds it before `ex_day` opens, paid on `pay_day`."""

    ex_day: date
    pay_day: date
    amount: Decimal


@runtime_checkable
class PayingMarket(Protocol):
    """A market whose stocks or funds pay dividends; the gateway asks only those that are one."""

    def dividends(self, con_id: int, first: date, last: date) -> list[Dividend]:
        """Return the dividends of a stock with an ex-dividend day between two days, both included, in order."""
        ...


class Halt(StrEnum):
    """What an exchange does not do for a while: quote at all, or only trade."""

    QUOTES = "quotes"
    TRADING = "trading"


@runtime_checkable
class HaltingMarket(Protocol):
    """A market whose options are halted at times; the gateway asks only those that are one."""

    def halt(self, at: datetime) -> Halt | None:
        """Return the halt at the moment, None while there is trading; without quotes there is no trading either."""
        ...
