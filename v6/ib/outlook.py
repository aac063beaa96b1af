"""What lies ahead of an underlying, from the broker's word and the desk's calendar: pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, timedelta
from typing import Final

from v6.lang.events import SymbolEvents
from v6.model.catalogue import Value
from v6.model.contract import Contract, SecType
from v6.model.quote import Quote
from v6.model.upcoming import Dividend, Earnings, NextDividend, NoDividend, Report, ReportTime
from v6.pricing.calendar import TradingCalendar

FUNDS: Final = frozenset({"ETF", "ETN", "ETC", "ETMF", "CLOSED-END FUND"})
"""Stock types of IB's contract details that report no earnings."""

_DAY: Final = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Underlying:
    """An underlying and what kind of stock the broker calls it, empty if it does not say."""

    contract: Contract
    stock_type: str = ""


@dataclass(frozen=True, slots=True)
class Outlook:
    """What is known of one underlying; a None is not known."""

    sec_type: SecType | None = None
    quote: Quote | None = None
    next_dividend: float | None = None
    sessions_to_ex_dividend: int | None = None
    earnings: Earnings | None = None
    sessions_to_earnings: int | None = None

    def fields(self) -> dict[str, Value]:
        """Return the fields of the catalogue that come from it."""
        dividend, report = self.sessions_to_ex_dividend, self.sessions_to_earnings
        return {
            "next_dividend": self.next_dividend,
            "sessions_to_ex_dividend": None if dividend is None else float(dividend),
            "earnings": None if self.earnings is None else self.earnings.value,
            "sessions_to_earnings": None if report is None else float(report),
        }


NOTHING_KNOWN: Final = Outlook()


def look_ahead(
    underlying: Underlying | None,
    quote: Quote | None,
    dividend: NextDividend,
    said: SymbolEvents,
    today: date,
    calendar: TradingCalendar,
) -> Outlook:
    """Return the outlook of an underlying on the day.

    The broker's dividend counts before the desk's, unless its date is over; the desk's word on earnings counts before
    what the kind of the underlying implies.
    """
    if isinstance(dividend, Dividend) and dividend.ex_day < today:
        dividend = None
    coming = dividend if dividend is not None else said.next_dividend(today)
    report = _next_report(said, today)
    return Outlook(
        sec_type=None if underlying is None else underlying.contract.sec_type,
        quote=quote,
        next_dividend=_amount(coming),
        sessions_to_ex_dividend=_closes(calendar, today, coming.ex_day - _DAY)
        if isinstance(coming, Dividend)
        else None,
        earnings=said.earnings or _implied(underlying),
        sessions_to_earnings=None if report is None else _closes(calendar, today, _last_before(report)),
    )


def _amount(dividend: NextDividend) -> float | None:
    match dividend:
        case Dividend(amount=amount):
            return amount
        case NoDividend():
            return 0.0
        case None:
            return None


def _implied(underlying: Underlying | None) -> Earnings | None:
    if underlying is None:
        return None
    fund = underlying.stock_type in FUNDS
    return Earnings.NONE if fund or underlying.contract.sec_type is SecType.INDEX else None


def _next_report(said: SymbolEvents, today: date) -> Report | None:
    """Return the first report that a position held from now on would see; what came this morning is over."""
    for report in said.reports or ():
        if report.day > today or (report.day == today and report.time is ReportTime.AFTER_CLOSE):
            return report
    return None


def _last_before(report: Report) -> date:
    """Return the last day whose close comes before the report."""
    return report.day if report.time is ReportTime.AFTER_CLOSE else report.day - _DAY


def _closes(calendar: TradingCalendar, today: date, last: date) -> int | None:
    """Return how many sessions close from today to the last day; None for one beyond the calendar."""
    if last < today:
        return 0
    return len(calendar.sessions(today, last)) if last <= calendar.last_day else None
