"""A fault script as values: when something goes wrong, and what."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Act(StrEnum):
    """What a fault does; the words of the script."""

    DROP = "drop"
    DELAY = "delay_s"
    DUPLICATE = "duplicate"
    HOLD = "hold"
    GARBLE = "garble"
    REWRITE = "rewrite"
    CORRECT = "correct"
    ERROR = "error"
    WARNING = "warning"
    RESET = "reset"
    NOTICE = "notice"
    OUTAGE = "outage"
    HALF_OPEN = "half_open_s"
    SLOW = "slow"
    PARTIAL_FILLS = "partial_fills"
    OVERSIZED = "oversized"


ON_SENT: Final = frozenset(
    {Act.DROP, Act.DELAY, Act.DUPLICATE, Act.HOLD, Act.GARBLE, Act.REWRITE, Act.CORRECT, Act.RESET}
)
ON_ASKED: Final = frozenset({Act.DROP, Act.DELAY, Act.ERROR, Act.WARNING, Act.RESET})
AT_TIME: Final = frozenset(
    {Act.RESET, Act.NOTICE, Act.OUTAGE, Act.HALF_OPEN, Act.SLOW, Act.PARTIAL_FILLS, Act.OVERSIZED, Act.GARBLE}
)


@dataclass(frozen=True, slots=True)
class When:
    """The moment of a fault: a message of the server (`sent`), a request (`asked`), or seconds after the start.

    The first `skip` events pass, then each is hit with `chance`, at most `times` times. `client` means only that one.
    """

    sent: int | None = None
    asked: int | None = None
    at_s: float | None = None
    client: int | None = None
    skip: int = 0
    times: int | None = None
    chance: float = 1.0


@dataclass(frozen=True, slots=True)
class Fault:
    """One line of a script. What `number`, `code`, `text` and `word` mean depends on the act.

    `number` is seconds (`delay_s`, `half_open_s`), messages (`duplicate`, `hold`), requests a second (`slow`) or a
    share (`partial_fills`).
    `rewrite`: `fields` are (name, text). `correct`: `number` dollars. `reset`: `word` before or after. `outage`:
    `number` seconds, then `code` (1101 data lost, 1102 data kept).
    """

    id: str
    when: When
    act: Act
    number: float = 0.0
    code: int = 0
    text: str = ""
    word: str = ""
    fields: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class FaultScript:
    """Faults in the order in which they are tried; `seed` decides every `chance`."""

    seed: int = 0
    faults: tuple[Fault, ...] = ()
