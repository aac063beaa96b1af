"""Trailing stops the wrong way round: they fire at the peak itself, or because the position gets better."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Final

from v6.errors import Diagnostic
from v6.lang.ast import Compare, CompareOp, Expr, Fold, Name, Track, fields_of, tracks_of, walk
from v6.lang.canonical import show, track_meaning
from v6.lang.desk import Rule
from v6.lint.encode import NOW
from v6.lint.logic import Logic, every, some
from v6.lint.rewrite import rewrite
from v6.lint.scene import Scene, finding
from v6.lint.verdict import Judged
from v6.lint.witness import Witness, describe
from v6.model.catalogue import Field, Kind
from v6.model.decision import ActionKind

GOOD: Final = ("mark", "pnl", "pnl_ratio", "broker_pnl_ratio")
"""Fields of which more is better for whoever holds the position."""


@dataclass(frozen=True, slots=True)
class _Trail:
    """A comparison in which a fold and what it folds meet."""

    rule: Rule
    track: Track
    comparison: Compare

    @property
    def fields(self) -> tuple[Field, ...]:
        return fields_of(self.track.expr)


def inverted(scene: Scene, judged: Judged) -> Iterator[Diagnostic]:
    """Yield `fires-at-peak` and `inverted-trail` for the trailing comparisons of a rule that closes."""
    if judged.rule.then.kind not in (ActionKind.CLOSE, ActionKind.REDUCE):
        return
    for trail in _trails(judged.rule):
        backwards = _backwards(scene, judged, trail)
        if backwards is not None:
            yield backwards
            continue
        at_peak = _at_peak(scene, judged, trail)
        if at_peak is not None:
            yield at_peak


def _trails(rule: Rule) -> Iterator[_Trail]:
    for node in walk(rule.when):
        if not isinstance(node, Compare):
            continue
        ordered = all(op not in (CompareOp.EQ, CompareOp.NE) for op in node.ops)
        for track in tracks_of(node) if ordered else ():
            read = set(fields_of(node))
            if track.fold is Fold.MAX and read and read >= set(fields_of(track.expr)):
                yield _Trail(rule, track, node)


def _at_peak(scene: Scene, judged: Judged, trail: _Trail) -> Diagnostic | None:
    rule, track = trail.rule, trail.track
    peak, now = scene.world.fold(track), scene.world.quantity(track.expr)
    claims = every(judged.when.true, scene.world.truth(trail.comparison).true, now.known, now.value == peak.value)

    def goal(found: Witness) -> bool:
        best = found.names(rule.when).get(track.name)
        fires = found.truth(rule.when) is True and found.truth(trail.comparison) is True
        return fires and best is not None and found.truth(track.expr) == best

    example = scene.example([claims], goal, rule.when)
    if example is None:
        return None
    message = f"`{rule.id}` can fire at `{track.name}` itself, before anything was given back, e.g. {example}"
    hint = f"require that `{track.name}` is well above zero, and mind the sign of `{show(track.expr)}`"
    return finding(trail.comparison.span, "fires-at-peak", message, hint, error=True)


def _backwards(scene: Scene, judged: Judged, trail: _Trail) -> Diagnostic | None:
    """Look for two rows that differ in one of GOOD only, the better one firing and the worse one not."""
    rule = trail.rule
    for field in trail.fields:
        if field.name not in GOOD or field.kind is not Kind.NUMBER:
            continue
        better = replace(field, name=f"{field.name}'")
        world, track = scene.world, trail.track
        low, high = world.field(field), world.field(better)
        peak = world.quantity(track.expr, track_meaning(track))
        now, later = world.quantity(track.expr), world.quantity(_swap(track.expr, field, better))
        claims = every(
            world.truth(trail.comparison).false,
            world.truth(_swap(trail.comparison, field, better)).true,
            world.truth(_swap(rule.when, field, better)).true,
            low.known,
            high.known,
            high.value > low.value,
            # What was sold has a negative mark all along, what was bought a positive one.
            some(every(low.value >= 0, high.value >= 0), every(low.value <= 0, high.value <= 0)),
            # The fold was met before, so it is the same on both rows.
            peak.known,
            now.known,
            later.known,
            peak.value > now.value,
            peak.value > later.value,
        )
        # A premium of some size makes the better example.
        example = _improves(scene, trail, field, better, every(claims, peak.value >= 2)) or _improves(
            scene, trail, field, better, claims
        )
        if example is not None:
            message = f"`{rule.id}` is a trailing stop the wrong way round: {example}"
            hint = f"for what is sold, a falling price is the profit; trail `pnl_ratio`, not `{show(track.expr)}`"
            return finding(trail.comparison.span, "inverted-trail", message, hint, error=True)
    return None


def _improves(scene: Scene, trail: _Trail, field: Field, better: Field, claims: Logic) -> str | None:
    rule, here = trail.rule, (NOW, field)

    def improved(found: Witness) -> Witness:
        return found.changed(here, found.row().get(better.name))

    def goal(found: Witness) -> bool:
        after = improved(found)
        before_value, after_value = found.row().get(field.name), after.row().get(field.name)
        if not isinstance(before_value, float) or not isinstance(after_value, float) or after_value <= before_value:
            return False
        peaks = [w.names(rule.when).get(trail.track.name) for w in (found, after)]
        fires = after.truth(rule.when) is True and after.truth(trail.comparison) is True
        return fires and found.truth(trail.comparison) is False and peaks[0] == peaks[1]

    reading = _swap(rule.when, field, better)
    found = scene.witness([claims], goal, rule.when, reading)
    if found is None:
        return None
    before = found.row()[field.name]
    shown = describe(improved(found), lambda w: w.truth(rule.when) is True, rule.when)
    return f"it waits at {field.name}={before:g} and fires when the position improves to {shown}"


def _swap(expr: Expr, field: Field, other: Field) -> Expr:
    """Return the expression reading the other field; its tracks keep reading the first."""
    return rewrite(expr, lambda n: replace(n, symbol=other) if isinstance(n, Name) and n.symbol == field else n)
