"""Expressions as formulas over every row the catalogue admits.

The formulas allow at least what doubles and folds can do, so what the solver refutes cannot happen: sums and products
may be off by their rounding, and each fold has met an earlier row of its own (a mean two) besides the current one.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any, Final, assert_never

import z3

from v6.backends.reference import evaluate
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
    Fold,
    Function,
    IfElse,
    Name,
    Number,
    Or,
    Param,
    Track,
    Unary,
    UnaryOp,
    walk,
)
from v6.lang.canonical import meaning, track_meaning
from v6.lang.ranges import HUGE, interval
from v6.lint.logic import TINY, Logic, Quantity, Term, Truth, either, every, negate, real, rounded, some
from v6.model.catalogue import FIELDS, Field, Kind

NOW: Final = "now"
"""The row under judgement; other rows carry the meaning of the fold they feed."""

MARGIN: Final = 2.0**-8

DRIFT: Final = 2.0**-30
"""More than the relative rounding error of a mean over as many rows as a day can have."""

_WORDS: Final = {word: i for i, word in enumerate(dict.fromkeys(w for f in FIELDS for w in f.choices))}
_COMPARE: Final[dict[CompareOp, Callable[[Any, Any], Any]]] = {
    CompareOp.LT: lambda a, b: a < b,
    CompareOp.LE: lambda a, b: a <= b,
    CompareOp.GT: lambda a, b: a > b,
    CompareOp.GE: lambda a, b: a >= b,
    CompareOp.EQ: lambda a, b: a == b,
    CompareOp.NE: lambda a, b: a != b,
}


class World:
    """The variables of a row and of the rows before it; `facts` hold in each of its models.

    `margins` may be wished for: where they hold, the sides of each inequality are well apart, so that an example
    survives being written in doubles, and a mean is the value of its earlier row, as it is for a witness. `reached`
    says for each earlier row at the far end of a window whether the key is that old.
    """

    def __init__(self) -> None:
        self.context = z3.Context()
        self.facts: list[Logic] = []
        self.margins: list[Logic] = []
        self.fields: dict[tuple[str, Field], Quantity] = {}
        self.reached: dict[str, z3.BoolRef] = {}
        # The expression is kept beside its term so that its id stays its own.
        self._terms: dict[tuple[str, int], tuple[Expr, Term]] = {}
        self._results: dict[tuple[str, str], Quantity] = {}
        self._folds: dict[str, Quantity] = {}
        self._fresh = 0

    def truth(self, expr: Expr, row: str = NOW) -> Truth:
        """Return the condition's formulas on a row."""
        term = self.term(expr, row)
        assert isinstance(term, Truth)
        return term

    def quantity(self, expr: Expr, row: str = NOW) -> Quantity:
        """Return the number's (or word's) formulas on a row."""
        term = self.term(expr, row)
        assert isinstance(term, Quantity)
        return term

    def term(self, expr: Expr, row: str) -> Term:
        found = self._terms.get((row, id(expr)))
        if found is None:
            found = self._terms[row, id(expr)] = expr, self._encode(expr, row)
        return found[1]

    def field(self, field: Field, row: str = NOW) -> Quantity:
        """Return a field's variable on a row; a boolean field is the number 0 or 1."""
        found = self.fields.get((row, field))
        if found is not None:
            return found
        value = z3.Real(f"{row}.{field.name}", self.context)
        known: Logic = z3.Bool(f"{row}.{field.name}?", self.context) if field.nullable else True
        match field.kind:
            case Kind.NUMBER:
                low, high = real(field.low, self.context), real(field.high, self.context)
                self.facts.append(z3.And(value >= low, value <= high))
            case Kind.BOOL:
                self.facts.append(self._one_of(value, (0, 1)))
            case Kind.ENUM:
                self.facts.append(self._one_of(value, [word_index(word) for word in field.choices]))
            case _:
                assert_never(field.kind)
        found = self.fields[row, field] = Quantity(known, value)
        return found

    def _one_of(self, value: Any, choices: Any) -> z3.BoolRef:
        return z3.Or(*[value == real(float(choice), self.context) for choice in choices])

    def _encode(self, expr: Expr, row: str) -> Term:
        if _constant(expr):
            return self._literal(expr)
        match expr:
            case Name():
                return self._name(expr, row)
            case Unary(op=UnaryOp.NOT, operand=operand):
                inner = self.truth(operand, row)
                return Truth(inner.false, inner.true)
            case Unary(op=UnaryOp.NEG, operand=operand):
                number = self.quantity(operand, row)
                return Quantity(number.known, -number.value)
            case Binary():
                return self._binary(expr, row)
            case Compare():
                return _conjunction([self.link(*link, row) for link in expr.links()])
            case And(operands=operands):
                return _conjunction([self.truth(operand, row) for operand in operands])
            case Or(operands=operands):
                parts = [self.truth(operand, row) for operand in operands]
                return Truth(some(*(p.true for p in parts)), every(*(p.false for p in parts)))
            case IfElse():
                return self._if_else(expr, row)
            case Call():
                return self._call(expr, row)
            case Number() | Bool() | EnumText() | Unary():
                raise AssertionError(f"{expr} is a constant")
            case _:
                assert_never(expr)

    def _literal(self, expr: Expr) -> Term:
        # The oracle folds constants, so they are rounded exactly as they are when the rule runs.
        value = evaluate(expr, {})
        if isinstance(value, bool):
            return Truth.of(value)
        if isinstance(value, str):
            return Quantity(True, real(float(word_index(value)), self.context))
        if value is not None:
            return Quantity(True, real(value, self.context))
        if isinstance(expr, Compare | And | Or) or (isinstance(expr, Unary) and expr.op is UnaryOp.NOT):
            return Truth(False, False)
        if isinstance(expr, IfElse):
            return self._if_else(expr, NOW)
        return Quantity(False, real(0.0, self.context))

    def _name(self, expr: Name, row: str) -> Term:
        match expr.symbol:
            case Field() as field:
                cell = self.field(field, row)
                if field.kind is not Kind.BOOL:
                    return cell
                holds = cell.value == real(1.0, self.context)
                return Truth(every(cell.known, holds), every(cell.known, negate(holds)))
            case Track() as track:
                return self.fold(track)
            case Param():
                raise AssertionError(f"{expr.symbol.name} is a constant")
            case _:
                assert_never(expr.symbol)

    def fold(self, track: Track) -> Quantity:
        """Return the fold's value on the current row, given by that row and an earlier one of the fold's own."""
        key = track_meaning(track)
        if key not in self._folds:
            now, before = self.quantity(track.expr), self.quantity(track.expr, earlier(track))
            self._folds[key] = self._fold(track, now, before)
        return self._folds[key]

    def _fold(self, track: Track, now: Quantity, before: Quantity) -> Quantity:
        match track.fold:
            case Fold.MAX:
                chosen = z3.If(now.value >= before.value, now.value, before.value)
            case Fold.MIN:
                chosen = z3.If(now.value <= before.value, now.value, before.value)
            case Fold.FIRST:
                chosen = before.value
            case Fold.LAST_BEFORE:
                return self._at_least_as_old(track, before)
            case Fold.CHANGE:
                ends = now, self._at_least_as_old(track, before)
                return self._result(BinaryOp.SUB, *ends, 2 * interval(track.expr).size)
            case Fold.MEAN:
                return self._mean(track, now, before)
            case _:
                assert_never(track.fold)
        both = every(now.known, before.known)
        known = some(now.known, before.known)
        return Quantity(known, either(both, chosen, either(now.known, now.value, before.value)))

    def _at_least_as_old(self, track: Track, before: Quantity) -> Quantity:
        row = earlier(track)
        reached = self.reached.setdefault(row, z3.Bool(f"{row}?", self.context))
        return Quantity(every(before.known, reached), before.value)

    def _mean(self, track: Track, now: Quantity, before: Quantity) -> Quantity:
        """Return a value between those of three rows: the current one and the window's lowest and highest."""
        rows = [now, before, self.quantity(track.expr, f"{earlier(track)}'")]
        self._fresh += 1
        mean = z3.Real(f"mean{self._fresh}", self.context)
        known = some(now.known, before.known)
        if not interval(track.expr).size < HUGE:
            known = every(known, z3.Bool(f"finite{self._fresh}", self.context))
        zero = real(0.0, self.context)
        sizes = [either(row.known, z3.If(row.value >= zero, row.value, -row.value), zero) for row in rows]
        slip = _extreme(sizes, CompareOp.GE) * real(DRIFT, self.context) + real(float(TINY), self.context)
        above = some(*(every(row.known, mean >= row.value - slip) for row in rows))
        below = some(*(every(row.known, mean <= row.value + slip) for row in rows))
        # Where all are missing so is the mean, whatever its number.
        self.facts += [some(negate(known), above), some(negate(known), below)]
        self.margins.append(mean == either(before.known, before.value, now.value))
        return Quantity(known, mean)

    def _binary(self, expr: Binary, row: str) -> Quantity:
        # One operation on the same operands has one result, whichever rule asks.
        key = row, meaning(expr)
        if key in self._results:
            return self._results[key]
        left, right = self.quantity(expr.left, row), self.quantity(expr.right, row)
        self._results[key] = self._result(expr.op, left, right, interval(expr).size)
        return self._results[key]

    def _result(self, op: BinaryOp, left: Quantity, right: Quantity, size: float) -> Quantity:
        """Return an operation's rounded result; one that may exceed doubles, by its `size`, may be missing."""
        self._fresh += 1
        result = z3.Real(f"result{self._fresh}", self.context)
        known = every(left.known, right.known)
        if not size < HUGE:
            known = every(known, z3.Bool(f"finite{self._fresh}", self.context))
        match op:
            case BinaryOp.ADD:
                fact = rounded(result, left.value + right.value, Fraction(0))
            case BinaryOp.SUB:
                fact = rounded(result, left.value - right.value, Fraction(0))
            case BinaryOp.MUL:
                fact = rounded(result, left.value * right.value, TINY)
            case BinaryOp.DIV:
                divisible = right.value != real(0.0, self.context)
                known = every(known, divisible)
                fact = z3.Implies(divisible, rounded(result, left.value / right.value, TINY))
            case _:
                assert_never(op)
        self.facts.append(fact)
        return Quantity(known, result)

    def link(self, op: CompareOp, left: Expr, right: Expr, row: str = NOW) -> Truth:
        """Return the formulas of one comparison of a chain."""
        a, b = self.quantity(left, row), self.quantity(right, row)
        known, holds = every(a.known, b.known), _COMPARE[op](a.value, b.value)
        if op not in (CompareOp.EQ, CompareOp.NE):
            gap = real(MARGIN, self.context)
            self.margins.append(z3.Or(a.value - b.value >= gap, b.value - a.value >= gap))
        return Truth(every(known, holds), every(known, z3.Not(holds)))

    def _if_else(self, expr: IfElse, row: str) -> Term:
        test = self.truth(expr.condition, row)
        then, otherwise = self.term(expr.then, row), self.term(expr.otherwise, row)
        if isinstance(then, Truth) and isinstance(otherwise, Truth):
            true = some(every(test.true, then.true), every(test.false, otherwise.true))
            return Truth(true, some(every(test.true, then.false), every(test.false, otherwise.false)))
        assert isinstance(then, Quantity)
        assert isinstance(otherwise, Quantity)
        known = some(every(test.true, then.known), every(test.false, otherwise.known))
        return Quantity(known, either(test.true, then.value, otherwise.value))

    def _call(self, expr: Call, row: str) -> Term:
        if expr.function is Function.HAS:
            inner = self.term(expr.arguments[0], row)
            there = negate(inner.unknown) if isinstance(inner, Truth) else inner.known
            return Truth(there, negate(there))
        numbers = [self.quantity(argument, row) for argument in expr.arguments]
        known, values = every(*(n.known for n in numbers)), [n.value for n in numbers]
        match expr.function:
            case Function.ABS:
                (x,) = values
                return Quantity(known, z3.If(x >= real(0.0, self.context), x, -x))
            case Function.MIN:
                return Quantity(known, _extreme(values, CompareOp.LE))
            case Function.MAX:
                return Quantity(known, _extreme(values, CompareOp.GE))
            case Function.CLAMP:
                x, low, high = values
                return Quantity(known, _extreme([_extreme([x, low], CompareOp.GE), high], CompareOp.LE))
            case _:
                assert_never(expr.function)


def earlier(track: Track) -> str:
    """Return the name of the earlier row that a fold has met; what changed is what was last before, by the way."""
    return track_meaning(replace(track, fold=Fold.LAST_BEFORE) if track.fold is Fold.CHANGE else track)


def word_index(word: str) -> int:
    """Return the number that stands for a word of the catalogue."""
    return _WORDS[word]


def word_of(index: int) -> str:
    """Return the word that a number stands for."""
    return list(_WORDS)[index]


def _constant(expr: Expr) -> bool:
    return not any(isinstance(n, Name) and not isinstance(n.symbol, Param) for n in walk(expr))


def _conjunction(parts: list[Truth]) -> Truth:
    return Truth(every(*(p.true for p in parts)), some(*(p.false for p in parts)))


def _extreme(values: list[Any], op: CompareOp) -> Any:
    best = values[0]
    for value in values[1:]:
        best = z3.If(_COMPARE[op](best, value), best, value)
    return best
