"""The typed tree of a rule's expression; names are already resolved, so no backend ever meets an unknown one."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

from v6.errors import Span
from v6.model.catalogue import Field, Unit


class UnaryOp(StrEnum):
    NEG = "-"
    NOT = "not"


class BinaryOp(StrEnum):
    ADD = "+"
    SUB = "-"
    MUL = "*"
    DIV = "/"


class CompareOp(StrEnum):
    LT = "<"
    LE = "<="
    GT = ">"
    GE = ">="
    EQ = "=="
    NE = "!="


class Function(StrEnum):
    ABS = "abs"
    MIN = "min"
    MAX = "max"
    CLAMP = "clamp"
    HAS = "has"


class Fold(StrEnum):
    """Aggregates over a key's rows; each ignores missing values. The last three look back over a window."""

    MAX = "max"
    MIN = "min"
    FIRST = "first"
    LAST_BEFORE = "last_before"
    CHANGE = "change"
    MEAN = "mean"

    @property
    def windowed(self) -> bool:
        """Tell whether the aggregate takes a duration beside its expression."""
        return self in {Fold.LAST_BEFORE, Fold.CHANGE, Fold.MEAN}


@dataclass(frozen=True, slots=True)
class Param:
    """A named constant of a rule with the bounds within which it may be tuned."""

    name: str
    value: float
    unit: Unit
    low: float
    high: float
    span: Span


@dataclass(frozen=True, slots=True)
class Track:
    """A fold of `expr` over the rows of one key; `window_s` is given for the windowed ones only."""

    name: str
    fold: Fold
    expr: Expr
    span: Span
    window_s: int | None = None


Symbol: TypeAlias = Field | Param | Track


@dataclass(frozen=True, slots=True)
class Number:
    value: float
    span: Span


@dataclass(frozen=True, slots=True)
class Bool:
    value: bool
    span: Span


@dataclass(frozen=True, slots=True)
class EnumText:
    value: str
    span: Span


@dataclass(frozen=True, slots=True)
class Name:
    symbol: Symbol
    span: Span


@dataclass(frozen=True, slots=True)
class Unary:
    op: UnaryOp
    operand: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Binary:
    op: BinaryOp
    left: Expr
    right: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Compare:
    """A chain: `ops[i]` stands between `operands[i]` and `operands[i + 1]`."""

    ops: tuple[CompareOp, ...]
    operands: tuple[Expr, ...]
    span: Span

    def links(self) -> Iterator[tuple[CompareOp, Expr, Expr]]:
        """Yield each comparison of the chain; the chain is their conjunction."""
        yield from zip(self.ops, self.operands, self.operands[1:], strict=False)


@dataclass(frozen=True, slots=True)
class And:
    operands: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class Or:
    operands: tuple[Expr, ...]
    span: Span


@dataclass(frozen=True, slots=True)
class IfElse:
    """`then if condition else otherwise`; missing while the condition is unknown."""

    condition: Expr
    then: Expr
    otherwise: Expr
    span: Span


@dataclass(frozen=True, slots=True)
class Call:
    function: Function
    arguments: tuple[Expr, ...]
    span: Span


Expr: TypeAlias = Number | Bool | EnumText | Name | Unary | Binary | Compare | And | Or | IfElse | Call


def children(expr: Expr) -> tuple[Expr, ...]:
    """Return the direct sub-expressions in reading order."""
    match expr:
        case Number() | Bool() | EnumText() | Name():
            return ()
        case Unary(operand=operand):
            return (operand,)
        case Binary(left=left, right=right):
            return (left, right)
        case Compare(operands=operands) | And(operands=operands) | Or(operands=operands):
            return operands
        case IfElse(condition=condition, then=then, otherwise=otherwise):
            return (then, condition, otherwise)
        case Call(arguments=arguments):
            return arguments


def walk(expr: Expr) -> Iterator[Expr]:
    """Yield the expression and everything below it, parents first; the inside of a track is not entered."""
    yield expr
    for child in children(expr):
        yield from walk(child)


def fields_of(expr: Expr) -> tuple[Field, ...]:
    """Return the fields the expression reads itself (not through a track), in first-use order."""
    found = {n.symbol.name: n.symbol for n in walk(expr) if isinstance(n, Name) and isinstance(n.symbol, Field)}
    return tuple(found.values())


def tracks_of(expr: Expr) -> tuple[Track, ...]:
    """Return the tracks the expression reads, in first-use order."""
    found = {n.symbol.name: n.symbol for n in walk(expr) if isinstance(n, Name) and isinstance(n.symbol, Track)}
    return tuple(found.values())
