"""Alerts whose text cannot say what it promises."""

from __future__ import annotations

from collections.abc import Iterator

from v6.errors import Diagnostic
from v6.lang.ast import EnumText, Expr
from v6.lang.canonical import show
from v6.lint.encode import NOW
from v6.lint.logic import Logic, Truth, every, negate, some
from v6.lint.scene import Scene, finding
from v6.lint.verdict import Judged


def mute(scene: Scene, judged: Judged) -> Iterator[Diagnostic]:
    """Yield `mute-value` for each value in an alert's text that is missing whenever the alert goes out."""
    rule = judged.rule
    if rule.alert is None or (rule.keep_s and rule.cooldown_s):
        # After a cooldown an alert may go out on a row on which the rule only fires on.
        return
    due = some(judged.verdict.true, every(judged.verdict.unknown, rule.missing_for_s is not None))
    if scene.prover.impossible(due):
        return
    for expr in dict.fromkeys(rule.alert.expressions):
        # A word that stands for itself is there, and need be none of the catalogue's.
        if not isinstance(expr, EnumText) and scene.prover.impossible(due, _known(scene, expr)):
            message = f"`{show(expr)}` is always missing when `{rule.id}` tells, so the text says `unknown`"
            yield finding(expr.span, "mute-value", message, "show what the condition has seen")


def _known(scene: Scene, expr: Expr) -> Logic:
    term = scene.world.term(expr, NOW)
    return negate(term.unknown) if isinstance(term, Truth) else term.known
