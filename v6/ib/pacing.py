"""Our own pacing of what is sent: lanes by urgency, so that an order never waits behind questions.

IB takes 50 messages a second and answers error 100, then hangs up, beyond that. ib_async's throttle keeps to 45 with
one queue for everything: an order behind 180 requests leaves after four seconds. Here every message that ib_async
would write comes first, and its own queue stays empty.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import IntEnum
from typing import Final


class Lane(IntEnum):
    """What goes first; BULK is the sweep over positions that nobody is about to act on, RECORD the desk's archive."""

    CANCEL = 0
    CLOSE = 1
    OPEN = 2
    CONTROL = 3
    DATA = 4
    BULK = 5
    RECORD = 6


WINDOW_S: Final = 1.001
"""A second and a little: two clocks that round differently must not see one message too many."""

MESSAGES_PER_S: Final = 45
"""What V6 asks of IB's 50; only orders may use four of the five that are left."""

CEILINGS: Final = {
    Lane.CANCEL: 49,
    Lane.CLOSE: 48,
    Lane.OPEN: 47,
    Lane.CONTROL: MESSAGES_PER_S,
    Lane.DATA: MESSAGES_PER_S,
    Lane.BULK: MESSAGES_PER_S - 1,
    Lane.RECORD: MESSAGES_PER_S - 15,
}
"""A lane sends while fewer messages than this left within the window; a lower lane never fills a higher one's room."""

SLOW_FOR_S: Final = 60.0
"""After error 100 the lanes that carry no orders go at half their pace for so long."""

PLACE, CANCEL, CANCEL_ALL = "3", "4", "58"
QUESTIONS: Final = frozenset({"1", "2", "9", "20", "25", "78", "91"})
"""Market data, contracts, history, chains and market rules; anything else is CONTROL."""


class Pacer:
    """The queue before the wire; `write` sends one message and must not queue it."""

    def __init__(self, write: Callable[[str], None]) -> None:
        self._write = write
        self._lanes: dict[Lane, deque[str]] = {lane: deque() for lane in Lane}
        self._sent: deque[float] = deque()
        self._timer: asyncio.TimerHandle | None = None
        self._lane: Lane | None = None
        self._slow_until = 0.0
        self.peak = 0

    @contextmanager
    def using(self, lane: Lane) -> Iterator[None]:
        """Send what is written within, without an await, on this lane instead of the one of its kind."""
        before, self._lane = self._lane, lane
        try:
            yield
        finally:
            self._lane = before

    def submit(self, msg: str) -> None:
        """Send the message (fields ended by NUL) now if its lane may, else as soon as it may."""
        if msg:
            self._lanes[self._lane_of(msg)].append(msg)
        self._flush()

    def waiting(self, lane: Lane = Lane.BULK) -> int:
        """Return how many messages wait on this lane and those above it."""
        return sum(len(queue) for kind, queue in self._lanes.items() if kind <= lane)

    def free(self, lane: Lane) -> bool:
        """Tell whether a message on this lane would leave at once."""
        now = asyncio.get_running_loop().time()
        self._forget(now)
        return not self.waiting(lane) and len(self._sent) < self._ceiling(lane, now)

    def clear(self) -> None:
        """Drop what waits: the connection it was meant for is gone."""
        for queue in self._lanes.values():
            queue.clear()
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def slow_down(self) -> bool:
        """Take error 100 for what it is: somebody counts differently, so go at half the pace for a while.

        False if that is done already.
        """
        now = asyncio.get_running_loop().time()
        fresh = now >= self._slow_until
        self._slow_until = now + SLOW_FOR_S
        return fresh

    def _lane_of(self, message: str) -> Lane:
        kind, _, second = (*message.split("\0", 3), "", "")[:3]
        if kind == CANCEL_ALL:
            return Lane.CANCEL
        if kind == CANCEL:
            # The cancel of an order that has not left yet must not overtake it.
            placed = f"{PLACE}\0{second}\0"
            held = (lane for lane in (Lane.CLOSE, Lane.OPEN) if any(m.startswith(placed) for m in self._lanes[lane]))
            return next(held, Lane.CANCEL)
        if kind == PLACE:
            return self._lane if self._lane in (Lane.CLOSE, Lane.OPEN) else Lane.OPEN
        if self._lane is not None:
            return self._lane
        return Lane.DATA if kind in QUESTIONS else Lane.CONTROL

    def _ceiling(self, lane: Lane, now: float) -> int:
        ceiling = CEILINGS[lane]
        return ceiling // 2 if lane > Lane.OPEN and now < self._slow_until else ceiling

    def _forget(self, now: float) -> None:
        # Strictly older, less a hair: a timer set for the end of the window must find it over.
        while self._sent and now - self._sent[0] > WINDOW_S - 1e-5:
            self._sent.popleft()

    def _flush(self) -> None:
        loop = asyncio.get_running_loop()
        now = loop.time()
        self._forget(now)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        for lane, queue in self._lanes.items():
            ceiling = self._ceiling(lane, now)
            while queue and len(self._sent) < ceiling:
                self._sent.append(now)
                self._write(queue.popleft())
            self.peak = max(self.peak, len(self._sent))
            if queue:
                # Lower lanes have lower ceilings, so none of them may send either.
                due = self._sent[len(self._sent) - ceiling] + WINDOW_S
                self._timer = loop.call_at(due, self._flush)
                return
