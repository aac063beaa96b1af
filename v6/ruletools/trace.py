"""Conditions opened up on one row: every part with its value, and how far each comparison is from its threshold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from v6.backends.reference import evaluate
from v6.lang.ast import (
    Binary,
    BinaryOp,
    Bool,
    Call,
    Compare,
    CompareOp,
    EnumText,
    Expr,
    Function,
    Name,
    Number,
    Track,
    children,
)
from v6.lang.types import Checker
from v6.model.catalogue import Field, Kind, Value
from v6.ruletools.spelling import spell

_UPWARD = frozenset({CompareOp.GT, CompareOp.GE})
_DOWNWARD = frozenset({CompareOp.LT, CompareOp.LE})


@dataclass(frozen=True, slots=True)
class Part:
    """A sub-expression with its value, None being missing, or unknown for a condition.

    `distance` is for an ordered comparison of numbers: by how much its left side would have to move to reach the
    threshold, as a negative number while the comparison is false, or by how much it is past it; in `unit`.
    """

    text: str
    value: Value
    condition: bool
    distance: float | None
    unit: str
    parts: tuple[Part, ...]

    def walk(self) -> Iterator[Part]:
        """Yield the part and all below it."""
        yield self
        for part in self.parts:
            yield from part.walk()


def open_up(expr: Expr, names: Mapping[str, Value]) -> Part:
    """Return the expression with its parts; a chain of comparisons has one part for each."""
    distance = _distance(expr, names) if isinstance(expr, Compare) and len(expr.ops) == 1 else None
    inner: tuple[Expr, ...] = children(expr)
    if isinstance(expr, Compare) and len(expr.ops) > 1:
        inner = tuple(Compare((op,), (a, b), expr.span) for op, a, b in expr.links())
    shown = tuple(open_up(part, names) for part in inner if not isinstance(part, Number | Bool | EnumText))
    kind = Checker().type_of(expr)
    condition = kind is not None and kind.kind is Kind.BOOL
    return Part(spell(expr), evaluate(expr, names), condition, distance, _unit(expr), shown)


def _distance(expr: Compare, names: Mapping[str, Value]) -> float | None:
    (op,), (left, right) = expr.ops, expr.operands
    sides = (left, right) if op in _UPWARD else (right, left)
    if op not in _UPWARD | _DOWNWARD:
        return None
    found = evaluate(Binary(BinaryOp.SUB, *sides, expr.span), names)
    return found if isinstance(found, float) else None


def _unit(expr: Expr) -> str:
    """Return the unit of a number, or of what a comparison compares."""
    if isinstance(expr, Compare):
        units = [_unit(operand) for operand in expr.operands]
        return next((unit for unit in units if unit not in {"", "number"}), "")
    found = Checker().type_of(expr)
    return "" if found is None or found.kind is not Kind.NUMBER else str(found.dimension)


def missing_in(expr: Expr, names: Mapping[str, Value]) -> tuple[str, ...]:
    """Return the fields and tracks for want of which the expression is unknown, in reading order."""
    found: dict[str, None] = {}

    def visit(node: Expr) -> None:
        if evaluate(node, names) is not None or (isinstance(node, Call) and node.function is Function.HAS):
            return
        if isinstance(node, Name) and isinstance(node.symbol, Field | Track):
            found[node.symbol.name] = None
        for child in children(node):
            visit(child)

    visit(expr)
    return tuple(found)
