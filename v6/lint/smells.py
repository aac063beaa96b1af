"""What is allowed, and probably not meant: unusual numbers, the account's figures, params that settle everything."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from v6.errors import Diagnostic, Span
from v6.lang.ast import Call, Compare, Expr, Fold, Function, Name, Param, Track, Unary, fields_of, walk
from v6.lang.canonical import show
from v6.lang.desk import Rule
from v6.lang.ranges import interval
from v6.lint.logic import negate
from v6.lint.rewrite import with_param
from v6.lint.scene import Scene, finding, quoted
from v6.model.catalogue import Field, Kind, Scope, Unit
from v6.model.decision import ActionKind


@dataclass(frozen=True, slots=True)
class Usual:
    """Where thresholds of a field usually lie, and what one beyond them was probably meant to be."""

    low: float
    high: float
    hint: str


_PERCENT: Final = "is it in per cent? 1 means 100 %"
_DAY_COUNT: Final = "days are counted whole; is it in years, or in minutes?"
_MINUTE_COUNT: Final = "a session has at most 405 minutes; is it in seconds, or in days?"
_INDEX_POINTS: Final = "the VIX is in points: 20 % is 20"

_BY_NAME: Final[dict[str, Usual]] = {
    "pnl_ratio": Usual(-20, 4.99, _PERCENT),
    "broker_pnl_ratio": Usual(-20, 4.99, _PERCENT),
    "underlying_change_1h": Usual(-0.5, 0.5, _PERCENT),
    "underlying_change_1d": Usual(-0.5, 0.5, _PERCENT),
    "day_pnl_ratio": Usual(-0.99, 0.99, _PERCENT),
    "drawdown": Usual(0, 0.99, _PERCENT),
    "max_loss_ratio": Usual(0, 4.99, _PERCENT),
    "margin_ratio": Usual(0, 4.99, _PERCENT),
    "short_distance": Usual(-0.99, 0.99, _PERCENT),
    "iv": Usual(0, 4.99, "volatility is a ratio: 20 % is 0.20"),
    "vix": Usual(5, 150, _INDEX_POINTS),
    "minutes_since_open": Usual(0, 405, _MINUTE_COUNT),
    "minutes_to_close": Usual(0, 405, _MINUTE_COUNT),
}
_COUNTERPART: Final = {"portfolio_delta_ratio": "delta", "max_loss_ratio": "max_loss", "day_pnl_ratio": "pnl_ratio"}


def unit_smells(condition: Expr) -> Iterator[Diagnostic]:
    """Yield `unit-smell` for constants that look as if they were meant in another unit."""
    for node in walk(condition):
        if not isinstance(node, Compare):
            continue
        for _, left, right in node.links():
            for subject, other in ((left, right), (right, left)):
                scaled = _scaled(subject)
                if scaled is not None and _constant(other):
                    yield from _unusual(scaled, subject, other)


def _unusual(scaled: _Scaled, subject: Expr, other: Expr) -> Iterator[Diagnostic]:
    field, value = scaled.field, float(interval(other).low)
    usual = _BY_NAME.get(field.name)
    if usual is not None and value != 0 and not any(usual.low <= sign * value <= usual.high for sign in scaled.signs):
        yield finding(other.span, "unit-smell", f"`{show(subject)}` is hardly ever near {value:g}", usual.hint)
    elif field.unit is Unit.DAYS and not value.is_integer() and abs(value) < 1:
        yield finding(other.span, "unit-smell", f"`{show(subject)}` counts days, and {value:g} is none", _DAY_COUNT)
    elif field.unit is Unit.MINUTES and 0 < abs(value) < 1:
        yield finding(other.span, "unit-smell", f"`{show(subject)}` counts minutes, not {value:g}", _MINUTE_COUNT)


@dataclass(frozen=True, slots=True)
class _Scaled:
    """A field and the signs with which an expression may show it."""

    field: Field
    signs: tuple[int, ...] = (1,)


def _scaled(expr: Expr) -> _Scaled | None:
    """Return the field whose scale the expression has: the field, its absolute or negated value, or a fold of it."""
    match expr:
        case Name(symbol=Field() as field) if field.kind is Kind.NUMBER:
            return _Scaled(field)
        case Name(symbol=Track() as track):
            # How much something changes says nothing about how much it is.
            return None if track.fold is Fold.CHANGE else _scaled(track.expr)
        case Unary(operand=operand):
            inner = _scaled(operand)
            return None if inner is None else _Scaled(inner.field, tuple(-sign for sign in inner.signs))
        case Call(function=Function.ABS, arguments=(operand,)):
            inner = _scaled(operand)
            return None if inner is None else _Scaled(inner.field, (1, -1))
        case _:
            return None


def _constant(expr: Expr) -> bool:
    return not any(isinstance(n, Name) and not isinstance(n.symbol, Param) for n in walk(expr)) and (
        interval(expr).low == interval(expr).high
    )


def account_fields(rule: Rule) -> Iterator[Diagnostic]:
    """Yield `portfolio-field` where a figure of the whole account decides about a single position."""
    if rule.scope is not Scope.POSITION or rule.then.kind in (ActionKind.ALERT, ActionKind.HALT_OPENS):
        return
    read = dict.fromkeys(f for expr in rule.expressions for f in fields_of(expr) if f.scope is Scope.PORTFOLIO)
    if read:
        names = quoted(field.name for field in read)
        message = (
            f"{names} is the same for all positions: `{rule.id}` would {rule.then.kind} all it applies to at once"
        )
        own = [_COUNTERPART[f.name] for f in read if f.name in _COUNTERPART]
        hint = f"the position's own figure is {quoted(own)}" if own else "a rule of scope portfolio can halt openings"
        yield finding(_place(rule, set(read)), "portfolio-field", message, hint, error=rule.protective)


def _place(rule: Rule, fields: set[Field]) -> Span:
    for expr in rule.expressions:
        for node in walk(expr):
            if isinstance(node, Name) and isinstance(node.symbol, Field) and node.symbol in fields:
                return node.span
    return rule.when.span


def vacuous_params(scene: Scene, rule: Rule) -> Iterator[Diagnostic]:
    """Yield `vacuous-param` for an end of a param's range at which the rule never fires, or fires on every row."""
    for param in rule.params:
        if not any(param.name == name for name in _param_names(rule.when)):
            continue
        for value in dict.fromkeys((param.low, param.high)):
            truth = scene.world.truth(with_param(rule.when, param.name, value))
            if scene.prover.impossible(truth.true):
                outcome = "can never fire"
            elif scene.prover.impossible(negate(truth.true)):
                outcome = "fires on every row"
            else:
                continue
            if value == param.value:
                # The rule itself is reported.
                continue
            message = f"with `{param.name}` at {value:g}, which its range allows, `{rule.id}` {outcome}"
            yield finding(param.span, "vacuous-param", message, "narrow its min and max to what makes sense")


def _param_names(expr: Expr) -> Iterator[str]:
    for node in walk(expr):
        if isinstance(node, Name) and isinstance(node.symbol, Param):
            yield node.symbol.name
        elif isinstance(node, Name) and isinstance(node.symbol, Track):
            yield from _param_names(node.symbol.expr)
