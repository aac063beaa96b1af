"""The connection to TWS or the gateway: connect, heartbeat, and what state the link is in."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from enum import StrEnum
from typing import TypeVar

import ib_async
import structlog

from v6.errors import BrokerError
from v6.ports import Clock

T = TypeVar("T")

REQUEST_TIMEOUT_S = 10.0
HEARTBEAT_TIMEOUT_S = 3.0

log = structlog.get_logger("v6.ib")


class LinkState(StrEnum):
    """DOWN has no socket, SYNCING is reading the start-up state, BROKEN has a socket but IB has lost its servers."""

    DOWN = "down"
    SYNCING = "syncing"
    HEALTHY = "healthy"
    BROKEN = "broken"


class Link:
    """One client connection; the other parts of this room reach ib_async through it."""

    def __init__(self, host: str, port: int, client_id: int, clock: Clock) -> None:
        self.ib = ib_async.IB()
        self.ib.RaiseRequestErrors = True
        self._host, self._port, self._client_id = host, port, client_id
        self._clock = clock
        self.state = LinkState.DOWN
        self.account = ""
        self.last_error = ""
        self._restored: list[Callable[[], None]] = []
        self.ib.errorEvent += self._on_error
        self.ib.disconnectedEvent += self._on_disconnected

    def on_restored(self, listener: Callable[[], None]) -> None:
        """Call the listener when IB has its servers back (1101, 1102): subscriptions and orders must be re-read."""
        self._restored.append(listener)

    async def connect(self, timeout_s: float = 10.0) -> None:
        """Connect and read the start-up state; raise BrokerError with the broker's own words if it fails."""
        self.state = LinkState.SYNCING
        self.last_error = ""
        try:
            await self.ib.connectAsync(
                self._host, self._port, self._client_id, timeout=timeout_s, raiseSyncErrors=True
            )
        except (OSError, TimeoutError, ConnectionError) as error:
            self.state = LinkState.DOWN
            why = self.last_error or str(error) or type(error).__name__
            raise BrokerError(f"cannot connect to {self._host}:{self._port}: {why}") from error
        accounts = self.ib.managedAccounts()
        if len(accounts) != 1:
            self.disconnect()
            raise BrokerError(f"exactly one account is supported, the login has {accounts}")
        self.account = accounts[0]
        if not self.account.startswith("D"):
            self.disconnect()
            raise BrokerError(f"{self.account} is a live account; V6 trades paper accounts (DU...) only for now")
        self.ib.reqMarketDataType(1)
        self.state = LinkState.HEALTHY

    def disconnect(self) -> None:
        self.ib.disconnect()
        self.state = LinkState.DOWN

    async def server_time(self) -> datetime:
        """Return the broker's time in UTC; the answer is the proof that the link is alive in both directions."""
        try:
            return (await asyncio.wait_for(self.ib.reqCurrentTimeAsync(), HEARTBEAT_TIMEOUT_S)).astimezone(UTC)
        except (TimeoutError, ConnectionError) as error:
            self.disconnect()
            raise BrokerError("no heartbeat: the link was half open and is closed now") from error

    async def ask(self, request: Awaitable[T], what: str) -> T:
        """Await a request with the timeout that every request has; raise BrokerError with the cause."""
        try:
            return await asyncio.wait_for(request, REQUEST_TIMEOUT_S)
        except TimeoutError:
            raise BrokerError(f"{what}: no answer within {REQUEST_TIMEOUT_S:g} s") from None
        except ib_async.wrapper.RequestError as error:
            raise BrokerError(f"{what}: {error.code} {error.message}") from error
        except ConnectionError as error:
            raise BrokerError(f"{what}: {error}") from error

    def _on_error(self, req_id: int, code: int, text: str, contract: object) -> None:
        self.last_error = f"{code} {text}"
        if code in {1100, 2110}:
            self.state = LinkState.BROKEN
        elif code in {1101, 1102} and self.ib.isConnected():
            self.state = LinkState.HEALTHY
            for listener in self._restored:
                listener()
        if code < 2100 or code >= 2200:
            log.info("broker-message", req_id=req_id, code=code, text=text)

    def _on_disconnected(self) -> None:
        self.state = LinkState.DOWN
