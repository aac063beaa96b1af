"""The log and its projection, kept together: an event is on disk before anything acts on it."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from v6.execution.ledger import Ledger
from v6.model.event import Event
from v6.ports import Journal


class Books:
    """Append first, then fold, then tell."""

    def __init__(self, journal: Journal, ledger: Ledger) -> None:
        self._journal = journal
        self.ledger = ledger
        self._listeners: list[Callable[[Event], None]] = []

    def listen(self, listener: Callable[[Event], None]) -> None:
        """Call the listener with every event after it is on disk and folded."""
        self._listeners.append(listener)

    def post(self, *events: Event, state: Mapping[str, str] | None = None) -> int:
        """Write the events in one transaction, then fold them all; return the last sequence number."""
        seq = self._journal.append(*events, state=state)
        # All are on disk, so all are folded before a listener may look, post more, or fail.
        for event in events:
            self.ledger.apply(event)
        for event in events:
            for listener in self._listeners:
                listener(event)
        return seq
