"""Three-valued terms for the solver: what is settled without it stays a Python boolean."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Any, Final, TypeAlias

import z3

Logic: TypeAlias = bool | z3.BoolRef
Real: TypeAlias = z3.ArithRef

SLACK: Final = Fraction(1, 2**52)
"""More than the relative rounding error of one operation on doubles."""
TINY: Final = Fraction(1, 10**30)
"""More than the absolute error of a product or quotient that underflows."""


@dataclass(frozen=True, slots=True)
class Truth:
    """A condition: two formulas that exclude each other; it is unknown where neither holds."""

    true: Logic
    false: Logic

    @property
    def unknown(self) -> Logic:
        return every(negate(self.true), negate(self.false))

    @classmethod
    def of(cls, value: bool | None) -> Truth:
        return cls(value is True, value is False)


@dataclass(frozen=True, slots=True)
class Quantity:
    """A number or the index of a word, and the formula that says whether it is there."""

    known: Logic
    value: Any


Term: TypeAlias = Truth | Quantity


def every(*parts: Logic) -> Logic:
    """Return the conjunction."""
    open_parts = [part for part in parts if part is not True]
    if any(part is False for part in open_parts):
        return False
    if not open_parts:
        return True
    return open_parts[0] if len(open_parts) == 1 else z3.And(*open_parts)


def some(*parts: Logic) -> Logic:
    """Return the disjunction."""
    open_parts = [part for part in parts if part is not False]
    if any(part is True for part in open_parts):
        return True
    if not open_parts:
        return False
    return open_parts[0] if len(open_parts) == 1 else z3.Or(*open_parts)


def negate(part: Logic) -> Logic:
    """Return the opposite."""
    return not part if isinstance(part, bool) else z3.Not(part)


def either(condition: Logic, then: Any, otherwise: Any) -> Any:
    """Return the value term `then` where the condition holds and `otherwise` elsewhere."""
    if isinstance(condition, bool):
        return then if condition else otherwise
    return z3.If(condition, then, otherwise)


def differ(a: Truth, b: Truth) -> Logic:
    """Return where two conditions have different values, unknown being a value of its own."""
    return some(
        every(a.true, negate(b.true)),
        every(negate(a.true), b.true),
        every(a.false, negate(b.false)),
        every(negate(a.false), b.false),
    )


def rounded(result: Real, exact: Real, tiny: Fraction) -> Logic:
    """Return what a double `result` of an operation with the exact value `exact` fulfils, at the least."""
    down, up = _real(1 - SLACK, exact.ctx), _real(1 + SLACK, exact.ctx)
    slip, zero = _real(tiny, exact.ctx), _real(Fraction(0), exact.ctx)
    above = z3.And(result >= exact * down - slip, result >= zero, result <= exact * up + slip)
    below = z3.And(result <= exact * down + slip, result <= zero, result >= exact * up - slip)
    return z3.If(exact >= zero, above, below)


def _real(value: Fraction, context: z3.Context) -> Real:
    return z3.RealVal(str(value), context)


def real(value: float, context: z3.Context) -> Real:
    """Return the double as an exact real number."""
    return _real(Fraction(value), context)
