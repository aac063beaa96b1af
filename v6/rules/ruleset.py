"""The compiled rules of a desk: one pure step from a snapshot and a state to decisions and the next state."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final, assert_never

from v6.backends.python import Program, compile_rules, track_slot
from v6.backends.reference import evaluate, explain
from v6.lang.ast import Fold, Track
from v6.lang.desk import GAP_S, Desk, Rule
from v6.model.catalogue import Scope, Value
from v6.model.decision import Decision
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules.state import KeyState, RuleState

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)
_GAP: Final = GAP_S * 1_000_000


@dataclass(frozen=True, slots=True)
class RuleSet:
    """Rules ready to run; bit i of every mask is `rules[i]`."""

    desk: Desk
    position: Program
    portfolio: Program
    protective: int
    reducing: int

    @classmethod
    def compile(cls, desk: Desk) -> RuleSet:
        """Compile a checked desk."""
        rules = desk.rules
        return cls(
            desk,
            compile_rules(rules, Scope.POSITION),
            compile_rules(rules, Scope.PORTFOLIO),
            sum(1 << bit for bit, rule in enumerate(rules) if rule.protective),
            sum(1 << bit for bit, rule in enumerate(rules) if rule.then.kind.reduces_risk),
        )

    @property
    def rules(self) -> tuple[Rule, ...]:
        return self.desk.rules

    @property
    def fingerprint(self) -> str:
        return self.desk.fingerprint

    def evaluate(self, snapshot: Snapshot, state: RuleState) -> tuple[tuple[Decision, ...], RuleState]:
        """Return one decision per row, in the rows' order, and the state to pass with the next snapshot."""
        now = (snapshot.ts - _EPOCH) // _MICROSECOND
        keys = dict(state.keys)
        decisions = []
        for row in snapshot.rows:
            key = row.key
            program = self.portfolio if key == PORTFOLIO_KEY else self.position
            before = keys.get(key) or KeyState(now, program.slots, program.empty)
            restart = now - before.last > _GAP
            fired, unknown, values = program.step(row.values, before.arranged(program.slots), now, restart)
            keys[key] = KeyState(now, program.slots, values)
            decisions.append(self._decision(snapshot, key, fired, unknown))
        return tuple(decisions), RuleState(keys)

    def _decision(self, snapshot: Snapshot, key: str, fired: int, unknown: int) -> Decision:
        rule = self._first(fired, unknown) if fired else None
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
        )

    def _first(self, fired: int, unknown: int) -> Rule | None:
        """Return the first fired rule that may act: below a waiting protective rule only what reduces risk."""
        waiting = unknown & ~fired & self.protective
        if waiting:
            above = (waiting & -waiting) - 1
            fired &= above | self.reducing
        return self.rules[(fired & -fired).bit_length() - 1] if fired else None

    def explain(self, rule_id: str, row: Row, state: RuleState) -> list[tuple[str, Value]]:
        """Return the rule's sub-expressions with their values on a row, `state` being the one before that row.

        The whole condition comes first; with an unknown condition its fallback follows. Raises KeyError.
        """
        rule = next((rule for rule in self.rules if rule.id == rule_id), None)
        if rule is None:
            raise KeyError(rule_id)
        names: dict[str, Value] = dict(row.items())
        names |= {track.name: _folded(rule, track, row, state) for track in rule.tracks}
        lines = explain(rule.when, names)
        if rule.fallback is not None and lines and lines[0][1] is None:
            lines += explain(rule.fallback, names)
        return lines


def _folded(rule: Rule, track: Track, row: Row, state: RuleState) -> Value:
    """Return the track's value on the row, from the state before it, by the reference backend."""
    value = evaluate(track.expr, dict(row.items()))
    memory = state.keys.get(row.key)
    slot = track_slot(rule, track)
    before = dict(zip(memory.slots, memory.values, strict=True)).get(slot) if memory is not None else None
    if before is None or value is None:
        return value if before is None else before
    assert isinstance(value, float)
    match track.fold:
        case Fold.MAX:
            return max(before, value)
        case Fold.MIN:
            return min(before, value)
        case Fold.FIRST:
            return before
        case _:
            assert_never(track.fold)
