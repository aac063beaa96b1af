"""Rules that cannot fire, rules that others always forestall, and actions that keep better ones from running."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from v6.errors import Diagnostic
from v6.lang.ast import And, Expr
from v6.lang.canonical import show
from v6.lang.desk import Rule
from v6.lint.logic import Logic, every, negate
from v6.lint.scene import Scene, finding, quoted
from v6.lint.verdict import Judged, stands_in_the_way, weaker
from v6.lint.witness import Goal, Witness, describe
from v6.model.decision import ActionKind, Urgency


def never(scene: Scene, judged: Judged) -> Iterator[Diagnostic]:
    """Yield `unreachable` or `always-fires` for a rule whose condition has only one outcome."""
    rule, prover = judged.rule, scene.prover
    reason = contradiction(scene, rule.when)
    if reason is not None:
        if not prover.impossible(judged.verdict.true):
            rest = "only its fallback can fire"
        elif rule.missing_for_s is not None and not prover.impossible(judged.verdict.unknown):
            rest = "it acts only on missing inputs"
        else:
            rest = "the rule never fires"
        message = f"{reason}, so {rest}"
        yield finding(rule.when.span, "unreachable", message, "correct it or remove the rule", error=rule.protective)
    elif prover.impossible(negate(judged.when.true)):
        message = f"`{show(rule.when)}` is true on every row, so the rule fires in every cycle"
        yield finding(rule.when.span, "always-fires", message, "compare with a value between the extremes", error=True)


def contradiction(scene: Scene, condition: Expr) -> str | None:
    """Return why the condition is never true, or None when it may be."""
    conjuncts = condition.operands if isinstance(condition, And) else (condition,)
    parts = {show(part): scene.world.truth(part).true for part in conjuncts}
    clashing = scene.prover.clash(True, parts)
    if clashing is None:
        return None
    if len(clashing) == 1:
        return f"`{clashing[0]}` is never true"
    return f"{quoted(clashing)} are never true together"


@dataclass(frozen=True, slots=True)
class Shadow:
    """A rule that never decides, and the ids of the rules of which always one decides before it."""

    by: frozenset[str]
    diagnostic: Diagnostic


def shadowed(scene: Scene, judged: Judged) -> Shadow | None:
    """Return the `shadowed` finding of a rule that can fire, but never when no rule above it does."""
    rule, above = judged.rule, scene.above(judged.rule)
    if not rule.decides:
        return None
    if scene.prover.impossible(judged.on_true) and scene.prover.impossible(judged.on_unknown):
        return None
    cover = _cover(scene, judged, above)
    excuse = ""
    if cover is None:
        waiting = [a.barred for a in above if a.barred is not False]
        if not waiting:
            return None
        calm = every(*(negate(barred) for barred in waiting))
        cover = _cover(scene, judged, above, calm)
        excuse = " while the protective rules above are known"
    if not cover:
        return None
    by = [a for a in above if a.rule.id in cover]
    first, example = _first(scene, judged, by)
    if example is None:
        return None
    names = quoted([a.rule.id for a in by], "or")
    message = f"`{rule.id}` never decides{excuse}: whenever it fires, {names} fires first, e.g. {example}: {first}"
    worse = any(weaker(a.rule.then, rule.then) for a in by)
    hint = f"give `{rule.id}` a lower priority number than {min(a.rule.priority for a in by)}, or narrow the other"
    return Shadow(cover, finding(rule.when.span, "shadowed", message, hint, error=worse))


def _first(scene: Scene, judged: Judged, by: list[Judged]) -> tuple[str, str | None]:
    """Return which rule goes first, with an example of it, trying the covering rules in order."""
    for other in by:
        rules = judged.rule, other.rule
        goal = _all_fire(*rules)
        claims = judged.verdict.true, other.verdict.true
        example = scene.example(claims, goal, *(e for r in rules for e in r.conditions))
        if example is not None:
            return f"`{other.rule.id}` ({other.rule.then.kind}) goes before {judged.rule.then.kind}", example
    return "", None


def _all_fire(*rules: Rule) -> Goal:
    return lambda found: all(found.verdict(rule) is True for rule in rules)


def _cover(scene: Scene, judged: Judged, above: tuple[Judged, ...], given: Logic = True) -> frozenset[str] | None:
    """Return ids of rules above of which always one decides before this one does, None when there may be a gap."""
    if judged.rule.keep_s:
        lasting = next((a for a in above if _fires_on_as_long(scene, judged, a)), None)
        return None if lasting is None else frozenset({lasting.rule.id})
    parts = {a.rule.id: negate(a.at_least) for a in above if a.at_least is not False}
    on_true = scene.prover.clash(every(judged.on_true, given), parts)
    if on_true is None:
        holder = next((a for a in above if _holds_as_long(scene, judged, a, given)), None)
        if holder is None:
            return None
        on_true = (holder.rule.id,)
    on_unknown = scene.prover.clash(every(judged.on_unknown, given), parts)
    if on_unknown is None:
        waiter = next((a for a in above if _waits_no_longer(scene, judged, a)), None)
        if waiter is None:
            return None
        on_unknown = (waiter.rule.id,)
    return frozenset(on_true) | frozenset(on_unknown)


def _holds_as_long(scene: Scene, judged: Judged, other: Judged, given: Logic) -> bool:
    """Tell whether the other's `for` has always passed when this rule's has.

    The other must be true wherever this one is and false only where this one is: then its clock starts no later and
    is never reset while this one's runs. That must hold on all rows, also on those where this one is barred and its
    clock runs on; only in the end must the other be free to act.
    """
    # Without a `for` it has been weighed among the others already.
    if not 0 < other.rule.for_s <= judged.rule.for_s or other.steady is False:
        return False
    impossible = scene.prover.impossible
    starts = impossible(judged.verdict.true, negate(other.verdict.true))
    runs = starts and impossible(other.verdict.false, negate(judged.verdict.false))
    return runs and impossible(judged.on_true, given, negate(other.steady))


def _waits_no_longer(scene: Scene, judged: Judged, other: Judged) -> bool:
    """Tell whether the other has always acted on its missing inputs when this rule would act on its own."""
    wait, own = other.rule.missing_for_s, judged.rule.missing_for_s
    if wait is None or own is None or wait > own or other.barred is not False or not stands_in_the_way(other.rule):
        return False
    return scene.prover.impossible(judged.verdict.unknown, negate(other.verdict.unknown))


def _fires_on_as_long(scene: Scene, judged: Judged, other: Judged) -> bool:
    """Tell whether the other fires by its condition whenever this rule does, and then fires on for as long."""
    if other.rule.keep_s < judged.rule.keep_s or other.barred is not False or not stands_in_the_way(other.rule):
        return False
    at_once = scene.prover.impossible(judged.verdict.true, negate(other.at_least))
    if not at_once and not _holds_as_long(scene, judged, other, True):
        return False
    return judged.rule.missing_for_s is None or (
        scene.prover.impossible(judged.verdict.unknown) or _waits_no_longer(scene, judged, other)
    )


def hides(scene: Scene, judged: Judged, shadows: Mapping[str, Shadow]) -> Iterator[Diagnostic]:
    """Yield `hides-close` where a rule that does not close wins over rules below that would.

    Those it shadows altogether, by their ids in `shadows`, are left to that finding.
    """
    rule = judged.rule
    if rule.then.kind is ActionKind.CLOSE or rule.latches:
        # What latches goes once, and leaves the rest of the episode to the rules below.
        return
    hidden: list[Rule] = []
    shown = ""
    for lower in scene.below(rule):
        shadow = shadows.get(lower.rule.id)
        if not _missed(rule, lower.rule) or (shadow is not None and rule.id in shadow.by):
            continue
        example = _both(scene, judged, lower)
        if example is not None:
            hidden.append(lower.rule)
            shown = shown or f"{example}: {rule.then.kind}, although `{lower.rule.id}` would {lower.rule.then.kind}"
    if hidden:
        message = f"while `{rule.id}` fires, {quoted(r.id for r in hidden)} below cannot act, e.g. {shown}"
        hint = "give what closes the lower priority number"
        yield finding(rule.when.span, "hides-close", message, hint, error=True)


def _missed(rule: Rule, lower: Rule) -> bool:
    """Tell whether the lower rule's action is missed: after a roll only an urgent or protective close is."""
    if rule.then.kind is not ActionKind.ROLL:
        return lower.then.kind in (ActionKind.CLOSE, ActionKind.ROLL)
    urgent = lower.protective or lower.then.urgency in (Urgency.HIGH, Urgency.IMMEDIATE)
    return urgent and lower.then.kind is ActionKind.CLOSE


def _both(scene: Scene, judged: Judged, lower: Judged) -> str | None:
    earlier = [a for a in scene.above(judged.rule) if a.rule.decides]
    quiet = [a.verdict.false for a in earlier]
    rules = judged.rule, lower.rule

    def goal(found: Witness) -> bool:
        silent = all(found.verdict(a.rule) is False for a in earlier)
        return silent and all(found.verdict(rule) is True for rule in rules)

    own = [e for r in rules for e in r.conditions]
    others = [e for a in earlier for e in a.rule.conditions]
    found = scene.witness([judged.on_true, lower.on_true, *quiet], goal, *own, *others)
    if found is None:
        return None
    return describe(found, _all_fire(*rules), *own)
