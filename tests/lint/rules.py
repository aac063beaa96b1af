"""Rules and desks for the lint, made without files, so that also what no file can say yet is linted."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import cache

from tests.lang.desks import desk as texts
from v6.errors import Span
from v6.lang.ast import Expr, Fold, Param, Symbol, Track
from v6.lang.builder import seconds
from v6.lang.desk import Desk, OnMissing, Rule
from v6.lang.message import Alert, parse_message
from v6.lang.parse import parse_expression
from v6.lint import lint
from v6.lint.inputs import Inputs
from v6.model.catalogue import BY_NAME, Scope, Unit
from v6.model.decision import Action, ActionKind, AlertSeverity, Urgency
from v6.rules import load_texts


def expression(text: str, symbols: Mapping[str, Symbol] = BY_NAME, file: str = "r.yaml") -> Expr:
    parsed = parse_expression(text, symbols, lambda offset: Span(file, 1, offset + 1))
    assert not isinstance(parsed, list), parsed
    return parsed


def rule(
    id: str,
    priority: int,
    when: str,
    action: ActionKind = ActionKind.CLOSE,
    *,
    urgency: Urgency = Urgency.NORMAL,
    scope: Scope = Scope.POSITION,
    protective: bool = False,
    params: Mapping[str, tuple[float, float, float]] | None = None,
    track: Mapping[str, str] | None = None,
    fallback: str | None = None,
    for_s: int = 0,
    keep_s: int = 0,
    cooldown_s: int = 0,
    tells: str | None = None,
    missing_for_s: int | None = None,
    escalate: bool = False,
) -> Rule:
    """Return a rule whose expressions are parsed, but which nothing has checked; params are (value, low, high)."""
    file = f"{id}.yaml"
    place = Span(file, 1, 1)
    made = tuple(Param(n, v, Unit.NONE, low, high, place) for n, (v, low, high) in (params or {}).items())
    symbols: dict[str, Symbol] = {**BY_NAME, **{p.name: p for p in made}}
    tracks = []
    for name, text in (track or {}).items():
        fold = re.fullmatch(r"(\w+)\((.*?)(?:, (\w+))?\)", text)
        assert fold is not None
        window = None if fold[3] is None else seconds(fold[3])
        tracks.append(Track(name, Fold(fold[1]), expression(fold[2], symbols, file), place, window))
    symbols |= {t.name: t for t in tracks}
    if tells is None and action is ActionKind.ALERT:
        tells = "look"
    return Rule(
        id=id,
        priority=priority,
        scope=scope,
        title="",
        protective=protective,
        params=made,
        tracks=tuple(tracks),
        when=expression(when, symbols, file),
        for_s=for_s,
        keep_s=keep_s,
        cooldown_s=cooldown_s,
        on_missing=OnMissing.ESCALATE if escalate or missing_for_s or fallback else OnMissing.SKIP,
        missing_for_s=missing_for_s,
        fallback=None if fallback is None else expression(fallback, symbols, file),
        then=Action(action, urgency, 0.5 if action is ActionKind.REDUCE else None),
        alert=None if tells is None else _alert(tells, symbols, file),
        apply_to_open=False,
        examples=(),
        span=place,
        fingerprint=id,
    )


def _alert(text: str, symbols: Mapping[str, Symbol], file: str) -> Alert:
    message = parse_message(text, symbols, lambda offset: Span(file, 2, offset + 1))
    assert not isinstance(message, list), message
    return Alert(AlertSeverity.WARNING, message)


@cache
def _plain() -> Desk:
    return load_texts(texts())


def desk(*rules: Rule) -> Desk:
    """Return a desk of these rules, in order of priority, and one strategy."""
    return replace(_plain(), rules=tuple(sorted(rules, key=lambda r: r.priority)))


def found(*rules: Rule, inputs: Inputs | None = None) -> dict[str, str]:
    """Return the lint's messages of these rules by `id: code`."""
    diagnostics = lint(desk(*rules), inputs or Inputs())
    return {f"{d.span.file.removesuffix('.yaml')}: {d.code}": d.message for d in diagnostics}
