"""All checks of a desk in one visible list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from v6.errors import Diagnostic
from v6.lang.desk import Desk, StrategyTemplate
from v6.lint.inputs import Inputs, stuck
from v6.lint.missing import blind, unprotected
from v6.lint.pace import repeats, timers
from v6.lint.parts import dead, forestalled, settled
from v6.lint.reach import Shadow, contradiction, hides, never, shadowed
from v6.lint.scene import Scene, finding
from v6.lint.smells import account_fields, unit_smells, vacuous_params
from v6.lint.telling import mute
from v6.lint.trail import inverted
from v6.lint.verdict import Judged

NOTHING_KNOWN: Final = Inputs()


def lint(desk: Desk, inputs: Inputs = NOTHING_KNOWN) -> list[Diagnostic]:
    """Return what a checked desk says and probably does not mean, in the order of files and lines.

    The rules are judged as a replay does: as if all of them had been in effect since each position was opened.
    """
    scene = Scene.of(desk)
    found: list[Diagnostic] = []
    shadows: dict[str, Shadow] = {}
    for judged in scene.judged:
        hopeless = list(never(scene, judged))
        found += hopeless
        shadow = None if hopeless else shadowed(scene, judged)
        if shadow is not None:
            shadows[judged.rule.id] = shadow
            found.append(shadow.diagnostic)
        elif not hopeless:
            found += forestalled(scene, judged)
        found += _conditions(scene, judged, whole=bool(hopeless))
        found += _rule(scene, judged, inputs)
    for judged in scene.judged:
        if judged.rule.id not in shadows:
            found += hides(scene, judged, shadows)
    for strategy in desk.strategies:
        found += _entry(scene, strategy)
    return sorted(dict.fromkeys(found), key=lambda d: (d.span, d.code, d.message))


def _rule(scene: Scene, judged: Judged, inputs: Inputs) -> Iterator[Diagnostic]:
    rule = judged.rule
    yield from unprotected(scene, judged)
    yield from blind(scene, judged)
    yield from inverted(scene, judged)
    yield from timers(rule)
    yield from repeats(scene, judged)
    yield from mute(scene, judged)
    yield from account_fields(rule)
    yield from vacuous_params(scene, rule)
    yield from stuck(scene, judged, inputs)
    for condition in rule.conditions:
        yield from unit_smells(condition)


def _conditions(scene: Scene, judged: Judged, *, whole: bool) -> Iterator[Diagnostic]:
    # A fallback is judged by itself: that it repeats what the unknown condition implies makes it readable.
    for condition in judged.rule.conditions:
        said, parts = settled(scene, condition)
        yield from said
        if not (whole and condition is judged.rule.when):
            yield from dead(scene, condition, parts)


def _entry(scene: Scene, strategy: StrategyTemplate) -> Iterator[Diagnostic]:
    when = strategy.entry.when
    reason = contradiction(scene, when)
    if reason is not None:
        yield finding(when.span, "never-opens", f"{reason}, so `{strategy.id}` never opens a position", "correct it")
        return
    said, parts = settled(scene, when)
    yield from said
    yield from dead(scene, when, parts)
    yield from unit_smells(when)
