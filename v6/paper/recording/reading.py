"""Readers of what a server sends, to the last field: the tables of `fields`, and the messages with counts inside."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from v6.paper.codec import Malformed, Message, Reader
from v6.paper.fields import (
    COMPLETED_CLEARING,
    COMPLETED_HEAD,
    COMPLETED_STATE,
    CONTRACT,
    OPEN_CLEARING,
    OPEN_HEAD,
    OPEN_SCALE,
    OPEN_STATE,
    TABLES,
    TICK_BID_ASK,
    TICK_LAST,
    TICK_MID_POINT,
)
from v6.paper.placement import CONDITION_WIDTH, PLACE_BENCH, PLACE_SCALE_MORE
from v6.paper.requests import decimal

_LEG_WIDTH: Final = 8
_TICK_KINDS: Final[dict[int, Message]] = {1: TICK_LAST, 2: TICK_LAST, 3: TICK_BID_ASK, 4: TICK_MID_POINT}
_PEGGED: Final = ("PEG BENCH", "PEGBENCH")


class _OrderReader:
    """Reads an openOrder or completedOrder; a class because later blocks depend on earlier words."""

    def __init__(self, fields: Sequence[str]) -> None:
        self.reader = Reader(fields[1:])
        self.terms: dict[str, str] = {}

    def take(self, row: Sequence[str]) -> None:
        for name in row:
            self.terms[name] = self.reader.word(name)

    def head(self, row: Sequence[str]) -> None:
        """Read the stretch before the legs; the block of delta neutral orders is there only where a type is named."""
        optional = [name for name in row if name.startswith("deltaNeutral")][2:]
        for name in row:
            if name not in optional or self.terms["deltaNeutralOrderType"]:
                self.take((name,))

    def legs(self) -> None:
        self._repeat("legs", _LEG_WIDTH)
        self._repeat("leg prices", 1)
        self._repeat("routing parameters", 2)

    def _repeat(self, name: str, width: int) -> None:
        count = self.reader.word(name)
        n = Reader([count]).integer(name)
        for i in range(n * width):
            self.reader.word(f"{name} {i}")

    def scale(self) -> None:
        first, last = OPEN_SCALE[:-1], OPEN_SCALE[-1:]
        self.take(first)
        increment = decimal("scalePriceIncrement", self.terms["scalePriceIncrement"])
        if increment is not None and increment > 0:
            self.take(PLACE_SCALE_MORE)
        self.take(last)
        if self.terms["hedgeType"]:
            self.take(("hedgeParam",))

    def clearing(self, row: Sequence[str]) -> None:
        self.take(row)
        if self.terms["deltaNeutralPresent"] in ("1", "True"):
            self.take(("dncConId", "dncDelta", "dncPrice"))

    def state(self, row: Sequence[str]) -> None:
        """Read from the algorithm to the end."""
        for name in row:
            if name == "conditionCount" and self.terms["orderType"] in _PEGGED:
                self.take(PLACE_BENCH)
            self.take((name,))
            if name == "algoStrategy" and self.terms[name]:
                self._repeat("algo parameters", 2)
            if name == "conditionCount":
                self.conditions(Reader([self.terms[name]]).integer(name))
        self.reader.end()

    def conditions(self, count: int) -> None:
        for _ in range(count):
            kind = self.reader.integer("condition type")
            if kind not in CONDITION_WIDTH:
                raise Malformed(f"condition type {kind}")
            for _ in range(CONDITION_WIDTH[kind]):
                self.reader.word("condition")
        if count:
            self.take(("conditionsIgnoreRth", "conditionsCancelOrder"))


def open_order(fields: Sequence[str]) -> None:
    """Read openOrder (5)."""
    order = _OrderReader(fields)
    order.head(OPEN_HEAD)
    order.legs()
    order.scale()
    order.clearing(OPEN_CLEARING)
    order.state(OPEN_STATE)


def completed_order(fields: Sequence[str]) -> None:
    """Read completedOrder (101)."""
    order = _OrderReader(fields)
    order.head(COMPLETED_HEAD)
    order.legs()
    order.scale()
    order.clearing(COMPLETED_CLEARING)
    order.state(COMPLETED_STATE)


def contract_details(fields: Sequence[str]) -> None:
    """Read contractDetails (10), whose secondary ids are counted."""
    reader = Reader(fields[1:])
    for name in CONTRACT.names:
        word = reader.word(name)
        if name == "secIdCount":
            for i in range(2 * Reader([word]).integer(name)):
                reader.word(f"secondary id {i}")
    reader.end()


def tick_by_tick(fields: Sequence[str]) -> None:
    """Read tickByTick (99), whose layout its kind decides."""
    kind = Reader(fields[2:]).integer("kind")
    if kind not in _TICK_KINDS:
        raise Malformed(f"tick by tick of kind {kind}")
    width(fields, _TICK_KINDS[kind])


def symbol_samples(fields: Sequence[str]) -> None:
    """Read symbolSamples (79), each with its own count of derivatives."""
    reader = Reader(fields[1:])
    reader.word("reqId")
    for _ in range(reader.count("samples", 8)):
        for name in ("conId", "symbol", "secType", "primaryExchange", "currency"):
            reader.word(name)
        for _ in range(reader.count("derivatives", 1)):
            reader.word("derivative")
        reader.word("description")
        reader.word("issuerId")
    reader.end()


def option_params(fields: Sequence[str]) -> None:
    """Read securityDefinitionOptionParameter (75): expiries and strikes, each after their count."""
    reader = Reader(fields[1:])
    for name in ("reqId", "exchange", "underConId", "tradingClass", "multiplier"):
        reader.word(name)
    for what in ("expiries", "strikes"):
        for _ in range(reader.count(what, 1)):
            reader.word(what)
    reader.end()


def _rows(before: int, wide: int, after: int = 0) -> Callable[[Sequence[str]], None]:
    """Return the reader of so many fields, a count, so many rows of equal width, and so many fields."""

    def read(fields: Sequence[str]) -> None:
        reader = Reader(fields[1:])
        for i in range(before):
            reader.word(f"field {i + 1}")
        n = reader.count("rows", wide)
        for i in range(n * wide + after):
            reader.word(f"field {before + 2 + i}")
        reader.end()

    return read


def width(fields: Sequence[str], table: Message) -> None:
    """Raise Malformed if a message is not as long as its table; the version is not looked at."""
    expected = len(table.names) + (1 if table.version is None else 2)
    if len(fields) != expected:
        raise Malformed(f"{len(fields)} fields, not {expected}")


READERS: Final[Mapping[int, Callable[[Sequence[str]], None]]] = {
    5: open_order, 10: contract_details, 17: _rows(3, 8), 75: option_params, 77: _rows(1, 3), 78: _rows(0, 2),
    79: symbol_samples, 80: _rows(0, 5), 82: _rows(1, 3), 85: _rows(0, 2), 93: _rows(1, 2), 96: _rows(1, 4, 1),
    97: _rows(1, 6, 1), 98: _rows(1, 6, 1), 99: tick_by_tick, 101: completed_order, 106: _rows(4, 3),
}  # fmt: skip
"""Messages with counts inside; each reader raises Malformed at the first field that does not fit."""


def check(message: int, fields: Sequence[str]) -> bool:
    """Read a message of the server to its end; False if our codec does not know it, Malformed if it differs."""
    if message in READERS:
        READERS[message](fields)
    elif message in TABLES:
        width(fields, TABLES[message])
    else:
        return False
    return True
