"""One text for one meaning: expressions as text, and fingerprints that comments and layout cannot change."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from enum import StrEnum
from typing import Final, assert_never

from v6.lang.ast import (
    And,
    Binary,
    BinaryOp,
    Bool,
    Call,
    Compare,
    EnumText,
    Expr,
    IfElse,
    Name,
    Number,
    Or,
    Param,
    Track,
    Unary,
    UnaryOp,
)

SEMANTICS: Final = 2
"""Version of v6/backends/semantics.md; part of every fingerprint."""

_TERNARY, _OR, _AND, _NOT, _COMPARE, _SUM, _PRODUCT, _NEG, _ATOM = range(9)
_BINARY_LEVEL: Final = {
    BinaryOp.ADD: _SUM,
    BinaryOp.SUB: _SUM,
    BinaryOp.MUL: _PRODUCT,
    BinaryOp.DIV: _PRODUCT,
}


def show(expr: Expr) -> str:
    """Return the expression as its author would write it."""
    return _text(expr, _TERNARY, inline=False)


def meaning(expr: Expr) -> str:
    """Return the expression with params and tracks written out, so that only its meaning is left."""
    return _text(expr, _TERNARY, inline=True)


def track_meaning(track: Track) -> str:
    """Return the fold with everything written out; it identifies the fold's state."""
    window = "" if track.window_s is None else f", {track.window_s}s"
    return f"{track.fold}({meaning(track.expr)}{window})"


def _text(expr: Expr, outer: int, *, inline: bool) -> str:
    level, text = _render(expr, inline)
    return f"({text})" if level < outer else text


def _render(expr: Expr, inline: bool) -> tuple[int, str]:
    def text(inner: Expr, outer: int) -> str:
        return _text(inner, outer, inline=inline)

    match expr:
        case Number(value=value):
            return (_NEG if value < 0 else _ATOM), _number(value)
        case Bool(value=value):
            return _ATOM, str(value)
        case EnumText(value=value):
            return _ATOM, f"'{value}'"
        case Name():
            return _name(expr, inline)
        case Unary(op=UnaryOp.NOT, operand=operand):
            return _NOT, f"not {text(operand, _NOT)}"
        case Unary(operand=operand):
            return _NEG, f"-{text(operand, _ATOM)}"
        case Binary(op=op, left=left, right=right):
            level = _BINARY_LEVEL[op]
            return level, f"{text(left, level)} {op} {text(right, level + 1)}"
        case Compare(ops=ops, operands=operands):
            first, *rest = (text(operand, _COMPARE + 1) for operand in operands)
            return _COMPARE, first + "".join(f" {op} {right}" for op, right in zip(ops, rest, strict=True))
        case And(operands=operands):
            return _AND, " and ".join(text(operand, _AND + 1) for operand in operands)
        case Or(operands=operands):
            return _OR, " or ".join(text(operand, _OR + 1) for operand in operands)
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            parts = text(then, _OR), text(condition, _OR), text(otherwise, _OR)
            return _TERNARY, f"{parts[0]} if {parts[1]} else {parts[2]}"
        case Call(function=function, arguments=arguments):
            return _ATOM, f"{function}({', '.join(text(argument, _TERNARY) for argument in arguments)})"
        case _:
            assert_never(expr)


def _name(expr: Name, inline: bool) -> tuple[int, str]:
    symbol = expr.symbol
    if inline and isinstance(symbol, Param):
        return (_NEG if symbol.value < 0 else _ATOM), _number(symbol.value)
    if inline and isinstance(symbol, Track):
        return _ATOM, track_meaning(symbol)
    return _ATOM, symbol.name


def _number(value: float) -> str:
    # -0.0 and 0.0 cannot be told apart by any operator of the language.
    number = value + 0.0
    return str(int(number)) if number.is_integer() and abs(number) < 1e15 else repr(number)


def fingerprint(parts: Mapping[str, object]) -> str:
    """Return the SHA-256, in hex, of a mapping of names to plain values."""
    text = json.dumps({"semantics": SEMANTICS, **parts}, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.sha256(text.encode()).hexdigest()


def plain_value(value: object, leave_out: frozenset[str] = frozenset()) -> object:
    """Return a desk's dataclass as plain values, expressions by their meaning, without the named fields.

    A key that a file may leave out and did is left out: a new one changes no fingerprint of what does not use it.
    """
    if isinstance(value, Expr):
        return meaning(value)
    if is_dataclass(value):
        listed = ((f, getattr(value, f.name)) for f in fields(value) if f.name not in leave_out)
        return {f.name: plain_value(v) for f, v in listed if v is not None or "doc" not in f.metadata}
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int | float):
        return float(value) + 0.0
    raise TypeError(f"no canonical form for {type(value).__name__}")
