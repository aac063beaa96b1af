"""What is listed: SPX and VIX themselves, weekly PM-settled SPXW options and monthly AM-settled SPX options.

The identity of an option is its terms, packed into 31 bits, so any con_id can be turned back into its contract without
a registry. Bit 30 is always set, which keeps them clear of the con_ids IB has given so far, such as those of the
indices:

    1 | class (1 bit) | expiry, days since 1990-01-01 (15) | strike / 5 (13) | call (1)
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import ceil, floor
from typing import Final

from v6.errors import V6Error
from v6.model.contract import Contract, Right, SecType
from v6.paper.market.history import DailyHistory
from v6.pricing.calendar import new_york_date, third_friday, xnys

SPX: Final = Contract(416904, "SPX", SecType.INDEX, "CBOE", "USD", 1, "SPX")
VIX: Final = Contract(13455763, "VIX", SecType.INDEX, "CBOE", "USD", 1, "VIX")
INDICES: Final = {contract.con_id: contract for contract in (SPX, VIX)}
MULTIPLIER: Final = 100
STRIKE_STEP: Final = 5
# Strikes reach from 30 % below the lowest to 20 % above the highest close since the series was listed.
LOWEST, HIGHEST = 0.70, 1.20

WEEKLY, MONTHLY = "SPXW", "SPX"
_CLASSES = (WEEKLY, MONTHLY)
_LISTED_FOR = {WEEKLY: timedelta(weeks=10), MONTHLY: timedelta(weeks=26)}
_EPOCH = date(1990, 1, 1)
_FLAG = 1 << 30
_STRIKE_BITS, _EXPIRY_BITS = 13, 15
_OPTION_EXCHANGES = ("SMART", "CBOE")


@dataclass(frozen=True, slots=True)
class Terms:
    """What an option's con_id says; strike in index points."""

    trading_class: str
    expiry: date
    strike: int
    right: Right


def encode(terms: Terms) -> int:
    """Return the con_id of an option; V6Error if its strike or expiry cannot be one."""
    units, rest = divmod(terms.strike, STRIKE_STEP)
    days = (terms.expiry - _EPOCH).days
    if rest or not 0 < units < 1 << _STRIKE_BITS or not 0 <= days < 1 << _EXPIRY_BITS:
        raise V6Error(f"no such option can be listed: {terms}")
    packed = _CLASSES.index(terms.trading_class) << _EXPIRY_BITS | days
    return _FLAG | (packed << _STRIKE_BITS | units) << 1 | (terms.right is Right.CALL)


def decode(con_id: int) -> Terms | None:
    """Return the terms in a con_id, or None if it is not one of ours; the expiry may still be no expiry day."""
    if not _FLAG <= con_id < 2 * _FLAG:
        return None
    right = Right.CALL if con_id & 1 else Right.PUT
    packed = (con_id ^ _FLAG) >> 1
    units = packed & ((1 << _STRIKE_BITS) - 1)
    packed >>= _STRIKE_BITS
    expiry = _EPOCH + timedelta(days=packed & ((1 << _EXPIRY_BITS) - 1))
    return Terms(_CLASSES[packed >> _EXPIRY_BITS], expiry, units * STRIKE_STEP, right) if units else None


def last_trading_day(day: date) -> date:
    """Return the last trading day of the AM-settled monthly option of the day's month, which IB calls its expiry."""
    return xnys().previous_session(xnys().monthly_expiry(day.year, day.month))


@lru_cache(maxsize=1024)
def settles_at(trading_class: str, expiry: date) -> datetime | None:
    """Return when a series settles (UTC), or None if the class has no expiry that day.

    SPXW at the close of its expiry; SPX at the opening after its last trading day.
    """
    calendar = xnys()
    if not calendar.first_day < expiry < calendar.last_day:
        return None
    if trading_class == WEEKLY:
        return calendar.close_utc(expiry) if calendar.weekly_expiry(expiry) == expiry else None
    if trading_class == MONTHLY and last_trading_day(expiry) == expiry:
        return calendar.open_utc(calendar.next_session(expiry))
    return None


class Listing:
    """The contracts of a history, at any moment of it."""

    def __init__(self, history: DailyHistory) -> None:
        self._days = [s.day for s in history.sessions]
        self._closes = [s.close for s in history.sessions]
        self._last_expiry = history.last_day + max(_LISTED_FOR.values())
        self.contract = lru_cache(maxsize=16384)(self._make_contract)

    def expiries(self, symbol: str, at: datetime) -> list[tuple[str, date]]:
        """Return (trading class, expiry) of each series that is listed and not settled, by class, then expiry."""
        if symbol != SPX.symbol:
            return []
        today = new_york_date(at)
        weekly = xnys().weekly_expiries(today, today + _LISTED_FOR[WEEKLY])
        months = {third_friday(year, month + 1) for year, month in _months(today, _LISTED_FOR[MONTHLY])}
        # On the morning it settles a monthly series is one day past its last trading day and still alive.
        monthly = sorted(last_trading_day(month) for month in months)
        latest = today + _LISTED_FOR[MONTHLY]
        series = [(WEEKLY, day) for day in weekly] + [(MONTHLY, day) for day in monthly if day <= latest]
        return [(name, day) for name, day in sorted(series) if (end := settles_at(name, day)) and end > at]

    def strikes(self, trading_class: str, expiry: date, at: datetime) -> list[int]:
        """Return the strikes of a series in order, [] if it is not listed; in its life strikes are only added."""
        if (trading_class, expiry) not in self.expiries(SPX.symbol, at):
            return []
        return list(self._strikes(expiry - _LISTED_FOR[trading_class], new_york_date(at)))

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        """Return the listed contracts that fit; see `Market.find`. As at IB, an index is found on CBOE only."""
        if pattern.currency not in ("", "USD"):
            return []
        if pattern.con_id:
            found = self.contract(pattern.con_id)
            candidates = iter([found] if found and self._listed(found, at) else [])
        elif pattern.sec_type is SecType.INDEX:
            candidates = iter(INDICES.values())
        elif pattern.sec_type is SecType.OPTION and pattern.symbol in ("", SPX.symbol):
            candidates = self._options(pattern, at)
        else:
            return []
        return [on_exchange(pattern.exchange, contract) for contract in candidates if fits(pattern, contract)]

    def _options(self, pattern: Contract, at: datetime) -> Iterator[Contract]:
        rights = (pattern.right,) if pattern.right else (Right.CALL, Right.PUT)
        for trading_class, expiry in self.expiries(SPX.symbol, at):
            if pattern.trading_class not in ("", trading_class) or pattern.expiry not in (None, expiry):
                continue
            strikes = self._strikes(expiry - _LISTED_FOR[trading_class], new_york_date(at))
            for strike in strikes:
                if pattern.strike is not None and pattern.strike != strike:
                    continue
                for right in rights:
                    contract = self.contract(encode(Terms(trading_class, expiry, strike, right)))
                    if contract is not None:
                        yield contract

    def _strikes(self, listed_on: date, today: date) -> range:
        # From the close before the listing day, which is all that is known on that day.
        last = max(bisect_left(self._days, today), 1)
        first = max(min(bisect_left(self._days, listed_on), last) - 1, 0)
        closes = self._closes[first:last]
        low = ceil(LOWEST * min(closes) / STRIKE_STEP)
        high = floor(HIGHEST * max(closes) / STRIKE_STEP)
        return range(low * STRIKE_STEP, high * STRIKE_STEP + 1, STRIKE_STEP)

    def _make_contract(self, con_id: int) -> Contract | None:
        if con_id in INDICES:
            return INDICES[con_id]
        terms = decode(con_id)
        if terms is None or not self._days[0] <= terms.expiry <= self._last_expiry:
            return None
        if settles_at(terms.trading_class, terms.expiry) is None:
            return None
        return Contract(
            con_id,
            SPX.symbol,
            SecType.OPTION,
            "SMART",
            "USD",
            MULTIPLIER,
            terms.trading_class,
            terms.expiry,
            Decimal(terms.strike),
            terms.right,
        )

    def _listed(self, contract: Contract, at: datetime) -> bool:
        if contract.expiry is None:
            return True
        end = settles_at(contract.trading_class, contract.expiry)
        listed_on = contract.expiry - _LISTED_FOR[contract.trading_class]
        return end is not None and at < end and listed_on <= new_york_date(at)


def _months(first: date, span: timedelta) -> list[tuple[int, int]]:
    """Return (year, month from 0) from the month of `first` to the last month of the span."""
    last = first + span
    start, end = first.year * 12 + first.month - 1, last.year * 12 + last.month - 1
    return [divmod(month, 12) for month in range(start, end + 1)]


def on_exchange(exchange: str, contract: Contract) -> Contract:
    """Return an option on the exchange that the pattern named."""
    if contract.sec_type is SecType.OPTION and exchange not in ("", contract.exchange):
        return replace(contract, exchange=exchange)
    return contract


def fits(pattern: Contract, contract: Contract, exchanges: tuple[str, ...] = ()) -> bool:
    """Tell whether a contract fits a pattern; `exchanges` are those on which it trades, if not its own alone."""
    if not exchanges:
        exchanges = _OPTION_EXCHANGES if contract.sec_type is SecType.OPTION else (contract.exchange,)
    return (
        pattern.sec_type is contract.sec_type
        and pattern.symbol in ("", contract.symbol)
        and pattern.exchange in ("", *exchanges)
        # 1 is what a pattern has that says nothing about the multiplier.
        and pattern.multiplier in (0, 1, contract.multiplier)
        and pattern.trading_class in ("", contract.trading_class)
        and pattern.expiry in (None, contract.expiry)
        and pattern.strike in (None, contract.strike)
        and pattern.right in (None, contract.right)
    )
