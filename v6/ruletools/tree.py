"""An explanation as a tree for the terminal."""

from __future__ import annotations

from dataclasses import replace

from rich.markup import escape
from rich.tree import Tree

from v6.model.catalogue import Value
from v6.ruletools.explain import Explanation, RuleTrace
from v6.ruletools.trace import Part


def only(explanation: Explanation, rule: str | None) -> Explanation:
    """Return the explanation with the trace of one rule, or as it is for None."""
    if rule is None:
        return explanation
    return replace(explanation, rules=tuple(trace for trace in explanation.rules if trace.rule == rule))


def explanation_tree(explanation: Explanation) -> Tree:
    """Return the tree: what was decided, the inputs, then each rule with the parts of its conditions."""
    recorded = explanation.recorded
    outcome = f"{recorded.rule_id}: {recorded.action}, {recorded.urgency}" if recorded.rule_id else "nothing to do"
    where = escape(recorded.key) or "portfolio"
    tree = Tree(f"[bold]{where}[/bold] at {recorded.ts:%Y-%m-%d %H:%M:%S} UTC: [bold]{escape(outcome)}[/bold]")
    tree.add(f"decision {escape(recorded.decision_id)}")
    _proof(tree, explanation)
    inputs = tree.add("inputs")
    for name, value in explanation.inputs.items():
        inputs.add(f"{name} = {_value(value)}")
    for trace in explanation.rules:
        _rule(tree, trace)
    return tree


def _proof(tree: Tree, explanation: Explanation) -> None:
    made = f"made with rules {explanation.recorded.bundle_fingerprint[:12]}"
    if explanation.recorded.bundle_fingerprint != explanation.fingerprint:
        made += f", explained by {explanation.fingerprint[:12]}"
    tree.add(made)
    state = f"state before folded from {explanation.folded} snapshots"
    if explanation.foreign:
        state += f", {explanation.foreign} of them decided by other rules, so timers and folds may differ"
    tree.add(state)
    if not explanation.differences:
        tree.add("[green]decided again: the same, bit for bit[/green]")
        return
    differences = tree.add("[red]decided again: not the same[/red]")
    for text in explanation.differences:
        differences.add(escape(text))


def _rule(tree: Tree, trace: RuleTrace) -> None:
    style = "green" if trace.fired else "yellow" if trace.verdict is None else "dim"
    branch = tree.add(f"[{style}]{trace.rule}[/{style}] ({trace.action}) {trace.signal}: {escape(trace.why)}")
    for name, value in trace.tracks.items():
        branch.add(f"track {name} = {_value(value)}")
    for word, part in trace.conditions:
        _part(branch, part, f"{word}: ")


def _part(branch: Tree, part: Part, lead: str = "") -> None:
    value = "[yellow]unknown[/yellow]" if part.condition and part.value is None else _value(part.value)
    text = f"{lead}{escape(part.text)} = {value}"
    if part.distance is not None:
        text += f" ({_distance(part)})"
    below = branch.add(text)
    for inner in part.parts:
        _part(below, inner)


def _distance(part: Part) -> str:
    assert part.distance is not None
    unit = f" {part.unit}" if part.unit else ""
    if part.distance == 0:
        return "at the threshold"
    return f"{abs(part.distance):.6g}{unit} {'past' if part.value else 'short of'} the threshold"


def _value(value: Value) -> str:
    match value:
        case None:
            return "[yellow]missing[/yellow]"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:.6g}"
        case _:
            return escape(value)
