"""The desk's events.yaml while the daemon runs: read again when it changes, and the last good one kept."""

from __future__ import annotations

from pathlib import Path

from v6.errors import Diagnostic
from v6.lang.events import EVENTS, EventCalendar, read_events
from v6.rules.tree import read_one


class DeskEvents:
    """What the desk says of earnings and dividends; `calendar` is the last that could be read."""

    def __init__(self, root: Path) -> None:
        self.calendar = EventCalendar()
        self._root = root
        self._seen: str | Diagnostic | None = None

    def poll(self) -> tuple[str, ...]:
        """Read the file if its content has changed; return what is wrong with it, once for each content."""
        found = read_one(self._root, EVENTS)
        if found == self._seen:
            return ()
        self._seen = found
        if found is None:
            self.calendar = EventCalendar()
            return ()
        if isinstance(found, Diagnostic):
            return (str(found),)
        calendar, diagnostics = read_events(found)
        if calendar is not None:
            self.calendar = calendar
        return tuple(map(str, diagnostics))
