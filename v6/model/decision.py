"""What the rules say about one row of a snapshot."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class ActionKind(StrEnum):
    CLOSE = "close"
    REDUCE = "reduce"
    ROLL = "roll"
    HEDGE = "hedge"
    HALT_OPENS = "halt_opens"
    ALERT = "alert"

    @property
    def reduces_risk(self) -> bool:
        """Tell whether the action may run while a protective rule above it is unknown."""
        return self in {ActionKind.CLOSE, ActionKind.REDUCE, ActionKind.HALT_OPENS, ActionKind.ALERT}


class AlertSeverity(StrEnum):
    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Urgency(StrEnum):
    """How fast the limit price walks from the mid to the far side."""

    LOW = "low"
    NORMAL = "normal"
    HIGH = "high"
    IMMEDIATE = "immediate"


@dataclass(frozen=True, slots=True)
class Action:
    """The consequence of a rule: `fraction` is the part of the position a `reduce` gives up."""

    kind: ActionKind
    urgency: Urgency = Urgency.NORMAL
    fraction: float | None = None

    def __str__(self) -> str:
        part = "" if self.fraction is None else f" {self.fraction:g}"
        return f"{self.kind}{part} ({self.urgency})"


@dataclass(frozen=True, slots=True)
class Decision:
    """The outcome for one row: the rule that decides, and masks over all rules (bit i is the i-th rule by priority).

    `rule_id` and `action` are None when no rule decides. `alerts` has the rules whose alert is due on this row. The
    same columns come from the SQL backend.
    """

    decision_id: str
    snapshot_id: str
    ts: datetime
    key: str
    rule_id: str | None
    action: Action | None
    fired: int
    unknown: int
    bundle_fingerprint: str
    rule_fingerprint: str | None
    alerts: int = 0
