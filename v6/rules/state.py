"""What the rules remember between snapshots: folds and timers of each row key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias

import msgspec

from v6.backends.python import WAITING, Memory, Slots

VERSION: Final = 2
"""Version 1 had no windows, and did not say beside the timers themselves that one is running."""


@dataclass(frozen=True, slots=True)
class KeyState:
    """One key's memory: when it was last evaluated (microseconds since 1970) and its slots' values."""

    last: int
    slots: tuple[str, ...]
    values: Slots

    def arranged(self, slots: tuple[str, ...]) -> Slots:
        """Return the values in the order of other slots; what is new there starts empty."""
        if self.slots is slots:
            return self.values
        known = dict(zip(self.slots, self.values, strict=True))
        return tuple(known.get(slot) for slot in slots)


_Stored: TypeAlias = float | int | list[tuple[int, float]]


class _KeyJson(msgspec.Struct, forbid_unknown_fields=True):
    last: int
    slots: dict[str, _Stored]


class _StateJson(msgspec.Struct, forbid_unknown_fields=True):
    version: int
    keys: dict[str, _KeyJson]


@dataclass(frozen=True, slots=True)
class RuleState:
    """The memory of a rule set; it outlives restarts as JSON and reloads because slots are named, not numbered."""

    keys: Mapping[str, KeyState] = field(default_factory=dict)

    def forget(self, key: str) -> RuleState:
        """Return the state without one key, for a position that is closed."""
        return RuleState({k: state for k, state in self.keys.items() if k != key})

    def to_json(self) -> str:
        """Return the state as text that `from_json` reads back exactly."""
        keys = {
            key: _KeyJson(
                last=state.last,
                slots={s: _stored(v) for s, v in zip(state.slots, state.values, strict=True) if v is not None},
            )
            for key, state in self.keys.items()
        }
        return msgspec.json.encode(_StateJson(VERSION, keys)).decode()

    @classmethod
    def from_json(cls, text: str) -> RuleState:
        """Read what `to_json` wrote; raises ValueError on anything else."""
        decoded = msgspec.json.decode(text, type=_StateJson)
        if decoded.version not in (1, VERSION):
            raise ValueError(f"rule state of version {decoded.version}, expected {VERSION}")
        if decoded.version == 1:
            for state in decoded.keys.values():
                if any(slot.endswith("/missing") for slot in state.slots):
                    state.slots[WAITING] = state.last
        return cls(
            {
                key: KeyState(state.last, tuple(state.slots), tuple(map(_memory, state.slots.values())))
                for key, state in decoded.keys.items()
            }
        )


def _stored(value: Memory) -> _Stored:
    assert value is not None
    return list(value) if isinstance(value, tuple) else value


def _memory(value: _Stored) -> Memory:
    return tuple(value) if isinstance(value, list) else value
