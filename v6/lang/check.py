"""What one expression cannot show: scopes, missing inputs of protective rules, and clashes between files."""

from __future__ import annotations

from collections.abc import Iterable

from v6.errors import Diagnostic, Severity, Span
from v6.lang import source
from v6.lang.ast import Call, Expr, Function, Name, Param, Track, children, walk
from v6.lang.desk import OnMissing, Rule, StrategyTemplate
from v6.lang.ranges import can_be_missing, nullable
from v6.lang.schema import ACTIONS
from v6.model.catalogue import Field, Scope
from v6.model.decision import ActionKind


def check_rule(rule: Rule, root: source.Mapping) -> list[Diagnostic]:
    """Return what is wrong with a rule whose expressions are sound."""
    return [
        *_scopes(rule),
        *_action(rule, root),
        *_pace(rule, root),
        *_missing(rule, root),
        *_unused(rule),
        *_example_kinds(rule, root),
    ]


def _scopes(rule: Rule) -> Iterable[Diagnostic]:
    told = () if rule.alert is None else rule.alert.expressions
    for expr in (*rule.conditions, *(track.expr for track in rule.tracks), *told):
        yield from check_scope(expr, rule.scope, "a portfolio rule")


def check_scope(expr: Expr, scope: Scope, what: str) -> list[Diagnostic]:
    """Return a diagnostic for each position field read where there is no position."""
    if scope is Scope.POSITION:
        return []
    return [
        Diagnostic(node.span, "scope", f"`{node.symbol.name}` belongs to a position and {what} has none")
        for node in walk(expr)
        if isinstance(node, Name) and isinstance(node.symbol, Field) and node.symbol.scope is Scope.POSITION
    ]


def _action(rule: Rule, root: source.Mapping) -> Iterable[Diagnostic]:
    allowed = ACTIONS[rule.scope]
    if rule.then.kind not in allowed:
        names = ", ".join(kind.value for kind in allowed)
        message = f"a rule of scope {rule.scope} cannot {rule.then.kind}"
        yield Diagnostic(root.key_span("then"), "scope", message, f"it can {names}")


def _pace(rule: Rule, root: source.Mapping) -> Iterable[Diagnostic]:
    kind = rule.then.kind
    if rule.then.fraction is not None and kind is not ActionKind.REDUCE:
        message = f"`fraction` has no effect on a rule that does {kind}"
        yield Diagnostic(root.key_span("then"), "no-effect", message, "write action: reduce, or remove it")
    if rule.cooldown_s and kind in {ActionKind.CLOSE, ActionKind.HALT_OPENS}:
        message = f"a rule that does {kind} must not pause while its condition holds"
        yield Diagnostic(root.key_span("cooldown"), "pause", message, "remove the cooldown")
    if kind is ActionKind.ALERT and rule.alert is None:
        message = "a rule that does alert says nothing"
        yield Diagnostic(root.key_span("then"), "missing-key", message, "write alert: {severity: ..., text: ...}")
    if rule.apply_to_open and rule.scope is Scope.PORTFOLIO:
        message = "`apply_to_open` has no effect on a portfolio rule, whose edits always hold at once"
        yield Diagnostic(root.key_span("apply_to_open"), "no-effect", message, "remove it")


def _missing(rule: Rule, root: source.Mapping) -> Iterable[Diagnostic]:
    if rule.on_missing is OnMissing.SKIP:
        for key in ("missing_for", "fallback"):
            if root.get(key) is not None:
                message = f"`{key}` has no effect unless on_missing is escalate"
                yield Diagnostic(root.key_span(key), "no-effect", message, "write on_missing: escalate, or remove it")
        if rule.protective and can_be_missing(rule.when, nullable):
            absent = ", ".join(f"`{name}`" for name in _nullable_names(rule.when)) or "its arithmetic"
            message = f"a protective rule must not wait silently, but {absent} can go missing"
            yield Diagnostic(
                root.key_span("when"),
                "silent-protection",
                message,
                "write on_missing: escalate with missing_for and fallback (or fallback: null)",
            )


def _nullable_names(expr: Expr) -> list[str]:
    match expr:
        case Call(function=Function.HAS):
            return []
        case Name(symbol=symbol):
            return [symbol.name] if nullable(symbol) else []
        case _:
            names = (name for child in children(expr) for name in _nullable_names(child))
            return list(dict.fromkeys(names))


def _unused(rule: Rule) -> Iterable[Diagnostic]:
    expressions = [*rule.conditions, *(track.expr for track in rule.tracks)]
    if rule.alert is not None:
        expressions += rule.alert.expressions
    used = {n.symbol.name for expr in expressions for n in walk(expr) if isinstance(n, Name)}
    symbols: tuple[Param | Track, ...] = (*rule.params, *rule.tracks)
    for symbol in symbols:
        if symbol.name not in used:
            yield Diagnostic(symbol.span, "unused", f"`{symbol.name}` is never read", severity=Severity.WARNING)


def _example_kinds(rule: Rule, root: source.Mapping) -> Iterable[Diagnostic]:
    for wanted, word in ((True, "fires"), (False, "does not fire")):
        if not any(example.fires is wanted for example in rule.examples):
            yield Diagnostic(root.key_span("examples"), "examples", f"no example in which the rule {word}")


def check_together(rules: Iterable[Rule], places: dict[str, dict[str, Span]]) -> list[Diagnostic]:
    """Return clashes of ids and priorities; `places` maps a rule's file to the places of its keys."""
    found: list[Diagnostic] = []
    by_id: dict[str, Span] = {}
    by_priority: dict[int, Span] = {}
    for rule in rules:
        keys = places[rule.span.file]
        first = by_id.setdefault(rule.id, keys["id"])
        if first is not keys["id"]:
            found.append(Diagnostic(keys["id"], "duplicate-id", f"the id `{rule.id}` is taken at {first}"))
        first = by_priority.setdefault(rule.priority, keys["priority"])
        if first is not keys["priority"]:
            message = f"priority {rule.priority} is taken at {first}"
            found.append(Diagnostic(keys["priority"], "duplicate-priority", message, "which of the two comes first?"))
    return found


def check_strategies(strategies: Iterable[tuple[StrategyTemplate, Span]]) -> list[Diagnostic]:
    """Return clashes of strategy ids, given each with the place of its id."""
    found: list[Diagnostic] = []
    seen: dict[str, Span] = {}
    for strategy, span in strategies:
        first = seen.setdefault(strategy.id, span)
        if first is not span:
            found.append(Diagnostic(span, "duplicate-id", f"the id `{strategy.id}` is taken at {first}"))
    return found
