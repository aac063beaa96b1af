"""Expressions as Python text, in two ways.

`exact` is right whatever is missing. `trying` is plain Python for whoever catches the TypeError that its operators
raise on None: where they do not look at a missing input, the rest has settled the result, as by Kleene's rules.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
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
    walk,
)
from v6.lang.canonical import track_meaning
from v6.lang.ranges import HUGE, can_be_missing, interval
from v6.model.catalogue import INDEX, Field, Kind, Value

_ARITHMETIC: Final = {
    BinaryOp.ADD: "add",
    BinaryOp.SUB: "sub",
    BinaryOp.MUL: "mul",
    BinaryOp.DIV: "div",
}
_ORDERED: Final = frozenset({CompareOp.LT, CompareOp.LE, CompareOp.GT, CompareOp.GE})

EXACT: Final[dict[str, Callable[..., Value]]] = {
    **{_ARITHMETIC[op]: call for op, call in kleene.ARITHMETIC.items()},
    "and_": kleene.and_,
}
"""What exact text may call beside builtins; the rest of Kleene's operators is written out, as a call costs more."""


def all_present(_: Symbol) -> bool:
    return False


def _any_absent(symbol: Symbol) -> bool:
    return not isinstance(symbol, Param)


def variable(symbol: Symbol, tracks: Mapping[str, str]) -> str:
    """Return the variable that holds the symbol, or its constant; `tracks` gives those of tracks by their meaning."""
    match symbol:
        case Field(name=name):
            return f"f{INDEX[name]}"
        case Param(value=value):
            return f"({value!r})"
        case Track():
            return tracks[track_meaning(symbol)]
        case _:
            assert_never(symbol)


def trying(expr: Expr, tracks: Mapping[str, str]) -> str:
    """Return plain text, right if `must_be_there` is; see the module."""

    def text(inner: Expr) -> str:
        return trying(inner, tracks)

    match expr:
        case Number(value=value) | Bool(value=value) | EnumText(value=value):
            return repr(value)
        case Name(symbol=symbol):
            return variable(symbol, tracks)
        case Unary(op=op, operand=operand):
            return f"({op} {text(operand)})"
        case Binary(op=op, left=left, right=right):
            return f"({text(left)} {op} {text(right)})"
        case Compare(ops=ops, operands=operands):
            first, *rest = map(text, operands)
            return "(" + first + "".join(f" {op} {right}" for op, right in zip(ops, rest, strict=True)) + ")"
        case And(operands=operands):
            return f"({' and '.join(map(text, operands))})"
        case Or(operands=operands):
            return f"({' or '.join(map(text, operands))})"
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            return f"({text(then)} if {text(condition)} else {text(otherwise)})"
        case Call(function=Function.HAS, arguments=(argument,)):
            varies = any(isinstance(n, Name) and not isinstance(n.symbol, Param) for n in walk(argument))
            return f"({text(argument)} is not None)" if varies else "True"
        case Call(function=Function.ABS, arguments=(Name() as name,)):
            x = text(name)
            return f"({x} if {x} >= 0.0 else - {x})"
        case Call(function=function, arguments=arguments):
            return _called(function, [text(argument) for argument in arguments])
        case _:
            assert_never(expr)


def must_be_there(expr: Expr, tracks: Mapping[str, str]) -> dict[str, None]:
    """Return the variables whose absence plain text would not notice: equality and truth take None."""
    found: dict[str, None] = {}
    for node in walk(expr):
        if isinstance(node, Name) and isinstance(node.symbol, Field) and node.symbol.kind is Kind.BOOL:
            found[variable(node.symbol, tracks)] = None
        if isinstance(node, Compare) and not _ORDERED.issuperset(node.ops):
            names = (n for operand in node.operands for n in walk(operand) if isinstance(n, Name))
            found |= {variable(n.symbol, tracks): None for n in names if not isinstance(n.symbol, Param)}
    return found


def exact(expr: Expr, tracks: Mapping[str, str]) -> str:
    """Return text that gives None where the expression is missing or unknown."""
    return _Exact(tracks).text(expr)


class _Exact:
    """Writes Kleene's operators out; a part that can be missing is held in a variable of its own."""

    def __init__(self, tracks: Mapping[str, str]) -> None:
        self.tracks = tracks
        self.held = 0

    def text(self, expr: Expr) -> str:
        match expr:
            case Number() | Bool() | EnumText() | Name():
                return trying(expr, self.tracks)
            case Unary(op=op, operand=operand):
                return self._strict((operand,), lambda x: f"{op} {x}")
            case Binary(op=op, left=left, right=right):
                # An overflow or a zero divisor is looked for only where the ranges leave room for it.
                if op is BinaryOp.DIV or not interval(expr).size < HUGE:
                    return f"{_ARITHMETIC[op]}({self.text(left)}, {self.text(right)})"
                return self._strict((left, right), lambda a, b: f"{a} {op} {b}")
            case Compare(ops=(op,), operands=operands):
                return self._strict(operands, lambda a, b: f"{a} {op} {b}")
            case Compare():
                return f"and_({', '.join(self.text(Compare((op,), (a, b), expr.span)) for op, a, b in expr.links())})"
            case And(operands=operands):
                return self._junction(operands, settles=False)
            case Or(operands=operands):
                return self._junction(operands, settles=True)
            case IfElse(condition=condition, then=then, otherwise=otherwise):
                missing, c = self._hold(condition)
                chosen = f"{self.text(then)} if {c} else {self.text(otherwise)}"
                return f"(None if {missing} else {chosen})" if missing else f"({chosen})"
            case Call(function=Function.HAS, arguments=(argument,)):
                return f"({self.text(argument)} is not None)" if can_be_missing(argument, _any_absent) else "True"
            case Call(function=function, arguments=arguments):
                return self._strict(arguments, lambda *xs: _called(function, xs))
            case _:
                assert_never(expr)

    def _hold(self, expr: Expr) -> tuple[str, str]:
        """Return a test for its being missing, empty if it cannot be, and text for its value after that test."""
        text = self.text(expr)
        if not can_be_missing(expr, _any_absent):
            return "", text
        if isinstance(expr, Name):
            return f"{text} is None", text
        self.held += 1
        return f"(t{self.held} := {text}) is None", f"t{self.held}"

    def _strict(self, operands: tuple[Expr, ...], combine: Callable[..., str]) -> str:
        """Return text that is None if an operand is."""
        held = [self._hold(operand) for operand in operands]
        missing = " or ".join(test for test, _ in held if test)
        combined = combine(*(value for _, value in held))
        return f"(None if {missing} else {combined})" if missing else f"({combined})"

    def _junction(self, operands: tuple[Expr, ...], *, settles: bool) -> str:
        """Return text that is `settles` if an operand is, else None if one is, else the opposite."""
        settled, missing = [], []
        for operand in operands:
            text = self.text(operand)
            if can_be_missing(operand, _any_absent):
                self.held += 1
                settled.append(f"(t{self.held} := {text}) is {settles}")
                missing.append(f"t{self.held} is None")
            else:
                settled.append(text if settles else f"not {text}")
        rest = f"None if {' or '.join(missing)} else {not settles}" if missing else f"{not settles}"
        return f"({settles} if {' or '.join(settled)} else {rest})"


def _called(function: Function, arguments: Sequence[str]) -> str:
    joined = ", ".join(arguments)
    match function:
        case Function.HAS:
            return f"({joined} is not None)"
        case Function.ABS | Function.MIN | Function.MAX:
            return f"{function}({joined})"
        case Function.CLAMP:
            x, low, high = arguments
            return f"min(max({x}, {low}), {high})"
        case _:
            assert_never(function)
