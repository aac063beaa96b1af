"""Work through the position queue: every five seconds the next ones, as many as the pace of messages allows."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from datetime import datetime
from typing import Final

import structlog

from v6.errors import BrokerError
from v6.ib.glimpse import Glimpse
from v6.ib.pacing import MESSAGES_PER_S
from v6.ib.queue import STEP, PositionQueue
from v6.model.contract import Contract
from v6.model.quote import Quote
from v6.ports import Clock

STEP_S: Final = STEP.total_seconds()
AHEAD: Final = 2 * int(STEP_S * MESSAGES_PER_S)
"""Each step lays out more than can leave until the next one, so that the wire is never idle for want of questions."""

log = structlog.get_logger("v6.ib")


class QueueWorker:
    """Asks in turn, keeps the answers; `room` is how many questions may be open at once, 0 while nothing is asked."""

    def __init__(
        self,
        queue: PositionQueue,
        glimpse: Glimpse,
        clock: Clock,
        room: Callable[[], int],
        wait_s: Callable[[datetime], float],
        save: Callable[[str], object],
    ) -> None:
        self.queue = queue
        self._glimpse = glimpse
        self._clock = clock
        self._room = room
        self._wait_s = wait_s
        self._save = save
        self._quotes: dict[int, Quote] = {}
        self._todo: deque[Contract] = deque()
        self._flying: dict[int, asyncio.Task[None]] = {}
        self._woken = asyncio.Event()
        self.answered = 0
        self.missed = 0

    def quotes(self) -> dict[int, Quote]:
        """Return the latest answer for each queued contract."""
        return {con_id: quote for con_id, quote in self._quotes.items() if con_id in self.queue}

    @property
    def flying(self) -> int:
        """Return how many questions are open."""
        return len(self._flying)

    def forget(self) -> None:
        """Drop what was learnt over a connection that is gone; it is asked for again in its turn."""
        self._quotes.clear()

    def wake(self) -> None:
        """Look at the queue again: an empty one is not worked on."""
        self._woken.set()

    async def run(self) -> None:
        """Step for ever, and sleep for `wait_s` while the market is closed; cancel it to end it."""
        try:
            while True:
                if not len(self.queue):
                    self._woken.clear()
                    await self._woken.wait()
                    continue
                closed_s = self._wait_s(self._clock.now())
                if closed_s > 0:
                    await asyncio.sleep(closed_s)
                    continue
                self.step()
                await asyncio.sleep(STEP_S)
                self._keep()
        finally:
            self._todo.clear()
            flights = list(self._flying.values())
            for flight in flights:
                flight.cancel()
            await asyncio.gather(*flights, return_exceptions=True)
            self._keep()

    def step(self) -> None:
        """Lay out the next questions and ask as many as there is room for."""
        self._todo = deque(self.queue.due(self._clock.now(), AHEAD, self._flying))
        self._launch()

    def _launch(self) -> None:
        while self._todo and len(self._flying) < self._room():
            contract = self._todo.popleft()
            self._flying[contract.con_id] = asyncio.create_task(self._ask(contract))

    async def _ask(self, contract: Contract) -> None:
        try:
            quote = await self._glimpse.quote(contract)
        except BrokerError as error:
            self.missed += 1
            self.queue.missed(contract.con_id, self._clock.now())
            log.debug("queued-position-unseen", con_id=contract.con_id, error=str(error))
        else:
            self.answered += 1
            self._quotes[contract.con_id] = quote
            self.queue.saw(contract.con_id, quote.at)
        finally:
            self._flying.pop(contract.con_id, None)
        self._launch()

    def _keep(self) -> None:
        gone = [con_id for con_id in self._quotes if con_id not in self.queue]
        for con_id in gone:
            del self._quotes[con_id]
        if len(self.queue):
            self._save(self.queue.to_json())
