"""A fund on the index, SPY: what it pays, what it is worth, and its American options.

A share is a tenth of the index and what has been collected for the next dividend, which grows by the day and leaves
the price at the opening of the ex-dividend day: the third Friday of March, June, September and December, as SPY's own.
It is paid on the last session of the month after. The amount is a quarter of the yearly yield of the share half a year
before: known long before any option that it concerns is listed, so no price looks into the future.

The con_id of an option is its terms in 30 bits, clear of those of the index options, which have bit 30:

    1 | expiry, days since 1990-01-01 (15) | strike in dollars (13) | call (1)
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from math import ceil, floor
from typing import Final

from v6.model.contract import Contract, Right, SecType
from v6.paper.market.history import DailyHistory
from v6.paper.market.listing import HIGHEST, LOWEST, MULTIPLIER, fits, on_exchange
from v6.paper.ports import Dividend, Payout, StockTerms
from v6.pricing.calendar import new_york_date, xnys

SPY: Final = Contract(756733, "SPY", SecType.STOCK, "SMART", "USD", 1, "SPY")
SHARES_PER_INDEX: Final = 10
FUND_TERMS: Final = "ETF"

_EX_MONTHS: Final = (3, 6, 9, 12)
_LOOK_BACK: Final = timedelta(days=182)
_YEAR: Final = timedelta(days=365)
_WEEKLY_FOR, _MONTHLY_FOR = timedelta(weeks=10), timedelta(weeks=26)
_EPOCH = date(1990, 1, 1)
_FLAG = 1 << 29
_STRIKE_BITS, _EXPIRY_BITS = 13, 15
_EXCHANGES = ("SMART", "ARCA")


def encode(expiry: date, strike: int, right: Right) -> int:
    """Return the con_id of an option on the fund."""
    return _FLAG | ((expiry - _EPOCH).days << _STRIKE_BITS | strike) << 1 | (right is Right.CALL)


def decode(con_id: int) -> tuple[date, int, Right] | None:
    """Return (expiry, strike, right) in a con_id, or None; the expiry may still be no expiry day."""
    if not _FLAG <= con_id < 2 * _FLAG:
        return None
    packed = (con_id ^ _FLAG) >> 1
    strike = packed & ((1 << _STRIKE_BITS) - 1)
    expiry = _EPOCH + timedelta(days=packed >> _STRIKE_BITS)
    return (expiry, strike, Right.CALL if con_id & 1 else Right.PUT) if strike else None


@lru_cache(maxsize=1024)
def settles_at(expiry: date) -> datetime | None:
    """Return the close (UTC) of an expiry day, None of any other day."""
    calendar = xnys()
    if not calendar.first_day < expiry < calendar.last_day:
        return None
    monthly = calendar.monthly_expiry(expiry.year, expiry.month)
    return calendar.close_utc(expiry) if expiry in (calendar.weekly_expiry(expiry), monthly) else None


class Fund:
    """The fund over a history of the index: a pure function of the history and a yearly yield."""

    def __init__(self, history: DailyHistory, yearly: float) -> None:
        self._days = [s.day for s in history.sessions]
        self._closes = [s.close for s in history.sessions]
        self._last_expiry = history.last_day + _MONTHLY_FOR
        self._yearly = yearly
        self.paid = self._schedule(history.first_day - _YEAR, history.last_day + 2 * _YEAR)
        self._ex_days = [paid.ex_day for paid in self.paid]
        self.contract = lru_cache(maxsize=16384)(self._make_contract)
        self.collected = lru_cache(maxsize=64)(self._collected)

    def dividends(self, first: date, last: date) -> list[Dividend]:
        """Return the dividends whose ex-dividend day lies between two days, both included."""
        return [d for d in self.paid if first <= d.ex_day <= last]

    def terms(self, at: datetime) -> StockTerms:
        """Return what the fund is, and what a holder knows of its dividends at the moment."""
        today = new_york_date(at)
        past = self.dividends(today - _YEAR, today)
        coming = self.dividends(today + timedelta(days=1), today + _YEAR)
        year = round(self._yearly * self._close(today - timedelta(days=1)) / SHARES_PER_INDEX, 2)
        known = coming[0]
        return StockTerms(
            FUND_TERMS, Payout(float(sum(d.amount for d in past)), year, known.ex_day, float(known.amount))
        )

    def worth(self, index: float, day: date) -> float:
        """Return the value of a share at a price of the index in the session of a day, to a tenth of a cent."""
        return round(index / SHARES_PER_INDEX + self.collected(day), 3)

    def expiries(self, at: datetime) -> list[date]:
        """Return the expiries that are listed and have not come: Fridays for ten weeks, third Fridays for 26."""
        today, calendar = new_york_date(at), xnys()
        found = set(calendar.weekly_expiries(today, today + _WEEKLY_FOR))
        last = today + _MONTHLY_FOR
        months = range(today.year * 12 + today.month - 1, last.year * 12 + last.month)
        monthly = (calendar.monthly_expiry(month // 12, month % 12 + 1) for month in months)
        found |= {day for day in monthly if today <= day <= last}
        return sorted(day for day in found if (end := settles_at(day)) is not None and end > at)

    def strikes(self, expiry: date, at: datetime) -> list[int]:
        """Return the strikes of a listed expiry, a dollar apart, [] if it is not listed."""
        if expiry not in self.expiries(at):
            return []
        return list(self._strikes(expiry, new_york_date(at)))

    def find(self, pattern: Contract, at: datetime) -> list[Contract]:
        """Return the share and the listed options that fit; see `Market.find`."""
        if pattern.currency not in ("", "USD"):
            return []
        if pattern.con_id:
            found = self.contract(pattern.con_id)
            candidates = iter([found] if found is not None and self._listed(found, at) else [])
        elif pattern.sec_type is SecType.STOCK:
            candidates = iter([SPY])
        elif pattern.sec_type is SecType.OPTION and pattern.symbol in ("", SPY.symbol):
            candidates = self._options(pattern, at)
        else:
            return []
        return [on_exchange(pattern.exchange, c) for c in candidates if self._fits(pattern, c)]

    def _options(self, pattern: Contract, at: datetime) -> Iterator[Contract]:
        rights = (pattern.right,) if pattern.right else (Right.CALL, Right.PUT)
        for expiry in self.expiries(at):
            if pattern.trading_class not in ("", SPY.symbol) or pattern.expiry not in (None, expiry):
                continue
            for strike in self._strikes(expiry, new_york_date(at)):
                if pattern.strike in (None, strike):
                    found = (self.contract(encode(expiry, strike, right)) for right in rights)
                    yield from (contract for contract in found if contract is not None)

    @staticmethod
    def _fits(pattern: Contract, contract: Contract) -> bool:
        if contract.sec_type is SecType.OPTION:
            return fits(pattern, contract)
        return pattern.exchange in (*_EXCHANGES, "") and fits(pattern, contract, exchanges=_EXCHANGES)

    def _strikes(self, expiry: date, today: date) -> range:
        # From the closes since the series was listed, up to the one before today.
        last = max(bisect_left(self._days, today), 1)
        first = max(min(bisect_left(self._days, expiry - _MONTHLY_FOR), last) - 1, 0)
        closes = self._closes[first:last]
        low, high = LOWEST * min(closes) / SHARES_PER_INDEX, HIGHEST * max(closes) / SHARES_PER_INDEX
        return range(ceil(low), floor(high) + 1)

    def _make_contract(self, con_id: int) -> Contract | None:
        if con_id == SPY.con_id:
            return SPY
        terms = decode(con_id)
        if terms is None:
            return None
        expiry, strike, right = terms
        if not self._days[0] <= expiry <= self._last_expiry or settles_at(expiry) is None:
            return None
        return Contract(
            con_id, SPY.symbol, SecType.OPTION, "SMART", "USD", MULTIPLIER, SPY.symbol, expiry, Decimal(strike), right
        )

    def _listed(self, contract: Contract, at: datetime) -> bool:
        if contract.expiry is None:
            return True
        end = settles_at(contract.expiry)
        return end is not None and at < end and contract.expiry - _MONTHLY_FOR <= new_york_date(at)

    def _close(self, day: date) -> float:
        """Return the index's close on the last session on or before a day; before all of them, the first."""
        return self._closes[max(bisect_right(self._days, day) - 1, 0)]

    def _schedule(self, first: date, last: date) -> list[Dividend]:
        calendar, found = xnys(), []
        for year in range(first.year, last.year + 1):
            for month in _EX_MONTHS:
                if not calendar.first_day.year < year < calendar.last_day.year:
                    continue
                ex_day = calendar.monthly_expiry(year, month)
                after_next = date(year + (month + 1) // 12, (month + 1) % 12 + 1, 1)
                pay_day = calendar.session_on_or_before(after_next - timedelta(days=1))
                close = self._close(ex_day - _LOOK_BACK)
                amount = Decimal(str(round(self._yearly / len(_EX_MONTHS) * close / SHARES_PER_INDEX, 2)))
                found.append(Dividend(ex_day, pay_day, amount))
        return found

    def _collected(self, day: date) -> float:
        """Return the dollars in a share on a day that will be paid out next."""
        i = bisect_right(self._ex_days, day)
        before, after = self.paid[i - 1], self.paid[i]
        return float(after.amount) * (day - before.ex_day).days / (after.ex_day - before.ex_day).days
