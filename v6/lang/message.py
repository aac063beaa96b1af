"""Texts with values in them, such as `gave back {1 - pnl_ratio / peak:.0%} of the peak`."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from v6.errors import Diagnostic, Span
from v6.lang.ast import Expr, Symbol
from v6.lang.canonical import meaning
from v6.lang.parse import Locate, parse_expression
from v6.lang.types import Checker
from v6.model.catalogue import Kind, Value
from v6.model.decision import AlertSeverity

_FORMAT: Final = re.compile(r"\+?,?(\.[0-9])?[%fg]")
"""What may stand after the colon: a sign, thousands, decimals; percent, fixed or general."""

_PIECE: Final = re.compile(r"\{\{|\}\}|\{|\}")


@dataclass(frozen=True, slots=True)
class Slot:
    """An expression whose value is shown; `form` is a Python format of numbers, empty for the shortest one."""

    expr: Expr
    form: str


Message: TypeAlias = tuple[str | Slot, ...]


@dataclass(frozen=True, slots=True)
class Alert:
    """What a rule tells people when it begins to fire."""

    severity: AlertSeverity
    text: Message

    @property
    def expressions(self) -> tuple[Expr, ...]:
        """Return what is evaluated to write the text."""
        return tuple(piece.expr for piece in self.text if isinstance(piece, Slot))

    def meaning(self) -> str:
        """Return severity and text with every name resolved."""
        parts = (p if isinstance(p, str) else f"{{{meaning(p.expr)}:{p.form}}}" for p in self.text)
        return f"{self.severity}: {''.join(parts)}"


def parse_message(text: str, symbols: Mapping[str, Symbol], locate: Locate) -> Message | list[Diagnostic]:
    """Return the pieces of the text, or every mistake in it; `{{` and `}}` stand for braces."""
    pieces: list[str | Slot] = []
    found: list[Diagnostic] = []
    for start, piece in _split(text):
        if isinstance(piece, str):
            pieces.append(piece)
        elif not piece.closed:
            found.append(Diagnostic(locate(start), "bad-text", "a brace without its partner", "write {{ for a brace"))
        else:
            slot = _slot(piece.text, symbols, lambda at, start=start: locate(start + 1 + at))  # type: ignore[misc]
            if isinstance(slot, Slot):
                pieces.append(slot)
            else:
                found += slot
    return found or tuple(pieces)


@dataclass(frozen=True, slots=True)
class _Braced:
    text: str
    closed: bool


def _split(text: str) -> Iterator[tuple[int, str | _Braced]]:
    """Yield the pieces with their places."""
    at, plain = 0, ""
    while at < len(text):
        match = _PIECE.search(text, at)
        if match is None:
            plain += text[at:]
            break
        plain += text[at : match.start()]
        at = match.end()
        if len(match[0]) == 2:
            plain += match[0][0]
            continue
        if plain:
            yield match.start() - len(plain), plain
            plain = ""
        end = text.find("}", at) if match[0] == "{" else -1
        yield match.start(), _Braced(text[at:end], end >= 0)
        at = end + 1 if end >= 0 else at
    if plain:
        yield len(text) - len(plain), plain


def _slot(text: str, symbols: Mapping[str, Symbol], locate: Callable[[int], Span]) -> Slot | list[Diagnostic]:
    code, colon, form = text.partition(":")
    expr = parse_expression(code, symbols, locate)
    if isinstance(expr, list):
        return expr
    checker = Checker()
    kind = checker.type_of(expr)
    if kind is None:
        return checker.diagnostics
    if colon and (kind.kind is not Kind.NUMBER or not _FORMAT.fullmatch(form)):
        hint = "write .0% for percent, .2f for two decimals, or g"
        return [Diagnostic(locate(len(code)), "bad-text", f"`{form}` is no format of {kind}", hint)]
    return Slot(expr, form)


def render(message: Message, value_of: Callable[[Expr], Value]) -> str:
    """Return the text with its values; a missing one is shown as `unknown`."""
    return "".join(piece if isinstance(piece, str) else _shown(value_of(piece.expr), piece.form) for piece in message)


def _shown(value: Value, form: str) -> str:
    match value:
        case None:
            return "unknown"
        case bool():
            return "yes" if value else "no"
        case str():
            return value
        case _:
            # + 0.0: nobody wants to read -0.
            return format(value + 0.0, form or "g")
