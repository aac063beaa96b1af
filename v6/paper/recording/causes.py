"""Which request of a recording each message answers; the protocol says it with ids, with kinds, or not at all."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from v6.paper.codec import Malformed
from v6.paper.fields import OPEN_HEAD, TABLES
from v6.paper.placement import place_order
from v6.paper.recording.entries import Entry, What
from v6.paper.requests import REQ_ID_AT, req_id
from v6.paper.routes import START_API

PLACE_ORDER: Final = 3
ERROR, EXECUTION, COMMISSION, OPEN_ORDER = 4, 11, 59, 5
_COUNTED: Final = {75: 1, 17: 1, 77: 1, 79: 1, 82: 1, 96: 1, 97: 1, 98: 1, 99: 1, 106: 1, OPEN_ORDER: 1}


def _place(message: int, name: str) -> int | None:
    table = TABLES.get(message)
    if table is None or name not in table.names:
        return None
    return table.names.index(name) + (1 if table.version is None else 2)


ID_AT: Final[dict[int, int]] = {
    **{n: at for n in TABLES if (at := _place(n, "reqId")) is not None},
    **{n: at for n in TABLES if (at := _place(n, "orderId")) is not None},
    **_COUNTED,
}
"""Where a message has the id of its request or order; an execution is told by its order."""
del ID_AT[9]  # the next id is nobody's
MORE_ORDERS_AT: Final[dict[int, tuple[int, ...]]] = {3: (TABLES[3].names.index("parentId") + 1,)}
CLIENT_AT: Final[dict[int, int]] = {
    **{n: at for n in TABLES if (at := _place(n, "clientId")) is not None},
    OPEN_ORDER: 1 + OPEN_HEAD.index("clientId"),
}
_REQUEST_OF_EXECUTIONS: Final = 1
_EXEC_ID_AT: Final = {n: at for n in (EXECUTION, COMMISSION) if (at := _place(n, "execId")) is not None}

KINDS: Final[dict[int, tuple[int, ...]]] = {
    3: (5, 16, 15), 5: (5, 16, 15), 6: (6,), 7: (6,), 8: (6,), 9: (START_API, 8), 15: (START_API, 17), 19: (24,),
    49: (49,), 53: (5, 16), 54: (6,), 61: (61,), 62: (61,), 78: (80,), 80: (82,), 85: (85,), 93: (91,), 101: (99,),
    102: (99,),
}  # fmt: skip
"""Requests by which a message without an id may have been asked for."""

CANCELS: Final = frozenset({2, 13, 23, 25, 51, 53, 56, 57, 63, 64, 75, 77, 89, 90, 93, 95, 98})
"""Requests that end another one and are answered by silence; the cancel of an order is none of them."""


@dataclass(slots=True)
class Asked:
    """A recorded request and what answered it, in order."""

    entry: Entry
    fields: list[str]
    answers: list[Entry] = field(default_factory=list)
    used: bool = False

    @property
    def kind(self) -> int:
        return int(self.fields[0])

    @property
    def number(self) -> int:
        return req_id(self.fields)


@dataclass(frozen=True, slots=True)
class Conversation:
    """One recorded connection: the greeting of the server, and requests with their answers."""

    hello: bytes
    client_id: int
    asked: tuple[Asked, ...]


def shape(fields: Sequence[str]) -> tuple[str, ...]:
    """Return a request without its id: what makes two of them the same question."""
    at = REQ_ID_AT.get(int(fields[0]))
    return tuple(word for i, word in enumerate(fields) if i != at)


def order_shape(fields: Sequence[str]) -> tuple[object, ...]:
    """Return what an order is about: contract, side, size, type; its reference and price may differ."""
    try:
        order = place_order(fields)
    except Malformed:
        return tuple(fields)
    terms = (order.terms[name] for name in ("action", "totalQuantity", "orderType"))
    return (order.contract, order.legs, *terms, order.flag("whatIf"))


def conversation(entries: Sequence[Entry]) -> Conversation | None:
    """Return what was said on one connection, None if it ended before the client had started its API."""
    hello: bytes | None = None
    reader = _Attribution()
    for entry in entries:
        fields = entry.fields
        if entry.what is What.SENT and hello is None:
            hello = entry.wire
        elif entry.what is What.ASKED and fields and fields[0].isdecimal():
            reader.ask(Asked(entry, fields))
        elif entry.what is What.SENT and fields and fields[0].isdecimal() and reader.asked:
            reader.cause(int(fields[0]), fields).answers.append(entry)
    if hello is None or not reader.asked:
        return None
    start = next((one for one in reader.asked if one.kind == START_API), None)
    return None if start is None else Conversation(hello, int(start.fields[2]), tuple(reader.asked))


class _Attribution:
    """Remembers who asked last under each id and for each kind."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self._by_number: dict[int, Asked] = {}
        self._by_kind: dict[int, Asked] = {}
        self._by_execution: dict[str, Asked] = {}

    def ask(self, one: Asked) -> None:
        self.asked.append(one)
        self._by_kind[one.kind] = one
        if one.number != -1:
            self._by_number[one.number] = one

    def cause(self, message: int, fields: Sequence[str]) -> Asked:
        found = self._cause(message, fields)
        at = _EXEC_ID_AT.get(message)
        if message == EXECUTION and at is not None and at < len(fields):
            self._by_execution[fields[at]] = found
        return found

    def _cause(self, message: int, fields: Sequence[str]) -> Asked:
        at = _EXEC_ID_AT.get(message)
        if message == COMMISSION and at is not None and at < len(fields) and fields[at] in self._by_execution:
            return self._by_execution[fields[at]]
        places = [ID_AT[message]] if message in ID_AT else []
        if message == EXECUTION:
            places.insert(0, _REQUEST_OF_EXECUTIONS)
        for place in places:
            one = self._by_number.get(_number(fields, place))
            if one is not None:
                return one
        kinds = [self._by_kind[kind] for kind in KINDS.get(message, ()) if kind in self._by_kind]
        if kinds:
            return max(kinds, key=lambda one: one.entry.at)
        # Told unasked: it came some time after the start.
        return self._by_kind.get(START_API, self.asked[-1])


def _number(fields: Sequence[str], place: int) -> int:
    try:
        return int(fields[place])
    except (IndexError, ValueError):
        return -1
