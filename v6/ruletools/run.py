"""Run the cases of rule tests through the live rule set, and the reference beside it for coverage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from v6.errors import Span
from v6.lang.desk import Rule
from v6.model.catalogue import BY_NAME, Scope, Value
from v6.model.decision import Decision
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules import RuleSet, RuleState, names_on
from v6.ruletools.cases import Case, Expectation
from v6.ruletools.coverage import Tally
from v6.ruletools.signals import signal_of

_KEY_OF = {Scope.POSITION: "position", Scope.PORTFOLIO: PORTFOLIO_KEY}


@dataclass(frozen=True, slots=True)
class Failure:
    """One expectation that was not met, with the values that explain it."""

    span: Span
    message: str

    def __str__(self) -> str:
        return f"{self.span}: expectation: {self.message}"


@dataclass(frozen=True, slots=True)
class Outcome:
    """What became of one case."""

    file: str
    title: str
    span: Span
    failures: tuple[Failure, ...]

    @property
    def passed(self) -> bool:
        return not self.failures


@dataclass(frozen=True, slots=True)
class _Look:
    """One evaluation: the row, the state before and after it, and the decision."""

    row: Row
    before: RuleState
    after: RuleState
    decision: Decision


def run_case(case: Case, rules: RuleSet, tally: Tally | None = None) -> Outcome:
    """Return the outcome of a case, `rules` being compiled of those of the case and no others.

    With a tally, what the rules saw is added to it, and the reference must agree with them.
    """
    looks = _looks(case, rules)
    failures = [] if tally is None else [f for look in looks.values() for f in _observe(case, rules, look, tally)]
    for expectation in case.expectations:
        look = looks[expectation.offset_s // case.interval_s, expectation.scope]
        failures += _compare(expectation, rules, look)
    return Outcome(case.span.file, case.title, case.span, tuple(failures))


def _looks(case: Case, rules: RuleSet) -> dict[tuple[int, Scope], _Look]:
    looks: dict[tuple[int, Scope], _Look] = {}
    state = RuleState()
    scopes = [s for s in (Scope.PORTFOLIO, Scope.POSITION) if any(rule.scope is s for rule in case.rules)]
    for step, given in enumerate(case.rows):
        if given is None:
            continue
        rows = tuple(_row(scope, given) for scope in scopes)
        before = state
        decisions, state = rules.evaluate(Snapshot(f"{step}", step, case.at(step), rows), before)
        for scope, row, decision in zip(scopes, rows, decisions, strict=True):
            looks[step, scope] = _Look(row, before, state, decision)
    return looks


def _row(scope: Scope, given: Mapping[str, Value]) -> Row:
    """Return a row as the feed builds it: a position's fields are on position rows only."""
    fields = {
        name: value
        for name, value in given.items()
        if scope is Scope.POSITION or BY_NAME[name].scope is not Scope.POSITION
    }
    return Row.of(_KEY_OF[scope], fields)


def _observe(case: Case, rules: RuleSet, look: _Look, tally: Tally) -> list[Failure]:
    failures = []
    for bit, rule in enumerate(rules.rules):
        if rule.scope is not look.row.scope:
            continue
        verdict = tally.add(rule, names_on(rule, look.row, look.before, look.decision.ts))
        if (verdict is None) is not bool(look.decision.unknown >> bit & 1):
            message = f"at {look.decision.ts:%H:%M:%S} the evaluators differ about `{rule.id}`; this is a bug of V6"
            failures.append(Failure(case.span, message))
    return failures


def _compare(expectation: Expectation, rules: RuleSet, look: _Look) -> list[Failure]:
    failures = []
    for key, wanted in expectation.wanted:
        actual = _actual(key, wanted, rules, look)
        if actual != (sorted(wanted) if isinstance(wanted, list) else wanted):
            at = f"at {_offset(expectation.offset_s)}"
            message = f"{at} `{key}` is {_word(actual)}, expected {_word(wanted)}{_why(rules, look)}"
            failures.append(Failure(expectation.span, message))
    return failures


def _actual(key: str, wanted: Any, rules: RuleSet, look: _Look) -> object:
    decision = look.decision
    match key:
        case "fires" | "unknown":
            mask = decision.fired if key == "fires" else decision.unknown
            names = [rule.id for bit, rule in enumerate(rules.rules) if mask >> bit & 1]
            return sorted(names) if isinstance(wanted, list) else bool(names)
        case "alerts":
            names = [rule.id for bit, rule in enumerate(rules.rules) if decision.alerts >> bit & 1]
            return sorted(names) if isinstance(wanted, list) else bool(names)
        case "first":
            return decision.rule_id
        case "action":
            return None if decision.action is None else decision.action.kind.value
        case "signal":
            return signal_of(rules.rules[0], bool(decision.fired & 1), look.row.key, look.after).value
        case _:
            raise KeyError(key)


def _why(rules: RuleSet, look: _Look) -> str:
    """Return the inputs of a rule tested alone, which is what one needs to see why."""
    if len(rules.rules) != 1:
        return ""
    rule: Rule = rules.rules[0]
    lines = rules.explain(rule.id, look.row, look.before, look.decision.ts)
    shown = ", ".join(f"{text} = {_word(value)}" for text, value in lines if text.isidentifier())
    return f" ({shown})" if shown else ""


def _word(value: object) -> str:
    match value:
        case None:
            return "null"
        case bool():
            return str(value).lower()
        case float():
            return f"{value:g}"
        case list():
            return f"[{', '.join(sorted(map(str, value)))}]"
        case _:
            return str(value)


def _offset(offset_s: int) -> str:
    return f"{offset_s // 60}m" if offset_s % 60 == 0 else f"{offset_s}s"
