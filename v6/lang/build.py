"""Schema-valid nodes to rules, strategies, limits; expressions are parsed and checked on the way."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, TypeVar, get_type_hints

from v6.errors import Diagnostic, Severity
from v6.lang import source
from v6.lang.ast import Expr, Param, Symbol, Track, fields_of, tracks_of
from v6.lang.builder import Builder
from v6.lang.canonical import fingerprint, meaning, plain_value, track_meaning
from v6.lang.check import check_rule, check_scope
from v6.lang.desk import Example, Limits, OnMissing, Rule, StrategyTemplate, kind_of
from v6.lang.hints import did_you_mean
from v6.lang.shape import check_shape
from v6.model.catalogue import BY_NAME, Scope, Unit, Value
from v6.model.decision import Action, ActionKind, Urgency

T = TypeVar("T")


def build_rule(root: source.Mapping) -> tuple[Rule | None, list[Diagnostic]]:
    """Return the rule of a schema-valid file and its diagnostics; no rule when an error is among them."""
    builder = Builder(root)
    params = _params(builder)
    symbols: dict[str, Symbol] = {**BY_NAME, **{p.name: p for p in params}}
    tracks = builder.tracks(symbols)
    symbols |= {t.name: t for t in tracks}
    when = builder.condition("when", symbols)
    fallback = builder.condition("fallback", symbols)
    alert = builder.alert(symbols)
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
        for_s=builder.duration("for") or 0,
        keep_s=builder.duration("keep_firing_for") or 0,
        cooldown_s=builder.duration("cooldown") or 0,
        on_missing=OnMissing(builder.value("on_missing", "skip")),
        missing_for_s=builder.duration("missing_for"),
        fallback=fallback,
        then=Action(ActionKind(then["action"]), Urgency(then.get("urgency", "normal")), then.get("fraction")),
        alert=alert,
        apply_to_open=builder.value("apply_to_open", False),
        examples=_examples(builder, when, fallback, tracks),
        span=root.span,
        fingerprint="",
    )
    builder.diagnostics += check_rule(rule, root)
    rule = _with_fingerprint(rule)
    failed = any(d.severity is Severity.ERROR for d in builder.diagnostics)
    return (None if failed else rule), builder.diagnostics


def _params(builder: Builder) -> tuple[Param, ...]:
    found = []
    for name, span, node in builder.named("params", "field", BY_NAME):
        values: Any = source.plain(node)
        param = Param(
            name, float(values["value"]), Unit(values["unit"]), float(values["min"]), float(values["max"]), span
        )
        if not param.low <= param.value <= param.high:
            message = f"`{name}` is {param.value:g}, outside of its own range {param.low:g} to {param.high:g}"
            builder.fail(node.span, "out-of-range", message)
        found.append(param)
    return tuple(found)


def _examples(builder: Builder, when: Expr, fallback: Expr | None, tracks: tuple[Track, ...]) -> tuple[Example, ...]:
    conditions = [when] if fallback is None else [when, fallback]
    read: dict[str, None] = {}
    for expr in conditions + [track.expr for track in tracks]:
        read |= dict.fromkeys([f.name for f in fields_of(expr)] + [t.name for t in tracks_of(expr)])
    node = builder.root.get("examples")
    assert isinstance(node, source.Sequence)
    return tuple(_example(builder, item, read) for item in node.items)


def _example(builder: Builder, node: source.Node, read: Mapping[str, object]) -> Example:
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
            "keep_s": rule.keep_s,
            "cooldown_s": rule.cooldown_s,
            "on_missing": rule.on_missing.value,
            "missing_for_s": rule.missing_for_s,
            "fallback": None if rule.fallback is None else meaning(rule.fallback),
            "then": plain_value(rule.then),
            "alert": None if rule.alert is None else rule.alert.meaning(),
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
    builder = Builder(entry)
    when = builder.condition("when", BY_NAME)
    if when is not None:
        builder.diagnostics += check_scope(when, Scope.PORTFOLIO, "an entry condition")
    expiry: Any = source.plain(root.get("expiry") or root)
    if not expiry["dte_min"] <= expiry["dte_target"] <= expiry["dte_max"]:
        place = root.key_span("expiry")
        builder.fail(place, "out-of-range", "dte_target must lie between dte_min and dte_max")
    builder.diagnostics += check_shape(root)
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
        hint, child = kind_of(hints[field.name]), node.get(field.name)
        if child is None:
            assert field.default is not MISSING, f"the schema requires {field.name}"
        elif hint == Expr:
            values[field.name] = expression(child)
        elif isinstance(child, source.Mapping):
            values[field.name] = _construct(hint, child, expression)
        else:
            values[field.name] = hint(source.plain(child))
    return cls(**values)
