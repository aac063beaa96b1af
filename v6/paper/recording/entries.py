"""The file of a recording: one JSON object a line, readable, and exact to the byte.

A message is written as its fields where they give back its bytes, as base64 of all its bytes where they do not.
"""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from v6.paper.codec import frame, split
from v6.paper.places import Mistakes, read_text

FORMAT: Final = "v6-wire"
VERSION: Final = 1
GREETING: Final = b"API\0"


class What(StrEnum):
    """An end of a connection's life, or which side spoke."""

    OPEN = "open"
    ASKED = "asked"
    SENT = "sent"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True)
class Entry:
    """One message, or the begin or end of a connection; `at` is in seconds after the recording began.

    `wire` are the bytes as they passed: a whole frame with its length, the greeting, or a stretch that is no frame.
    """

    at: float
    link: int
    what: What
    wire: bytes = b""

    @property
    def fields(self) -> list[str]:
        """Return the fields of a frame; [] for anything else."""
        whole = len(self.wire) >= 4 and int.from_bytes(self.wire[:4], "big") == len(self.wire) - 4
        return split(self.wire[4:]) if whole else []


@dataclass(frozen=True, slots=True)
class Recording:
    """`lines` are the line numbers of the entries in the file."""

    name: str
    began: datetime
    entries: tuple[Entry, ...]
    lines: tuple[int, ...]

    def links(self) -> list[int]:
        """Return the numbers of the connections in order."""
        return list(dict.fromkeys(entry.link for entry in self.entries))


def header(began: datetime) -> str:
    """Return the first line of a file."""
    return json.dumps({"recording": FORMAT, "version": VERSION, "began": began.astimezone(UTC).isoformat()}) + "\n"


def line(entry: Entry) -> str:
    """Return an entry as a line."""
    row: dict[str, Any] = {"at": round(entry.at, 6), "link": entry.link, "what": entry.what.value}
    fields = entry.fields
    if fields and frame(fields) == entry.wire:
        row["fields"] = fields
    elif entry.wire:
        row["raw"] = b64encode(entry.wire).decode()
    return json.dumps(row, ensure_ascii=False) + "\n"


def load_recording(path: Path) -> Recording:
    """Read a recording; Mistakes with file:line:col for what is none, and for a file that cannot be read."""
    # Fields may hold line separators of Unicode, at which splitlines would cut.
    texts = read_text(path).split("\n")
    began = _began(path, texts[0])
    entries = list(_entries(path, texts[1:]))
    return Recording(path.name, began, tuple(e for _, e in entries), tuple(n for n, _ in entries))


def _began(path: Path, text: str) -> datetime:
    try:
        head = json.loads(text)
        known = (head["recording"], head["version"])
        began = datetime.fromisoformat(head["began"])
    except (ValueError, KeyError, TypeError) as trouble:
        raise Mistakes([f"{path}:1:1: this is no recording of `v6 paper record`"]) from trouble
    if known != (FORMAT, VERSION):
        raise Mistakes([f"{path}:1:1: a recording {known[0]} {known[1]} cannot be read, only {FORMAT} {VERSION}"])
    return began


def _entries(path: Path, texts: list[str]) -> Iterator[tuple[int, Entry]]:
    for number, text in enumerate(texts, 2):
        # A recorder that was killed leaves a last line without its end.
        if not text.strip() or (number == len(texts) + 1 and not text.endswith("}")):
            continue
        try:
            row = json.loads(text)
            if "fields" in row:
                wire = frame([str(field) for field in row["fields"]])
            else:
                wire = b64decode(row.get("raw", ""), validate=True)
            yield number, Entry(float(row["at"]), int(row["link"]), What(row["what"]), wire)
        except (ValueError, KeyError, TypeError) as trouble:
            raise Mistakes([f"{path}:{number}:1: this is no entry of a recording: {trouble}"]) from trouble
