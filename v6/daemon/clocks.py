"""Clocks for the outside world; simulations bring their own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from time import monotonic
from typing import Final

SKEW_S: Final = 5.0
"""With clocks further apart nothing opens; the broker tells whole seconds."""

WRONG_TIME_S: Final = 60.0
"""With clocks further apart nothing is decided at all: times of rules, sessions and expiries would be wrong."""


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)


class BrokerClock:
    """The broker's clock, for a paper gateway whose market runs at another time and speed.

    Between two answers of the broker it runs with the event loop.
    """

    def __init__(self, loop: asyncio.AbstractEventLoop, at: datetime) -> None:
        self._loop = loop
        self._at = at
        self._read = loop.time()

    def now(self) -> datetime:
        return self._at + timedelta(seconds=self._loop.time() - self._read)

    def set(self, at: datetime) -> None:
        """Take over an answer; IB gives whole seconds, so a difference of less is no difference."""
        if abs((at - self.now()).total_seconds()) > 1.0:
            self._at, self._read = at, self._loop.time()


class Interval:
    """Lets something happen once in so many wall seconds, however fast simulated time runs; 0 is always."""

    def __init__(self, every_s: float, clock: Callable[[], float] = monotonic) -> None:
        self._every_s = every_s
        self._clock = clock
        self._last: float | None = None

    def over(self) -> bool:
        """Tell whether the interval since it was last over has passed, and begin the next one if so."""
        if self._every_s <= 0:
            return True
        now = self._clock()
        if self._last is not None and now - self._last < self._every_s:
            return False
        self._last = now
        return True
