"""What the core needs from the outside, as narrow as it can be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Protocol, TypeAlias

from v6.model.contract import Side
from v6.model.event import Event
from v6.model.order import Fill
from v6.model.position import Structure


class Clock(Protocol):
    """The only source of time."""

    def now(self) -> datetime:
        """Return the present moment, timezone-aware in UTC."""
        ...


class Journal(Protocol):
    """The durable log; what `append` returned from is on disk."""

    def append(self, *events: Event, state: Mapping[str, str] | None = None) -> int:
        """Write the events and the named state in one transaction; return the last sequence number."""
        ...


class BrokerStatus(StrEnum):
    """What the broker says of an order, reduced to what changes our behaviour.

    DOUBTFUL is a status the client library inferred from an error text; only a later WORKING, FILLED or CANCELLED
    is evidence.
    """

    WORKING = "working"
    FILLED = "filled"
    CANCELLED = "cancelled"
    REJECTED = "rejected"
    DOUBTFUL = "doubtful"


@dataclass(frozen=True, slots=True)
class Ticket:
    """One BAG (or single-leg) limit order as it goes to the broker; `limit` is net per unit, DAY, one account."""

    order_ref: str
    order_id: int
    structure: Structure
    side: Side
    quantity: int
    limit: Decimal


@dataclass(frozen=True, slots=True)
class OrderReport:
    """The broker's word on one of our orders; `filled` counts units."""

    order_ref: str
    order_id: int
    perm_id: int
    status: BrokerStatus
    filled: int
    text: str = ""


@dataclass(frozen=True, slots=True)
class CommissionReport:
    exec_id: str
    commission: Decimal


BrokerEvent: TypeAlias = OrderReport | Fill | CommissionReport


class Broker(Protocol):
    """The order lane. Events arrive through the listener, possibly repeated and in any order."""

    def healthy(self) -> bool:
        """Tell whether an opening order or a change of a limit may be sent now."""
        ...

    def reachable(self) -> bool:
        """Tell whether a closing order may be sent, and what the broker lists may be believed."""
        ...

    def next_order_id(self) -> int: ...

    def place(self, ticket: Ticket) -> None:
        """Write the order to the wire; raise BrokerError before any byte if the link does not allow it."""
        ...

    def reprice(self, ticket: Ticket) -> None:
        """Change the limit of a working order of ours."""
        ...

    def cancel(self, order_id: int) -> None: ...

    async def evidence(self) -> list[BrokerEvent]:
        """Return what the broker knows of all orders of ours: open, completed, and their executions."""
        ...

    async def positions(self) -> dict[int, int]:
        """Return signed contracts by con_id, zero positions left out."""
        ...

    def listen(self, listener: Callable[[BrokerEvent], None]) -> None: ...
