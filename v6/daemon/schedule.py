"""When cycles happen: pure, from the exchange calendar."""

from __future__ import annotations

import math
from datetime import date, datetime, timedelta

from v6.ib.snapshot import Session
from v6.pricing.calendar import TradingCalendar, new_york_date

LAG = timedelta(seconds=1)
"""A cycle reads this long after the market's own step, so that the step's ticks have arrived."""


def next_cycle(calendar: TradingCalendar, after: datetime, cycle_s: float) -> datetime:
    """Return the first cycle time later than `after`: the session's open plus whole cycles plus LAG."""
    day = calendar.session_on_or_before(new_york_date(after))
    start = calendar.open_utc(day) + LAG
    elapsed = (after - start).total_seconds()
    count = 0 if elapsed < 0 else math.floor(elapsed / cycle_s + 1e-9) + 1
    moment = start + timedelta(seconds=count * cycle_s)
    if moment < calendar.close_utc(day):
        return moment
    return calendar.open_utc(calendar.next_session(day)) + LAG


def session_of(calendar: TradingCalendar, at: datetime) -> Session | None:
    """Return where the moment lies in its session, None while the exchange is closed."""
    day = calendar.session_at(at)
    if day is None:
        return None
    return Session(
        day,
        (at - calendar.open_utc(day)).total_seconds() / 60.0,
        (calendar.close_utc(day) - at).total_seconds() / 60.0,
    )


def is_last_cycle(calendar: TradingCalendar, at: datetime, cycle_s: float) -> bool:
    """Tell whether the next cycle belongs to another session."""
    upcoming: date = new_york_date(next_cycle(calendar, at, cycle_s))
    return upcoming != new_york_date(at)


def closed_for_s(calendar: TradingCalendar, at: datetime) -> float:
    """Return the seconds until the exchange opens, 0 while it is open."""
    if calendar.session_at(at) is not None:
        return 0.0
    day = calendar.session_on_or_before(new_york_date(at))
    while calendar.open_utc(day) <= at:
        day = calendar.next_session(day)
    return (calendar.open_utc(day) - at).total_seconds()
