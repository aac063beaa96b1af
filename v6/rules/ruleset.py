"""The compiled rules of a desk: one pure step from a snapshot and a state to decisions and the next state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final

from v6.backends.python import Program, compile_rules
from v6.backends.reference import evaluate, explain
from v6.lang.desk import GAP_S, Desk, Rule
from v6.lang.message import render
from v6.model.catalogue import Scope, Value
from v6.model.decision import AlertSeverity, Decision
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules.recall import microseconds, names_on
from v6.rules.state import KeyState, RuleState

_GAP: Final = GAP_S * 1_000_000


@dataclass(frozen=True, slots=True)
class Notice:
    """An alert that is due: what a rule tells about a row."""

    rule_id: str
    key: str
    severity: AlertSeverity
    text: str


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules ready to run; bit i of every mask is `rules[i]`."""

    desk: Desk
    position: Program
    portfolio: Program

    @classmethod
    def compile(cls, desk: Desk) -> RuleSet:
        """Compile a checked desk."""
        return cls(desk, compile_rules(desk.rules, Scope.POSITION), compile_rules(desk.rules, Scope.PORTFOLIO))

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.desk.rules

    @property
    def fingerprint(self) -> str:
        return self.desk.fingerprint

    def evaluate(self, snapshot: Snapshot, state: RuleState) -> tuple[tuple[Decision, ...], RuleState]:
        """Return one decision per row, in the rows' order, and the state to pass with the next snapshot."""
        now = microseconds(snapshot.ts)
        keys = dict(state.keys)
        decisions = []
        for row in snapshot.rows:
            key = row.key
            program = self.portfolio if key == PORTFOLIO_KEY else self.position
            before = keys.get(key) or KeyState(now, program.slots, program.empty)
            restart = now - before.last > _GAP
            first, *masks, values = program.step(row.values, before.arranged(program.slots), now, restart)
            keys[key] = KeyState(now, program.slots, values)
            decisions.append(self._decision(snapshot, key, first, *masks))
        return tuple(decisions), RuleState(keys)

    def _decision(self, snapshot: Snapshot, key: str, first: int, fired: int, unknown: int, alerts: int) -> Decision:
        rule = self.rules[first] if first >= 0 else None
        return Decision(
            f"{snapshot.snapshot_id}:{key}",
            snapshot.snapshot_id,
            snapshot.ts,
            key,
            None if rule is None else rule.id,
            None if rule is None else rule.then,
            fired,
            unknown,
            self.desk.fingerprint,
            None if rule is None else rule.fingerprint,
            alerts,
        )

    def notices(self, snapshot: Snapshot, decisions: tuple[Decision, ...], state: RuleState) -> tuple[Notice, ...]:
        """Return the alerts that are due by the decisions on a snapshot, `state` being the one before it."""
        found = []
        for row, decision in zip(snapshot.rows, decisions, strict=True):
            for bit, rule in enumerate(self.rules):
                if decision.alerts >> bit & 1 and rule.alert is not None:
                    names = names_on(rule, row, state, snapshot.ts)
                    text = render(rule.alert.text, lambda expr, names=names: evaluate(expr, names))  # type: ignore[misc]
                    found.append(Notice(rule.id, row.key, rule.alert.severity, text))
        return tuple(found)

    def explain(self, rule_id: str, row: Row, state: RuleState, at: datetime) -> list[tuple[str, Value]]:
        """Return the rule's sub-expressions with their values on a row at a time, `state` being the one before it.

        The whole condition comes first; with an unknown condition its fallback follows. Raises KeyError.
        """
        rule = next((rule for rule in self.rules if rule.id == rule_id), None)
        if rule is None:
            raise KeyError(rule_id)
        names = names_on(rule, row, state, at)
        lines = explain(rule.when, names)
        if rule.fallback is not None and lines and lines[0][1] is None:
            lines += explain(rule.fallback, names)
        return lines
