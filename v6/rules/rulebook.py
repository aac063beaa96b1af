"""The rules in force: the desk's, and for a position that was opened under other ones those that it keeps."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeAlias

import msgspec

from v6.lang.desk import Desk, Rule
from v6.lang.load import desk_fingerprint, read_rule
from v6.model.decision import Decision
from v6.model.snapshot import Snapshot
from v6.rules.ruleset import Notice, RuleSet
from v6.rules.state import RuleState

Merge: TypeAlias = Callable[[Sequence[Rule], Sequence[Rule]], Sequence[Rule]]
"""Rules for an open position, from those it is held under and the desk's new ones."""


@dataclass(frozen=True, slots=True)
class Rulebook:
    """`current` decides all rows but those of the positions in `pinned`, which keep older rules until they close."""

    current: RuleSet
    pinned: Mapping[str, RuleSet] = field(default_factory=dict)

    def of(self, key: str) -> RuleSet:
        """Return the rules that decide the row of a key."""
        return self.pinned.get(key, self.current)

    def evaluate(self, snapshot: Snapshot, state: RuleState) -> tuple[tuple[Decision, ...], RuleState]:
        """Return one decision per row, in the rows' order, and the state to pass with the next snapshot."""
        if not self.pinned:
            return self.current.evaluate(snapshot, state)
        made: dict[str, Decision] = {}
        for rules, part in self._parts(snapshot):
            decisions, state = rules.evaluate(part, state)
            made |= {decision.key: decision for decision in decisions}
        return tuple(made[row.key] for row in snapshot.rows), state

    def notices(self, snapshot: Snapshot, decisions: tuple[Decision, ...], state: RuleState) -> tuple[Notice, ...]:
        """Return the alerts that are due by the decisions on a snapshot, `state` being the one before it."""
        if not any(decision.alerts for decision in decisions):
            return ()
        by_key = {decision.key: decision for decision in decisions}
        found: list[Notice] = []
        for rules, part in self._parts(snapshot):
            found += rules.notices(part, tuple(by_key[row.key] for row in part.rows), state)
        return tuple(found)

    def _parts(self, snapshot: Snapshot) -> list[tuple[RuleSet, Snapshot]]:
        sets = {id(rules): rules for rules in (self.current, *self.pinned.values())}
        parts = [(rules, tuple(row for row in snapshot.rows if self.of(row.key) is rules)) for rules in sets.values()]
        return [(rules, replace(snapshot, rows=rows)) for rules, rows in parts if rows]

    def without(self, open_keys: Collection[str]) -> Rulebook:
        """Return the book with only the positions that are still open."""
        if self.pinned.keys() <= set(open_keys):
            return self
        return replace(self, pinned={key: rules for key, rules in self.pinned.items() if key in open_keys})

    def moved(self, new: RuleSet, open_keys: Collection[str], merge: Merge) -> Rulebook:
        """Return the book after the desk's rules became `new`, with the rules of each open position merged."""
        pinned: dict[str, RuleSet] = {}
        done: dict[int, RuleSet] = {}
        for key in open_keys:
            held = self.of(key)
            if id(held) not in done:
                same = _marks(held.rules) == _marks(new.rules)
                done[id(held)] = new if same else compiled(new, merge(held.rules, new.rules))
            if done[id(held)] is not new:
                pinned[key] = done[id(held)]
        return Rulebook(new, pinned)


def _marks(rules: Sequence[Rule]) -> list[str]:
    return [rule.fingerprint for rule in rules]


def compiled(new: RuleSet, rules: Sequence[Rule]) -> RuleSet:
    """Return the rules within the new desk, and the new set itself if they are its own."""
    if _marks(rules) == _marks(new.rules):
        return new
    desk = new.desk
    mixed = tuple(rules)
    return RuleSet.compile(
        Desk(mixed, desk.strategies, desk.limits, desk_fingerprint(mixed, desk.strategies, desk.limits))
    )


Sources: TypeAlias = Mapping[str, tuple[str, str]]
"""File and text of rules by their fingerprints."""


class _Pins(msgspec.Struct, forbid_unknown_fields=True):
    """Texts of rules by their fingerprints, with the files they stood in; fingerprints by position."""

    texts: dict[str, tuple[str, str]]
    positions: dict[str, list[str]]


def sources_of(rules: RuleSet, texts: Mapping[str, str]) -> dict[str, tuple[str, str]]:
    """Return where the rules stand, given the desk's files."""
    return {rule.fingerprint: (rule.span.file, texts[rule.span.file]) for rule in rules.rules}


def pins_to_json(book: Rulebook, sources: Sources) -> str:
    """Return the rules of pinned positions as text; `sources` has each of them."""
    positions = {key: _marks(rules.rules) for key, rules in book.pinned.items()}
    texts = {mark: sources[mark] for marks in positions.values() for mark in marks}
    return msgspec.json.encode(_Pins(texts, positions), order="sorted").decode()


def pins_from_json(text: str, current: RuleSet) -> tuple[Rulebook, Sources]:
    """Return the book of which the text was written; raises ConfigError if a rule is no rule any more."""
    pins = msgspec.json.decode(text, type=_Pins)
    rules = {mark: read_rule(file, source) for mark, (file, source) in pins.texts.items()}
    sets: dict[tuple[str, ...], RuleSet] = {}
    for marks in pins.positions.values():
        if tuple(marks) not in sets:
            sets[tuple(marks)] = compiled(current, [rules[mark] for mark in marks])
    book = Rulebook(current, {key: sets[tuple(marks)] for key, marks in pins.positions.items()})
    # By the marks of this version, should it count other things among a rule's meaning.
    return book, {rules[mark].fingerprint: source for mark, source in pins.texts.items()}
