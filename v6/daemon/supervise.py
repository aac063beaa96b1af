"""Keep the connection: a heartbeat between cycles, attempts that thin out, and a call for help in the end."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Final

import structlog

from v6.errors import BrokerError
from v6.ib.link import IdInUse, Link
from v6.ib.reconnect import Downtime, Retry, expected, failed, page_due
from v6.ports import Clock

HEARTBEAT_S: Final = 5.0
"""With the three seconds that an answer may take, a half-open link is found within ten."""

LOST_FOR_LONG: Final = timedelta(minutes=5)
"""A gateway without IB's servers for so long is connected to anew: its word that they are back may be lost."""

log = structlog.get_logger("v6.daemon")


class Supervisor:
    """Owner of the question whether to connect now; `page` takes a code and a text for a person."""

    def __init__(
        self, link: Link, clock: Clock, downtimes: Sequence[Downtime], page: Callable[[str, str], None]
    ) -> None:
        self._link = link
        self._clock = clock
        self._downtimes = downtimes
        self._page = page
        self.retry = Retry()

    async def connect(self) -> None:
        """Connect if an attempt is due; raises BrokerError."""
        now = self._clock.now()
        if not self.retry.due(now):
            raise BrokerError(f"the broker is away; the next attempt is due at {self.retry.next_at:%H:%M:%S} UTC")
        try:
            await self._link.connect()
        except BrokerError as error:
            at = self._clock.now()
            self.retry = failed(self.retry, at, self._downtimes, id_in_use=isinstance(error, IdInUse))
            if page_due(self.retry, at):
                self.retry = replace(self.retry, paged=True)
                self._page("broker-unreachable", self._describe(str(error)))
            raise
        self.retry = Retry()

    async def watch(self, every_s: float, reconnect: Callable[[], Awaitable[None]]) -> None:
        """Ask the broker the time at this interval for ever, and reconnect as soon as it does not answer."""
        while True:
            try:
                await self._beat(reconnect)
            except BrokerError as error:
                log.info("no-connection", error=str(error), failures=self.retry.failures)
            await asyncio.sleep(every_s)

    async def _beat(self, reconnect: Callable[[], Awaitable[None]]) -> None:
        if self._link.ib.isConnected():
            try:
                await self._link.server_time()
            except BrokerError as error:
                log.warning("heartbeat-missed", error=str(error))
            else:
                self._leave_if_lost()
        if not self._link.ib.isConnected() and self.retry.due(self._clock.now()):
            await reconnect()

    def _leave_if_lost(self) -> None:
        now, lost_at = self._clock.now(), self._link.health.lost_at
        if lost_at is not None and now - lost_at > LOST_FOR_LONG and expected(self._downtimes, now) is None:
            self._link.disconnect()

    def _describe(self, error: str) -> str:
        down = expected(self._downtimes, self._clock.now())
        return (
            error if down is None else f"{error} (during {down[0].name}, expected until {down[1]:%Y-%m-%d %H:%M} UTC)"
        )


async def ended(tasks: list[asyncio.Task[None]]) -> None:
    """End the tasks, and raise the first mistake that one of them ended with."""
    for task in tasks:
        task.cancel()
    for result in await asyncio.gather(*tasks, return_exceptions=True):
        if isinstance(result, Exception):
            raise result
