"""Which rules hold for a position that was opened under other ones: a tightening at once, a loosening not.

A change is taken for a tightening only if it is proven to be one: on every row on which the held rule acts, the new
one acts too, at least as much and as soon. What the solver cannot settle counts as a loosening.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields
from typing import Final

from v6.lang.canonical import meaning, plain_value, track_meaning
from v6.lang.desk import OnMissing, Rule
from v6.lang.schema import MAX_RULES
from v6.lint.encode import World
from v6.lint.logic import negate, some
from v6.lint.solve import Prover
from v6.lint.verdict import verdict_of, weaker
from v6.lint.witness import describe, witness
from v6.model.catalogue import Scope
from v6.model.decision import ActionKind

_SAID: Final = frozenset({"title", "params", "tracks", "alert", "apply_to_open", "examples", "span", "fingerprint"})
"""What a rule says beside what it does; params and tracks are in the meaning of its conditions."""

_REDUCING: Final = frozenset({ActionKind.CLOSE, ActionKind.REDUCE})
_TIGHTENING: Final = _REDUCING | {ActionKind.HALT_OPENS}
"""Of these more is never looser; a roll or a hedge more, or less, may be either."""


@dataclass(frozen=True, slots=True)
class Difference:
    """A rule that goes on, or is left out, for open positions, and why."""

    rule_id: str
    reason: str


@dataclass(frozen=True, slots=True)
class Adoption:
    """The rules for a held position, by priority, and where they differ from the desk's."""

    rules: tuple[Rule, ...]
    differences: tuple[Difference, ...]


def adopt(held: Sequence[Rule], new: Sequence[Rule]) -> Adoption:
    """Return the rules for a position that is held under `held` when the desk's rules become `new`.

    Portfolio rules are the desk's; a rule that says `apply_to_open: true` holds as it is.
    """
    old = {rule.id: rule for rule in held if rule.scope is Scope.POSITION}
    kept = [rule for rule in new if rule.scope is Scope.PORTFOLIO]
    found: list[Difference] = []
    for rule in new:
        if rule.scope is Scope.PORTFOLIO:
            continue
        before = old.pop(rule.id, None)
        reason = None if rule.apply_to_open else why_not(before, rule)
        if reason is None:
            kept.append(rule)
        else:
            found.append(Difference(rule.id, reason))
            if before is not None:
                kept.append(before)
    for rule in old.values():
        if rule.then.kind is not ActionKind.ALERT:
            kept.append(rule)
            found.append(Difference(rule.id, "it is no longer in the bundle"))
    if len(kept) > MAX_RULES:
        # Old and new rules beside each other would have more bits than a mask; the old ones alone never do.
        return Adoption(tuple(held), (Difference("*", f"old and new rules together are more than {MAX_RULES}"),))
    return Adoption(tuple(sorted(kept, key=lambda r: (r.priority, r.id))), tuple(found))


def why_not(before: Rule | None, rule: Rule) -> str | None:
    """Return why the rule is not proven to be at least as tight as the one before it, None if it is."""
    if rule.then.kind is ActionKind.ALERT and (before is None or before.then.kind is ActionKind.ALERT):
        return None
    if before is None:
        if rule.then.kind in _REDUCING:
            return None
        return f"it is new, and a {rule.then.kind} could take the place of a close"
    if _done(before) == _done(rule):
        return None
    return next(_loosenings(before, rule), None)


def _done(rule: Rule) -> dict[str, object]:
    """Return all that decides what the rule does."""
    plain = {
        field.name: plain_value(getattr(rule, field.name))
        for field in fields(rule)
        if field.name not in _SAID | {"when", "fallback"}
    }
    conditions = [meaning(condition) for condition in rule.conditions]
    return plain | {"conditions": conditions, "tracks": sorted(track_meaning(track) for track in rule.live_tracks)}


def _loosenings(before: Rule, rule: Rule) -> Iterator[str]:
    """Yield what is, or may be, looser about the new rule; the proof comes last because it costs most."""
    if before.then != rule.then and (
        not {before.then.kind, rule.then.kind} <= _REDUCING or weaker(rule.then, before.then)
    ):
        yield f"it now does {rule.then}, which is not proven to be more than {before.then}"
    if before.then == rule.then and rule.then.kind not in _TIGHTENING:
        yield f"a {rule.then.kind} that changes is neither tighter nor looser"
    if before.priority != rule.priority:
        yield f"its priority is now {rule.priority}, and was {before.priority}"
    if before.protective and not rule.protective:
        yield "it is no longer protective"
    if rule.for_s > before.for_s:
        yield "its condition must hold for longer"
    if rule.keep_s < before.keep_s or rule.cooldown_s > before.cooldown_s:
        yield "it acts for a shorter time"
    if before.on_missing is OnMissing.ESCALATE and (
        rule.on_missing is not OnMissing.ESCALATE or (rule.missing_for_s or 0) > (before.missing_for_s or 0)
    ):
        yield "it waits longer for missing inputs"
    known = {track_meaning(track) for track in before.live_tracks}
    for track in rule.live_tracks:
        if track_meaning(track) not in known:
            yield f"its `{track.name}` would begin anew"
    example = _misses(before, rule)
    if example is not None:
        yield example


def _misses(before: Rule, rule: Rule) -> str | None:
    """Return a row on which the held rule acts and the new one does not, None if it is proven that there is none."""
    world = World()
    old, new = verdict_of(before, world), verdict_of(rule, world)
    prover = Prover(world)
    if not prover.impossible(old.true, negate(new.true)):
        exprs = (*before.conditions, *rule.conditions)
        goal = lambda row: row.verdict(before) is True and row.verdict(rule) is not True  # noqa: E731
        found = witness(world, prover.model(old.true, negate(new.true)), goal, *exprs)
        shown = "" if found is None else f", such as with {describe(found, goal, *exprs)}"
        return f"there may be rows on which it no longer holds{shown}"
    if before.on_missing is OnMissing.ESCALATE and not prover.impossible(
        old.unknown, negate(some(new.true, new.unknown))
    ):
        return "there may be rows on which it was unknown, and acted in the end, and is now false"
    return None
