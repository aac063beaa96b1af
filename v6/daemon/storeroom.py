"""The tables and the disk under a desk that trades on: what cannot be written halts opening and stops nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Final

import structlog

from v6.errors import StoreError
from v6.store.journal import Journal
from v6.store.outbox import Outbox
from v6.store.space import Room, free_bytes, room

FLUSH_FAILED: Final = "tables-not-written"
RESERVE_SPENT: Final = "disk-reserve-spent"
DISK: Final = {Room.SCARCE: "disk-scarce", Room.NO_TABLES: "disk-full", Room.NO_OPENS: "disk-full"}

log = structlog.get_logger("v6.daemon")


class Storeroom:
    """Keeps the tables up to the journal; `find` takes a code and a text for the record, once for each trouble.

    Without a `free` nobody looks at the disk: the result of a simulation must not depend on the machine it runs on.
    """

    def __init__(
        self,
        outbox: Outbox,
        journal: Journal,
        find: Callable[[str, str], None],
        free: Callable[[Path], int] | None = free_bytes,
    ) -> None:
        self._outbox = outbox
        self._journal = journal
        self._find = find
        self._free = free
        self._failure: str | None = None
        self._reserve_told = False
        self._room = Room.ENOUGH

    def look(self) -> None:
        """Look at the room on the disk and put on record what is new; a cycle does it before it decides."""
        if self._journal.reserve_spent and not self._reserve_told:
            self._reserve_told = True
            text = "the disk was full and the journal lives on its reserve; make room and start the desk again"
            self._find(RESERVE_SPENT, text)
        if self._free is None:
            return
        left = self._free(self._journal.path.parent)
        before, self._room = self._room, room(left)
        if self._room < before:
            self._find(DISK[self._room], f"{left / 2**20:.0f} MiB are free under {self._journal.path.parent}")

    async def flush(self) -> None:
        """Bring the tables up to the journal; a failure is on record once, until a flush succeeds again."""
        if self._room <= Room.NO_TABLES:
            return  # what is left belongs to the journal
        try:
            await asyncio.to_thread(self._outbox.flush)
        except StoreError as error:
            log.warning("flush-failed", error=str(error))
            if self._failure is None:
                self._find(FLUSH_FAILED, f"{error}; nothing opens until the tables are written again")
            self._failure = str(error)
        else:
            self._failure = None

    def reasons(self) -> Iterator[str]:
        """Yield why nothing may open: what is decided now could not be kept, or its journal is about to stop."""
        if self._failure is not None:
            yield f"the tables cannot be written: {self._failure}"
        if self._journal.reserve_spent:
            yield "the journal lives on its reserve"
        if self._room <= Room.NO_TABLES:
            yield "the disk is nearly full"
