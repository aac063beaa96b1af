"""Missing inputs: fallbacks that miss what the condition misses, and protection without any."""

from __future__ import annotations

from collections.abc import Iterator

from v6.errors import Diagnostic, Span
from v6.lang.ast import Expr, Name, fields_of, tracks_of, walk
from v6.lang.desk import OnMissing, Rule
from v6.lint.encode import NOW
from v6.lint.logic import Logic, every, negate
from v6.lint.scene import Scene, finding, quoted
from v6.lint.verdict import Judged
from v6.lint.witness import Witness
from v6.model.catalogue import Field


def unprotected(scene: Scene, judged: Judged) -> Iterator[Diagnostic]:
    """Yield `no-fallback` for a protective rule that waits in silence while an input is missing."""
    rule = judged.rule
    if not rule.protective or rule.on_missing is OnMissing.ESCALATE:
        return
    example = scene.example([judged.verdict.unknown], lambda w: w.verdict(rule) is None, *rule.conditions)
    if example is not None:
        message = f"`{rule.id}` protects nothing while its inputs are missing, e.g. {example}"
        hint = "write on_missing: escalate with missing_for and a fallback on other inputs"
        yield finding(rule.when.span, "no-fallback", message, hint, error=True)


def blind(scene: Scene, judged: Judged) -> Iterator[Diagnostic]:
    """Yield `blind-fallback` for each input whose loss leaves both the condition and its fallback unknown."""
    rule = judged.rule
    if rule.fallback is None:
        return
    fallback = scene.world.truth(rule.fallback)
    lost: list[Field] = []
    for field in _nullable(rule):
        alone = _only_missing(scene, field)
        claim = every(alone, judged.when.unknown)
        # The loss must be able to make the condition unknown, and then the fallback must be unknown as well.
        if scene.prover.impossible(claim) or not scene.prover.impossible(claim, negate(fallback.unknown)):
            continue
        if _seen(scene, rule, claim):
            lost.append(field)
    if lost:
        message = (
            f"the fallback needs {quoted(f.name for f in lost)} too: without it, condition and fallback are unknown"
        )
        hint = "let it read something else, such as the broker's P&L or the underlying's move"
        yield finding(_span_of(rule.fallback, lost[0]), "blind-fallback", message, hint, error=rule.protective)


def _nullable(rule: Rule) -> tuple[Field, ...]:
    assert rule.fallback is not None
    reads = {field for track in tracks_of(rule.fallback) for field in fields_of(track.expr)}
    reads |= set(fields_of(rule.fallback))
    wanted = list(fields_of(rule.when)) + [f for track in tracks_of(rule.when) for f in fields_of(track.expr)]
    return tuple(f for f in dict.fromkeys(wanted) if f.nullable and f in reads)


def _only_missing(scene: Scene, lost: Field) -> Logic:
    """Return where the field is missing on the current row and nothing else ever was, however far folds look back."""
    parts: list[Logic] = [*scene.world.reached.values()]
    for (row, field), cell in scene.world.fields.items():
        gone = field == lost and row == NOW
        parts.append(negate(cell.known) if gone else cell.known)
    return every(*parts)


def _seen(scene: Scene, rule: Rule, claim: Logic) -> bool:
    def goal(found: Witness) -> bool:
        return found.truth(rule.when) is None and found.verdict(rule) is None

    return scene.witness([claim], goal, *rule.conditions) is not None


def _span_of(expr: Expr, field: Field) -> Span:
    for node in walk(expr):
        if isinstance(node, Name) and node.symbol == field:
            return node.span
    return expr.span
