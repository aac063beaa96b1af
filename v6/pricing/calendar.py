"""Trading sessions of US equities (XNYS) and the expiries of index options that follow from them.

Sessions and half days come from exchange_calendars; its pandas objects are turned into plain lists once, so that a
lookup costs microseconds. Option closes are derived here: the option calendars of the public libraries are wrong on
half days (Cboe 2024-12-24, for one).
"""

from __future__ import annotations

import warnings
from bisect import bisect_left, bisect_right
from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import cache
from typing import Final
from zoneinfo import ZoneInfo

from v6.errors import V6Error

NEW_YORK: Final = ZoneInfo("America/New_York")
FIRST: Final = date(1990, 1, 1)
LAST: Final = date(2035, 12, 31)

_FRIDAY = 4
_OPTION_EXTRA = timedelta(minutes=15)


class TradingCalendar:
    """The sessions of one exchange: days in order, each with its opening and closing moment in UTC."""

    def __init__(self, days: Sequence[date], opens: Sequence[datetime], closes: Sequence[datetime]) -> None:
        if not days or len(days) != len(opens) or len(days) != len(closes):
            raise V6Error("a trading calendar needs as many openings and closings as days, and at least one")
        self._days = list(days)
        self._opens = list(opens)
        self._closes = list(closes)
        self._index = {day: i for i, day in enumerate(days)}

    @property
    def first_day(self) -> date:
        return self._days[0]

    @property
    def last_day(self) -> date:
        return self._days[-1]

    def is_session(self, day: date) -> bool:
        """Tell whether the exchange opens that day; raise V6Error outside the calendar's range."""
        self._within(day)
        return day in self._index

    def open_utc(self, day: date) -> datetime:
        """Return when the session opens; raise V6Error if the day is no session."""
        return self._opens[self._at(day)]

    def close_utc(self, day: date) -> datetime:
        """Return when the session closes; raise V6Error if the day is no session."""
        return self._closes[self._at(day)]

    def option_close_utc(self, day: date) -> datetime:
        """Return when index and ETF options close: 15 minutes after the stocks, on half days too.

        A PM-settled option that expires that day stops with the stocks, at `close_utc`.
        """
        return self.close_utc(day) + _OPTION_EXTRA

    def next_session(self, day: date) -> date:
        """Return the first session after the day."""
        return self._pick(bisect_right(self._days, day), day)

    def previous_session(self, day: date) -> date:
        """Return the last session before the day."""
        return self._pick(bisect_left(self._days, day) - 1, day)

    def session_on_or_before(self, day: date) -> date:
        """Return the day itself if it is a session, else the last one before it."""
        return self._pick(bisect_right(self._days, day) - 1, day)

    def sessions(self, first: date, last: date) -> list[date]:
        """Return the sessions from first to last, both included; raise V6Error outside the calendar's range."""
        self._within(first)
        self._within(last)
        return self._days[bisect_left(self._days, first) : bisect_right(self._days, last)]

    def session_at(self, moment: datetime) -> date | None:
        """Return the session that is open at the moment (opening included, closing not), else None."""
        i = bisect_right(self._opens, moment) - 1
        return self._days[i] if i >= 0 and moment < self._closes[i] else None

    def minutes_since_open(self, moment: datetime) -> float | None:
        """Return the minutes since the session opened, or None while the exchange is closed."""
        day = self.session_at(moment)
        return None if day is None else (moment - self.open_utc(day)).total_seconds() / 60.0

    def minutes_to_close(self, moment: datetime) -> float | None:
        """Return the minutes until the session closes, or None while the exchange is closed."""
        day = self.session_at(moment)
        return None if day is None else (self.close_utc(day) - moment).total_seconds() / 60.0

    def weekly_expiry(self, day: date) -> date:
        """Return the expiry of the day's week: its Friday, or the session before if the exchange is closed then."""
        return self.session_on_or_before(day + timedelta(days=_FRIDAY - day.weekday()))

    def weekly_expiries(self, first: date, last: date) -> list[date]:
        """Return the weekly expiries from first to last, both included, in order."""
        found = []
        friday = first + timedelta(days=_FRIDAY - first.weekday())
        while friday - last < timedelta(days=7):
            expiry = self.session_on_or_before(friday)
            if first <= expiry <= last:
                found.append(expiry)
            friday += timedelta(days=7)
        return found

    def monthly_expiry(self, year: int, month: int) -> date:
        """Return the third Friday of the month, or the session before it if the exchange is closed then."""
        return self.session_on_or_before(third_friday(year, month))

    def _at(self, day: date) -> int:
        i = self._index.get(day)
        if i is None:
            self._within(day)
            raise V6Error(f"{day} is not a trading session")
        return i

    def _pick(self, i: int, day: date) -> date:
        if not 0 <= i < len(self._days):
            raise V6Error(f"no session on that side of {day}: {self._range}")
        self._within(day)
        return self._days[i]

    def _within(self, day: date) -> None:
        # The edge sessions need not be the edge days: 1990-01-01 was a holiday, 2035-12-31 may be one.
        if not self._days[0] - timedelta(days=7) <= day <= self._days[-1] + timedelta(days=7):
            raise V6Error(f"{day} is outside the calendar: {self._range}")

    @property
    def _range(self) -> str:
        return f"it covers {self._days[0]} to {self._days[-1]}"


def third_friday(year: int, month: int) -> date:
    """Return the third Friday of a month, whether or not the exchange is open then."""
    first = date(year, month, 1)
    return first + timedelta(days=(_FRIDAY - first.weekday()) % 7 + 14)


def new_york_date(moment: datetime) -> date:
    """Return the calendar date in New York at a moment."""
    return moment.astimezone(NEW_YORK).date()


@cache
def xnys() -> TradingCalendar:
    """Return the calendar of the New York Stock Exchange, 1990 to 2035, built at the first call."""
    from exchange_calendars import get_calendar  # here, not above: pandas takes most of a second to import

    with warnings.catch_warnings():
        # exchange_calendars 4.13 reads its own naive-UTC columns through an accessor that pandas 3.1 deprecates; the
        # values are right. Nothing else is hidden: the text must match.
        warnings.filterwarnings("ignore", message="Series.values returning an ndarray that drops timezone")
        calendar = get_calendar("XNYS", start=FIRST.isoformat(), end=LAST.isoformat())
    schedule = calendar.schedule
    return TradingCalendar(
        [day.date() for day in schedule.index.to_pydatetime()],
        [moment.astimezone(UTC) for moment in schedule["open"].dt.to_pydatetime()],
        [moment.astimezone(UTC) for moment in schedule["close"].dt.to_pydatetime()],
    )
