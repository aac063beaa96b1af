"""What the desk puts on record of itself: its position queue and its health, both for reading only."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Final

from v6.execution.ledger import Ledger
from v6.ib.feed import Feed
from v6.ib.health import PACE_EXCEEDED
from v6.ib.link import Link
from v6.ib.pacing import Lane
from v6.ib.queue import PositionQueue
from v6.model.event import Event, GreeksTaken, HealthMeasured, LegQuoted, Queued, QueueListed
from v6.model.quote import Quote
from v6.model.snapshot import Snapshot
from v6.ports import Clock
from v6.store.journal import Journal
from v6.store.outbox import Outbox

LIST_EVERY: Final = timedelta(minutes=5)
LISTED_AT_ONCE: Final = 1000
"""A longer queue is listed less often, so that it adds no more than so many rows in each `LIST_EVERY`."""

_BEAT_S: Final = 1.0


class QueueCopy:
    """Puts the position queue on record now and then, if it has changed; `note` may be called at each step."""

    def __init__(self, queue: PositionQueue, clock: Clock, post: Callable[[Event], object]) -> None:
        self._queue = queue
        self._clock = clock
        self._post = post
        self._due: datetime | None = None
        self._last: tuple[Queued, ...] = ()

    def note(self) -> None:
        """List the queue if it is time for it."""
        at = self._clock.now()
        if self._due is not None and at < self._due:
            return
        self._due = at + LIST_EVERY * max(1.0, len(self._queue) / LISTED_AT_ONCE)
        places = self._queue.listed()
        if places != self._last:
            self._last = places
            self._post(QueueListed(at, places))


def greeks_of_legs(snapshot: Snapshot, ledger: Ledger, quotes: Mapping[int, Quote]) -> tuple[GreeksTaken, ...]:
    """Return what the snapshot knew of each leg of the open positions, nothing where there is none to tell of."""
    held = ledger.holdings.values()
    legs = {leg.contract.con_id: leg.contract for holding in held for leg in holding.position.structure.legs}
    found = tuple(
        LegQuoted(con_id, str(leg), quote.at, quote.bid, quote.ask, quote.greeks, quote.type)
        for con_id, leg in sorted(legs.items())
        if (quote := quotes.get(con_id)) is not None
    )
    return (GreeksTaken(snapshot.ts, snapshot.snapshot_id, found),) if found else ()


class LoopLag:
    """Tells how late the event loop woke us at most since it was last asked; None while nobody measures."""

    def __init__(self) -> None:
        self._worst: float | None = None

    async def run(self) -> None:
        """Measure for ever; cancel it to end it."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + _BEAT_S
            await asyncio.sleep(_BEAT_S)
            self._worst = max(self._worst or 0.0, loop.time() - due)

    def take(self) -> float | None:
        """Return the longest delay in seconds since the last call."""
        worst, self._worst = self._worst, None
        return None if worst is None else round(max(worst, 0.0), 6)


class HealthLog:
    """Measures every so many cycles, never if that is 0: what a machine does is no part of a simulation's hash."""

    def __init__(self, every: int, clock: Clock, link: Link, feed: Feed, queue: PositionQueue, lag: LoopLag) -> None:
        self._every = every
        self._clock = clock
        self._link = link
        self._feed = feed
        self._queue = queue
        self._lag = lag

    def measure(self, cycle: int, journal: Journal, outbox: Outbox) -> tuple[HealthMeasured, ...]:
        """Return the measure that is due at this cycle, or nothing."""
        if not self._every or cycle % self._every:
            return ()
        at = self._clock.now()
        oldest = self._queue.oldest(at)
        pacer = self._link.pacer
        return (
            HealthMeasured(
                at=at,
                cycle=cycle,
                link=self._link.state,
                loop_lag_s=self._lag.take(),
                lines=self._feed.lines(),
                queue_depth=len(self._queue),
                queue_oldest_s=None if oldest is None else oldest.total_seconds(),
                messages_waiting=pacer.waiting(max(Lane)),
                messages_per_s_peak=pacer.peak,
                pacing_errors=self._link.errors[PACE_EXCEEDED],
                journal_bytes=_bytes(journal.path),
                journal_seq=journal.last_seq,
                outbox_lag=journal.last_seq - outbox.flushed_to(),
                versions=tuple(sorted(outbox.versions().items())),
            ),
        )


def _bytes(journal: Path) -> int | None:
    """Return what the journal and its write-ahead log take on the disk, None where that cannot be told."""
    try:
        log = journal.with_name(journal.name + "-wal")
        return journal.stat().st_size + (log.stat().st_size if log.exists() else 0)
    except OSError:
        return None
