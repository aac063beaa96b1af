"""Two versions of one rule before the solver: proven equal on all rows, or a row on which they differ."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from v6.lang.canonical import meaning, track_meaning
from v6.lang.desk import Rule
from v6.lint.encode import World
from v6.lint.logic import Logic, differ, every, negate
from v6.lint.solve import Prover
from v6.lint.verdict import verdict_of
from v6.lint.witness import Witness, describe, witness
from v6.model.catalogue import Value


class Outcome(StrEnum):
    """What is known of two versions of a rule; UNDECIDED is neither proven equal nor shown to differ."""

    SAME = "same"
    DIFFERS = "differs"
    UNDECIDED = "undecided"


@dataclass(frozen=True, slots=True)
class Example:
    """A row on which the two verdicts differ; None is unknown."""

    row: str
    old: bool | None
    new: bool | None


@dataclass(frozen=True, slots=True)
class Comparison:
    """`verdicts` is about the condition on a row, over all rows and folds; `timing` lists what else changed.

    The rule is the same, state included, if its verdicts are proven equal and nothing else changed: `for`, latches
    and cooldowns follow from the verdicts, and a fold that is written otherwise is taken to have any history.
    """

    verdicts: Outcome
    examples: tuple[Example, ...]
    timing: tuple[str, ...]
    note: str

    @property
    def outcome(self) -> Outcome:
        return Outcome.DIFFERS if self.timing else self.verdicts


_ASPECTS: Final = {
    "scope": "scope",
    "protective": "protective",
    "for_s": "for (s)",
    "keep_s": "keep_firing_for (s)",
    "cooldown_s": "cooldown (s)",
    "on_missing": "on_missing",
    "missing_for_s": "missing_for (s)",
    "then": "then",
}


def compare(old: Rule, new: Rule) -> Comparison:
    """Return what the solver knows of the two; the order of rules is not looked at."""
    timing = tuple(_timing(old, new))
    if [meaning(c) for c in old.conditions] == [meaning(c) for c in new.conditions]:
        return Comparison(Outcome.SAME, (), timing, "")
    world = World()
    before, after = verdict_of(old, world), verdict_of(new, world)
    prover = Prover(world)
    if prover.impossible(differ(before, after)):
        return Comparison(Outcome.SAME, (), timing, _folds(old, new))
    claims: tuple[tuple[Logic, Value, Value], ...] = (
        (every(before.true, after.false), True, False),
        (every(before.false, after.true), False, True),
        (every(before.true, after.unknown), True, None),
        (every(before.unknown, after.true), None, True),
        (every(before.false, negate(after.false)), False, None),
        (every(before.unknown, after.false), None, False),
    )
    examples = list(_examples(old, new, world, prover, claims))
    outcome = Outcome.DIFFERS if examples else Outcome.UNDECIDED
    # Unknown where it was known is worth a line only where nothing plainer is there to be told.
    plain = [e for e in examples if e.old is not None and e.new is not None]
    return Comparison(outcome, tuple(plain or examples[:2]), timing, _folds(old, new))


def _examples(
    old: Rule, new: Rule, world: World, prover: Prover, claims: tuple[tuple[Logic, Value, Value], ...]
) -> Iterator[Example]:
    exprs = (*old.conditions, *new.conditions)
    for claim, was, now in claims:

        def reached(row: Witness, was: Value = was, now: Value = now) -> bool:
            return row.verdict(old) is was and row.verdict(new) is now

        found = witness(world, prover.model(claim), reached, *exprs)
        if found is not None:
            assert was is None or isinstance(was, bool)
            assert now is None or isinstance(now, bool)
            yield Example(describe(found, reached, *exprs), was, now)


def _timing(old: Rule, new: Rule) -> Iterator[str]:
    for name, word in _ASPECTS.items():
        was, now = getattr(old, name), getattr(new, name)
        if was != now:
            yield f"{word}: {_shown(was)} -> {_shown(now)}"


def _shown(value: object) -> str:
    return "none" if value is None else str(value)


def _folds(old: Rule, new: Rule) -> str:
    """Return what the proof does not cover: a fold written otherwise begins anew when the daemon takes the edit."""
    known = {track_meaning(track) for track in old.live_tracks}
    fresh = [track.name for track in new.live_tracks if track_meaning(track) not in known]
    if not fresh:
        return ""
    return f"its {', '.join(f'`{name}`' for name in fresh)} would begin anew when it is taken"
