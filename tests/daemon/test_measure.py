"""What the desk writes down of itself."""

from __future__ import annotations

import asyncio
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from v6.daemon.measure import LIST_EVERY, LISTED_AT_ONCE, LoopLag, QueueCopy
from v6.ib.queue import PositionQueue
from v6.model.contract import Contract, Right, SecType
from v6.model.event import Event, QueueListed
from v6.paper.vtime import VirtualLoop, run_virtual
from v6.store.journal import Journal
from v6.store.outbox import Outbox
from v6.store.query import connect

AT = datetime(2015, 3, 3, 15, 0, tzinfo=UTC)


class Watch:
    """A clock that is set by hand."""

    def __init__(self) -> None:
        self.at = AT

    def now(self) -> datetime:
        return self.at


def option(con_id: int) -> Contract:
    return Contract(
        con_id, "SPX", SecType.OPTION, multiplier=100, expiry=date(2015, 4, 2), strike=Decimal(2000), right=Right.PUT
    )


def test_the_queue_is_listed_on_a_bounded_schedule_and_only_when_it_changed() -> None:
    queue, clock, said = PositionQueue(), Watch(), list[Event]()
    copy = QueueCopy(queue, clock, said.append)
    queue.hold([option(1)], [option(2)], AT)
    for _ in range(120):  # ten minutes of steps of five seconds, of which the first and the last change something
        copy.note()
        clock.at += timedelta(seconds=5)
    assert len(said) == 1
    queue.missed(2, clock.at)
    queue.saw(1, clock.at)
    copy.note()
    first, second = said
    assert isinstance(first, QueueListed)
    assert isinstance(second, QueueListed)
    assert [(p.con_id, p.own, p.last_seen, p.attempts) for p in first.places] == [
        (1, True, None, 0),
        (2, False, None, 0),
    ]
    assert [(p.last_seen, p.attempts) for p in second.places] == [(clock.at, 0), (None, 1)]
    assert second.places[0].due == clock.at + timedelta(seconds=30)


def test_a_longer_queue_is_listed_less_often() -> None:
    queue, clock, said = PositionQueue(), Watch(), list[Event]()
    queue.hold([], [option(n) for n in range(1, 3 * LISTED_AT_ONCE + 1)], AT)
    copy = QueueCopy(queue, clock, said.append)
    for _ in range(6):
        copy.note()
        clock.at += LIST_EVERY
        queue.saw(1, clock.at)
    assert len(said) == 2


def test_the_table_is_the_readable_copy_of_the_queue(tmp_path: Path) -> None:
    queue, clock = PositionQueue(), Watch()
    queue.hold([option(1)], [option(2)], AT)
    queue.saw(1, AT + timedelta(seconds=2))
    with Journal(tmp_path / "journal.sqlite", durable=False) as journal:
        QueueCopy(queue, clock, journal.append).note()
        outbox = Outbox(journal, tmp_path / "tables")
        assert outbox.flush() == 2
        assert outbox.flush() == Outbox(journal, tmp_path / "tables").flush() == 0  # the same batch adds nothing
        db = connect(tmp_path / "tables")
        rows = db.execute("SELECT con_id, own, epoch(last_seen), attempts FROM position_queue ORDER BY con_id")
        assert rows.fetchall() == [(1, True, AT.timestamp() + 2.0, 0), (2, False, None, 0)]
        # What a restart goes on from is the journal's state, to the same moments.
        again = PositionQueue.from_json(queue.to_json())
        again.hold([option(1)], [option(2)], AT)
        assert [p.last_seen for p in again.listed()] == [p.last_seen for p in queue.listed()]


def test_a_stall_of_the_loop_is_told_once() -> None:
    async def story(loop: VirtualLoop) -> None:
        lag = LoopLag()
        assert lag.take() is None
        task = asyncio.create_task(lag.run())
        await asyncio.sleep(2.5)
        assert lag.take() == 0.0
        real = loop.time
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(loop, "time", lambda: real() + 3.0)  # three seconds in which nobody was woken
            await asyncio.sleep(1.0)
        stall = lag.take()
        assert stall is not None
        assert 2.0 < stall <= 3.0
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtual(story)
