"""Expressions as Python text: plain operators while inputs are there, Kleene's while not."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import Enum, auto
from typing import Final, assert_never

from v6.backends import kleene
from v6.lang.ast import (
    And,
    Binary,
    BinaryOp,
    Bool,
    Call,
    Compare,
    CompareOp,
    EnumText,
    Expr,
    Function,
    IfElse,
    Name,
    Number,
    Or,
    Param,
    Symbol,
    Track,
    Unary,
    UnaryOp,
    fields_of,
    tracks_of,
    walk,
)
from v6.lang.canonical import track_meaning
from v6.lang.ranges import can_be_missing
from v6.model.catalogue import INDEX, Field, Kind, Value

_ARITHMETIC: Final = {
    BinaryOp.ADD: "add",
    BinaryOp.SUB: "sub",
    BinaryOp.MUL: "mul",
    BinaryOp.DIV: "div",
}
_COMPARISON: Final = {
    CompareOp.LT: "lt",
    CompareOp.LE: "le",
    CompareOp.GT: "gt",
    CompareOp.GE: "ge",
    CompareOp.EQ: "eq",
    CompareOp.NE: "ne",
}
_ORDERED: Final = frozenset({CompareOp.LT, CompareOp.LE, CompareOp.GT, CompareOp.GE})

EXACT: Final[dict[str, Callable[..., Value]]] = {
    **{_ARITHMETIC[op]: call for op, call in kleene.ARITHMETIC.items()},
    **{_COMPARISON[op]: call for op, call in kleene.COMPARISONS.items()},
    **{f"{function}_": call for function, call in kleene.FUNCTIONS.items()},
    "neg": kleene.neg,
    "not_": kleene.not_,
    "and_": kleene.and_,
    "or_": kleene.or_,
    "if_else": kleene.if_else,
}
"""What generated code may call; nothing else is in its namespace."""


class Mode(Enum):
    """What the text may take for granted.

    EXACT: nothing. PRESENT: every input is there. TRYING: whoever runs the text catches the TypeError that Python's
    own operators raise on None, so that only what they let pass (`must_be_there`) has to be there.
    """

    EXACT = auto()
    PRESENT = auto()
    TRYING = auto()


def all_present(_: Symbol) -> bool:
    return False


def _any_absent(symbol: Symbol) -> bool:
    return not isinstance(symbol, Param)


def variable(symbol: Symbol, tracks: Mapping[str, str]) -> str:
    match symbol:
        case Field(name=name):
            return f"f{INDEX[name]}"
        case Param(value=value):
            return f"({value!r})"
        case Track():
            return tracks[track_meaning(symbol)]
        case _:
            assert_never(symbol)


class _Lowering:
    """Expression to Python text, by Kleene's operators only where something can be missing."""

    def __init__(self, tracks: Mapping[str, str], mode: Mode) -> None:
        self.tracks = tracks
        self.mode = mode
        self.absent = _any_absent if mode is Mode.EXACT else all_present

    def text(self, expr: Expr) -> str:
        exact = can_be_missing(expr, self.absent)
        match expr:
            case Number(value=value):
                return repr(value)
            case Bool(value=value):
                return repr(value)
            case EnumText(value=value):
                return repr(value)
            case Name(symbol=symbol):
                return variable(symbol, self.tracks)
            case Unary(op=op, operand=operand):
                inner = self.text(operand)
                if exact:
                    return f"{'not_' if op is UnaryOp.NOT else 'neg'}({inner})"
                return f"({op} {inner})"
            case Binary(op=op, left=left, right=right):
                a, b = self.text(left), self.text(right)
                return f"{_ARITHMETIC[op]}({a}, {b})" if exact else f"({a} {op} {b})"
            case Compare():
                return self._compare(expr, exact)
            case And(operands=operands):
                return self._junction("and", operands, exact)
            case Or(operands=operands):
                return self._junction("or", operands, exact)
            case IfElse(condition=condition, then=then, otherwise=otherwise):
                c, a, b = self.text(condition), self.text(then), self.text(otherwise)
                return f"if_else({c}, {a}, {b})" if exact else f"({a} if {c} else {b})"
            case Call(function=Function.HAS, arguments=(argument,)) if not can_be_missing(argument, self.absent):
                varies = any(isinstance(n, Name) and not isinstance(n.symbol, Param) for n in walk(argument))
                return f"({self.text(argument)} is not None)" if varies and self.mode is Mode.TRYING else "True"
            case Call(function=function, arguments=arguments):
                return self._call(function, [self.text(argument) for argument in arguments], exact)
            case _:
                assert_never(expr)

    def _junction(self, word: str, operands: tuple[Expr, ...], exact: bool) -> str:
        parts = [self.text(operand) for operand in operands]
        return f"{word}_({', '.join(parts)})" if exact else f"({f' {word} '.join(parts)})"

    def _compare(self, expr: Compare, exact: bool) -> str:
        if not exact:
            first, *rest = (self.text(operand) for operand in expr.operands)
            return "(" + first + "".join(f" {op} {right}" for op, right in zip(expr.ops, rest, strict=True)) + ")"
        links = [f"{_COMPARISON[op]}({self.text(a)}, {self.text(b)})" for op, a, b in expr.links()]
        return links[0] if len(links) == 1 else f"and_({', '.join(links)})"

    def _call(self, function: Function, arguments: list[str], exact: bool) -> str:
        joined = ", ".join(arguments)
        match function:
            case Function.HAS:
                return f"({joined} is not None)"
            case Function.ABS | Function.MIN | Function.MAX:
                return f"{function}_({joined})" if exact else f"{function}({joined})"
            case Function.CLAMP:
                x, low, high = arguments
                return f"clamp_({joined})" if exact else f"min(max({x}, {low}), {high})"
            case _:
                assert_never(function)


def lower(expr: Expr, tracks: Mapping[str, str], mode: Mode) -> str:
    """Return the expression as Python text over `f<i>` for fields and the given variables for tracks' meanings."""
    return _Lowering(tracks, mode).text(expr)


def guarded(expr: Expr, tracks: Mapping[str, str]) -> str:
    """Return text that is always right, and takes the plain form whenever no input of this expression is missing."""
    exact = lower(expr, tracks, Mode.EXACT)
    symbols: tuple[Symbol, ...] = (*fields_of(expr), *tracks_of(expr))
    inputs = [variable(symbol, tracks) for symbol in symbols]
    plain = lower(expr, tracks, Mode.PRESENT)
    if not inputs or plain == exact:
        return exact
    return f"{plain} if {' and '.join(f'{name} is not None' for name in inputs)} else {exact}"


def must_be_there(expr: Expr, tracks: Mapping[str, str]) -> dict[str, None]:
    """Return the variables whose absence Python's own operators would not notice: equality and truth take None."""
    found: dict[str, None] = {}
    for node in walk(expr):
        if isinstance(node, Name) and isinstance(node.symbol, Field) and node.symbol.kind is Kind.BOOL:
            found[variable(node.symbol, tracks)] = None
        if isinstance(node, Compare) and not _ORDERED.issuperset(node.ops):
            names = (n for operand in node.operands for n in walk(operand) if isinstance(n, Name))
            found |= {variable(n.symbol, tracks): None for n in names if not isinstance(n.symbol, Param)}
    return found
