"""What a rule's names stand for on one row, worked out by the reference backend from the state before it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Final

from v6.backends.folds import WINDOWED
from v6.backends.python import Memory, track_slot
from v6.backends.reference import evaluate
from v6.lang.ast import Fold, Track
from v6.lang.desk import Rule
from v6.model.catalogue import Value
from v6.model.snapshot import Row
from v6.rules.state import RuleState

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


def microseconds(at: datetime) -> int:
    """Return the time as the rules count it, in microseconds since 1970."""
    return (at - _EPOCH) // _MICROSECOND


def names_on(rule: Rule, row: Row, before: RuleState, at: datetime) -> dict[str, Value]:
    """Return the values of all fields and of the rule's tracks on a row at a time."""
    names: dict[str, Value] = dict(row.items())
    memory = before.keys.get(row.key)
    slots: dict[str, Memory] = {} if memory is None else dict(zip(memory.slots, memory.values, strict=True))
    for track in rule.tracks:
        names[track.name] = _folded(track, slots.get(track_slot(rule, track)), row, microseconds(at))
    return names


def _folded(track: Track, before: Memory, row: Row, now: int) -> Value:
    value = evaluate(track.expr, dict(row.items()))
    assert value is None or isinstance(value, float)
    if track.window_s is not None:
        assert before is None or isinstance(before, tuple)
        return WINDOWED[track.fold](before, now, value, track.window_s * 1_000_000)[1]
    if before is None or value is None:
        return value if before is None else _number(before)
    earlier = _number(before)
    return {Fold.MAX: max(earlier, value), Fold.MIN: min(earlier, value), Fold.FIRST: earlier}[track.fold]


def _number(value: object) -> float:
    assert isinstance(value, float)
    return value
