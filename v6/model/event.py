"""Everything that happened, in past tense; the journal is a sequence of these and the only truth."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, TypeAlias

from v6.model.decision import Action, AlertSeverity, Decision
from v6.model.order import Fill, OrderIntent, OrderState
from v6.model.position import Position
from v6.model.quote import Greeks, QuoteType
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


@dataclass(frozen=True, slots=True)
class Queued:
    """One contract's place in the position queue; `attempts` counts the questions since the last answer.

    `due` is when it is to be seen again; None for `last_seen` is never.
    """

    con_id: int
    symbol: str
    contract: str
    own: bool
    since: datetime
    last_seen: datetime | None
    due: datetime
    attempts: int


@dataclass(frozen=True, slots=True)
class QueueListed:
    """The position queue as it was; the queue itself goes on from the journal's state."""

    at: datetime
    places: tuple[Queued, ...]


@dataclass(frozen=True, slots=True)
class LegQuoted:
    """What was known of one leg's market; `quoted_at` is when it was last heard of."""

    con_id: int
    contract: str
    quoted_at: datetime
    bid: float | None
    ask: float | None
    greeks: Greeks | None
    type: QuoteType


@dataclass(frozen=True, slots=True)
class GreeksTaken:
    """The legs of all open positions as a snapshot was made from them; one that nobody told of is left out."""

    at: datetime
    snapshot_id: str
    legs: tuple[LegQuoted, ...]


@dataclass(frozen=True, slots=True)
class HealthMeasured:
    """How the desk itself fared; every None could not be told.

    `loop_lag_s` is the longest since the last measure, `pacing_errors` counts error 100 since the start,
    `outbox_lag` the events that no table has yet, and `versions` is (table, Delta version).
    """

    at: datetime
    cycle: int
    link: str
    loop_lag_s: float | None
    lines: int
    queue_depth: int
    queue_oldest_s: float | None
    messages_waiting: int
    messages_per_s_peak: int
    pacing_errors: int
    journal_bytes: int | None
    journal_seq: int
    outbox_lag: int
    versions: tuple[tuple[str, int], ...]


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
    | QueueListed
    | GreeksTaken
    | HealthMeasured
)

EVENT_TYPES: Final[dict[str, type[Event]]] = {kind.__name__: kind for kind in Event.__args__}
