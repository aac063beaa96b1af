"""Types of expressions: number with a unit, boolean, or a word from a list; every clash with its place."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, assert_never

from v6.errors import Diagnostic, Span
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
    walk,
)
from v6.lang.canonical import show
from v6.lang.hints import did_you_mean
from v6.lang.ranges import interval
from v6.lang.units import FREE, Dimension
from v6.model.catalogue import Field, Kind, Unit

PERCENT_FROM: Final = 10.0
"""A ratio, delta or volatility compared with a constant beyond this is taken for a percentage."""


@dataclass(frozen=True, slots=True)
class Type:
    kind: Kind
    dimension: Dimension = FREE
    choices: tuple[str, ...] = ()
    literal: bool = False

    def __str__(self) -> str:
        return {Kind.NUMBER: "a number", Kind.BOOL: "a condition", Kind.ENUM: "a word"}[self.kind]


_BOOL: Final = Type(Kind.BOOL)


class Checker:
    """Collects every type mistake of the expressions it is shown."""

    def __init__(self) -> None:
        self.diagnostics: list[Diagnostic] = []

    def condition(self, expr: Expr) -> None:
        """Require a boolean."""
        self._want(expr, Kind.BOOL)

    def number(self, expr: Expr) -> None:
        """Require a number."""
        self._want(expr, Kind.NUMBER)

    def _fail(self, span: Span, code: str, message: str, hint: str = "") -> None:
        self.diagnostics.append(Diagnostic(span, code, message, hint))

    def _want(self, expr: Expr, kind: Kind) -> Type | None:
        found = self.type_of(expr)
        if found is None or found.kind is kind:
            return found
        hint = "compare it with something" if kind is Kind.BOOL else ""
        self._fail(expr.span, "type", f"`{show(expr)}` is {found}, but {Type(kind)} is needed here", hint)
        return None

    def type_of(self, expr: Expr) -> Type | None:
        """Return the type, or None when a mistake inside was recorded."""
        match expr:
            case Number():
                return Type(Kind.NUMBER)
            case Bool():
                return _BOOL
            case EnumText(value=value):
                return Type(Kind.ENUM, choices=(value,), literal=True)
            case Name(symbol=symbol):
                return self._symbol(symbol)
            case Unary(op=UnaryOp.NOT, operand=operand):
                return _BOOL if self._want(operand, Kind.BOOL) else None
            case Unary(operand=operand):
                return self._want(operand, Kind.NUMBER)
            case Binary():
                return self._binary(expr)
            case Compare():
                good = [self._link(*link, expr.span) for link in expr.links()]
                return _BOOL if all(good) else None
            case And(operands=operands) | Or(operands=operands):
                wanted = [self._want(operand, Kind.BOOL) for operand in operands]
                return _BOOL if all(wanted) else None
            case IfElse():
                return self._if_else(expr)
            case Call():
                return self._call(expr)
            case _:
                assert_never(expr)

    def _symbol(self, symbol: Symbol) -> Type | None:
        match symbol:
            case Field(kind=kind, unit=unit, choices=choices):
                return Type(kind, Dimension.of(unit), choices)
            case Param(unit=unit):
                return Type(Kind.NUMBER, Dimension.of(unit))
            case Track(expr=inner):
                # Its mistakes are reported where the track is defined.
                return Checker().type_of(inner)
            case _:
                assert_never(symbol)

    def _binary(self, expr: Binary) -> Type | None:
        left, right = self._want(expr.left, Kind.NUMBER), self._want(expr.right, Kind.NUMBER)
        if left is None or right is None:
            return None
        if expr.op in (BinaryOp.MUL, BinaryOp.DIV):
            sign = 1 if expr.op is BinaryOp.MUL else -1
            return Type(Kind.NUMBER, left.dimension.times(right.dimension, sign))
        return self._meet(expr.left, left, expr.right, right, expr.span)

    def _meet(self, a: Expr, left: Type, b: Expr, right: Type, span: Span) -> Type | None:
        common = left.dimension.meet(right.dimension)
        if common is None:
            self._fail(
                span,
                "unit-mismatch",
                f"`{show(a)}` is in {left.dimension} but `{show(b)}` is in {right.dimension}",
                "divide or multiply by something to bring them to one unit",
            )
            return None
        return Type(Kind.NUMBER, common)

    def _if_else(self, expr: IfElse) -> Type | None:
        condition = self._want(expr.condition, Kind.BOOL)
        then, otherwise = self.type_of(expr.then), self.type_of(expr.otherwise)
        if condition is None or then is None or otherwise is None:
            return None
        if then.kind is not otherwise.kind or then.kind is Kind.ENUM:
            message = f"the two branches are {then} and {otherwise}; both must be numbers or both conditions"
            self._fail(expr.span, "type", message)
            return None
        if then.kind is Kind.BOOL:
            return _BOOL
        return self._meet(expr.then, then, expr.otherwise, otherwise, expr.span)

    def _call(self, expr: Call) -> Type | None:
        if expr.function is Function.HAS:
            return _BOOL if self.type_of(expr.arguments[0]) else None
        types = [self._want(argument, Kind.NUMBER) for argument in expr.arguments]
        result = types[0]
        for argument, found in zip(expr.arguments[1:], types[1:], strict=True):
            if result is None or found is None:
                return None
            result = self._meet(expr.arguments[0], result, argument, found, argument.span)
        return result

    def _link(self, op: CompareOp, a: Expr, b: Expr, span: Span) -> bool:
        left, right = self.type_of(a), self.type_of(b)
        if left is None or right is None:
            return False
        if left.kind is not right.kind or left.kind is Kind.BOOL:
            hint = "a condition stands for itself" if Kind.BOOL in (left.kind, right.kind) else ""
            self._fail(span, "type", f"`{show(a)}` is {left} and `{show(b)}` is {right}: not comparable", hint)
            return False
        if left.kind is Kind.ENUM:
            return self._words(op, a, left, b, right, span)
        if self._meet(a, left, b, right, span) is None:
            return False
        return self._within(a, b, span) and self._within(b, a, span)

    def _words(self, op: CompareOp, a: Expr, left: Type, b: Expr, right: Type, span: Span) -> bool:
        if op not in (CompareOp.EQ, CompareOp.NE):
            self._fail(span, "type", f"words have no order: `{op}`", "compare with == or !=")
            return False
        if left.literal and right.literal:
            self._fail(span, "type", "two words written out are always equal or always different")
            return False
        for literal, field, where in ((left, right, a), (right, left, b)):
            if literal.literal and literal.choices[0] not in field.choices:
                hint = did_you_mean(literal.choices[0], field.choices) or f"one of {', '.join(field.choices)}"
                self._fail(where.span, "choice", f"'{literal.choices[0]}' is not a possible value", hint)
                return False
        return True

    def _within(self, subject: Expr, other: Expr, span: Span) -> bool:
        """Refuse a comparison that the range of its subject settles for good, or a percentage taken for a ratio."""
        if not _constant(other) or _constant(subject):
            return True
        bounds, value = interval(subject), interval(other).low
        fractional = _is_fraction(subject)
        hint = f"write {value / 100:g}" if fractional and abs(value) > 1 else ""
        if not bounds.low <= value <= bounds.high:
            message = f"`{show(subject)}` lies between {bounds.low:g} and {bounds.high:g}, never at {value:g}"
            self._fail(span, "out-of-range", message, hint)
            return False
        if fractional and abs(value) > PERCENT_FROM:
            unit = self.type_of(subject)
            message = f"`{show(subject)}` is a {unit.dimension if unit else 'ratio'} but {value:g} is a percentage"
            self._fail(span, "unit-mismatch", message, hint)
            return False
        return True


def _constant(expr: Expr) -> bool:
    return not any(isinstance(n, Name) and not isinstance(n.symbol, Param) for n in walk(expr))


def _is_fraction(expr: Expr) -> bool:
    """Tell whether the expression is a ratio, delta or volatility, which people like to write in per cent."""
    found = Checker().type_of(expr)
    if found is None or found.kind is not Kind.NUMBER or found.dimension.free:
        return False
    return found.dimension.powers in ((), ((Unit.DELTA, 1),), ((Unit.VOL, 1),))
