"""The rules in force as the daemon keeps them: swapped whole, pinned for open positions, with a shadow beside them."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Final, TypeAlias

import msgspec
import structlog

from v6.daemon.reload import LAST_GOOD, Accepted, revived
from v6.errors import ConfigError
from v6.lang.desk import Rule
from v6.model import event as e
from v6.model.decision import Action, Decision
from v6.model.snapshot import Snapshot
from v6.rules import RuleSet, RuleState
from v6.rules.recorded import sets_to_state
from v6.rules.rulebook import Rulebook, pins_from_json, pins_to_json, sources_of

PINS: Final = "pinned_rules"
"""Journal state key under which the rules are kept that open positions hold on to."""

SHADOW_STATE: Final = "shadow_state"

log = structlog.get_logger("v6.daemon")

Wish: TypeAlias = tuple[str | None, Action | None]
"""What a set of rules wants done with a row: the rule that decides, and its action."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a snapshot led to: decisions and all that is told of them, and the state to be written with them."""

    decisions: tuple[Decision, ...]
    events: tuple[e.Event, ...]
    state: RuleState


class Policy:
    """Decides snapshots; every change of it is a value to be written in the transaction that makes it true."""

    def __init__(self, accepted: Accepted, saved: Mapping[str, str | None], open_keys: Collection[str]) -> None:
        """Start with a tree, going on from what the last run had in force; `saved` is the journal's state."""
        self._saved: Rulebook | None = None
        before, self._sources = _before(accepted, saved)
        self._sources |= _sources(accepted)
        self.book, self.reasons = _moved(before, accepted.ruleset, open_keys)
        self._shadow = _shadow(accepted.ruleset)
        shadow = saved.get(SHADOW_STATE)
        self._shadow_state = RuleState() if shadow is None else RuleState.from_json(shadow)
        self._differs: dict[str, tuple[Wish, Wish]] = {}

    def take(self, accepted: Accepted, open_keys: Collection[str]) -> None:
        """Swap the rules; open positions take what is tighter, and keep what would be looser."""
        self.book, self.reasons = _moved(self.book, accepted.ruleset, open_keys)
        used = {r.fingerprint for rules in self.book.pinned.values() for r in rules.rules}
        self._sources = {mark: source for mark, source in self._sources.items() if mark in used} | _sources(accepted)
        self._shadow = _shadow(accepted.ruleset)
        self._differs = {}

    def taken(self, accepted: Accepted, at: datetime) -> tuple[tuple[e.Event, ...], dict[str, str]]:
        """Return what the swap is told by, and the state that is written with it."""
        mark = accepted.ruleset.fingerprint
        texts = msgspec.json.decode(accepted.texts_json, type=dict[str, str])
        events: list[e.Event] = [e.RuleSetReloaded(at, mark, accepted.revision)]
        if self.reasons:
            events.append(e.RulesPinned(at, mark, self.reasons))
        sets = sets_to_state(self.book, texts, self._sources)
        return tuple(events), {LAST_GOOD: accepted.texts_json, **sets, **self._unsaved_pins()}

    def judge(self, snapshot: Snapshot, state: RuleState) -> Judgement:
        """Return the decisions on a snapshot, the alerts that are due, and where the shadow would do otherwise."""
        present = {row.key for row in snapshot.rows}
        state = _of_present(state, present)
        self.book = self.book.without(present)
        decisions, after = self.book.evaluate(snapshot, state)
        ids = {decision.key: decision.decision_id for decision in decisions}
        alerts = [
            e.AlertRaised(snapshot.ts, n.rule_id, n.key, n.severity, n.text, ids[n.key])
            for n in self.book.notices(snapshot, decisions, state)
        ]
        return Judgement(decisions, (*alerts, *self._look_at_shadow(snapshot, decisions)), after)

    def saved(self) -> dict[str, str]:
        """Return the state that a cycle writes beside that of the rules, as far as it is in use."""
        pins = self._unsaved_pins()
        return pins if self._shadow is None else {**pins, SHADOW_STATE: self._shadow_state.to_json()}

    def unknown(self, decision: Decision) -> tuple[str, ...]:
        """Return the protective rules that are unknown for the row of a decision."""
        rules = self.book.of(decision.key).rules
        return tuple(r.id for bit, r in enumerate(rules) if r.protective and decision.unknown >> bit & 1)

    def _unsaved_pins(self) -> dict[str, str]:
        """Return the pins unless this very book was returned before: a cycle that changes none writes none."""
        if self.book is self._saved:
            return {}
        self._saved = self.book
        return {PINS: pins_to_json(self.book, self._sources)}

    def _look_at_shadow(self, snapshot: Snapshot, decisions: Sequence[Decision]) -> Iterator[e.ShadowDiffered]:
        if self._shadow is None:
            return
        state = _of_present(self._shadow_state, {row.key for row in snapshot.rows})
        others, self._shadow_state = self._shadow.evaluate(snapshot, state)
        for ours, theirs in zip(decisions, others, strict=True):
            wishes = (ours.rule_id, ours.action), (theirs.rule_id, theirs.action)
            if ours.action == theirs.action:
                self._differs.pop(ours.key, None)
            elif self._differs.get(ours.key) != wishes:
                self._differs[ours.key] = wishes
                yield e.ShadowDiffered(snapshot.ts, ours.decision_id, ours.key, *wishes[0], *wishes[1])


def _moved(book: Rulebook, new: RuleSet, open_keys: Collection[str]) -> tuple[Rulebook, tuple[str, ...]]:
    reasons: dict[str, None] = {}

    def merge(held: Sequence[Rule], rules: Sequence[Rule]) -> Sequence[Rule]:
        # Here, so that a daemon whose open positions need no proof does not load the solver.
        from v6.lint.adopt import adopt

        adoption = adopt(held, rules)
        for difference in adoption.differences:
            reasons[f"{difference.rule_id}: {difference.reason}"] = None
        return adoption.rules

    return book.moved(new, open_keys, merge), tuple(reasons)


def _before(accepted: Accepted, saved: Mapping[str, str | None]) -> tuple[Rulebook, dict[str, tuple[str, str]]]:
    """Return what was in force when the daemon last ran, as far as this version can still read it, and its texts."""
    last = saved.get(LAST_GOOD)
    kept = (None if last is None or last == accepted.texts_json else revived(last)) or accepted
    pins = saved.get(PINS)
    try:
        book, sources = (Rulebook(kept.ruleset), {}) if pins is None else pins_from_json(pins, kept.ruleset)
    except (ConfigError, msgspec.MsgspecError) as error:
        log.warning("pinned-rules-unusable", error=str(error))
        book, sources = Rulebook(kept.ruleset), {}
    return book, _sources(kept) | dict(sources)


def _sources(accepted: Accepted) -> dict[str, tuple[str, str]]:
    return sources_of(accepted.ruleset, msgspec.json.decode(accepted.texts_json, type=dict[str, str]))


def _shadow(ruleset: RuleSet) -> RuleSet | None:
    desk = ruleset.desk
    return RuleSet.compile(replace(desk, rules=desk.shadow, shadow=())) if desk.shadow else None


def _of_present(state: RuleState, present: Collection[str]) -> RuleState:
    for key in [key for key in state.keys if key not in present]:
        state = state.forget(key)
    return state
