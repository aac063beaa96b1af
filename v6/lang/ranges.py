"""Which values an expression can take, and whether it can be missing, from the ranges in the catalogue."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
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
    Fold,
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
    children,
)
from v6.model.catalogue import Field

HUGE: Final = 1e300
"""Results below this cannot have overflowed a double on the way."""


@dataclass(frozen=True, slots=True)
class Interval:
    low: float
    high: float

    @property
    def size(self) -> float:
        return max(abs(self.low), abs(self.high))

    def union(self, other: Interval) -> Interval:
        return Interval(min(self.low, other.low), max(self.high, other.high))


_UNBOUNDED: Final = Interval(-float("inf"), float("inf"))


def interval(expr: Expr) -> Interval:
    """Return bounds of a numeric expression over all rows the catalogue admits, as wide as it takes to be safe."""
    match expr:
        case Number(value=value):
            return Interval(value, value)
        case Name(symbol=symbol):
            return _of_symbol(symbol)
        case Unary(op=UnaryOp.NEG, operand=operand):
            inner = interval(operand)
            return Interval(-inner.high, -inner.low)
        case Binary(op=op, left=left, right=right):
            return _arithmetic(op, interval(left), interval(right))
        case IfElse(then=then, otherwise=otherwise):
            return interval(then).union(interval(otherwise))
        case Call(function=function, arguments=arguments):
            return _of_call(function, [interval(a) for a in arguments if function is not Function.HAS])
        case Unary() | Bool() | EnumText() | Compare() | And() | Or():
            return _UNBOUNDED
        case _:
            assert_never(expr)


def _of_symbol(symbol: Symbol) -> Interval:
    match symbol:
        case Field(low=low, high=high):
            return Interval(low, high)
        case Param(value=value):
            return Interval(value, value)
        case Track(fold=Fold.CHANGE, expr=inner):
            return _arithmetic(BinaryOp.SUB, interval(inner), interval(inner))
        case Track(expr=inner):
            return interval(inner)
        case _:
            assert_never(symbol)


def _arithmetic(op: BinaryOp, a: Interval, b: Interval) -> Interval:
    match op:
        case BinaryOp.ADD:
            corners = [a.low + b.low, a.high + b.high]
        case BinaryOp.SUB:
            corners = [a.low - b.high, a.high - b.low]
        case BinaryOp.MUL:
            corners = [x * y for x in (a.low, a.high) for y in (b.low, b.high)]
        case BinaryOp.DIV:
            if b.low <= 0.0 <= b.high:
                return _UNBOUNDED
            corners = [x / y for x in (a.low, a.high) for y in (b.low, b.high)]
        case _:
            assert_never(op)
    # inf - inf and 0 * inf are NaN, which compares false with everything.
    if any(corner != corner for corner in corners):
        return _UNBOUNDED
    return Interval(min(corners), max(corners))


def _of_call(function: Function, arguments: list[Interval]) -> Interval:
    match function:
        case Function.ABS:
            (x,) = arguments
            low = 0.0 if x.low <= 0.0 <= x.high else min(abs(x.low), abs(x.high))
            return Interval(low, x.size)
        case Function.MIN:
            return Interval(min(x.low for x in arguments), min(x.high for x in arguments))
        case Function.MAX:
            return Interval(max(x.low for x in arguments), max(x.high for x in arguments))
        case Function.CLAMP:
            x, floor, ceiling = arguments
            low, high = max(x.low, floor.low), max(x.high, floor.high)
            return Interval(min(low, ceiling.low), min(high, ceiling.high))
        case Function.HAS:
            return _UNBOUNDED
        case _:
            assert_never(function)


def can_be_missing(expr: Expr, absent: Callable[[Symbol], bool]) -> bool:
    """Tell whether the expression can be missing or unknown when just the `absent` symbols can be missing.

    Arithmetic adds absence of its own: a divisor that may be zero, a result that may overflow. Safe, not sharp: Kleene
    logic may still settle an `or` with an unknown side.
    """
    match expr:
        case Number() | Bool() | EnumText():
            return False
        case Name(symbol=symbol):
            return absent(symbol)
        case Call(function=Function.HAS):
            return False
        case Binary():
            # Not `>`: NaN bounds must count as too large.
            if not interval(expr).size < HUGE:
                return True
            return any(can_be_missing(child, absent) for child in children(expr))
        case Unary() | Compare() | And() | Or() | IfElse() | Call():
            return any(can_be_missing(child, absent) for child in children(expr))
        case _:
            assert_never(expr)


def nullable(symbol: Symbol) -> bool:
    """Tell whether a row may lack the symbol: a nullable field, or a fold of something that can be missing."""
    match symbol:
        case Field(nullable=is_nullable):
            return is_nullable
        case Param():
            return False
        case Track(fold=Fold.LAST_BEFORE | Fold.CHANGE):
            # Until the key is older than the window there is nothing to look back at.
            return True
        case Track(expr=inner):
            return can_be_missing(inner, nullable)
        case _:
            assert_never(symbol)
