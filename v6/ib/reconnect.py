"""When to try again, when to stop hammering, and when to call somebody: pure."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, time, timedelta
from typing import Final

from v6.pricing.calendar import NEW_YORK

DELAYS: Final = tuple(timedelta(seconds=s) for s in (1, 2, 4, 8, 16, 32))
ID_DELAYS: Final = tuple(timedelta(seconds=s) for s in (5, 15))
"""After error 326: IB frees the id of a dead connection after a while; another id would orphan our orders."""

PROBE_EVERY: Final = timedelta(seconds=60)
"""With the circuit open one attempt a minute asks whether the broker is back."""

PAGE_AFTER: Final = timedelta(minutes=5)
STOP_OPENS: Final = timedelta(minutes=5)
"""Nothing opens so shortly before an expected downtime: an order at work then would be out of our hands."""

GRACE: Final = timedelta(minutes=10)
"""An expected downtime may end so much later before somebody is called."""


@dataclass(frozen=True, slots=True)
class Downtime:
    """A weekly or daily (`weekday` None) interruption in New York time; Monday is 0, an end before the start is next
    day's. One that `needs_person` is a login that nobody but a person can make.
    """

    name: str
    start: time
    end: time
    weekday: int | None = None
    needs_person: bool = False

    def covers(self, at: datetime) -> datetime | None:
        """Return when the interruption that covers the moment ends, None if none does."""
        local = at.astimezone(NEW_YORK)
        for day in (local.date(), local.date() - timedelta(days=1)):
            begins, ends = self._on(day)
            if (self.weekday is None or day.weekday() == self.weekday) and begins <= local < ends:
                return ends.astimezone(at.tzinfo)
        return None

    def begins_within(self, at: datetime, span: timedelta) -> datetime | None:
        """Return when an interruption that begins after the moment, and within the span, begins; None if none does."""
        local = at.astimezone(NEW_YORK)
        for day in (local.date(), (local + span).date()):
            begins, _ = self._on(day)
            ahead = begins.astimezone(at.tzinfo) - at
            if (self.weekday is None or day.weekday() == self.weekday) and timedelta(0) < ahead <= span:
                return begins.astimezone(at.tzinfo)
        return None

    def _on(self, day: date) -> tuple[datetime, datetime]:
        last = day if self.end > self.start else day + timedelta(days=1)
        return datetime.combine(day, self.start, NEW_YORK), datetime.combine(last, self.end, NEW_YORK)


IB_NORTH_AMERICA: Final = (
    Downtime("IB's nightly reset", time(0, 15), time(1, 45)),
    Downtime("the gateway's daily restart", time(23, 45), time(0, 15)),
    Downtime("IB's weekend maintenance", time(23, 0), time(3, 0), weekday=4),
    Downtime("the weekly login", time(1, 0), time(18, 0), weekday=6, needs_person=True),
)
"""As IB publishes them for North America; an account elsewhere brings its own."""


def expected(calendar: Sequence[Downtime], at: datetime) -> tuple[Downtime, datetime] | None:
    """Return the interruption that covers the moment and ends last, and its end; None if none does."""
    found = [(down, end) for down in calendar if (end := down.covers(at)) is not None]
    return max(found, key=lambda item: item[1], default=None)


def stops_opens(calendar: Sequence[Downtime], at: datetime) -> str | None:
    """Return, in words, the interruption that is on or begins within STOP_OPENS; None if there is none.

    Whether it lies inside a session needs no look: outside of one nothing opens anyway.
    """
    now = expected(calendar, at)
    if now is not None:
        return f"{now[0].name} is on until {now[1]:%H:%M} UTC"
    ahead = [(begins, down) for down in calendar if (begins := down.begins_within(at, STOP_OPENS)) is not None]
    if not ahead:
        return None
    begins, down = min(ahead, key=lambda item: item[0])
    return f"{down.name} begins at {begins:%H:%M} UTC"


def quiet_until(calendar: Sequence[Downtime], at: datetime) -> datetime:
    """Return until when `stops_opens`, which says nothing at the moment, need not be asked again; at most a day."""
    day = timedelta(days=1)
    begins = [begin for down in calendar if (begin := down.begins_within(at, day)) is not None]
    return min(begins, default=at + day) - STOP_OPENS


@dataclass(frozen=True, slots=True)
class Retry:
    """The attempts since the connection was last good."""

    failures: int = 0
    next_at: datetime | None = None
    page_at: datetime | None = None
    paged: bool = False

    @property
    def circuit_open(self) -> bool:
        """Tell whether so many attempts failed that only one a minute is made."""
        return self.failures > len(DELAYS)

    def due(self, at: datetime) -> bool:
        return self.next_at is None or at >= self.next_at


def failed(retry: Retry, at: datetime, calendar: Sequence[Downtime], *, id_in_use: bool = False) -> Retry:
    """Return the state after one more attempt that failed at the moment."""
    delays = ID_DELAYS if id_in_use else DELAYS
    delay = delays[retry.failures] if retry.failures < len(delays) else PROBE_EVERY
    down = expected(calendar, at)
    page_at = retry.page_at
    if down is not None:
        where, end = down
        delay = PROBE_EVERY
        # A person is called at once for what only a person can do, and else when it does not end as it should.
        page_at = at if where.needs_person else end + GRACE
    elif page_at is None:
        page_at = at if id_in_use else at + PAGE_AFTER
    return replace(retry, failures=retry.failures + 1, next_at=at + delay, page_at=page_at)


def page_due(retry: Retry, at: datetime) -> bool:
    """Tell whether somebody must be called now; once an outage."""
    return not retry.paged and retry.page_at is not None and at >= retry.page_at
