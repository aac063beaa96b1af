"""The faults of one gateway: which of them a message meets, and those that come at a moment."""

from __future__ import annotations

import asyncio
import random
from typing import TYPE_CHECKING

from v6.paper.faults.script import Act, Fault, FaultScript
from v6.paper.faults.session import FaultySession

if TYPE_CHECKING:
    from v6.paper.gateway import PaperGateway


class Faults:
    """Plays a script against every session of a gateway; the same script and messages meet the same faults."""

    def __init__(self, script: FaultScript) -> None:
        self.script = script
        self.done: list[tuple[float, str]] = []
        """(seconds after the start, id) of every fault that happened."""
        self._seen: dict[str, int] = {}
        self._hits: dict[str, int] = {}
        self._timers: list[asyncio.TimerHandle] = []
        self._begun = 0.0
        self._slow: Fault | None = None

    def start(self, gateway: PaperGateway) -> None:
        """Count time from now on."""
        loop = asyncio.get_running_loop()
        self._begun = loop.time()
        for fault in self.script.faults:
            if fault.when.at_s is not None:
                self._timers.append(loop.call_later(fault.when.at_s, self._due, gateway, fault))

    def stop(self) -> None:
        """Let nothing more come at a moment."""
        for timer in self._timers:
            timer.cancel()
        self._timers.clear()

    def session(self, gateway: PaperGateway) -> FaultySession:
        """Return the server side of a new connection."""
        return FaultySession(gateway, self)

    def gap_s(self, client: int) -> float:
        """Return the seconds between two requests that the gateway reads of a client, 0 for as fast as they come."""
        slow = self._slow
        return 1.0 / slow.number if slow is not None and slow.when.client in (None, client) else 0.0

    def on_sent(self, client: int, message: int) -> Fault | None:
        """Return the fault that a message to a client meets."""
        return self._first(client, sent=message, asked=None)

    def on_asked(self, client: int, request: int) -> Fault | None:
        """Return the fault that a request of a client meets."""
        return self._first(client, sent=None, asked=request)

    def _first(self, client: int, *, sent: int | None, asked: int | None) -> Fault | None:
        for fault in self.script.faults:
            when = fault.when
            if when.at_s is None and (when.sent, when.asked) == (sent, asked) and self._meets(fault, client):
                return fault
        return None

    def _meets(self, fault: Fault, client: int) -> bool:
        when = fault.when
        if when.client not in (None, client):
            return False
        number = self._seen[fault.id] = self._seen.get(fault.id, 0) + 1
        if number <= when.skip or (when.times is not None and self._hits.get(fault.id, 0) >= when.times):
            return False
        return self._happens(fault, number)

    def _happens(self, fault: Fault, number: int) -> bool:
        if random.Random(f"{self.script.seed}:{fault.id}:{number}").random() >= fault.when.chance:
            return False
        self._hits[fault.id] = self._hits.get(fault.id, 0) + 1
        self.done.append((asyncio.get_running_loop().time() - self._begun, fault.id))
        return True

    def _due(self, gateway: PaperGateway, fault: Fault) -> None:
        if not self._happens(fault, 1):
            return
        if fault.act is Act.PARTIAL_FILLS:
            gateway.desk.floor.partial_share = fault.number
        elif fault.act is Act.SLOW:
            self._slow = fault
        for session in list(gateway.sessions):
            if isinstance(session, FaultySession) and fault.when.client in (None, session.client_id):
                session.suffer(fault)
