"""The desk's events.yaml while the daemon runs: read again when it changes, and the last good one kept."""

from __future__ import annotations

from pathlib import Path

from v6.errors import Diagnostic, Span
from v6.lang.events import EVENTS, EventCalendar, read_events
from v6.lang.source import MAX_BYTES


class DeskEvents:
    """What the desk says of earnings and dividends; `calendar` is the last that could be read."""

    def __init__(self, root: Path) -> None:
        self.calendar = EventCalendar()
        self._path = root / EVENTS
        self._seen: bytes | None = None

    def poll(self) -> tuple[str, ...]:
        """Read the file if its content has changed; return what is wrong with it, once for each content."""
        try:
            with self._path.open("rb") as stream:
                content = stream.read(MAX_BYTES + 1)
        except FileNotFoundError:
            self.calendar, self._seen = EventCalendar(), None
            return ()
        except OSError as error:
            return self._judge(str(error).encode(), _wrong("unreadable", f"the file cannot be read: {error.strerror}"))
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError:
            return self._judge(content, _wrong("encoding", "the file is not UTF-8"))
        return self._judge(content, text)

    def _judge(self, content: bytes, found: str | Diagnostic) -> tuple[str, ...]:
        if content == self._seen:
            return ()
        self._seen = content
        if isinstance(found, Diagnostic):
            return (str(found),)
        calendar, diagnostics = read_events(found)
        if calendar is not None:
            self.calendar = calendar
        return tuple(map(str, diagnostics))


def _wrong(code: str, message: str) -> Diagnostic:
    return Diagnostic(Span(EVENTS, 1, 1), code, message)
