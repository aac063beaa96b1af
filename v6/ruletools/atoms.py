"""What a condition is made of: its single comparisons and `has` tests, and the values names have on one row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import assert_never

from v6.backends.reference import evaluate
from v6.lang.ast import (
    And,
    Binary,
    Bool,
    Call,
    Compare,
    EnumText,
    Expr,
    Function,
    IfElse,
    Name,
    Number,
    Or,
    Unary,
    children,
)
from v6.lang.desk import Rule
from v6.model.catalogue import Field, Kind, Value


def atoms(expr: Expr) -> Iterator[Expr]:
    """Yield each test in an expression: one comparison of a chain, `has(x)`, or a boolean field."""
    match expr:
        case Compare():
            for op, left, right in expr.links():
                yield Compare((op,), (left, right), expr.span)
            for operand in expr.operands:
                yield from atoms(operand)
        case Call(function=Function.HAS):
            yield expr
        case Name(symbol=symbol):
            if isinstance(symbol, Field) and symbol.kind is Kind.BOOL:
                yield expr
        case Number() | Bool() | EnumText():
            return
        case Unary() | Binary() | And() | Or() | IfElse() | Call():
            for child in children(expr):
                yield from atoms(child)
        case _:
            assert_never(expr)


def consulted(rule: Rule, names: dict[str, Value]) -> tuple[Expr, ...]:
    """Return the conditions that the verdict is taken from: `when`, and the fallback while `when` is unknown."""
    if rule.fallback is not None and evaluate(rule.when, names) is None:
        return rule.when, rule.fallback
    return (rule.when,)
