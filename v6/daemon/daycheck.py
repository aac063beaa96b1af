"""The check of a day's decisions at its close, beside the loop."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import date
from pathlib import Path

from v6.daemon.settings import SelfCheck
from v6.errors import V6Error


class DayCheck:
    """Runs the check of the settings, if there is one, and puts what it finds on record."""

    def __init__(
        self,
        store: Path,
        check: SelfCheck | None,
        find: Callable[[str, str], None],
        on_end: Callable[[asyncio.Task[None]], None],
    ) -> None:
        self._store = store
        self._check = check
        self._find = find
        self._on_end = on_end
        self._running: set[asyncio.Task[None]] = set()

    def start(self, day: date) -> None:
        """Begin the check of a day and return at once."""
        if self._check is None:
            return
        task = asyncio.create_task(self._checked(self._check, day))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        task.add_done_callback(self._on_end)

    async def wait(self) -> None:
        """Return when no check is under way: a thread cannot be stopped, and its findings need the journal."""
        await asyncio.gather(*self._running, return_exceptions=True)

    async def _checked(self, check: SelfCheck, day: date) -> None:
        try:
            found = await asyncio.to_thread(check, self._store, day)
        except V6Error as error:
            self._find("self-check-failed", f"the decisions of {day} could not be made again: {error}")
            return
        for text in found:
            self._find("self-check", text)
