"""A rule's condition in the words of other rule engines, so that all of them are asked the same question."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, assert_never

from v6.errors import Unsupported
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
    Param,
    Unary,
    UnaryOp,
)


@dataclass(frozen=True, slots=True)
class Dialect:
    """How an engine writes what differs; rows are complete, so `has(x)` is the engine's word for true."""

    conj: str
    disj: str
    negation: str
    true: str
    choice: Callable[[str, str, str], str]
    absolute: Callable[[str], str]


def _ternary(condition: str, then: str, otherwise: str) -> str:
    return f"({condition} ? {then} : {otherwise})"


PYTHON: Final = Dialect(
    " and ", " or ", "not ", "True", lambda c, a, b: f"({a} if {c} else {b})", lambda x: f"abs({x})"
)
ZEN: Final = Dialect(" and ", " or ", "not ", "true", _ternary, lambda x: f"abs({x})")
RULE_ENGINE: Final = Dialect(" and ", " or ", "not ", "true", _ternary, lambda x: f"$abs({x})")
CEL: Final = Dialect(" && ", " || ", "!", "true", _ternary, lambda x: _ternary(f"{x} < 0.0", f"-({x})", x))


def write(expr: Expr, dialect: Dialect) -> str:
    """Return the expression in the dialect, params as numbers and tracks as names."""

    def text(inner: Expr) -> str:
        return write(inner, dialect)

    match expr:
        case Number(value=value):
            return repr(float(value))
        case Bool(value=value):
            return dialect.true if value else f"{dialect.negation}{dialect.true}"
        case EnumText(value=value):
            return f"'{value}'"
        case Name(symbol=Param(value=value)):
            return repr(float(value))
        case Name(symbol=symbol):
            return symbol.name
        case Unary(op=op, operand=operand):
            return f"({dialect.negation if op is UnaryOp.NOT else '-'}{text(operand)})"
        case Binary(op=op, left=left, right=right):
            return f"({text(left)} {op} {text(right)})"
        case Compare():
            return "(" + dialect.conj.join(f"{text(a)} {op} {text(b)}" for op, a, b in expr.links()) + ")"
        case And(operands=operands):
            return "(" + dialect.conj.join(map(text, operands)) + ")"
        case Or(operands=operands):
            return "(" + dialect.disj.join(map(text, operands)) + ")"
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            return dialect.choice(text(condition), text(then), text(otherwise))
        case Call(function=Function.ABS, arguments=(argument,)):
            return dialect.absolute(text(argument))
        case Call(function=Function.HAS):
            return dialect.true
        case Call(function=function):
            raise Unsupported(f"{function} is in no shipped rule's condition")
        case _:
            assert_never(expr)
