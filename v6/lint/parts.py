"""Parts of a condition that change nothing, or whose say other rules have always had before."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from v6.errors import Diagnostic
from v6.lang.ast import And, Compare, Expr, IfElse, Or, Unary, children, walk
from v6.lang.canonical import show
from v6.lint.logic import Logic, differ, every, negate
from v6.lint.rewrite import with_part
from v6.lint.scene import Scene, finding, quoted
from v6.lint.verdict import Judged
from v6.lint.witness import Witness


def settled(scene: Scene, condition: Expr) -> tuple[list[Diagnostic], list[Expr]]:
    """Return `always-true` and `always-false` comparisons and `dead-branch`es, with the parts they speak of."""
    found: list[Diagnostic] = []
    parts: list[Expr] = []
    for node, path in _with_path(condition, True, scene):
        if isinstance(node, Compare):
            diagnostics = list(_links(scene, node))
        elif isinstance(node, IfElse):
            diagnostics = list(_branches(scene, node, path))
        else:
            continue
        if diagnostics:
            found += diagnostics
            parts.append(node)
    return found, parts


def _links(scene: Scene, node: Compare) -> Iterator[Diagnostic]:
    for op, left, right in node.links():
        truth = scene.world.link(op, left, right)
        text = f"{show(left)} {op} {show(right)}"
        if scene.prover.impossible(truth.true):
            yield finding(node.span, "always-false", f"`{text}` is never true", "correct the threshold")
        elif scene.prover.impossible(truth.false):
            unless = "" if scene.prover.impossible(truth.unknown) else " when its inputs are there"
            message = f"`{text}` is always true{unless}"
            yield finding(node.span, "always-true", message, "correct the threshold, or remove the comparison")


def _branches(scene: Scene, node: IfElse, path: Logic) -> Iterator[Diagnostic]:
    test = scene.world.truth(node.condition)
    for branch, taken, word in ((node.then, test.true, "true"), (node.otherwise, test.false, "false")):
        if scene.prover.impossible(path, taken):
            message = f"`{show(branch)}` is never used: `{show(node.condition)}` is never {word} here"
            yield finding(branch.span, "dead-branch", message, "remove the branch, or correct its condition")


def _with_path(expr: Expr, path: Logic, scene: Scene) -> Iterator[tuple[Expr, Logic]]:
    """Yield each part with the formula of the branches that lead to it."""
    yield expr, path
    if isinstance(expr, IfElse):
        test = scene.world.truth(expr.condition)
        yield from _with_path(expr.condition, path, scene)
        yield from _with_path(expr.then, every(path, test.true), scene)
        yield from _with_path(expr.otherwise, every(path, test.false), scene)
        return
    for child in children(expr):
        yield from _with_path(child, path, scene)


def dead(scene: Scene, condition: Expr, known: list[Expr]) -> Iterator[Diagnostic]:
    """Yield `dead-part` for operands of `and` and `or` without which the condition means the same on every row.

    What was found dead is left out before the next part is judged, so of two equal parts one is reported.
    """
    spoken_of = {id(node) for part in known for node in walk(part)}
    current = condition
    for node, operand in _operands(condition):
        if id(operand) in spoken_of or any(id(inner) in spoken_of for inner in walk(operand)):
            continue
        neutral = isinstance(node, And)
        reduced = with_part(current, operand, neutral)
        if reduced is current:
            continue
        if not scene.prover.impossible(differ(scene.world.truth(current), scene.world.truth(reduced))):
            continue
        current = reduced
        spoken_of |= {id(inner) for inner in walk(operand)}
        why = "is always true where it counts" if neutral else "never adds anything"
        message = f"`{show(operand)}` {why}: `{show(condition)}` means the same without it"
        yield finding(operand.span, "dead-part", message, "remove it, or correct what it was meant to catch")


def _operands(expr: Expr) -> list[tuple[And | Or, Expr]]:
    nodes = [node for node in walk(expr) if isinstance(node, And | Or)]
    # Of two that say the same, the later is the one too many.
    return [(node, operand) for node in nodes for operand in reversed(node.operands)]


@dataclass(frozen=True, slots=True)
class _Arm:
    """A way for a condition to be true: `holds` is where it may be the reason."""

    part: Expr
    holds: Logic
    text: str
    path: tuple[tuple[Expr, bool], ...]

    def led_here(self, found: Witness) -> bool:
        """Tell whether the oracle agrees that the row takes this way."""
        return all(found.truth(condition) is value for condition, value in self.path)


def forestalled(scene: Scene, judged: Judged) -> Iterator[Diagnostic]:
    """Yield `shadowed-part` for alternatives and branches on which a rule above has always decided."""
    if not judged.rule.decides or judged.rule.keep_s:
        # What fires on may decide on a row on which the part that made it fire is no longer true.
        return
    above = scene.above(judged.rule)
    parts = {a.rule.id: negate(a.at_least) for a in above if a.at_least is not False}
    if not parts:
        return
    for arm in _arms(scene, judged.rule.when, True):
        claim = every(arm.holds, judged.when.true, negate(judged.barred))
        if scene.prover.impossible(claim):
            continue
        cover = scene.prover.clash(claim, parts)
        if not cover:
            continue
        first = next(a for a in above if a.rule.id in cover)
        example = _early(scene, judged, first, arm)
        if example is not None:
            names = quoted(cover, "or")
            reason = f"whenever it makes `{judged.rule.id}` fire, {names} fires first, e.g. {example}"
            message = f"{arm.text} never decides: {reason}"
            hint = f"give `{judged.rule.id}` a lower priority number than {first.rule.priority}, or remove this part"
            yield finding(arm.part.span, "shadowed-part", message, hint)


def _early(scene: Scene, judged: Judged, first: Judged, arm: _Arm) -> str | None:
    """Return a row on which the arm makes the rule fire and the rule above fires too."""
    rules = judged.rule, first.rule

    def goal(found: Witness) -> bool:
        return arm.led_here(found) and all(found.truth(rule.when) is True for rule in rules)

    claims = arm.holds, judged.when.true, first.at_least, first.when.true
    return scene.example(claims, goal, *(rule.when for rule in rules))


def _arms(scene: Scene, expr: Expr, holds: Logic, path: tuple[tuple[Expr, bool], ...] = ()) -> Iterator[_Arm]:
    match expr:
        case Or(operands=operands):
            for operand in operands:
                there = every(holds, scene.world.truth(operand).true)
                way = (*path, (operand, True))
                yield _Arm(operand, there, f"`{show(operand)}`", way)
                yield from _arms(scene, operand, there, way)
        case IfElse(condition=condition):
            test = scene.world.truth(condition)
            for branch, taken, value in ((expr.then, test.true, True), (expr.otherwise, test.false, False)):
                there, way = every(holds, taken), (*path, (condition, value))
                if not isinstance(branch, IfElse):
                    yield _Arm(branch, there, f"the branch `{show(branch)}`", way)
                yield from _arms(scene, branch, there, way)
        case Unary():
            # Under `not`, an alternative is no reason for the whole to be true.
            return
        case _:
            for child in children(expr):
                yield from _arms(scene, child, holds, path)
