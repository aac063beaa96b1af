"""Send what the gate approved, at most once, and follow it to its end.

Protocol: INTENT on disk, SENDING on disk, bytes, then only the broker's word changes anything. A send whose fate is
not known is UNKNOWN and is resolved by looking for its orderRef at the broker, never by sending again.
"""

from __future__ import annotations

import asyncio
from datetime import timedelta
from decimal import Decimal

import structlog

from v6.errors import BrokerError
from v6.execution.books import Books
from v6.execution.ledger import OrderRecord, exec_key
from v6.execution.settle import complete, ending
from v6.execution.walk import POLICIES, steps
from v6.model import event as e
from v6.model.order import Fill, OrderState, Purpose
from v6.ports import Broker, BrokerEvent, BrokerStatus, Clock, CommissionReport, OrderReport, Ticket
from v6.risk import Approved

ACK_FENCE_S = 10.0
"""An order without a word from the broker for this long is UNKNOWN (control C14)."""

COMMISSION_WAIT_S = 5.0
"""A finished order waits this long for its commission reports; a fill never waits longer for them."""

log = structlog.get_logger("v6.execution")


class Executor:
    """Owner of every order of ours between approval and end."""

    def __init__(self, broker: Broker, books: Books, clock: Clock) -> None:
        self._broker = broker
        self._books = books
        self._clock = clock
        self._final: dict[str, OrderReport] = {}
        self._early_commissions: dict[str, CommissionReport] = {}
        self._waiting: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        broker.listen(self.on_broker)

    def submit(self, approved: Approved) -> None:
        """Send the approved intent; its fate arrives through events."""
        intent = approved.intent
        ref = intent.order_ref
        self._books.post(e.OrderIntended(self._clock.now(), intent))
        if not self._broker.healthy():
            self._books.post(e.OrderEnded(self._clock.now(), ref, OrderState.NOT_SENT, "the link is not healthy"))
            return
        prices = steps(intent.limit, intent.worst, intent.side, intent.urgency)
        order_id = self._broker.next_order_id()
        self._books.post(e.OrderSending(self._clock.now(), ref, order_id))
        try:
            self._broker.place(Ticket(ref, order_id, intent.structure, intent.side, intent.quantity, prices[0]))
        except BrokerError as error:
            # The port's contract: raised before any byte was written.
            self._books.post(e.OrderEnded(self._clock.now(), ref, OrderState.NOT_SENT, str(error)))
            return
        self._spawn(self._walk(ref, prices))

    def chase(self, record: OrderRecord, limit: Decimal) -> None:
        """Move a closing order that rests since its walk to where it fills now; never to a better price for us."""
        current = record.limit
        if record.state is not OrderState.WORKING or current is None:
            return
        if (limit - current) * record.intent.side.sign > 0:
            self._reprice(record, limit)

    def cancel(self, record: OrderRecord) -> None:
        """Ask for the end of a working order; cancels may repeat."""
        if record.order_id and self._broker.healthy():
            self._broker.cancel(record.order_id)

    def on_broker(self, event: BrokerEvent) -> None:
        """Fold one word of the broker; repeats and any order of arrival are harmless."""
        match event:
            case OrderReport():
                self._on_report(event)
            case Fill():
                self._on_fill(event)
            case CommissionReport():
                self._on_commission(event)

    async def recover(self) -> None:
        """Bring every live order to what the broker says of it; run after each connect."""
        self._drop_unsent()
        found = await self._look()
        for record in list(self._books.ledger.live_orders()):
            if record.state is OrderState.SENDING:
                self._doubt(record.intent.order_ref, "no answer before the restart")
            if record.state is OrderState.WORKING and record.intent.purpose is Purpose.OPEN:
                # An entry belongs to the moment it was decided in; the next cycle decides afresh.
                self.cancel(record)
        missing = self._unknown() - found
        if missing:
            await asyncio.sleep(ACK_FENCE_S)
            missing &= self._unknown() - await self._look()
            for ref in sorted(missing):
                reason = "not at the broker in two looks ten seconds apart"
                self._books.post(e.OrderEnded(self._clock.now(), ref, OrderState.NOT_SENT, reason))

    async def close(self) -> None:
        """Stop walking prices; working orders stay at the broker."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _drop_unsent(self) -> None:
        for record in list(self._books.ledger.live_orders()):
            if record.state is OrderState.INTENT:
                ref = record.intent.order_ref
                self._books.post(e.OrderEnded(self._clock.now(), ref, OrderState.NOT_SENT, "stopped before sending"))

    async def _look(self) -> set[str]:
        evidence = await self._broker.evidence()
        # Fills first: a final report ends its order only when the fills account for it.
        for event in sorted(evidence, key=lambda item: isinstance(item, OrderReport)):
            self.on_broker(event)
        return {item.order_ref for item in evidence if isinstance(item, OrderReport | Fill)}

    def _unknown(self) -> set[str]:
        return {r.intent.order_ref for r in self._books.ledger.live_orders() if r.state is OrderState.UNKNOWN}

    async def _walk(self, ref: str, prices: list[Decimal]) -> None:
        intent = self._books.ledger.orders[ref].intent
        step_s = POLICIES[intent.urgency].step_s
        for price in prices:
            record = self._books.ledger.orders[ref]
            if record.state is OrderState.WORKING and record.limit != price:
                self._reprice(record, price)
            await asyncio.sleep(step_s)
            if not await self._still_ours(ref):
                return
        if intent.purpose is Purpose.OPEN:
            self.cancel(self._books.ledger.orders[ref])

    async def _still_ours(self, ref: str) -> bool:
        """Wait out the acknowledgement; False when the order ended or its fate is not known."""
        record = self._books.ledger.orders[ref]
        while record.state is OrderState.SENDING:
            assert record.sent_at is not None
            left = timedelta(seconds=ACK_FENCE_S) - (self._clock.now() - record.sent_at)
            if left <= timedelta(0):
                self._doubt(ref, f"no answer within {ACK_FENCE_S:g} s")
                self._spawn(self.recover())
                return False
            await asyncio.sleep(left.total_seconds())
            record = self._books.ledger.orders[ref]
        return record.state is OrderState.WORKING

    def _reprice(self, record: OrderRecord, limit: Decimal) -> None:
        if not self._broker.healthy():
            return
        intent = record.intent
        self._books.post(e.OrderRepriced(self._clock.now(), intent.order_ref, limit))
        self._broker.reprice(
            Ticket(intent.order_ref, record.order_id, intent.structure, intent.side, intent.quantity, limit)
        )

    def _on_report(self, report: OrderReport) -> None:
        record = self._books.ledger.orders.get(report.order_ref)
        if record is None or record.state.terminal:
            return
        if report.status is BrokerStatus.DOUBTFUL:
            self._doubt(report.order_ref, report.text)
            return
        if record.state in {OrderState.SENDING, OrderState.UNKNOWN}:
            self._books.post(e.OrderSubmitted(self._clock.now(), report.order_ref, report.perm_id))
        if report.status is not BrokerStatus.WORKING:
            self._final[report.order_ref] = report
            self._settle(report.order_ref)

    def _on_fill(self, fill: Fill) -> None:
        record = self._books.ledger.orders.get(fill.order_ref)
        if record is None:
            log.warning("fill-of-unknown-order", order_ref=fill.order_ref, exec_id=fill.exec_id)
            return
        known = next((f for f in record.fills if exec_key(f.exec_id) == exec_key(fill.exec_id)), None)
        if known is not None and known.exec_id >= fill.exec_id:
            return
        self._books.post(e.OrderFilled(self._clock.now(), fill))
        early = self._early_commissions.pop(fill.exec_id, None)
        if early is not None:
            self._on_commission(early)
        if record.state.terminal:
            text = f"{fill.order_ref} was {record.state} when {fill.exec_id} arrived"
            self._books.post(e.FindingRaised(self._clock.now(), "late-fill", text))
            return
        self._settle(fill.order_ref)

    def _on_commission(self, report: CommissionReport) -> None:
        owner = self._books.ledger.owner_of(report.exec_id)
        if owner is None:
            self._early_commissions[report.exec_id] = report
            return
        known = next(f for f in owner.fills if exec_key(f.exec_id) == exec_key(report.exec_id))
        if known.commission == report.commission:
            return
        self._books.post(e.CommissionReported(self._clock.now(), report.exec_id, report.commission))
        self._settle(owner.intent.order_ref)

    def _settle(self, ref: str, *, patient: bool = True) -> None:
        report = self._final.get(ref)
        record = self._books.ledger.orders[ref]
        if report is None or record.state.terminal or not complete(record, report):
            return
        if patient and not record.commissions_known():
            if ref not in self._waiting:
                self._waiting.add(ref)
                self._spawn(self._settle_later(ref))
            return
        self._final.pop(ref)
        self._waiting.discard(ref)
        self._books.post(*ending(record, report, self._books.ledger, self._clock.now()))

    async def _settle_later(self, ref: str) -> None:
        await asyncio.sleep(COMMISSION_WAIT_S)
        self._settle(ref, patient=False)

    def _doubt(self, ref: str, reason: str) -> None:
        if self._books.ledger.orders[ref].state is not OrderState.UNKNOWN:
            self._books.post(e.OrderUnresolved(self._clock.now(), ref, reason))

    def _spawn(self, coroutine: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(coroutine)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            log.error("order-task-failed", error=repr(task.exception()))
