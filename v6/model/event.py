"""Everything that happened, in past tense; the journal is a sequence of these and the only truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeAlias

from v6.model.decision import Action, AlertSeverity, Decision
from v6.model.order import Fill, OrderIntent, OrderState
from v6.model.position import Position
from v6.model.snapshot import Snapshot


@dataclass(frozen=True, slots=True)
class SnapshotTaken:
    at: datetime
    snapshot: Snapshot


@dataclass(frozen=True, slots=True)
class DecisionsMade:
    """One decision per row of the snapshot, also those in which nothing fired."""

    at: datetime
    decisions: tuple[Decision, ...]


@dataclass(frozen=True, slots=True)
class AlertRaised:
    """What a rule tells people; `key` is a position_id, or '' for the portfolio."""

    at: datetime
    rule_id: str
    key: str
    severity: AlertSeverity
    text: str
    decision_id: str


@dataclass(frozen=True, slots=True)
class ReductionDue:
    """A rule decided that the position gives up a part: it is to be brought down to `keep` units."""

    at: datetime
    position_id: str
    keep: int
    decision: Decision


@dataclass(frozen=True, slots=True)
class OrderIntended:
    """The gate approved; nothing is sent yet."""

    at: datetime
    intent: OrderIntent


@dataclass(frozen=True, slots=True)
class OrderDenied:
    """Our own gate refused."""

    at: datetime
    intent: OrderIntent
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class OrderSending:
    """The next thing that happens is bytes on the wire."""

    at: datetime
    order_ref: str
    order_id: int


@dataclass(frozen=True, slots=True)
class OrderSubmitted:
    """The broker has it."""

    at: datetime
    order_ref: str
    perm_id: int


@dataclass(frozen=True, slots=True)
class OrderRepriced:
    at: datetime
    order_ref: str
    limit: Decimal


@dataclass(frozen=True, slots=True)
class OrderFilled:
    """One leg execution; `revision` is the last group of the exec_id, a later one replaces the earlier."""

    at: datetime
    fill: Fill


@dataclass(frozen=True, slots=True)
class CommissionReported:
    at: datetime
    exec_id: str
    commission: Decimal


@dataclass(frozen=True, slots=True)
class OrderUnresolved:
    """We cannot tell whether the broker has it: state UNKNOWN until evidence comes."""

    at: datetime
    order_ref: str
    reason: str


@dataclass(frozen=True, slots=True)
class OrderEnded:
    """Terminal on the broker's evidence; `state` is a terminal OrderState."""

    at: datetime
    order_ref: str
    state: OrderState
    reason: str = ""


@dataclass(frozen=True, slots=True)
class PositionOpened:
    at: datetime
    position: Position


@dataclass(frozen=True, slots=True)
class PositionReduced:
    """Part of a position was closed: `units` fewer are held; figures as in PositionClosed, for that part."""

    at: datetime
    position_id: str
    units: int
    exit_price: Decimal
    pnl: Decimal
    commission: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class PositionClosed:
    """`exit_price` is the net per unit received for selling the structure (negative: paid), pnl after commissions."""

    at: datetime
    position_id: str
    exit_price: Decimal
    pnl: Decimal
    commission: Decimal
    reason: str


@dataclass(frozen=True, slots=True)
class RollStarted:
    """A roll closes `position_id`; its replacement is still to be opened."""

    at: datetime
    position_id: str
    strategy: str


@dataclass(frozen=True, slots=True)
class RollEnded:
    """The roll found its replacement (`new_position_id`) or was given up for a reason."""

    at: datetime
    position_id: str
    new_position_id: str | None
    reason: str


@dataclass(frozen=True, slots=True)
class RuleSetReloaded:
    at: datetime
    fingerprint: str
    revision: str


@dataclass(frozen=True, slots=True)
class RuleSetRefused:
    at: datetime
    diagnostics: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class RulesPinned:
    """Open positions keep other rules than those that were just loaded; each reason says which and why."""

    at: datetime
    fingerprint: str
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class ShadowDiffered:
    """The shadow bundle would have done something else with a row; told when what the two would do changes."""

    at: datetime
    decision_id: str
    key: str
    rule_id: str | None
    action: Action | None
    shadow_rule_id: str | None
    shadow_action: Action | None


@dataclass(frozen=True, slots=True)
class FindingRaised:
    """A disagreement with the broker, or an action that could not be carried out, with what was done about it."""

    at: datetime
    code: str
    text: str


Event: TypeAlias = (
    SnapshotTaken
    | DecisionsMade
    | AlertRaised
    | ReductionDue
    | OrderIntended
    | OrderDenied
    | OrderSending
    | OrderSubmitted
    | OrderRepriced
    | OrderFilled
    | CommissionReported
    | OrderUnresolved
    | OrderEnded
    | PositionOpened
    | PositionReduced
    | PositionClosed
    | RollStarted
    | RollEnded
    | RuleSetReloaded
    | RuleSetRefused
    | RulesPinned
    | ShadowDiffered
    | FindingRaised
)

EVENT_TYPES: Final[dict[str, type[Event]]] = {kind.__name__: kind for kind in Event.__args__}
