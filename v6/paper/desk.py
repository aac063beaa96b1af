"""The order desk: every order from arrival to its end; what clients send takes effect in order after a latency.

Matching is done on the `floor`.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Final, Protocol

from v6.paper.account import Ledger
from v6.paper.fields import error
from v6.paper.floor import Floor
from v6.paper.groups import DEFAULT_OCA, OcaType, children_of, group_of, left_after, related
from v6.paper.intake import (
    Fees,
    Refused,
    check_margin,
    check_prices,
    is_bag,
    margin_change,
    read_legs,
    read_terms,
    same_order,
)
from v6.paper.orders import OrderBook, PaperExecution, PaperOrder, Status, open_order, order_status
from v6.paper.placement import PlaceOrder
from v6.paper.ports import Mark, Market
from v6.ports import Clock

LATENCY_S: Final = 0.05


class Outlet(Protocol):
    """Where the desk tells what happened."""

    def post(self, client_id: int, message: bytes) -> None:
        """Send to one client, if it is connected."""
        ...

    def moved(self, con_ids: Sequence[int]) -> None:
        """Tell that positions have changed."""
        ...


class Desk:
    """Orders, their matching and what it does to the ledger."""

    def __init__(
        self, market: Market, clock: Clock, ledger: Ledger, outlet: Outlet, *, account: str, seed: int, fees: Fees,
        step_s: float,
    ) -> None:  # fmt: skip
        self.book = OrderBook()
        self.refs: Counter[str] = Counter()
        self.floor = Floor(market, clock, ledger, self.book, self, seed=seed, fees=fees, step_s=step_s)
        self._market = market
        self._clock = clock
        self._ledger = ledger
        self._outlet = outlet
        self._account = account
        self._fees = fees
        self._highest = 0
        self._arrivals: deque[Callable[[], None]] = deque()
        self._deadlines: dict[int, asyncio.TimerHandle] = {}

    @property
    def is_open(self) -> bool:
        """Tell whether a session is open."""
        return self.floor.is_open

    @property
    def executions(self) -> list[PaperExecution]:
        """Return every execution of the account, in order."""
        return self.floor.executions

    @property
    def next_id(self) -> int:
        """Return an order id that nobody has used."""
        return self._highest + 1

    def number(self, ahead: int) -> str:
        """Return the number of an execution that no order makes, `ahead` executions from now."""
        return self.floor.numbers.executed(len(self.executions) + ahead)

    # -- what clients ask

    def place(self, client_id: int, request: PlaceOrder) -> None:
        """Take a new order or a change of one; refusals are answered at once."""
        self._highest = max(self._highest, request.order_id)
        try:
            self._place(client_id, request)
        except Refused as refusal:
            self._outlet.post(client_id, error(request.order_id, refusal.code, str(refusal)))

    def _place(self, client_id: int, request: PlaceOrder) -> None:
        now = self._clock.now()
        account = request.terms["account"]
        if account not in ("", self._account):
            raise Refused(321, f"Error validating request.-'bD' : cause - Invalid account code '{account}'")
        terms, legs = read_terms(request, now), read_legs(request, self._market, now)
        known = self.book.by_id.get((client_id, request.order_id))
        if known is not None and (known.status.done or not same_order(known, request, terms, legs)):
            if known.status is Status.FILLED and same_order(known, request, terms, legs):
                raise Refused(104, "Cannot modify a filled order.")
            code = 103 if known.status.done else 105
            raise Refused(code, "Duplicate order id" if code == 103 else
                          "Order being modified does not match original order")  # fmt: skip
        if terms.parent_id:
            parent = self.book.by_id.get((client_id, terms.parent_id))
            if parent is None:
                raise Refused(135, f"Can't find order with ID ={terms.parent_id}")
            # As at IB: the children of one parent exclude each other.
            terms = replace(terms, oca_group=terms.oca_group or str(parent.perm_id))
        if terms.oca_group:
            terms = replace(terms, oca_type=terms.oca_type or int(DEFAULT_OCA))
        check_prices(terms, legs, is_bag(request))
        change = margin_change(terms, legs, self._ledger, self._fees, self._market, now)
        order = PaperOrder(
            client_id, request.order_id, self.floor.numbers.perm_id(len(self.book.orders)), request.terms["orderRef"],
            request, terms, legs, is_bag(request), self._account, stop=terms.stop,
        )  # fmt: skip
        if request.flag("whatIf"):
            order.status = Status.PRE_SUBMITTED
            self._outlet.post(client_id, open_order(order, change.fields()))
            return
        if known is None and not terms.parent_id:
            # A child only exists once its parent has been filled, so its margin cannot be judged yet.
            check_margin(change, terms, legs, self._ledger)
        if known is None:
            self.book.add(order)
            self.refs[order.order_ref] += 1
            self._arrive(lambda: self._accept(order))
        else:
            self._arrive(lambda: self._modify(known, order))

    def cancel(self, client_id: int, order_id: int) -> None:
        """Cancel one order of a client."""
        order = self.book.by_id.get((client_id, order_id))
        if order is None:
            text = f"OrderId {order_id} that needs to be cancelled is not found."
            self._outlet.post(client_id, error(order_id, 10147, text))
            return
        self._arrive(lambda: self._cancel(order))

    def cancel_all(self) -> None:
        """Cancel every working order of every client."""
        for order in list(self.book.live.values()):
            self._arrive(lambda order=order: self._cancel(order))  # type: ignore[misc]

    # -- what the market does

    def step(self, marks: Mapping[int, Mark | None]) -> None:
        """Match the working orders against a fresh book."""
        self.floor.step(marks)

    def wanted(self) -> Iterable[int]:
        """Return the contracts whose book the next step needs."""
        return (leg.contract.con_id for order in self.book.live.values() for leg in order.legs)

    def open(self) -> None:
        """Begin a session: what was held until now goes to work."""
        self.floor.is_open = True
        for order in list(self.book.live.values()):
            if order.status is Status.PRE_SUBMITTED:
                self._activate(order)

    def close(self) -> None:
        """End a session: DAY orders expire."""
        self.floor.is_open = False
        for order in list(self.book.live.values()):
            self.floor.drop_timer(order)
            if order.terms.tif == "DAY":
                self._end_unfilled(order, "Order Canceled - reason:the DAY order has expired")

    def expire(self, con_id: int) -> None:
        """Cancel the orders on a contract that has stopped trading."""
        for order in list(self.book.live.values()):
            if any(leg.contract.con_id == con_id for leg in order.legs):
                self._end_unfilled(order, "Order Canceled - reason:the contract has expired")

    def stop(self) -> None:
        """Forget all timers."""
        self.floor.stop()
        for timer in self._deadlines.values():
            timer.cancel()
        self._deadlines.clear()
        self._arrivals.clear()

    # -- the life of an order

    def _arrive(self, action: Callable[[], None]) -> None:
        # Equal due times have no order in asyncio's heap, hence the queue: timers only say that the next one is due.
        self._arrivals.append(action)
        asyncio.get_running_loop().call_later(LATENCY_S, self._next_arrival)

    def _next_arrival(self) -> None:
        if self._arrivals:
            self._arrivals.popleft()()

    def _tell(self, order: PaperOrder) -> None:
        self._outlet.post(order.client_id, open_order(order) + order_status(order))

    def _accept(self, order: PaperOrder) -> None:
        """Take an order that transmits, with the parent and the siblings that were waiting for it."""
        if order.status.done or not order.terms.transmit:
            return
        for one in list(self.book.live.values()):
            waiting = related(order, one) and one.status is Status.PENDING_SUBMIT
            if one is not order and not waiting:
                continue
            one.status = Status.PRE_SUBMITTED
            self._set_deadline(one)
            if self.is_open:
                self._activate(one)
            elif one.terms.at_once:
                self._end_unfilled(one, "Order Canceled - reason:the market is closed")
            else:
                note = "Order Message:\nWarning: your order will not be placed at the exchange until the market opens."
                self._outlet.post(one.client_id, error(one.order_id, 399, note))
                self._tell(one)

    def _set_deadline(self, order: PaperOrder) -> None:
        """Let a GTD order end at its time."""
        timer = self._deadlines.pop(order.perm_id, None)
        if timer is not None:
            timer.cancel()
        if order.terms.until is not None and not order.status.done:
            wait = (order.terms.until - self._clock.now()).total_seconds()
            self._deadlines[order.perm_id] = asyncio.get_running_loop().call_later(
                max(wait, 0.0), self._end_unfilled, order, "Order Canceled - reason:the GTD order has expired"
            )

    def _parent(self, order: PaperOrder) -> PaperOrder | None:
        return self.book.by_id.get((order.client_id, order.terms.parent_id)) if order.terms.parent_id else None

    def _activate(self, order: PaperOrder) -> None:
        parent = self._parent(order)
        waits = []
        if parent is not None and parent.status is not Status.FILLED:
            waits.append("child")
        if order.terms.order_type.waits and not order.triggered:
            waits.append("trigger")
        order.why_held = ",".join(waits)
        order.status = Status.PRE_SUBMITTED if waits else Status.SUBMITTED
        self._tell(order)
        self.floor.match_now(order)
        if order.terms.at_once and not order.status.done:
            self._end_unfilled(order, f"Order Canceled - reason:what is left of an {order.terms.tif} order")

    def _modify(self, order: PaperOrder, wish: PaperOrder) -> None:
        if order.status.done:
            self._outlet.post(order.client_id, error(order.order_id, 104, "Cannot modify a filled order."))
            return
        if wish.terms.quantity <= order.filled:
            text = "Order rejected - reason:the new size is not above what has been filled"
            self._outlet.post(order.client_id, error(order.order_id, 201, text))
            return
        if wish.terms.trail is None or wish.terms.stop is not None:
            order.stop = wish.terms.stop
        order.request, order.terms = wish.request, wish.terms
        if order.status is Status.PENDING_SUBMIT:
            self._accept(order)
        else:
            self._set_deadline(order)
            self._tell(order)
            self.floor.match_now(order)

    def _cancel(self, order: PaperOrder) -> None:
        if order.status.done:
            text = f"OrderId {order.order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            self._outlet.post(order.client_id, error(order.order_id, 10148, text))
        else:
            self._end_unfilled(order, "Order Canceled - reason:")

    def _end_unfilled(self, order: PaperOrder, reason: str) -> None:
        if order.status.done:
            return
        self.floor.drop_timer(order)
        self.book.end(order, Status.CANCELLED, self._clock.now(), reason)
        self._set_deadline(order)
        self._outlet.post(order.client_id, order_status(order) + error(order.order_id, 202, reason))
        for child in children_of(order, list(self.book.live.values())):
            self._end_unfilled(child, "Order Canceled - reason:the parent order was cancelled")

    # -- what the floor tells

    def triggered(self, order: PaperOrder) -> None:
        """Tell that a stop works now."""
        self._tell(order)

    def filled(self, order: PaperOrder, size: int, executions: list[PaperExecution]) -> None:
        """Tell of a fill, and let it act on the orders that depend on it."""
        messages = [e.encode(-1) for e in executions] + [open_order(order), order_status(order)]
        messages += [e.encode_commission() for e in executions if e.contract is not None]
        self._outlet.post(order.client_id, b"".join(messages))
        self._outlet.moved([leg.contract.con_id for leg in order.legs])
        self._set_deadline(order)
        live = list(self.book.live.values())
        for other in group_of(order, live):
            kind, before = OcaType(order.terms.oca_type), order.remaining + size
            if kind is OcaType.REDUCE_NON_BLOCK:
                self._arrive(lambda other=other, kind=kind, before=before: self._shrink(other, kind, before, size))  # type: ignore[misc]
            else:
                self._shrink(other, kind, before, size)
        if order.status is Status.FILLED:
            for child in children_of(order, live):
                self._activate(child)

    def _shrink(self, order: PaperOrder, kind: OcaType, before: int, size: int) -> None:
        """Take from an order what another of its group has filled."""
        if order.status.done:
            return
        left = left_after(kind, before, size, order.remaining)
        if left == 0:
            self._end_unfilled(order, "Order Canceled - reason:another order of its OCA group was filled")
        elif left < order.remaining:
            order.terms = replace(order.terms, quantity=order.filled + left)
            self._tell(order)
