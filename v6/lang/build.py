"""Schema-valid nodes to rules, strategies, limits; expressions are parsed and checked on the way."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import fields, is_dataclass
from typing import Any, Final, TypeVar, get_type_hints

from v6.errors import Diagnostic, Severity, Span
from v6.lang import source
from v6.lang.ast import Expr, Fold, Param, Symbol, Track, fields_of, tracks_of
from v6.lang.canonical import fingerprint, meaning, plain_value, track_meaning
from v6.lang.check import check_rule, check_scope
from v6.lang.desk import Example, Limits, OnMissing, Rule, StrategyTemplate
from v6.lang.hints import did_you_mean
from v6.lang.parse import RESERVED, parse_expression
from v6.lang.types import Checker
from v6.model.catalogue import BY_NAME, Scope, Unit, Value
from v6.model.decision import Action, ActionKind, Urgency

T = TypeVar("T")

_SECONDS: Final = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_FOLD: Final = re.compile(r"\s*([A-Za-z_]+)\s*\((.*)\)\s*", re.DOTALL)


def seconds(text: str) -> int:
    """Return a schema-valid duration such as 5m in seconds."""
    return int(text[:-1]) * _SECONDS[text[-1]]


class _Builder:
    """Reads values out of one file's nodes and collects what is wrong with them."""

    def __init__(self, root: source.Mapping) -> None:
        self.root = root
        self.diagnostics: list[Diagnostic] = []

    def fail(self, span: Span, code: str, message: str, hint: str = "") -> None:
        self.diagnostics.append(Diagnostic(span, code, message, hint))

    def value(self, key: str, default: Any = None) -> Any:
        node = self.root.get(key)
        return default if node is None else source.plain(node)

    def expression(self, node: source.Node | None, symbols: Mapping[str, Symbol], offset: int = 0) -> Expr | None:
        """Parse the scalar's text from `offset` on; None after recording why not."""
        assert isinstance(node, source.Scalar)
        text = str(node.value)[offset:]
        parsed = parse_expression(text, symbols, lambda at: node.at(at + offset))
        if isinstance(parsed, list):
            self.diagnostics += parsed
            return None
        return parsed

    def condition(self, key: str, symbols: Mapping[str, Symbol]) -> Expr | None:
        if self.value(key) is None:
            return None
        expr = self.expression(self.root.get(key), symbols)
        if expr is not None:
            checker = Checker()
            checker.condition(expr)
            self.diagnostics += checker.diagnostics
        return expr


def build_rule(root: source.Mapping) -> tuple[Rule | None, list[Diagnostic]]:
    """Return the rule of a schema-valid file and its diagnostics; no rule when an error is among them."""
    builder = _Builder(root)
    params = _params(builder)
    symbols: dict[str, Symbol] = {**BY_NAME, **{p.name: p for p in params}}
    tracks = _tracks(builder, symbols)
    symbols |= {t.name: t for t in tracks}
    when = builder.condition("when", symbols)
    fallback = builder.condition("fallback", symbols)
    if when is None or builder.diagnostics:
        # What follows would only repeat the mistakes in other words.
        return None, builder.diagnostics
    then = builder.value("then")
    rule = Rule(
        id=builder.value("id"),
        priority=int(builder.value("priority")),
        scope=Scope(builder.value("scope")),
        title=builder.value("title"),
        protective=builder.value("protective", False),
        params=params,
        tracks=tracks,
        when=when,
        for_s=seconds(builder.value("for", "0s")),
        on_missing=OnMissing(builder.value("on_missing", "skip")),
        missing_for_s=seconds(builder.value("missing_for")) if builder.value("missing_for") else None,
        fallback=fallback,
        then=Action(ActionKind(then["action"]), Urgency(then.get("urgency", "normal"))),
        examples=_examples(builder, when, fallback, tracks),
        span=root.span,
        fingerprint="",
    )
    builder.diagnostics += check_rule(rule, root)
    rule = _with_fingerprint(rule)
    failed = any(d.severity is Severity.ERROR for d in builder.diagnostics)
    return (None if failed else rule), builder.diagnostics


def _params(builder: _Builder) -> tuple[Param, ...]:
    found = []
    for name, span, node in _named(builder, "params", "field", BY_NAME):
        values: Any = source.plain(node)
        param = Param(
            name, float(values["value"]), Unit(values["unit"]), float(values["min"]), float(values["max"]), span
        )
        if not param.low <= param.value <= param.high:
            message = f"`{name}` is {param.value:g}, outside of its own range {param.low:g} to {param.high:g}"
            builder.fail(node.span, "out-of-range", message)
        found.append(param)
    return tuple(found)


def _named(
    builder: _Builder, key: str, what: str, taken: Mapping[str, object]
) -> Iterable[tuple[str, Span, source.Node]]:
    node = builder.root.get(key)
    if not isinstance(node, source.Mapping):
        return
    for entry in node.entries:
        if entry.key in taken or entry.key in RESERVED:
            kind = f"a {what}" if entry.key in taken else "a word of the language"
            builder.fail(entry.key_span, "name-taken", f"`{entry.key}` is already {kind}", "choose another name")
        yield entry.key, entry.key_span, entry.value


def _tracks(builder: _Builder, symbols: Mapping[str, Symbol]) -> tuple[Track, ...]:
    found = []
    for name, span, node in _named(builder, "track", "field or param", symbols):
        assert isinstance(node, source.Scalar)
        text = str(node.value)
        match = _FOLD.fullmatch(text)
        folds = [fold.value for fold in Fold]
        if match is None:
            builder.fail(
                node.span, "bad-track", f"`{text}` is not an aggregate", "write max(...), min(...) or first(...)"
            )
            continue
        if match[1] not in folds:
            at = node.at(match.start(1))
            if match[1] in {"last_before", "change", "mean"}:
                builder.fail(at, "not-yet-supported", f"`{match[1]}` is not supported yet")
            else:
                hint = did_you_mean(match[1], folds) or f"the aggregates are {', '.join(folds)}"
                builder.fail(at, "bad-track", f"no aggregate `{match[1]}`", hint)
            continue
        inner = source.Scalar(text[: match.end(2)], node.span, node.raw, node.block)
        expr = builder.expression(inner, symbols, match.start(2))
        if expr is not None:
            checker = Checker()
            checker.number(expr)
            builder.diagnostics += checker.diagnostics
            found.append(Track(name, Fold(match[1]), expr, span))
    return tuple(found)


def _examples(builder: _Builder, when: Expr, fallback: Expr | None, tracks: tuple[Track, ...]) -> tuple[Example, ...]:
    conditions = [when] if fallback is None else [when, fallback]
    read: dict[str, None] = {}
    for expr in conditions + [track.expr for track in tracks]:
        read |= dict.fromkeys([f.name for f in fields_of(expr)] + [t.name for t in tracks_of(expr)])
    node = builder.root.get("examples")
    assert isinstance(node, source.Sequence)
    return tuple(_example(builder, item, read) for item in node.items)


def _example(builder: _Builder, node: source.Node, read: Mapping[str, object]) -> Example:
    assert isinstance(node, source.Mapping)
    given = node.get("given")
    assert isinstance(given, source.Mapping)
    values: list[tuple[str, Value]] = []
    for entry in given.entries:
        value: Any = source.plain(entry.value)
        field = BY_NAME.get(entry.key)
        if entry.key not in read:
            hint = did_you_mean(entry.key, read) or f"it reads {', '.join(read)}"
            builder.fail(entry.key_span, "unknown-name", f"the rule does not read `{entry.key}`", hint)
        elif isinstance(value, int | float) and not isinstance(value, bool):
            value = float(value)
            if field is not None and not field.low <= value <= field.high:
                message = f"`{entry.key}` lies between {field.low:g} and {field.high:g}, never at {value:g}"
                builder.fail(entry.value.span, "out-of-range", message)
        elif value is None and field is not None and not field.nullable:
            builder.fail(entry.value.span, "not-nullable", f"`{entry.key}` is never missing")
        values.append((entry.key, value))
    fires: Any = source.plain(node.get("fires") or node)
    return Example(tuple(values), None if fires == "unknown" else fires, node.span)


def _with_fingerprint(rule: Rule) -> Rule:
    value = fingerprint(
        {
            "id": rule.id,
            "priority": float(rule.priority),
            "scope": rule.scope.value,
            "protective": rule.protective,
            "tracks": sorted(track_meaning(track) for track in rule.live_tracks),
            "when": meaning(rule.when),
            "for_s": rule.for_s,
            "on_missing": rule.on_missing.value,
            "missing_for_s": rule.missing_for_s,
            "fallback": None if rule.fallback is None else meaning(rule.fallback),
            "then": plain_value(rule.then),
        }
    )
    return Rule(**{f.name: getattr(rule, f.name) for f in fields(rule)} | {"fingerprint": value})


def build_limits(root: source.Mapping) -> Limits:
    """Return the limits of a schema-valid file."""
    return _construct(Limits, root, _no_expression)


def build_strategy(root: source.Mapping) -> tuple[StrategyTemplate | None, list[Diagnostic]]:
    """Return the strategy of a schema-valid file and its diagnostics; no strategy when there are any."""
    entry = root.get("entry")
    assert isinstance(entry, source.Mapping)
    builder = _Builder(entry)
    when = builder.condition("when", BY_NAME)
    if when is not None:
        builder.diagnostics += check_scope(when, Scope.PORTFOLIO, "an entry condition")
    expiry: Any = source.plain(root.get("expiry") or root)
    if not expiry["dte_min"] <= expiry["dte_target"] <= expiry["dte_max"]:
        place = root.key_span("expiry")
        builder.fail(place, "out-of-range", "dte_target must lie between dte_min and dte_max")
    if when is None or builder.diagnostics:
        return None, builder.diagnostics
    checked = when
    return _construct(StrategyTemplate, root, lambda _: checked), []


def _no_expression(node: source.Node) -> Expr:
    raise TypeError(f"{node.span}: no expression belongs here")


def _construct(cls: type[T], node: source.Mapping, expression: Callable[[source.Node], Expr]) -> T:
    hints = get_type_hints(cls)
    assert is_dataclass(cls)
    values: dict[str, Any] = {}
    for field in fields(cls):
        hint, child = hints[field.name], node.get(field.name)
        assert child is not None, f"the schema requires {field.name}"
        if hint == Expr:
            values[field.name] = expression(child)
        elif isinstance(child, source.Mapping):
            values[field.name] = _construct(hint, child, expression)
        else:
            values[field.name] = hint(source.plain(child))
    return cls(**values)
