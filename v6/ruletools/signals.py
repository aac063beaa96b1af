"""The signal of a rule: inactive, pending or firing."""

from __future__ import annotations

from enum import StrEnum

from v6.lang.desk import Rule
from v6.rules import RuleState


class Phase(StrEnum):
    """PENDING: the condition held when last known, but not yet for as long as `for` asks."""

    INACTIVE = "inactive"
    PENDING = "pending"
    FIRING = "firing"


def signal_of(rule: Rule, fired: bool, key: str, after: RuleState) -> Phase:
    """Return the rule's signal after a row of the key, given whether it fired on that row."""
    if fired:
        return Phase.FIRING
    return Phase.INACTIVE if timer(rule, "since", key, after) is None else Phase.PENDING


def timer(rule: Rule, name: str, key: str, state: RuleState) -> int | None:
    """Return when the timer of a rule was started, in microseconds since 1970, or None.

    `since`: its condition holds; `missing`: it is unknown; `kept`: it last fired by its condition; `latched`: it acted
    in this episode; `told`: its alert went out in this episode; `acted`: it last acted, for its cooldown.
    """
    memory = state.keys.get(key)
    if memory is None:
        return None
    started = dict(zip(memory.slots, memory.values, strict=True)).get(f"{rule.id}/{name}")
    return started if isinstance(started, int) else None
