"""Expressions as DuckDB SQL.

Text grows linearly with the expression: each operand is written once, lists with lambdas standing in for local
variables.
"""

from __future__ import annotations

from typing import Final, assert_never

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
from v6.lang.canonical import track_meaning
from v6.lang.ranges import HUGE, interval
from v6.model.catalogue import Field

_COMPARISON: Final = {
    CompareOp.LT: "<",
    CompareOp.LE: "<=",
    CompareOp.GT: ">",
    CompareOp.GE: ">=",
    CompareOp.EQ: "=",
    CompareOp.NE: "<>",
}
Columns = dict[str, str]
"""Column that holds a track, by the track's meaning."""


def lower(expr: Expr, tracks: Columns) -> str:
    """Return the expression as SQL over columns named like the fields; NULL is missing and unknown."""
    match expr:
        case Number(value=value):
            return _double(value)
        case Bool(value=value):
            return "TRUE" if value else "FALSE"
        case EnumText(value=value):
            return "'" + value.replace("'", "''") + "'"
        case Name(symbol=symbol):
            return _column(symbol, tracks)
        case Unary(op=op, operand=operand):
            return f"({'NOT' if op is UnaryOp.NOT else '-'} {lower(operand, tracks)})"
        case Binary():
            return _arithmetic(expr, tracks)
        case Compare():
            links = (f"({lower(a, tracks)} {_COMPARISON[op]} {lower(b, tracks)})" for op, a, b in expr.links())
            return f"({' AND '.join(links)})"
        case And(operands=operands):
            return f"({' AND '.join(lower(operand, tracks) for operand in operands)})"
        case Or(operands=operands):
            return f"({' OR '.join(lower(operand, tracks) for operand in operands)})"
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            if not any(isinstance(part, IfElse) for part in walk(condition)):
                # Written once, the condition is still worked out for each branch, so none that holds another choice.
                branches = f"WHEN TRUE THEN {lower(then, tracks)} WHEN FALSE THEN {lower(otherwise, tracks)}"
                return f"(CASE {lower(condition, tracks)} {branches} END)"
            # An unknown condition gives a NULL index, and that gives NULL.
            choices = f"[{lower(otherwise, tracks)}, {lower(then, tracks)}]"
            return f"({choices}[CAST({lower(condition, tracks)} AS INTEGER) + 1])"
        case Call(function=function, arguments=arguments):
            return _call(function, [lower(argument, tracks) for argument in arguments])
        case _:
            assert_never(expr)


def _double(value: float) -> str:
    # Without an exponent DuckDB reads a DECIMAL, in which 0.1 + 0.2 = 0.3.
    text = repr(value)
    return f"({text if 'e' in text else text + 'e0'})"


def _column(symbol: Symbol, tracks: Columns) -> str:
    match symbol:
        case Field(name=name):
            return f'"{name}"'
        case Param(value=value):
            return _double(value)
        case Track():
            return tracks[track_meaning(symbol)]
        case _:
            assert_never(symbol)


def _arithmetic(expr: Binary, tracks: Columns) -> str:
    text = f"({lower(expr.left, tracks)} {expr.op} {lower(expr.right, tracks)})"
    if expr.op is not BinaryOp.DIV and interval(expr).size < HUGE:
        return text
    return finite(text)


def finite(text: str) -> str:
    """Return SQL that is NULL where the number is not finite."""
    return f"(list_filter([{text}], lambda x: isfinite(x))[1])"


def _call(function: Function, arguments: list[str]) -> str:
    match function:
        case Function.ABS:
            return f"abs({arguments[0]})"
        case Function.MIN:
            return _extreme("least", arguments)
        case Function.MAX:
            return _extreme("greatest", arguments)
        case Function.CLAMP:
            x, low, high = arguments
            return _extreme("least", [_extreme("greatest", [x, low]), high])
        case Function.HAS:
            return f"({arguments[0]} IS NOT NULL)"
        case _:
            assert_never(function)


def _extreme(name: str, arguments: list[str]) -> str:
    # least and greatest skip NULLs; a missing argument must make the result missing.
    step = f"CASE WHEN a IS NOT NULL AND b IS NOT NULL THEN {name}(a, b) END"
    return f"list_reduce([{', '.join(arguments)}], lambda a, b: {step})"


def condition_sql(expr: Expr) -> str:
    """Return a condition without tracks as SQL over columns named like the fields."""
    return lower(expr, {})
