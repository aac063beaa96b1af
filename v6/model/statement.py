"""What the broker says of the whole account, whoever traded: converted, and not yet held against our books."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from v6.model.contract import Contract


@dataclass(frozen=True, slots=True)
class Held:
    """Signed contracts of one kind; `contract` is None for one that V6 cannot read.

    `cost` is the average cost of one contract in money, multiplier and commissions included (IB's avgCost), positive
    for long and short.
    """

    quantity: int
    contract: Contract | None = None
    cost: float | None = None


@dataclass(frozen=True, slots=True)
class OpenOrder:
    """An order that works at the broker; `text` is what it would do, `order_ref` empty where its owner gave none."""

    perm_id: int
    client_id: int
    order_ref: str
    text: str


@dataclass(frozen=True, slots=True)
class Execution:
    """A fill of a contract of its own by anybody; `quantity` is signed contracts."""

    exec_id: str
    client_id: int
    order_ref: str
    con_id: int
    quantity: int
    at: datetime


@dataclass(frozen=True, slots=True)
class Statement:
    """Positions by con_id, none of them zero, and the orders of every client and of persons."""

    positions: dict[int, Held]
    orders: tuple[OpenOrder, ...]
