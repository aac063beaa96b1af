"""Frames and fields: a message is a 4-byte big-endian length and a body of NUL-terminated UTF-8 fields."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from v6.errors import V6Error

Wire: TypeAlias = str | int | float | Decimal | bool | None
"""What a field can be before it is text; None is the empty field."""

UNSET_DOUBLE: Final = "1.7976931348623157E308"
MAX_FRAME: Final = 1 << 20
"""A longer frame is noise on the port, not a request: TWS answers 507 and hangs up."""

_LENGTH = struct.Struct(">I")


class Malformed(V6Error):
    """A message that does not follow its layout; answered with error 320."""


def names(text_: str) -> tuple[str, ...]:
    """Return the names of a table written as one string."""
    return tuple(text_.split())


def text(value: Wire) -> str:
    """Return the field as TWS writes it; None is empty, a bool is 0 or 1, NUL inside a string is dropped."""
    kind = type(value)
    if kind is float or kind is int:
        return repr(value)
    if value is None:
        return ""
    if isinstance(value, str):
        return value.replace("\0", "")
    if isinstance(value, bool):
        return "1" if value else "0"
    if isinstance(value, Decimal):
        return f"{value:f}"
    return repr(value)


def frame(fields: Sequence[str]) -> bytes:
    """Return the bytes of one message."""
    body = ("\0".join(fields) + "\0").encode()
    return _LENGTH.pack(len(body)) + body


@dataclass(frozen=True, slots=True)
class Message:
    """The layout of one server message: id, version (None where the protocol has none), names of the other fields."""

    msg_id: int
    version: int | None
    names: tuple[str, ...]

    def encode(self, *values: Wire) -> bytes:
        """Return the frame; the number of values must be that of the table."""
        assert len(values) == len(self.names), f"message {self.msg_id}: {len(values)} values, not {len(self.names)}"
        head = str(self.msg_id) if self.version is None else f"{self.msg_id}\0{self.version}"
        return frame([head, *map(text, values)])


def message(msg_id: int, version: int | None, width: int, names: str) -> Message:
    """Build a table and assert its width, which counts the id and the version as the decoder does."""
    table = Message(msg_id, version, tuple(names.split()))
    head = 1 if version is None else 2
    assert len(table.names) + head == width, f"message {msg_id}: {len(table.names) + head} fields, not {width}"
    return table


class Framer:
    """Cut a byte stream into messages of at most `longest` bytes."""

    def __init__(self, longest: int = MAX_FRAME) -> None:
        self._buffer = bytearray()
        self._longest = longest

    def rest(self) -> bytes:
        """Take out what is not yet a message."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        return rest

    def skip(self, prefix: bytes) -> bool | None:
        """Consume a prefix: True if it was there, False if something else is, None if it may still come."""
        have = bytes(self._buffer[: len(prefix)])
        if have == prefix:
            del self._buffer[: len(prefix)]
            return True
        return None if prefix.startswith(have) else False

    def feed(self, chunk: bytes) -> None:
        self._buffer += chunk

    def raw(self) -> Iterator[bytes]:
        """Yield the complete bodies; raise Malformed at a length that cannot be one."""
        while len(self._buffer) >= 4:
            (length,) = _LENGTH.unpack_from(self._buffer)
            if length > self._longest:
                raise Malformed(f"a message of {length} bytes")
            if len(self._buffer) < 4 + length:
                return
            body = bytes(self._buffer[4 : 4 + length])
            del self._buffer[: 4 + length]
            yield body


def split(body: bytes) -> list[str]:
    """Return the fields of a body; the last one is terminated too."""
    fields = body.decode(errors="backslashreplace").split("\0")
    if fields[-1] == "":
        fields.pop()
    return fields


class Reader:
    """Consume the fields of a request in order, naming the one that does not fit."""

    def __init__(self, fields: Sequence[str]) -> None:
        self._fields = fields
        self._at = 0

    @property
    def left(self) -> int:
        return len(self._fields) - self._at

    def word(self, name: str) -> str:
        """Return the next field as it is."""
        if self._at >= len(self._fields):
            raise Malformed(f"the message ends before field {name}")
        self._at += 1
        return self._fields[self._at - 1]

    def integer(self, name: str) -> int:
        """Return the next field as an int; empty is 0."""
        field = self.word(name)
        try:
            return int(field) if field else 0
        except ValueError:
            raise Malformed(f"{name} is not an integer: {field!r}") from None

    def flag(self, name: str) -> bool:
        """Return the next field as a bool: ib_async writes 0/1, and True/False where a value passed through str."""
        field = self.word(name)
        if field in ("", "0", "False"):
            return False
        if field in ("1", "True"):
            return True
        raise Malformed(f"{name} is not a flag: {field!r}")

    def count(self, name: str, width: int) -> int:
        """Return a repeat count; a message too short for it is malformed before anything is allocated."""
        n = self.integer(name)
        if n < 0 or n * width > self.left:
            raise Malformed(f"{name} says {n}, which does not fit the message")
        return n

    def end(self) -> None:
        """Assert that nothing is left."""
        if self.left:
            raise Malformed(f"{self.left} fields too many")
