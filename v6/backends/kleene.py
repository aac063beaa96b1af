"""The operators of the rule language on values that may be missing (None); semantics.md is their contract."""

from __future__ import annotations

import operator
from collections.abc import Callable
from math import isfinite
from typing import Any, Final, TypeAlias

from v6.lang.ast import BinaryOp, CompareOp, Function
from v6.model.catalogue import Value

Truth: TypeAlias = bool | None
Num: TypeAlias = float | None


def _finite(number: float) -> Num:
    return number if isfinite(number) else None


def add(a: Num, b: Num) -> Num:
    return None if a is None or b is None else _finite(a + b)


def sub(a: Num, b: Num) -> Num:
    return None if a is None or b is None else _finite(a - b)


def mul(a: Num, b: Num) -> Num:
    return None if a is None or b is None else _finite(a * b)


def div(a: Num, b: Num) -> Num:
    return None if a is None or b is None or b == 0.0 else _finite(a / b)


def neg(a: Num) -> Num:
    return None if a is None else -a


def not_(a: Truth) -> Truth:
    return None if a is None else not a


def and_(*operands: Truth) -> Truth:
    if False in operands:
        return False
    return None if None in operands else True


def or_(*operands: Truth) -> Truth:
    if True in operands:
        return True
    return None if None in operands else False


def _comparison(compare: Callable[[Any, Any], bool]) -> Callable[[Value, Value], Truth]:
    def compared(a: Value, b: Value) -> Truth:
        return None if a is None or b is None else compare(a, b)

    return compared


def if_else(condition: Truth, then: Value, otherwise: Value) -> Value:
    if condition is None:
        return None
    return then if condition else otherwise


def abs_(a: Num) -> Num:
    return None if a is None else abs(a)


def min_(*operands: Num) -> Num:
    known = [x for x in operands if x is not None]
    return min(known) if len(known) == len(operands) else None


def max_(*operands: Num) -> Num:
    known = [x for x in operands if x is not None]
    return max(known) if len(known) == len(operands) else None


def clamp(x: Num, low: Num, high: Num) -> Num:
    """Return min(max(x, low), high): the upper bound wins when the two cross."""
    return min_(max_(x, low), high)


def has(x: Value) -> bool:
    return x is not None


ARITHMETIC: Final[dict[BinaryOp, Callable[[Num, Num], Num]]] = {
    BinaryOp.ADD: add,
    BinaryOp.SUB: sub,
    BinaryOp.MUL: mul,
    BinaryOp.DIV: div,
}
COMPARISONS: Final[dict[CompareOp, Callable[[Value, Value], Truth]]] = {
    CompareOp.LT: _comparison(operator.lt),
    CompareOp.LE: _comparison(operator.le),
    CompareOp.GT: _comparison(operator.gt),
    CompareOp.GE: _comparison(operator.ge),
    CompareOp.EQ: _comparison(operator.eq),
    CompareOp.NE: _comparison(operator.ne),
}
FUNCTIONS: Final[dict[Function, Callable[..., Value]]] = {
    Function.ABS: abs_,
    Function.MIN: min_,
    Function.MAX: max_,
    Function.CLAMP: clamp,
    Function.HAS: has,
}
