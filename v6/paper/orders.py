"""Orders and executions as the gateway keeps them, and the messages that tell of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final

from v6.model.contract import Contract, Leg, Side
from v6.paper.codec import UNSET_DOUBLE, Wire, frame, text
from v6.paper.fields import (
    COMMISSION,
    COMPLETED_CLEARING,
    COMPLETED_HEAD,
    COMPLETED_ORDER_ID,
    COMPLETED_STATE,
    EXECUTION,
    OPEN_CLEARING,
    OPEN_HEAD,
    OPEN_ORDER_ID,
    OPEN_SCALE,
    OPEN_STATE,
    ORDER_STATUS,
    S11,
)
from v6.paper.listing import bag_block, block, primary_exchange, stamp
from v6.paper.margin import Requirement
from v6.paper.matching import Trail
from v6.paper.placement import PlaceOrder
from v6.paper.requests import WireLeg


class OrderType(StrEnum):
    LIMIT = "LMT"
    MARKET = "MKT"
    STOP = "STP"
    STOP_LIMIT = "STP LMT"
    TRAIL = "TRAIL"

    @property
    def has_limit(self) -> bool:
        return self in (OrderType.LIMIT, OrderType.STOP_LIMIT)

    @property
    def waits(self) -> bool:
        """Tell whether it waits for a trigger."""
        return self in (OrderType.STOP, OrderType.STOP_LIMIT, OrderType.TRAIL)


class Status(StrEnum):
    PENDING_SUBMIT = "PendingSubmit"
    PRE_SUBMITTED = "PreSubmitted"
    SUBMITTED = "Submitted"
    FILLED = "Filled"
    CANCELLED = "Cancelled"

    @property
    def done(self) -> bool:
        return self in (Status.FILLED, Status.CANCELLED)


@dataclass(frozen=True, slots=True)
class Terms:
    """What the client may change by sending the order again."""

    side: Side
    quantity: int
    order_type: OrderType
    limit: Decimal | None
    stop: Decimal | None
    tif: str
    oca_group: str
    parent_id: int
    transmit: bool
    oca_type: int = 0
    until: datetime | None = None
    trail: Trail | None = None

    @property
    def at_once(self) -> bool:
        """Tell whether what is not filled on arrival is cancelled."""
        return self.tif in ("IOC", "FOK")


@dataclass(slots=True)
class PaperOrder:
    """One order through its life; `legs` has one leg of ratio 1 unless the order is for a combo."""

    client_id: int
    order_id: int
    perm_id: int
    order_ref: str
    request: PlaceOrder
    terms: Terms
    legs: tuple[Leg, ...]
    is_bag: bool
    account: str
    status: Status = Status.PENDING_SUBMIT
    filled: int = 0
    value: Decimal = Decimal(0)
    last_price: Decimal = Decimal(0)
    stop: Decimal | None = None
    """Where the trigger is now; a trailing stop moves it."""
    triggered: bool = False
    why_held: str = ""
    ended_at: datetime | None = None
    end_text: str = ""
    draws: int = 0
    """How many random numbers this order has used: its own sequence, independent of all other orders."""

    @property
    def remaining(self) -> int:
        return self.terms.quantity - self.filled

    @property
    def average(self) -> Decimal:
        return round(self.value / self.filled, 8) if self.filled else Decimal(0)

    @property
    def ratios(self) -> list[int]:
        return [leg.ratio for leg in self.legs]

    @property
    def symbol(self) -> str:
        return self.request.contract.symbol or self.legs[0].contract.symbol

    @property
    def origin(self) -> Origin:
        return Origin(self.account, self.symbol, self.client_id, self.order_id, self.perm_id, self.order_ref)

    def block(self) -> tuple[Wire, ...]:
        """Return the contract fields of the order itself."""
        exchange = self.request.contract.exchange or "SMART"
        return bag_block(self.symbol, exchange) if self.is_bag else block(self.legs[0].contract, exchange)


@dataclass(frozen=True, slots=True)
class Origin:
    """The order that an execution belongs to; exercise and assignment come from none, and all its ids are 0."""

    account: str
    symbol: str
    client_id: int = 0
    order_id: int = 0
    perm_id: int = 0
    order_ref: str = ""


@dataclass(frozen=True, slots=True)
class PaperExecution:
    """One execution: of a leg, or the summary of a combo (`contract` None, its fields in `combo`)."""

    exec_id: str
    origin: Origin
    contract: Contract | None
    side: Side
    quantity: int
    price: Decimal
    cumulative: int
    average: Decimal
    at: datetime
    commission: Decimal | None = None
    realized: Decimal | None = None
    combo: tuple[Wire, ...] = ()

    @property
    def exchange(self) -> str:
        """Return where it was traded."""
        return "CBOE" if self.contract is None else primary_exchange(self.contract)

    def encode(self, req_id: int) -> bytes:
        """Return execDetails; req_id is -1 for a live fill."""
        of, where = self.origin, self.exchange
        contract = self.combo if self.contract is None else block(self.contract, where)
        bought = "BOT" if self.side is Side.BUY else "SLD"
        return EXECUTION.encode(
            req_id, of.order_id, *contract, self.exec_id, stamp(self.at), of.account, where, bought,
            self.quantity, self.price, of.perm_id, of.client_id, 0, self.cumulative, self.average,
            of.order_ref, "", "", "", 1, 0,
        )  # fmt: skip

    def encode_commission(self) -> bytes:
        """Return commissionReport; only leg executions have one."""
        realized = UNSET_DOUBLE if self.realized is None else round(self.realized, 6)
        return COMMISSION.encode(self.exec_id, self.commission, "USD", realized, UNSET_DOUBLE, "")


@dataclass(frozen=True, slots=True)
class MarginChange:
    """What a whatIf order answers; all in account currency."""

    before: Requirement
    after: Requirement
    equity_before: Decimal
    equity_after: Decimal
    commission: Decimal
    warning: str = ""

    def fields(self) -> dict[str, Wire]:
        before, after = self.before, self.after
        return {
            "initMarginBefore": before.initial, "maintMarginBefore": before.maintenance,
            "equityWithLoanBefore": self.equity_before, "initMarginChange": after.initial - before.initial,
            "maintMarginChange": after.maintenance - before.maintenance,
            "equityWithLoanChange": self.equity_after - self.equity_before, "initMarginAfter": after.initial,
            "maintMarginAfter": after.maintenance, "equityWithLoanAfter": self.equity_after,
            "commission": self.commission, "commissionCurrency": "USD", "warningText": self.warning,
        }  # fmt: skip


_LEG_TAIL: Final = (0, 0, "", -1)
"""openClose, shortSaleSlot, designatedLocation, exemptCode of a combo leg."""


def _echo(order: PaperOrder, more: Mapping[str, Wire]) -> dict[str, Wire]:
    terms, sent = order.terms, dict(order.request.terms)
    values: dict[str, Wire] = dict(sent)
    values.update(zip(S11.split(), order.block(), strict=True))
    values.update(
        orderId=order.order_id, clientId=order.client_id, permId=order.perm_id, action=terms.side,
        totalQuantity=terms.quantity, orderType=terms.order_type, tif=terms.tif, ocaGroup=terms.oca_group,
        orderRef=order.order_ref, account=order.account, lmtPrice=0.0 if terms.limit is None else terms.limit,
        auxPrice=_aux(terms), ocaType=terms.oca_type or sent["ocaType"],
        deltaNeutralOrderType="None", deltaNeutralConId=0, deltaNeutralOpenClose="?", deltaNeutralShortSale=0,
        deltaNeutralShortSaleSlot=0, deltaNeutralPresent=0, conditionCount=0, status=order.status, algoStrategy="",
        filledQuantity=order.filled, completedStatus=order.end_text, sharesAllocation="",
        comboLegsDescrip=",".join(f"{leg.contract.con_id}|{leg.ratio}" for leg in order.legs) if order.is_bag else "",
        completedTime=stamp(order.ended_at) if order.ended_at else "",
    )  # fmt: skip
    if not order.is_bag and order.legs[0].contract.right is None:
        values["right"] = "?"
    if terms.trail is not None:
        values.update(trailStopPrice=order.stop, trailingPercent=terms.trail.percent)
    values.update(more)
    return values


def _aux(terms: Terms) -> Wire:
    price = terms.stop if terms.trail is None else terms.trail.amount
    return 0.0 if price is None else price


def _legs(order: PaperOrder) -> list[str]:
    """Return combo legs, their (absent) prices and the routing parameters, each after its count."""
    legs: tuple[WireLeg, ...] = order.request.legs if order.is_bag else ()
    fields: list[Wire] = [len(legs)]
    for leg in legs:
        fields += [leg.con_id, leg.ratio, leg.action, leg.exchange, *_LEG_TAIL]
    routing = [(k.split(" ", 1)[1], v) for k, v in order.request.terms.items() if k.startswith("routing ")]
    fields += [0, len(routing), *(x for pair in routing for x in pair)]
    return [text(f) for f in fields]


def _pick(values: Mapping[str, Wire], names: Sequence[str]) -> list[str]:
    return [text(values.get(name)) for name in names]


def open_order(order: PaperOrder, more: Mapping[str, Wire] | None = None) -> bytes:
    """Return openOrder; `more` are fields of the order state (whatIf)."""
    values = _echo(order, more or {})
    head, tail = [str(OPEN_ORDER_ID), *_pick(values, OPEN_HEAD)], _pick(values, OPEN_STATE)
    return frame([*head, *_legs(order), *_pick(values, OPEN_SCALE), *_pick(values, OPEN_CLEARING), *tail])


def completed_order(order: PaperOrder) -> bytes:
    """Return completedOrder, which has neither orderId nor clientId."""
    values = _echo(order, {"autoCancelParent": 0})
    head, tail = [str(COMPLETED_ORDER_ID), *_pick(values, COMPLETED_HEAD)], _pick(values, COMPLETED_STATE)
    return frame([*head, *_legs(order), *_pick(values, OPEN_SCALE), *_pick(values, COMPLETED_CLEARING), *tail])


def order_status(order: PaperOrder) -> bytes:
    """Return orderStatus."""
    return ORDER_STATUS.encode(
        order.order_id, order.status, order.filled, order.remaining, order.average, order.perm_id,
        order.terms.parent_id, order.last_price, order.client_id, order.why_held, 0.0,
    )  # fmt: skip


@dataclass(slots=True)
class OrderBook:
    """All orders the gateway has ever seen, in order of arrival; `live` are those not done."""

    orders: list[PaperOrder] = field(default_factory=list)
    live: dict[int, PaperOrder] = field(default_factory=dict)
    by_id: dict[tuple[int, int], PaperOrder] = field(default_factory=dict)

    def add(self, order: PaperOrder) -> None:
        self.orders.append(order)
        self.live[order.perm_id] = order
        self.by_id[(order.client_id, order.order_id)] = order

    def end(self, order: PaperOrder, status: Status, at: datetime, why: str) -> None:
        """Take an order off the book for good."""
        order.status, order.ended_at, order.end_text, order.why_held = status, at, why, ""
        self.live.pop(order.perm_id, None)
