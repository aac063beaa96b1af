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
from v6.ib.pacing import Pacer
from v6.ports import Clock

T = TypeVar("T")

REQUEST_TIMEOUT_S = 10.0
SNAPSHOT_TIMEOUT_S = 15.0
"""IB ends a snapshot quote only after eleven seconds when a tick of it is missing."""

HEARTBEAT_TIMEOUT_S = 3.0

LOST = frozenset({1100, 2110})
RESTORED = frozenset({1101, 1102})
FARM_BROKEN, FARM_OK = 2103, 2104
QUIET = frozenset({2104, 2106, 2107, 2108, 2119, 2158})
"""Notices that all is well with a data farm: never the reason why something failed."""

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
        # Times without a zone are UTC at IB; ib_async would take them for this machine's (ib_async #230).
        self.ib.TimezoneTWS = "UTC"
        self.pacer = _paced(self.ib.client)
        self._host, self._port, self._client_id = host, port, client_id
        self._clock = clock
        self.state = LinkState.DOWN
        self.account = ""
        self.last_error = ""
        self._restored: list[Callable[[], None]] = []
        self._farm_broken = False
        self.ib.errorEvent += self._on_error
        self.ib.disconnectedEvent += self._on_disconnected

    def on_restored(self, listener: Callable[[], None]) -> None:
        """Call the listener after a gap (1101, 1102, 2104 after 2103): subscriptions and orders must be re-read."""
        self._restored.append(listener)

    async def connect(self, timeout_s: float = 10.0) -> None:
        """Connect and read the start-up state; raise BrokerError with the broker's own words if it fails."""
        self.state = LinkState.SYNCING
        self.last_error = ""
        try:
            await self.ib.connectAsync(
                self._host, self._port, self._client_id, timeout=timeout_s, raiseSyncErrors=True
            )
        except (OSError, TimeoutError, ib_async.wrapper.RequestError) as error:
            why = self.last_error or str(error) or type(error).__name__
            raise BrokerError(f"cannot connect to {self._host}:{self._port}: {why}") from error
        finally:
            if not self.ib.isConnected():
                self.state = LinkState.DOWN
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
        if self.state is LinkState.SYNCING:
            self.state = LinkState.HEALTHY

    def disconnect(self) -> None:
        self.pacer.clear()
        self.ib.disconnect()
        self.state = LinkState.DOWN

    async def server_time(self) -> datetime:
        """Return the broker's time in UTC; the answer is the proof that the link is alive in both directions."""
        try:
            return (await asyncio.wait_for(self.ib.reqCurrentTimeAsync(), HEARTBEAT_TIMEOUT_S)).astimezone(UTC)
        except (TimeoutError, ConnectionError) as error:
            self.disconnect()
            raise BrokerError("no heartbeat: the link was half open and is closed now") from error

    async def ask(self, request: Callable[[], Awaitable[T]], what: str, timeout_s: float = REQUEST_TIMEOUT_S) -> T:
        """Make a request and await its answer, with a timeout; raise BrokerError with the cause.

        The request is made in here, because ib_async raises at once when the connection is gone.
        """
        try:
            return await asyncio.wait_for(request(), timeout_s)
        except TimeoutError:
            raise BrokerError(f"{what}: no answer within {timeout_s:g} s") from None
        except ib_async.wrapper.RequestError as error:
            raise BrokerError(f"{what}: {error.code} {error.message}") from error
        except ConnectionError as error:
            raise BrokerError(f"{what}: {error}") from error

    def _on_error(self, req_id: int, code: int, text: str, contract: object) -> None:
        if code not in QUIET:
            self.last_error = f"{code} {text}"
        if code in LOST:
            self.state = LinkState.BROKEN
        elif code in RESTORED and self.ib.isConnected():
            self.state = LinkState.HEALTHY
            self._tell_restored()
        elif code == FARM_BROKEN:
            self._farm_broken = True
        elif code == FARM_OK and self._farm_broken:
            # Lines can stay dead after a short break of the farm without another word.
            self._farm_broken = False
            if self.ib.isConnected():
                self._tell_restored()
        if code < 2100 or code >= 2200:
            log.info("broker-message", req_id=req_id, code=code, text=text)

    def _tell_restored(self) -> None:
        for listener in self._restored:
            listener()

    def _on_disconnected(self) -> None:
        self.state = LinkState.DOWN
        self.pacer.clear()


def _paced(client: ib_async.Client) -> Pacer:
    """Put our pacing before ib_async's, which from then on passes everything on at once."""
    write = client.sendMsg
    client.MaxRequests = 0
    pacer = Pacer(write)
    client.sendMsg = pacer.submit  # type: ignore[method-assign]
    return pacer
