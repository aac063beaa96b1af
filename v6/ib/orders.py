"""The order lane: one BAG per structure, identity by orderRef, every word of the broker passed on."""

from __future__ import annotations

from collections.abc import Callable

import ib_async

from v6.errors import BrokerError
from v6.ib import convert
from v6.ib.link import Link, LinkState
from v6.ports import BrokerEvent, OrderReport, Ticket


class IbBroker:
    """`Broker` over a link."""

    def __init__(self, link: Link) -> None:
        self._link = link
        self._listeners: list[Callable[[BrokerEvent], None]] = []
        self._high_order_id = 0
        ib = link.ib
        ib.orderStatusEvent += self._on_status
        ib.openOrderEvent += self._on_status
        ib.execDetailsEvent += self._on_execution
        ib.commissionReportEvent += self._on_commission

    def listen(self, listener: Callable[[BrokerEvent], None]) -> None:
        self._listeners.append(listener)

    def healthy(self) -> bool:
        # A message that waits in ib_async's throttle queue is dropped with the connection while the trade looks
        # submitted; an order is only handed over when it will be written at once.
        queue = self._link.ib.client._msgQ
        return self._link.state is LinkState.HEALTHY and self._link.ib.isConnected() and not queue

    def raise_order_id(self, seen: int) -> None:
        """Never issue an id at or below one that we have used: IB's nextValidId can roll back at its restart."""
        self._high_order_id = max(self._high_order_id, seen)

    def next_order_id(self) -> int:
        client = self._link.ib.client
        client.updateReqId(self._high_order_id + 1)  # type: ignore[no-untyped-call]
        self._high_order_id = client.getReqId()
        return self._high_order_id

    def place(self, ticket: Ticket) -> None:
        if not self.healthy():
            raise BrokerError("the link is not healthy or its queue is not empty")
        self._link.ib.placeOrder(convert.bag(ticket.structure), convert.order_of(ticket, self._link.account))

    def reprice(self, ticket: Ticket) -> None:
        trade = self._trade(ticket.order_id)
        if trade is None or trade.isDone():
            return
        trade.order.lmtPrice = float(ticket.limit)
        self._link.ib.placeOrder(trade.contract, trade.order)

    def cancel(self, order_id: int) -> None:
        trade = self._trade(order_id)
        if trade is not None and not trade.isDone():
            self._link.ib.cancelOrder(trade.order)

    async def positions(self) -> dict[int, int]:
        items = await self._link.ask(self._link.ib.reqPositionsAsync(), "positions")
        return {item.contract.conId: int(item.position) for item in items if item.position}

    async def evidence(self) -> list[BrokerEvent]:
        ib = self._link.ib
        await self._link.ask(ib.reqExecutionsAsync(), "executions")
        # Commission reports are merged into the first object of an execution; a repeated answer is a new one without.
        fills = ib.fills()
        live = await self._link.ask(ib.reqAllOpenOrdersAsync(), "open orders")
        done = await self._link.ask(ib.reqCompletedOrdersAsync(False), "completed orders")
        events: list[BrokerEvent] = [f for f in map(convert.fill_of, fills) if f is not None and f.order_ref]
        for trade in (*live, *done):
            report = convert.report_of(trade, self._units(trade, fills))
            if report is not None:
                events.append(report)
        return events

    @staticmethod
    def _units(trade: ib_async.Trade, fills: list[ib_async.Fill]) -> int:
        # A completed order comes back with filled 0 and orderId 0, so the units are counted from the executions.
        legs = len(trade.contract.comboLegs or ())
        own = [f for f in fills if f.execution.permId == trade.order.permId]
        return sum(convert.units_of(fill, legs) for fill in own)

    def _trade(self, order_id: int) -> ib_async.Trade | None:
        ib = self._link.ib
        return next(
            (t for t in ib.openTrades() if t.order.orderId == order_id and t.order.clientId == ib.client.clientId),
            None,
        )

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
