"""Which values of which parameters a sweep tries, and rules that read them from a column of the row."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import assert_never

from v6.errors import V6Error
from v6.lang.ast import (
    And,
    Binary,
    Bool,
    Call,
    Compare,
    EnumText,
    Expr,
    IfElse,
    Name,
    Number,
    Or,
    Param,
    Track,
    Unary,
    fields_of,
)
from v6.lang.desk import Rule
from v6.model.catalogue import FIELDS, Field, Kind, Scope

MOST_POINTS = 10_000


@dataclass(frozen=True, slots=True)
class Axis:
    """The values that one parameter of one rule takes, rising as they were given."""

    rule: str
    param: str
    values: tuple[float, ...]

    @property
    def name(self) -> str:
        return f"{self.rule}.{self.param}"


def read_axis(text: str, rules: Sequence[Rule]) -> Axis:
    """Return the axis that `rule.param=low:high:step` or `rule.param=a,b,c` names; raises V6Error for a bad one."""
    name, equals, wanted = text.partition("=")
    rule_id, dot, param = name.partition(".")
    if not equals or not dot:
        raise V6Error(f"--sweep {text}: write RULE.PARAM=LOW:HIGH:STEP, or RULE.PARAM=A,B,C")
    rule = next((rule for rule in rules if rule.id == rule_id), None)
    if rule is None:
        raise V6Error(f"--sweep {text}: no rule `{rule_id}` is active; active are {', '.join(r.id for r in rules)}")
    found = next((p for p in rule.params if p.name == param), None)
    if found is None:
        there = ", ".join(p.name for p in rule.params) or "none"
        raise V6Error(f"--sweep {text}: {rule_id} has no parameter `{param}`; it has {there}")
    if rule.scope is not Scope.POSITION:
        raise V6Error(
            f"--sweep {text}: {rule_id} judges the portfolio and ends no position; there is nothing to sweep"
        )
    values = _values(text, wanted)
    out = [value for value in values if not found.low <= value <= found.high]
    if out:
        raise V6Error(f"--sweep {text}: {out[0]:g} is outside {found.low:g} to {found.high:g}, which {name} may be")
    return Axis(rule_id, param, values)


def _values(text: str, wanted: str) -> tuple[float, ...]:
    try:
        if ":" not in wanted:
            return tuple(float(part) for part in wanted.split(","))
        low, high, step = (float(part) for part in wanted.split(":"))
    except ValueError:
        raise V6Error(f"--sweep {text}: `{wanted}` is neither LOW:HIGH:STEP nor A,B,C") from None
    if step <= 0 or high < low or (high - low) / step > MOST_POINTS:
        raise V6Error(f"--sweep {text}: the step must be positive, LOW at most HIGH, the values at most {MOST_POINTS}")
    # 0.3 + 12 * 0.05 is not quite 0.9, but it is meant to be.
    return tuple(round(low + i * step, 12) for i in range(int((high - low) / step + 1e-9) + 1))


def points_of(axes: Sequence[Axis]) -> tuple[tuple[float, ...], ...]:
    """Return every combination, the last axis fastest; raises V6Error for too many, or an axis given twice."""
    if len({axis.name for axis in axes}) < len(axes):
        raise V6Error("--sweep names the same parameter twice")
    points = tuple(product(*(axis.values for axis in axes)))
    if len(points) > MOST_POINTS:
        raise V6Error(f"--sweep asks for {len(points)} points; at most {MOST_POINTS} are tried at once")
    return points


def at_point(rules: Sequence[Rule], axes: Sequence[Axis], point: Sequence[float]) -> tuple[Rule, ...]:
    """Return the rules with the parameters set to a point's values: what the sweep says of the point, said plainly."""
    changed = tuple(rules)
    for axis, value in zip(axes, point, strict=True):
        changed = tuple(
            _rewritten(rule, axis.param, lambda p, v=value: replace(p, value=v)) if rule.id == axis.rule else rule
            for rule in changed
        )
    return changed


def swept(rules: Sequence[Rule], axes: Sequence[Axis]) -> tuple[tuple[Rule, ...], tuple[str, ...]]:
    """Return the rules of positions, reading each swept parameter from a column, and those columns by axis.

    A column is one of the catalogue that no rule reads; the relation the rules are run over has the parameter's value
    in it. Alerts are left out, and rules of the portfolio: neither changes what is decided for a position.
    """
    kept = tuple(replace(rule, alert=None) for rule in rules if rule.scope is Scope.POSITION)
    read = {field.name for rule in kept for expr in rule.expressions for field in fields_of(expr)}
    free = [field for field in FIELDS if field.kind is Kind.NUMBER and field.name not in read | _OWN]
    if len(free) < len(axes):
        raise V6Error(f"at most {len(free)} parameters can be swept with these rules")
    for axis, carrier in zip(axes, free, strict=False):
        bounds = replace(carrier, low=min(axis.values), high=max(axis.values), nullable=False, max_age_s=None)
        kept = tuple(
            _rewritten(rule, axis.param, lambda p, f=bounds: replace(f, unit=p.unit)) if rule.id == axis.rule else rule
            for rule in kept
        )
    return kept, tuple(field.name for field in free[: len(axes)])


_OWN = frozenset({"quantity", "pnl", "spread"})
"""What prices an exit is not lent to a parameter."""


class _Swap:
    """Rewrites expressions of one rule: a parameter becomes what `into` makes of it."""

    def __init__(self, param: str, into: object) -> None:
        self.param = param
        self.into = into

    def track(self, track: Track) -> Track:
        return replace(track, expr=self(track.expr))

    def __call__(self, expr: Expr) -> Expr:
        match expr:
            case Number() | Bool() | EnumText():
                return expr
            case Name(symbol=Param() as symbol):
                return replace(expr, symbol=self.symbol(symbol)) if symbol.name == self.param else expr
            case Name(symbol=Track() as symbol):
                return replace(expr, symbol=self.track(symbol))
            case Name():
                return expr
            case Unary():
                return replace(expr, operand=self(expr.operand))
            case Binary():
                return replace(expr, left=self(expr.left), right=self(expr.right))
            case Compare() | And() | Or():
                return replace(expr, operands=tuple(self(part) for part in expr.operands))
            case IfElse():
                return replace(
                    expr,
                    condition=self(expr.condition),
                    then=self(expr.then),
                    otherwise=self(expr.otherwise),
                )
            case Call():
                return replace(expr, arguments=tuple(self(part) for part in expr.arguments))
            case _:
                assert_never(expr)

    def symbol(self, param: Param) -> Param | Field:
        assert callable(self.into)
        made = self.into(param)
        assert isinstance(made, Param | Field)
        return made


def _rewritten(rule: Rule, param: str, into: object) -> Rule:
    swap = _Swap(param, into)
    return replace(
        rule,
        params=tuple(p if p.name != param else _set(p, swap) for p in rule.params),
        tracks=tuple(swap.track(track) for track in rule.tracks),
        when=swap(rule.when),
        fallback=None if rule.fallback is None else swap(rule.fallback),
    )


def _set(param: Param, swap: _Swap) -> Param:
    made = swap.symbol(param)
    return made if isinstance(made, Param) else param
