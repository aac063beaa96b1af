"""Send what the gate approved, at most once, and follow it to its end.

Protocol: INTENT on disk, SENDING on disk, bytes, then only the broker's word changes anything. A send whose fate is
not known is UNKNOWN and is resolved by looking for its orderRef at the broker, never by sending again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from decimal import Decimal
from typing import Any

import structlog

from v6.errors import BrokerError
from v6.execution.books import Books
from v6.execution.ledger import OrderRecord, exec_key
from v6.execution.search import LOOK_EVERY_S, Search
from v6.execution.settle import by_executions, complete, ending, merged
from v6.execution.walk import POLICIES, steps
from v6.model import event as e
from v6.model.order import Fill, OrderState, Purpose
from v6.ports import Broker, BrokerEvent, BrokerStatus, Clock, CommissionReport, OrderReport, Ticket
from v6.risk import Approved

ACK_FENCE_S = 10.0
"""An order without a word from the broker for this long is UNKNOWN (control C14)."""

CANCEL_AGAIN_S = 10.0
"""A cancel that the broker has not confirmed for this long is sent again."""

COMMISSION_WAIT_S = 5.0
"""A finished order waits this long for its commission reports and missing executions."""

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
        self._followers: dict[str, asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._search = Search(broker, books, clock, self.on_broker, self._tell)
        self._searching: asyncio.Task[None] | None = None
        self._nudged = asyncio.Event()
        self._told: set[tuple[str, str]] = set()
        broker.listen(self.on_broker)

    # -- commands --------------------------------------------------------------------------------------------------

    def submit(self, approved: Approved) -> None:
        """Send the approved intent; its fate arrives through events."""
        intent = approved.intent
        ref = intent.order_ref
        self._books.post(e.OrderIntended(self._clock.now(), intent))
        if not (self._broker.healthy() if intent.purpose is Purpose.OPEN else self._broker.reachable()):
            self._books.post(e.OrderEnded(self._clock.now(), ref, OrderState.NOT_SENT, "the link is not healthy"))
            return
        prices = steps(intent.limit, intent.worst, intent.side, intent.urgency)
        order_id, now = self._broker.next_order_id(), self._clock.now()
        sending: list[e.Event] = [e.OrderSending(now, ref, order_id)]
        if prices[0] != intent.limit:
            # A hurried walk starts further on; the books must know the price that the broker has.
            sending.append(e.OrderRepriced(now, ref, prices[0]))
        self._books.post(*sending)
        self._follow(ref, self._walk(ref, prices))
        try:
            self._broker.place(Ticket(ref, order_id, intent.structure, intent.side, intent.quantity, prices[0]))
        except BrokerError as error:
            # The port's contract: raised before any byte was written.
            self._unfollow(ref)
            self._books.post(e.OrderEnded(self._clock.now(), ref, OrderState.NOT_SENT, str(error)))

    def chase(self, record: OrderRecord, limit: Decimal) -> None:
        """Move a closing order that rests since its walk to where it fills now; never to a better price for us."""
        ref = record.intent.order_ref
        if not self._followed(ref):
            self._concede(ref, limit)

    def cancel(self, record: OrderRecord) -> None:
        """Ask for the end of a working order; cancels may repeat."""
        if record.order_id and self._broker.reachable():
            self._broker.cancel(record.order_id)

    async def recover(self) -> None:
        """Bring every live order to what the broker says of it; run after each connect, repeat if it raises.

        Walks belong to the connection they began on and end here. What stays in doubt is searched for in the
        background until it is resolved.
        """
        for ref in list(self._followers):
            self._unfollow(ref)
        self._drop_unsent()
        try:
            await self._search.look()
        except BrokerError:
            self._search_on()
            raise
        self._take_up()
        for record in self._resting():
            # The last change of the limit may have reached the journal and not the broker.
            self._broker.reprice(_ticket(record, record.limit or record.intent.limit))
        if self._in_doubt():
            self._search_on()

    async def close(self) -> None:
        """Stop walking prices; working orders stay at the broker."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    # -- the broker's words ----------------------------------------------------------------------------------------

    def on_broker(self, event: BrokerEvent) -> None:
        """Fold one word of the broker; repeats and any order of arrival are harmless."""
        match event:
            case OrderReport():
                self._on_report(event)
            case Fill():
                self._on_fill(event)
            case CommissionReport():
                self._on_commission(event)

    def _on_report(self, report: OrderReport) -> None:
        ref = report.order_ref
        record = self._books.ledger.orders.get(ref)
        if record is None:
            return
        self._search.found(ref)
        if record.state.terminal:
            self._on_report_after_end(record, report)
            return
        if report.status is BrokerStatus.DOUBTFUL:
            if ref not in self._final:
                self._doubt(ref, report.text)
            return
        if record.state is not OrderState.WORKING and report.status is not BrokerStatus.REJECTED:
            self._books.post(e.OrderSubmitted(self._clock.now(), ref, report.perm_id))
        if report.status is BrokerStatus.WORKING:
            self._withdraw_stray(ref)
        else:
            self._final[ref] = merged(self._final.get(ref), report)
            self._settle(ref)

    def _on_report_after_end(self, record: OrderRecord, report: OrderReport) -> None:
        if report.status is BrokerStatus.WORKING and record.state is not OrderState.FILLED:
            # Given up for good reasons and alive all the same: it must not trade beside its successor.
            ref = record.intent.order_ref
            self._tell(ref, "order-came-alive", f"{ref} was {record.state} and works at the broker; cancelling it")
            if self._broker.reachable():
                self._broker.cancel(report.order_id or record.order_id)
        if report.filled > record.units_filled():
            self._search_on()

    def _on_fill(self, fill: Fill) -> None:
        ref = fill.order_ref
        record = self._books.ledger.orders.get(ref)
        if record is None:
            log.warning("fill-of-unknown-order", order_ref=ref, exec_id=fill.exec_id)
            return
        self._search.found(ref)
        known = next((f for f in record.fills if exec_key(f.exec_id) == exec_key(fill.exec_id)), None)
        if known is not None and known.exec_id >= fill.exec_id:
            if fill.commission is not None:
                self._on_commission(CommissionReport(fill.exec_id, fill.commission))
            return
        self._books.post(e.OrderFilled(self._clock.now(), fill))
        early = self._early_commissions.pop(fill.exec_id, None)
        if early is not None:
            self._on_commission(early)
        if record.state.terminal:
            code = "late-fill" if known is None else "late-correction"
            self._tell(ref, code, f"{ref} was {record.state} when {fill.exec_id} arrived")
        self._settle(ref)

    def _on_commission(self, report: CommissionReport) -> None:
        owner = self._books.ledger.owner_of(report.exec_id)
        if owner is None:
            self._early_commissions[report.exec_id] = report
            return
        known = next(f for f in owner.fills if exec_key(f.exec_id) == exec_key(report.exec_id))
        if report.exec_id > known.exec_id:
            # It belongs to a correction that is still on its way.
            self._early_commissions[report.exec_id] = report
            return
        outdated = report.exec_id < known.exec_id and known.commission is not None
        if outdated or known.commission == report.commission:
            return
        self._books.post(e.CommissionReported(self._clock.now(), report.exec_id, report.commission))
        self._settle(owner.intent.order_ref)

    # -- the end of an order ---------------------------------------------------------------------------------------

    def _settle(self, ref: str, *, patient: bool = True) -> None:
        """End and book the order if the broker's final word and the executions agree; wait a little if they do not."""
        record = self._books.ledger.orders[ref]
        loose = record.loose()
        report = self._final.get(ref) or by_executions(record)
        if report is None or (record.state.terminal and not loose.fills):
            return
        # Executions that fill the whole order are its end, whether or not a status follows.
        self._final[ref] = report
        ready = complete(record, report)
        if patient and not (ready and loose.commissions_known()):
            if ref not in self._waiting:
                self._waiting.add(ref)
                self._spawn(self._settle_later(ref))
        elif ready:
            self._final.pop(ref)
            self._books.post(*ending(record, report, self._books.ledger, self._clock.now()))
        else:
            text = f"{ref}: {report.status} with {report.filled} units; its executions {record.contracts()} differ"
            self._tell(ref, "fills-missing", text)
            self._search_on()

    async def _settle_later(self, ref: str) -> None:
        await asyncio.sleep(COMMISSION_WAIT_S)
        self._waiting.discard(ref)
        self._settle(ref, patient=False)

    # -- the walk --------------------------------------------------------------------------------------------------

    async def _walk(self, ref: str, prices: list[Decimal]) -> None:
        intent = self._books.ledger.orders[ref].intent
        step_s = POLICIES[intent.urgency].step_s
        for price in prices:
            self._concede(ref, price)
            await asyncio.sleep(step_s)
            if not await self._acknowledged(ref):
                return
        if intent.purpose is Purpose.OPEN:
            await self._withdraw(ref)

    async def _acknowledged(self, ref: str) -> bool:
        """Wait out the acknowledgement; False when the order ended or its fate is not known."""
        record = self._books.ledger.orders[ref]
        while record.state is OrderState.SENDING:
            assert record.sent_at is not None
            left = ACK_FENCE_S - (self._clock.now() - record.sent_at).total_seconds()
            if left <= 0:
                self._doubt(ref, f"no answer within {ACK_FENCE_S:g} s")
                return False
            # A clock that was set back must not stretch the fence.
            await asyncio.sleep(min(left, ACK_FENCE_S))
            record = self._books.ledger.orders[ref]
        return self._alive(ref)

    async def _withdraw(self, ref: str) -> None:
        """Ask for the end of the order until the broker says that it has ended."""
        while self._alive(ref):
            self.cancel(self._books.ledger.orders[ref])
            await asyncio.sleep(CANCEL_AGAIN_S)

    def _concede(self, ref: str, limit: Decimal) -> None:
        """Move the limit of a working order towards a sooner fill, never back."""
        record = self._books.ledger.orders[ref]
        current = record.limit or Decimal(0)
        if not self._alive(ref) or (limit - current) * record.intent.side.sign <= 0 or not self._broker.healthy():
            return
        self._books.post(e.OrderRepriced(self._clock.now(), ref, limit))
        self._broker.reprice(_ticket(record, limit))

    def _alive(self, ref: str) -> bool:
        """Tell whether the order works and nothing has been heard of its end."""
        return self._books.ledger.orders[ref].state is OrderState.WORKING and ref not in self._final

    # -- doubt -----------------------------------------------------------------------------------------------------

    def _doubt(self, ref: str, reason: str) -> None:
        if self._books.ledger.orders[ref].state is not OrderState.UNKNOWN:
            self._books.post(e.OrderUnresolved(self._clock.now(), ref, reason))
            self._nudged.set()
        self._search_on()

    def _search_on(self) -> None:
        if self._searching is None or self._searching.done():
            self._searching = self._spawn(self._resolve())

    async def _resolve(self) -> None:
        """Look, more and more seldom, until no order is in doubt."""
        pause_s = LOOK_EVERY_S
        while True:
            await asyncio.sleep(self._search.due_in_s())
            self._nudged.clear()
            try:
                await self._search.look()
                self._take_up()
                await self._search.conclude()
            except BrokerError as error:
                log.warning("search-failed", error=str(error))
            if not self._in_doubt():
                return
            try:
                await asyncio.wait_for(self._nudged.wait(), pause_s)
                pause_s = LOOK_EVERY_S
            except TimeoutError:
                pause_s = min(2.0 * pause_s, 30.0 * LOOK_EVERY_S)

    def _in_doubt(self) -> bool:
        return any(
            record.state is OrderState.UNKNOWN
            or self._search.is_missing(record.intent.order_ref)
            or self._short_of_fills(record)
            for record in self._books.ledger.live_orders()
        )

    def _short_of_fills(self, record: OrderRecord) -> bool:
        report = self._final.get(record.intent.order_ref)
        return report is not None and not complete(record, report)

    def _take_up(self) -> None:
        """Give every order that nothing follows what its state asks for."""
        for ref in self._books.ledger.unbooked():
            self._settle(ref)
        for record in self._books.ledger.live_orders():
            ref = record.intent.order_ref
            if record.state is OrderState.SENDING and not self._followed(ref):
                self._doubt(ref, "no answer before the connection was lost")
            elif record.state is OrderState.WORKING and self._search.is_missing(ref) and not self._followed(ref):
                self._doubt(ref, "the broker does not list it any more")
            else:
                self._withdraw_stray(ref)

    def _withdraw_stray(self, ref: str) -> None:
        """Cancel an entry that no walk looks after: it belongs to the moment it was decided in."""
        is_entry = self._books.ledger.orders[ref].intent.purpose is Purpose.OPEN
        if is_entry and self._alive(ref) and not self._followed(ref):
            self._follow(ref, self._withdraw(ref))

    def _resting(self) -> list[OrderRecord]:
        live = self._books.ledger.live_orders()
        return [r for r in live if r.intent.purpose is Purpose.CLOSE and self._alive(r.intent.order_ref)]

    def _drop_unsent(self) -> None:
        for record in self._books.ledger.live_orders():
            if record.state is OrderState.INTENT:
                ref = record.intent.order_ref
                self._books.post(e.OrderEnded(self._clock.now(), ref, OrderState.NOT_SENT, "stopped before sending"))

    def _tell(self, ref: str, code: str, text: str) -> None:
        """Put a finding on record, once for each order and code."""
        if (ref, code) not in self._told:
            self._told.add((ref, code))
            self._books.post(e.FindingRaised(self._clock.now(), code, text))

    # -- tasks -----------------------------------------------------------------------------------------------------

    def _follow(self, ref: str, coroutine: Coroutine[Any, Any, None]) -> None:
        self._followers[ref] = self._spawn(coroutine)

    def _unfollow(self, ref: str) -> None:
        self._followers.pop(ref).cancel()

    def _followed(self, ref: str) -> bool:
        return ref in self._followers and not self._followers[ref].done()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        for ref in [ref for ref, follower in self._followers.items() if follower is task]:
            del self._followers[ref]
        if not task.cancelled() and task.exception() is not None:
            log.error("order-task-failed", error=repr(task.exception()))


def _ticket(record: OrderRecord, limit: Decimal) -> Ticket:
    intent = record.intent
    return Ticket(intent.order_ref, record.order_id, intent.structure, intent.side, intent.quantity, limit)
