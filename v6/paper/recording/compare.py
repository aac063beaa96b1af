"""How far a recording agrees with our codec: every message read to its last field, by the tables the gateway uses."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from v6.paper import placement, requests
from v6.paper.calculator import calculation
from v6.paper.codec import Malformed
from v6.paper.fields import TABLES
from v6.paper.layouts import MESSAGE_NAMES, REQUEST_NAMES
from v6.paper.recording.entries import Entry, Recording, What
from v6.paper.recording.reading import check
from v6.paper.routes import LAYOUTS
from v6.paper.session import SERVER_VERSION

_READERS: Final[Mapping[int, Callable[[Sequence[str]], object]]] = {
    1: requests.quotes, 3: placement.place_order, 20: requests.history, 54: calculation, 55: calculation,
}  # fmt: skip
HELLO: Final = -1
"""The message id of a row about the first frame of either side, which has none."""
UNREADABLE: Final = -2
"""The message id of a row about what is no message with an id in text."""


@dataclass(frozen=True, slots=True)
class Row:
    """One kind of message of one side: how many there were, how many our codec reads, and what differs.

    `differences` are (what, how often, line of the first in the file). `known` is False where our codec has no layout
    of it at all.
    """

    side: What
    message: int
    name: str
    count: int
    known: bool
    differences: tuple[tuple[str, int, int], ...]


@dataclass(frozen=True, slots=True)
class Comparison:
    """`server_versions` are those that the recorded gateway has spoken."""

    server_versions: tuple[str, ...]
    rows: tuple[Row, ...]

    @property
    def clean(self) -> bool:
        """Tell whether every message was known and read to its end."""
        return all(row.known and not row.differences for row in self.rows)


@dataclass(slots=True)
class _Kind:
    count: int = 0
    known: bool = True
    found: Counter[str] = field(default_factory=Counter)
    first: dict[str, int] = field(default_factory=dict)


def compare(recording: Recording) -> Comparison:
    """Return what our codec makes of each kind of message in a recording."""
    kinds: dict[tuple[What, int], _Kind] = {}
    greeted: set[tuple[int, What]] = set()
    versions: dict[str, None] = {}
    for entry, number in zip(recording.entries, recording.lines, strict=True):
        fields = entry.fields
        if entry.what not in (What.ASKED, What.SENT) or entry.wire == b"API\0":
            continue
        hello = (entry.link, entry.what) not in greeted and bool(fields)
        greeted.add((entry.link, entry.what))
        if hello and entry.what is What.SENT:
            versions[fields[0]] = None
        message, known, found = (HELLO, True, _greeting(entry.what, fields)) if hello else _read(entry, fields)
        kind = kinds.setdefault((entry.what, message), _Kind())
        kind.count += 1
        kind.known = kind.known and known
        for said in found:
            kind.found[said] += 1
            kind.first.setdefault(said, number)
    return Comparison(
        tuple(versions), tuple(_row(side, message, kinds[side, message]) for side, message in sorted(kinds))
    )


def _row(side: What, message: int, kind: _Kind) -> Row:
    names = MESSAGE_NAMES if side is What.SENT else REQUEST_NAMES
    name = {HELLO: "greeting", UNREADABLE: "unreadable"}.get(message) or names.get(message, "?")
    differences = tuple((said, n, kind.first[said]) for said, n in kind.found.items())
    return Row(side, message, name, kind.count, kind.known, differences)


def _greeting(side: What, fields: Sequence[str]) -> list[str]:
    if side is What.ASKED:
        return [] if fields[0].startswith("v") else [f"the client does not begin with its versions: {fields[0][:20]}"]
    found = [] if len(fields) == 2 else [f"{len(fields)} fields, not 2"]
    if fields[0] != str(SERVER_VERSION):
        found.append(f"server version {fields[0]}; our layouts are those of {SERVER_VERSION}")
    return found


def _read(entry: Entry, fields: Sequence[str]) -> tuple[int, bool, list[str]]:
    """Return the message id, whether our codec knows it, and what differs."""
    if not fields or not fields[0].isdecimal():
        return UNREADABLE, False, ["this is no message with an id in text"]
    message = int(fields[0])
    try:
        known = check(message, fields) if entry.what is What.SENT else _ask(message, fields)
    except Malformed as trouble:
        return message, True, [str(trouble)]
    table = TABLES.get(message) if entry.what is What.SENT else None
    if known and table is not None and table.version is not None and fields[1] != str(table.version):
        return message, True, [f"version {fields[1]}, we send {table.version}"]
    return message, known, []


def _ask(message: int, fields: Sequence[str]) -> bool:
    if message in _READERS:
        _READERS[message](fields)
    elif message in LAYOUTS:
        requests.parse(message, fields, LAYOUTS)
    else:
        return False
    return True
