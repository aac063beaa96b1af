"""The connection to TWS or the gateway: connect, heartbeat, and what state the link is in."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import ib_async
import structlog

from v6.errors import BrokerError
from v6.ib import health
from v6.ib.health import Health, LinkState, News
from v6.ib.pacing import Pacer
from v6.ports import Clock

T = TypeVar("T")

REQUEST_TIMEOUT_S = 10.0
SNAPSHOT_TIMEOUT_S = 15.0
"""IB ends a snapshot quote only after eleven seconds when a tick of it is missing."""

HEARTBEAT_TIMEOUT_S = 3.0
UNREADABLE_EVERY = timedelta(minutes=1)

log = structlog.get_logger("v6.ib")


class IdInUse(BrokerError):
    """Another connection holds our client id (326); taking another one would orphan our orders."""


class Link:
    """One client connection; the other parts of this room reach ib_async through it."""

    def __init__(self, host: str, port: int, client_id: int, clock: Clock) -> None:
        self.ib = ib_async.IB()
        self.ib.RaiseRequestErrors = True
        # Times without a zone are UTC at IB; ib_async would take them for this machine's (ib_async #230).
        self.ib.TimezoneTWS = "UTC"
        self.pacer = _paced(self.ib.client)
        self._host, self._port, self._client_id = host, port, client_id
        self._clock = clock
        self.health = Health()
        self.account = ""
        self.last_error = ""
        self.errors: Counter[int] = Counter()
        self._id_in_use = False
        self.lines_kept = False
        """Whether the last restoration kept the lines, by the broker's word (1102)."""
        self._restored: list[Callable[[], None]] = []
        self._news: list[Callable[[News, str], None]] = []
        self._asking_time = asyncio.Lock()
        self._unreadable_at: datetime | None = None
        decoder = self.ib.client.decoder
        decoder.logger = _Unreadable(decoder.logger, self._on_unreadable)  # type: ignore[assignment]
        self.ib.errorEvent += self._on_error
        self.ib.disconnectedEvent += self._on_disconnected

    @property
    def state(self) -> LinkState:
        return self.health.state

    def on_news(self, listener: Callable[[News, str], None]) -> None:
        """Call the listener with whatever a notice of the broker changed, and the notice's text."""
        self._news.append(listener)

    def on_restored(self, listener: Callable[[], None]) -> None:
        """Call the listener after a gap (1101, 1102, 2104 after 2103): subscriptions and orders must be re-read."""
        self._restored.append(listener)

    async def connect(self, timeout_s: float = 10.0) -> None:
        """Connect and read the start-up state; raise BrokerError with the broker's own words if it fails."""
        self.health = Health(connected=True)
        self.last_error, self._id_in_use = "", False
        try:
            await self.ib.connectAsync(
                self._host, self._port, self._client_id, timeout=timeout_s, raiseSyncErrors=True
            )
        except (OSError, TimeoutError, ib_async.wrapper.RequestError) as error:
            why = self.last_error or str(error) or type(error).__name__
            kind = IdInUse if self._id_in_use else BrokerError
            raise kind(f"cannot connect to {self._host}:{self._port}: {why}") from error
        finally:
            if not self.ib.isConnected():
                self.health = Health()
        accounts = self.ib.managedAccounts()
        if len(accounts) != 1:
            self.disconnect()
            raise BrokerError(f"exactly one account is supported, the login has {accounts}")
        self.account = accounts[0]
        if not self.account.startswith("D"):
            self.disconnect()
            raise BrokerError(f"{self.account} is a live account; V6 trades paper accounts (DU...) only for now")
        self.ib.reqMarketDataType(1)
        # A gateway that has lost IB's servers says so while it synchronises, and then the link is BROKEN.
        self.health = replace(self.health, synced=True)

    def disconnect(self) -> None:
        self.pacer.clear()
        self.ib.disconnect()
        self.health = Health()

    async def server_time(self) -> datetime:
        """Return the broker's time in UTC; the answer is the proof that the link is alive in both directions."""
        try:
            # One question at a time: ib_async keeps one future per kind, and a second one would orphan the first.
            async with self._asking_time, asyncio.timeout(HEARTBEAT_TIMEOUT_S):
                return (await self.ib.reqCurrentTimeAsync()).astimezone(UTC)
        except (TimeoutError, ConnectionError) as error:
            self.disconnect()
            raise BrokerError("no heartbeat: the link was half open and is closed now") from error

    async def ask(self, request: Callable[[], Awaitable[T]], what: str, timeout_s: float = REQUEST_TIMEOUT_S) -> T:
        """Make a request and await its answer, with a timeout; raise BrokerError with the cause.

        The request is made in here, because ib_async raises at once when the connection is gone.
        """
        try:
            async with asyncio.timeout(timeout_s):
                return await request()
        except TimeoutError:
            raise BrokerError(f"{what}: no answer within {timeout_s:g} s") from None
        except ib_async.wrapper.RequestError as error:
            raise BrokerError(f"{what}: {error.code} {error.message}") from error
        except ConnectionError as error:
            raise BrokerError(f"{what}: {error}") from error

    def _on_error(self, req_id: int, code: int, text: str, contract: object) -> None:
        self.errors[code] += 1
        if code not in health.NOTICES:
            self.last_error = f"{code} {text}"
        if code == health.ID_IN_USE:
            self._id_in_use = True
        self.health, news = health.heard(self.health, code, text, self._clock.now())
        if news is News.PORT_RESET:
            self._port = health.new_port(text) or self._port
        elif news is News.PACE_EXCEEDED and not self.pacer.slow_down():
            news = None  # one of many for the same moment
        if news is not None:
            self._tell(news, f"{code} {text}")
        if news is News.RESTORED and self.ib.isConnected():
            self.lines_kept = code == health.LINES_KEPT
            for listener in self._restored:
                listener()
        if code < 2100 or code >= 2200:
            log.info("broker-message", req_id=req_id, code=code, text=text)

    def _on_unreadable(self, text: str) -> None:
        """A message was lost: whatever it said must be read anew; told once a minute."""
        now = self._clock.now()
        if self._unreadable_at is None or now - self._unreadable_at >= UNREADABLE_EVERY:
            self._unreadable_at = now
            self._tell(News.UNREADABLE, text)

    def _tell(self, news: News, text: str) -> None:
        for tell in self._news:
            tell(news, text)

    def ticked(self) -> None:
        """Note that live ticks have come."""
        if self.health.competing_at is not None:
            self.health = health.ticked(self.health, self._clock.now())

    def _on_disconnected(self) -> None:
        self.health = Health()
        self.pacer.clear()


class _Unreadable(logging.LoggerAdapter[logging.Logger]):
    """ib_async only logs a message that it cannot decode; this logger tells us too."""

    def __init__(self, logger: logging.Logger, tell: Callable[[str], None]) -> None:
        super().__init__(logger)
        self._told = tell

    def exception(self, msg: object, *args: object, **keywords: Any) -> None:
        super().exception(msg, *args, **keywords)
        self._told(str(msg)[:200])


def _paced(client: ib_async.Client) -> Pacer:
    """Put our pacing before ib_async's, which from then on passes everything on at once."""
    write = client.sendMsg
    client.MaxRequests = 0
    pacer = Pacer(write)
    client.sendMsg = pacer.submit  # type: ignore[method-assign]
    return pacer
