"""Actions that repeat, and durations that cannot do what they say."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from v6.errors import Diagnostic
from v6.lang.ast import Fold, fields_of, tracks_of
from v6.lang.desk import Rule
from v6.lint.scene import Scene, finding
from v6.lint.verdict import Judged
from v6.model.catalogue import Scope
from v6.model.decision import ActionKind

SHORTEST_CYCLE_S: Final = 30
"""Nobody runs the loop faster: a timer below this only says "twice in a row"."""

LONGEST_SESSION_S: Final = 405 * 60
"""Timers start afresh after each gap, so what needs more than a session never passes."""

_ONE_WAY: Final = frozenset({"structure", "legs", "quantity", "dte", "days_held", "credit", "max_profit", "max_loss"})
"""Fields of a position that stay, or go one way only: a condition on them does not come and go."""


def timers(rule: Rule) -> Iterator[Diagnostic]:
    """Yield `short-timer`, `short-window` and `endless-timer` for durations below a cycle or beyond a session."""
    for key, duration in (("for", rule.for_s), ("missing_for", rule.missing_for_s)):
        if not duration:
            continue
        if duration < SHORTEST_CYCLE_S:
            message = f"`{key}` of {duration} s is shorter than a cycle: it only asks for a second look"
            yield finding(rule.span, "short-timer", message, f"write 30s or more, or leave `{key}` out")
        elif duration > LONGEST_SESSION_S:
            message = f"`{key}` of {_hours(duration)} never passes: it starts afresh after every night"
            yield finding(rule.span, "endless-timer", message, "a session has 6.5 hours", error=rule.protective)
    for key, duration in (("keep_firing_for", rule.keep_s), ("cooldown", rule.cooldown_s)):
        if 0 < duration <= SHORTEST_CYCLE_S:
            message = f"`{key}` of {duration} s is over when the next cycle begins: it changes nothing"
            yield finding(rule.span, "short-timer", message, f"write more than 30s, or leave `{key}` out")
    for track in rule.tracks:
        # The others look back over at least one cycle, however short their window.
        if track.fold is Fold.MEAN and track.window_s is not None and track.window_s <= SHORTEST_CYCLE_S:
            message = f"`{track.name}` is the mean of one row: the row before is {SHORTEST_CYCLE_S} s old or older"
            yield finding(track.span, "short-window", message, "look back over several cycles")


def _hours(seconds: int) -> str:
    return f"{seconds / 3600:g} h"


def repeats(scene: Scene, judged: Judged) -> Iterator[Diagnostic]:
    """Yield `every-cycle`, `wavers` and `idle-cooldown` for actions that come again and pauses that never count."""
    rule = judged.rule
    if not rule.latches and rule.then.kind in (ActionKind.ROLL, ActionKind.HEDGE):
        yield from _every_cycle(rule)
    if rule.then.kind is ActionKind.REDUCE and not (rule.for_s or rule.keep_s or rule.cooldown_s):
        yield from _wavers(rule)
    alone = not any(above.rule.decides for above in scene.above(rule))
    # A new episode begins no sooner than `keep_firing_for` after the action, if nothing delayed that.
    if rule.latches and 0 < rule.cooldown_s <= rule.keep_s and (alone or not rule.decides):
        message = "the cooldown never counts: `keep_firing_for` keeps the rule from acting again for longer"
        yield finding(rule.span, "idle-cooldown", message, "make the cooldown longer, or leave it out")


def _every_cycle(rule: Rule) -> Iterator[Diagnostic]:
    """Look for an action that leaves its cause as it was, and so is taken again in each cycle."""
    kind = rule.then.kind
    read = [field for expr in rule.expressions for field in fields_of(expr)]
    if kind is ActionKind.ROLL:
        ends = any(field.scope is Scope.POSITION for field in read)
        hint = "let it read what a roll changes, such as dte; a cooldown ends with the position that was rolled"
    else:
        ends = any(field.name == "portfolio_delta_ratio" for field in read)
        hint = "let it read what a hedge changes"
    if not ends:
        message = (
            f"`{rule.id}` would {kind} again in every cycle while its condition holds, which that does not change"
        )
        yield finding(rule.when.span, "every-cycle", message, hint, error=True)


def _wavers(rule: Rule) -> Iterator[Diagnostic]:
    """Look for a reduce on a figure that may cross its threshold to and fro, a new episode each time."""
    direct = [field.name for expr in rule.conditions for field in fields_of(expr) if field.name not in _ONE_WAY]
    tracks = [track.name for expr in rule.conditions for track in tracks_of(expr) if track.fold.windowed]
    if direct or tracks:
        message = (
            f"`{rule.id}` reduces again each time its condition comes back, and `{(direct + tracks)[0]}` may waver"
        )
        hint = "write keep_firing_for or a cooldown, or judge a track such as max(pnl_ratio), which never comes back"
        yield finding(rule.when.span, "wavers", message, hint)
