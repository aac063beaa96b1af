"""Which outcomes of each rule and of each of its comparisons the tests have seen."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from v6.backends.reference import evaluate
from v6.lang.canonical import show
from v6.lang.desk import Rule
from v6.model.catalogue import Value
from v6.ruletools.atoms import atoms, consulted

VERDICT = "(verdict)"
"""Stands for the rule as a whole among its comparisons."""


@dataclass(frozen=True, slots=True)
class Seen:
    """How often one comparison of a rule was true, false and unknown."""

    rule: str
    comparison: str
    true: int = 0
    false: int = 0
    unknown: int = 0

    @property
    def complete(self) -> bool:
        """Tell whether both outcomes were seen."""
        return self.true > 0 and self.false > 0


class Tally:
    """Counts outcomes; comparisons that nothing has touched are listed with zeros.

    A comparison is known by its text within its rule. Those of a fallback count only on rows that consult it.
    """

    def __init__(self, rules: Sequence[Rule]) -> None:
        self._counts: dict[tuple[str, str], list[int]] = {}
        for rule in rules:
            self._counts[rule.id, VERDICT] = [0, 0, 0]
            for expr in rule.expressions:
                for atom in atoms(expr):
                    self._counts.setdefault((rule.id, show(atom)), [0, 0, 0])

    def add(self, rule: Rule, names: dict[str, Value]) -> Value:
        """Count what the rule's comparisons are with these values; return the verdict."""
        conditions = consulted(rule, names)
        tracked = [track.expr for track in rule.live_tracks]
        tests = {show(atom): atom for expr in (*conditions, *tracked) for atom in atoms(expr)}
        for text, atom in tests.items():
            self._count(rule, text, evaluate(atom, names))
        verdict = evaluate(conditions[-1], names)
        self._count(rule, VERDICT, verdict)
        return verdict

    def _count(self, rule: Rule, text: str, value: Value) -> None:
        place = 2 if value is None else 0 if value else 1
        self._counts[rule.id, text][place] += 1

    def seen(self) -> tuple[Seen, ...]:
        """Return the counts in the order of rules and of their texts."""
        return tuple(Seen(rule, text, *counts) for (rule, text), counts in self._counts.items())


def percent(seen: Sequence[Seen]) -> float:
    """Return the per cent of outcomes (true and false, of each comparison and rule) that were seen; 100 of none."""
    outcomes = [count > 0 for item in seen for count in (item.true, item.false)]
    return 100.0 * sum(outcomes) / len(outcomes) if outcomes else 100.0
