"""The order lane: one BAG per structure, identity by orderRef, every word of the broker passed on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from typing import Final

import ib_async

from v6.errors import BrokerError
from v6.ib import convert, statement
from v6.ib.health import LinkState
from v6.ib.link import Link
from v6.ib.pacing import Lane
from v6.model.contract import Side
from v6.model.statement import Execution, Statement
from v6.ports import BrokerEvent, BrokerStatus, OrderReport, Ticket

ENDED: Final = frozenset({BrokerStatus.FILLED, BrokerStatus.CANCELLED, BrokerStatus.REJECTED})


class IbBroker:
    """`Broker` over a link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._listeners: list[Callable[[BrokerEvent], None]] = []
        self._high_order_id = 0
        # Two equal questions at once would steal each other's answer: ib_async keeps one future per kind.
        self._asking = asyncio.Lock()
        ib = link.ib
        ib.orderStatusEvent += self._on_status
        ib.openOrderEvent += self._on_status
        ib.execDetailsEvent += self._on_execution
        ib.commissionReportEvent += self._on_commission

    def listen(self, listener: Callable[[BrokerEvent], None]) -> None:
        self._listeners.append(listener)

    def healthy(self) -> bool:
        return self._link.state is LinkState.HEALTHY and self._link.ib.isConnected()

    def reachable(self) -> bool:
        # Without a data farm prices are missing, and orders still reach the exchange.
        return self._link.state in (LinkState.HEALTHY, LinkState.DEGRADED) and self._link.ib.isConnected()

    def raise_order_id(self, seen: int) -> None:
        """Never issue an id at or below one that we have used: IB's nextValidId can roll back at its restart."""
        self._high_order_id = max(self._high_order_id, seen)

    def next_order_id(self) -> int:
        """Return an id above all that were used; raises BrokerError without a connection."""
        client = self._link.ib.client
        client.updateReqId(self._high_order_id + 1)  # type: ignore[no-untyped-call]
        try:
            self._high_order_id = client.getReqId()
        except ConnectionError as error:
            raise BrokerError(f"no order id: {error}") from error
        return self._high_order_id

    def place(self, ticket: Ticket) -> None:
        lane, pacer = _lane(ticket), self._link.pacer
        if not (self.healthy() if lane is Lane.OPEN else self.reachable()):
            raise BrokerError(f"the link is {self._link.state}")
        # What waits is lost with the connection: an opening order is decided again instead, a closing one may wait
        # the fraction of a second that it takes.
        if lane is Lane.OPEN and not pacer.free(lane):
            raise BrokerError("the pace of messages leaves no room for an opening order now")
        contract, order = convert.bag(ticket.structure), convert.order_of(ticket, self._link.account)
        with pacer.using(lane):
            self._link.ib.placeOrder(contract, order)

    def reprice(self, ticket: Ticket) -> None:
        trade = self._trade(ticket.order_id)
        if trade is None or trade.isDone():
            return
        if not self.reachable():
            raise BrokerError(f"the link is {self._link.state}")
        trade.order.lmtPrice = convert.limit_of(ticket)
        with self._link.pacer.using(_lane(ticket)):
            self._link.ib.placeOrder(trade.contract, trade.order)

    def cancel(self, order_id: int) -> None:
        # Also one that ib_async calls done: it says so of live orders for errors that it does not know.
        trade = self._trade(order_id)
        report = None if trade is None else convert.report_of(trade)
        if trade is None or (report is not None and report.status in ENDED):
            return
        if not self._link.ib.isConnected():
            raise BrokerError("the link is down")
        self._link.ib.cancelOrder(trade.order)

    async def positions(self) -> dict[int, int]:
        async with self._asking:
            items = await self._link.ask(self._link.ib.reqPositionsAsync, "positions")
        # A change that comes amid the answer follows the older figure, also when it is a zero.
        held = {item.contract.conId: int(item.position) for item in items}
        return {con_id: quantity for con_id, quantity in held.items() if quantity}

    async def statement(self) -> Statement:
        """Return what the account holds and which orders work in it, whoever traded; raises BrokerError."""
        ib = self._link.ib
        async with self._asking:
            items = await self._link.ask(ib.reqPositionsAsync, "positions")
            live = await self._link.ask(ib.reqAllOpenOrdersAsync, "open orders")
        return Statement(statement.held(items, self._link.account), tuple(map(statement.open_order, live)))

    async def executions(self) -> list[Execution]:
        """Return the executions of everybody that the broker still tells, those of today; raises BrokerError."""
        async with self._asking:
            fills = await self._link.ask(self._link.ib.reqExecutionsAsync, "executions")
        return statement.executions(fills)

    async def evidence(self) -> list[BrokerEvent]:
        ib = self._link.ib
        async with self._asking:
            known = ib.trades()
            doubts = {id(trade): convert.last_word(trade) for trade in known}
            await self._link.ask(ib.reqExecutionsAsync, "executions")
            live = await self._link.ask(ib.reqAllOpenOrdersAsync, "open orders")
            done = await self._link.ask(lambda: ib.reqCompletedOrdersAsync(False), "completed orders")
        # Commission reports are merged into the first object of an execution; a repeated answer is a new one without.
        fills = ib.fills()
        events: list[BrokerEvent] = [f for f in map(convert.fill_of, fills) if f is not None and f.order_ref]
        reports = [_listed(trade, _units(trade, fills), doubts.get(id(trade))) for trade in live]
        reports += [_completed(trade, _units(trade, fills)) for trade in done]
        events.extend(report for report in reports if report is not None)
        return events

    def _trade(self, order_id: int) -> ib_async.Trade | None:
        ib = self._link.ib
        return ib.wrapper.trades.get((ib.client.clientId, order_id))

    def _on_status(self, trade: ib_async.Trade) -> None:
        report = convert.report_of(trade)
        if report is not None:
            self._emit(report)

    def _on_execution(self, _: ib_async.Trade, fill: ib_async.Fill) -> None:
        found = convert.fill_of(fill)
        if found is not None and found.order_ref:
            self._emit(found)

    def _on_commission(self, _: ib_async.Trade, fill: ib_async.Fill, report: ib_async.CommissionReport) -> None:
        found = convert.commission_of(report)
        if found is not None and fill.contract.secType != "BAG":
            self._emit(found)

    def _emit(self, event: BrokerEvent) -> None:
        if isinstance(event, OrderReport):
            self.raise_order_id(event.order_id)
        for listener in self._listeners:
            listener(event)


def _lane(ticket: Ticket) -> Lane:
    # A structure is bought to open it and sold to close it.
    return Lane.OPEN if ticket.side is Side.BUY else Lane.CLOSE


def _units(trade: ib_async.Trade, fills: list[ib_async.Fill]) -> int:
    # A completed order comes back with filled 0 and orderId 0, so the units are counted from the executions.
    own = [f for f in fills if trade.order.permId and f.execution.permId == trade.order.permId]
    return max(convert.units_of(trade.contract, own), int(trade.orderStatus.filled))


def _listed(trade: ib_async.Trade, units: int, doubt: ib_async.TradeLogEntry | None) -> OrderReport | None:
    """Return the report of an order that the broker has just listed as open: it exists, whatever we made of it."""
    report = convert.report_of(trade, units)
    stale = doubt is not None and doubt is convert.last_word(trade) and doubt.errorCode
    if report is None or (report.status is BrokerStatus.DOUBTFUL and stale):
        return convert.working(trade, units)
    return report


def _completed(trade: ib_async.Trade, units: int) -> OrderReport | None:
    """Return the report of an order among the completed ones: what is listed there does not work any more."""
    report = convert.report_of(trade, units)
    if report is not None and report.status not in ENDED:
        return replace(report, status=BrokerStatus.CANCELLED)
    return report
