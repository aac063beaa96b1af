"""Intents, orders and fills. An order is at most once: see `OrderState.UNKNOWN`."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from v6.model.contract import Side
from v6.model.decision import Urgency
from v6.model.position import Structure


class Purpose(StrEnum):
    OPEN = "open"
    CLOSE = "close"


class OrderState(StrEnum):
    """Life of an intent. UNKNOWN is left only on the broker's evidence, and never by sending again."""

    INTENT = "intent"
    DENIED = "denied"
    SENDING = "sending"
    WORKING = "working"
    UNKNOWN = "unknown"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    NOT_SENT = "not_sent"

    @property
    def terminal(self) -> bool:
        return self in TERMINAL


TERMINAL = frozenset(
    {OrderState.DENIED, OrderState.FILLED, OrderState.CANCELLED, OrderState.REJECTED, OrderState.NOT_SENT}
)


@dataclass(frozen=True, slots=True)
class OrderIntent:
    """What we want the broker to do, before any byte is sent.

    `limit` is the net price per unit at which the walk starts, `worst` where it ends; both in the sign convention of
    `Structure`. Opening buys the structure, closing sells it. `rolls` asks for a replacement once it is closed,
    `roll_of` names the position that an opening order replaces.
    """

    intent_id: str
    position_id: str
    purpose: Purpose
    side: Side
    strategy: str
    structure: Structure
    quantity: int
    limit: Decimal
    worst: Decimal
    urgency: Urgency
    created_at: datetime
    decision_id: str | None = None
    rule_id: str | None = None
    attempt: int = 1
    rolls: bool = False
    roll_of: str | None = None

    @property
    def order_ref(self) -> str:
        """Return our identity at the broker; it survives restarts on both sides."""
        return f"v6-{self.intent_id}"


@dataclass(frozen=True, slots=True)
class Fill:
    """One execution of a leg; `quantity` is signed contracts, price per share, commission in account currency."""

    exec_id: str
    order_ref: str
    con_id: int
    quantity: int
    price: Decimal
    at: datetime
    commission: Decimal | None = None
