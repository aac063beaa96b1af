"""What was edited between two desks, rule by rule: texts, params, proof or witness, and whether it loosens."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from v6.lang.canonical import plain_value, show
from v6.lang.desk import Desk, Rule
from v6.lint.compare import Comparison, Outcome, compare
from v6.lint.loosen import Loosening, loosenings
from v6.model.decision import ActionKind

_TITLES: Final = frozenset({"title"})


@dataclass(frozen=True, slots=True)
class Changed:
    """One value at a path, such as `take_profit.target` or `iron_condor.expiry.dte_min`; None is absent."""

    path: str
    old: str | None
    new: str | None


@dataclass(frozen=True, slots=True)
class RuleEdit:
    """A rule that was `added`, `removed` or `changed`; `comparison` is there for a changed one.

    `looser` says why it may be looser than before, None if it is proven at least as tight. A rule that only `tells`
    is neither: it decides nothing, and keeps nothing from being decided.
    """

    rule_id: str
    kind: str
    params: tuple[Changed, ...]
    texts: tuple[Changed, ...]
    comparison: Comparison | None
    looser: str | None
    tells: bool


@dataclass(frozen=True, slots=True)
class Edits:
    """All that differs in meaning. `same` tells whether every decision on every row is proven to be the same."""

    rules: tuple[RuleEdit, ...]
    order: tuple[tuple[str, ...], tuple[str, ...]] | None
    limits: tuple[Changed, ...]
    strategies: tuple[Changed, ...]
    loosenings: tuple[Loosening, ...]
    same: bool


def edits(old: Desk, new: Desk) -> Edits:
    """Return what the edit from the old desk to the new one means, by the solver and not by the record."""
    found = loosenings(old, new)
    why = {item.name: item.reason for item in found}
    rules = tuple(_rules(old, new, why))
    kept = {r.id for r in old.rules if r.decides} & {r.id for r in new.rules if r.decides}
    orders = tuple(r.id for r in old.rules if r.id in kept), tuple(r.id for r in new.rules if r.id in kept)
    same = orders[0] == orders[1] and all(
        e.tells or (e.comparison is not None and e.comparison.outcome is Outcome.SAME) for e in rules
    )
    return Edits(
        rules,
        None if orders[0] == orders[1] else orders,
        tuple(changes(plain_value(old.limits), plain_value(new.limits), "limits")),
        tuple(changes(_strategies(old), _strategies(new), "")),
        found,
        same,
    )


def _rules(old: Desk, new: Desk, why: Mapping[str, str]) -> Iterator[RuleEdit]:
    before, after = ({rule.id: rule for rule in desk.rules} for desk in (old, new))
    for name in dict.fromkeys([*after, *before]):
        was, now = before.get(name), after.get(name)
        if was is not None and now is not None and was.fingerprint == now.fingerprint:
            continue
        kind = "added" if was is None else "removed" if now is None else "changed"
        comparison = None if was is None or now is None else compare(was, now)
        params = tuple(changes(_params(was), _params(now), name))
        texts = tuple(changes(_texts(was), _texts(now), name))
        tells = all(_only_tells(rule) for rule in (was, now) if rule is not None)
        yield RuleEdit(name, kind, params, texts, comparison, why.get(name), tells)


def _only_tells(rule: Rule) -> bool:
    return rule.then.kind is ActionKind.ALERT and not rule.protective


def _params(rule: Rule | None) -> dict[str, object]:
    return {} if rule is None else {p.name: f"{p.value:g} {p.unit}" for p in rule.params}


def _texts(rule: Rule | None) -> dict[str, object]:
    """Return what a rule says beside its params, as its author would write it."""
    if rule is None:
        return {}
    found: dict[str, object] = {"when": show(rule.when)}
    if rule.fallback is not None:
        found["fallback"] = show(rule.fallback)
    for track in rule.tracks:
        window = "" if track.window_s is None else f", {track.window_s}s"
        found[f"track.{track.name}"] = f"{track.fold}({show(track.expr)}{window})"
    times = {"for": rule.for_s, "keep_firing_for": rule.keep_s, "cooldown": rule.cooldown_s}
    found |= {name: f"{seconds} s" for name, seconds in times.items() if seconds}
    found |= {"then": str(rule.then), "priority": str(rule.priority), "on_missing": str(rule.on_missing)}
    if rule.missing_for_s is not None:
        found["missing_for"] = f"{rule.missing_for_s} s"
    found["protective"] = str(rule.protective).lower()
    if rule.alert is not None:
        found["alert"] = str(rule.alert.meaning())
    return found


def _strategies(desk: Desk) -> dict[str, object]:
    return {strategy.id: plain_value(strategy, _TITLES) for strategy in desk.strategies}


def changes(old: object, new: object, path: str) -> Iterator[Changed]:
    """Yield the leaves at which two plain values differ, by their paths."""
    if isinstance(old, dict) or isinstance(new, dict):
        was, now = (value if isinstance(value, dict) else {} for value in (old, new))
        for name in dict.fromkeys([*was, *now]):
            yield from changes(was.get(name), now.get(name), f"{path}.{name}" if path else str(name))
    elif old != new:
        yield Changed(path, _word(old), _word(new))


def _word(value: object) -> str | None:
    return None if value is None else f"{value:g}" if isinstance(value, float) else str(value)
