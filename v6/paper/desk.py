"""The order desk: every order from arrival to its end; what clients send takes effect in order after a latency."""

from __future__ import annotations

import asyncio
import math
import random
from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from decimal import Decimal
from typing import Final, Protocol

from v6.paper.account import Ledger
from v6.paper.executions import Numbers, execute
from v6.paper.fields import error
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
from v6.paper.matching import Book, book_of, crosses, rest_rate, stop_reached
from v6.paper.orders import (
    OrderBook,
    OrderType,
    PaperExecution,
    PaperOrder,
    Status,
    open_order,
    order_status,
)
from v6.paper.placement import PlaceOrder
from v6.paper.ports import HaltingMarket, Mark, Market
from v6.ports import Clock

LATENCY_S: Final = 0.05
PARTIAL_SHARE: Final = 0.15
"""Share of fills of more than one contract that come in two parts."""
PARTIAL_GAP_S: Final = 1.0


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
        self.executions: list[PaperExecution] = []
        self.refs: Counter[str] = Counter()
        self.is_open = False
        self.partial_share = PARTIAL_SHARE
        self._market = market
        self._halting = market if isinstance(market, HaltingMarket) else None
        self._clock = clock
        self._ledger = ledger
        self._outlet = outlet
        self._account = account
        self._seed = seed
        self._fees = fees
        self._step_s = step_s
        self._numbers = Numbers(int(clock.now().timestamp()))
        self._highest = 0
        self._arrivals: deque[Callable[[], None]] = deque()
        self._timers: dict[int, asyncio.TimerHandle] = {}

    @property
    def next_id(self) -> int:
        """Return an order id that nobody has used."""
        return self._highest + 1

    def number(self, ahead: int) -> str:
        """Return the number of an execution that no order makes, `ahead` executions from now."""
        return self._numbers.executed(len(self.executions) + ahead)

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
        terms, legs = read_terms(request), read_legs(request, self._market, now)
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
        check_prices(terms, legs, is_bag(request))
        change = margin_change(terms, legs, self._ledger, self._fees, self._market, now)
        order = PaperOrder(
            client_id, request.order_id, self._numbers.perm_id(len(self.book.orders)), request.terms["orderRef"],
            request, terms, legs, is_bag(request), self._account,
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
        for order in list(self.book.live.values()):
            book = book_of(order.ratios, [marks.get(leg.contract.con_id) for leg in order.legs])
            self._match(order, book)

    def wanted(self) -> Iterable[int]:
        """Return the contracts whose book the next step needs."""
        return (leg.contract.con_id for order in self.book.live.values() for leg in order.legs)

    def open(self) -> None:
        """Begin a session: what was held until now goes to work."""
        self.is_open = True
        for order in list(self.book.live.values()):
            if order.status is Status.PRE_SUBMITTED:
                self._activate(order)

    def close(self) -> None:
        """End a session: DAY orders expire."""
        self.is_open = False
        for order in list(self.book.live.values()):
            self._drop_timer(order)
            if order.terms.tif == "DAY":
                self._end_unfilled(order, "Order Canceled - reason:the DAY order has expired")

    def expire(self, con_id: int) -> None:
        """Cancel the orders on a contract that has stopped trading."""
        for order in list(self.book.live.values()):
            if any(leg.contract.con_id == con_id for leg in order.legs):
                self._end_unfilled(order, "Order Canceled - reason:the contract has expired")

    def stop(self) -> None:
        """Forget all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
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
            waiting = self._related(order, one) and one.status is Status.PENDING_SUBMIT
            if one is not order and not waiting:
                continue
            one.status = Status.PRE_SUBMITTED
            if self.is_open:
                self._activate(one)
            else:
                note = "Order Message:\nWarning: your order will not be placed at the exchange until the market opens."
                self._outlet.post(one.client_id, error(one.order_id, 399, note))
                self._tell(one)

    @staticmethod
    def _related(order: PaperOrder, other: PaperOrder) -> bool:
        if order.client_id != other.client_id or not order.terms.parent_id:
            return False
        return order.terms.parent_id in (other.order_id, other.terms.parent_id)

    def _parent(self, order: PaperOrder) -> PaperOrder | None:
        return self.book.by_id.get((order.client_id, order.terms.parent_id)) if order.terms.parent_id else None

    def _activate(self, order: PaperOrder) -> None:
        parent = self._parent(order)
        waits = []
        if parent is not None and parent.status is not Status.FILLED:
            waits.append("child")
        if order.terms.stop is not None and not order.triggered and order.terms.order_type is not OrderType.LIMIT:
            waits.append("trigger")
        order.why_held = ",".join(waits)
        order.status = Status.PRE_SUBMITTED if waits else Status.SUBMITTED
        self._tell(order)
        self._match_now(order)

    def _modify(self, order: PaperOrder, wish: PaperOrder) -> None:
        if order.status.done:
            self._outlet.post(order.client_id, error(order.order_id, 104, "Cannot modify a filled order."))
            return
        if wish.terms.quantity <= order.filled:
            text = "Order rejected - reason:the new size is not above what has been filled"
            self._outlet.post(order.client_id, error(order.order_id, 201, text))
            return
        order.request, order.terms = wish.request, wish.terms
        if order.status is Status.PENDING_SUBMIT:
            self._accept(order)
        else:
            self._tell(order)
            self._match_now(order)

    def _cancel(self, order: PaperOrder) -> None:
        if order.status.done:
            text = f"OrderId {order.order_id} that needs to be cancelled cannot be cancelled, state: {order.status}."
            self._outlet.post(order.client_id, error(order.order_id, 10148, text))
        else:
            self._end_unfilled(order, "Order Canceled - reason:")

    def _end_unfilled(self, order: PaperOrder, reason: str) -> None:
        self._drop_timer(order)
        self.book.end(order, Status.CANCELLED, self._clock.now(), reason)
        self._outlet.post(order.client_id, order_status(order) + error(order.order_id, 202, reason))
        for child in list(self.book.live.values()):
            if child.client_id == order.client_id and child.terms.parent_id == order.order_id:
                self._end_unfilled(child, "Order Canceled - reason:the parent order was cancelled")

    # -- matching

    def _match_now(self, order: PaperOrder) -> None:
        if self.is_open:
            marks = self._market.marks([leg.contract.con_id for leg in order.legs], self._clock.now())
            self._match(order, book_of(order.ratios, marks))

    def _match(self, order: PaperOrder, book: Book | None, *, rested: bool = False) -> None:
        """Fill, trigger or let rest; `rested` means that the resting time of this limit is over."""
        self._drop_timer(order)
        if book is None or not self.is_open or order.status.done or order.status is Status.PENDING_SUBMIT:
            return
        if "child" in order.why_held or self._halted():
            return
        terms = order.terms
        if order.why_held == "trigger":
            if terms.stop is None or not stop_reached(terms.side, terms.stop, book):
                return
            order.triggered, order.why_held, order.status = True, "", Status.SUBMITTED
            self._tell(order)
        limit = None if terms.order_type in (OrderType.STOP, OrderType.MARKET) else terms.limit
        price = crosses(terms.side, limit, book)
        if price is not None:
            self._fill(order, price, book)
        elif limit is not None:
            rate = rest_rate(terms.side, limit, book)
            if rested and rate > 0:
                self._fill(order, limit, book)
            elif rate > 0:
                self._rest(order, rate)

    def _halted(self) -> bool:
        return self._halting is not None and self._halting.halt(self._clock.now()) is not None

    def _draw(self, order: PaperOrder) -> float:
        order.draws += 1
        return random.Random(f"{self._seed}:{order.perm_id}:{order.draws}").random()

    def _rest(self, order: PaperOrder, rate: float) -> None:
        wait = -math.log(1.0 - self._draw(order)) / rate * 60.0
        # The exponential has no memory, so what would fall behind the next step is drawn anew there.
        if wait < self._step_s:
            self._timer(order, wait, rested=True)

    def _timer(self, order: PaperOrder, delay: float, *, rested: bool) -> None:
        self._drop_timer(order)
        self._timers[order.perm_id] = asyncio.get_running_loop().call_later(delay, self._due, order, rested)

    def _due(self, order: PaperOrder, rested: bool) -> None:
        self._timers.pop(order.perm_id, None)
        marks = self._market.marks([leg.contract.con_id for leg in order.legs], self._clock.now())
        self._match(order, book_of(order.ratios, marks), rested=rested)

    def _drop_timer(self, order: PaperOrder) -> None:
        timer = self._timers.pop(order.perm_id, None)
        if timer is not None:
            timer.cancel()

    def _fill(self, order: PaperOrder, net: Decimal, book: Book) -> None:
        size = order.remaining
        if size > 1 and self._draw(order) < self.partial_share:
            size = 1 + int(self._draw(order) * (size - 1))
        order.filled += size
        order.value += net * size
        order.last_price = net
        now = self._clock.now()
        number = self._numbers.executed(len(self.executions))
        done = execute(order, size, net, book, now, number, self._ledger, self._fees)
        self.executions += done
        if order.remaining == 0:
            self.book.end(order, Status.FILLED, now, f"Filled Size: {order.filled}")
        else:
            self._timer(order, PARTIAL_GAP_S, rested=True)
        messages = [e.encode(-1) for e in done] + [open_order(order), order_status(order)]
        messages += [e.encode_commission() for e in done if e.contract is not None]
        self._outlet.post(order.client_id, b"".join(messages))
        self._outlet.moved([leg.contract.con_id for leg in order.legs])
        if order.status is Status.FILLED:
            self._after_fill(order)

    def _after_fill(self, order: PaperOrder) -> None:
        for other in list(self.book.live.values()):
            if order.terms.oca_group and other.terms.oca_group == order.terms.oca_group:
                self._end_unfilled(other, "Order Canceled - reason:another order of its OCA group was filled")
            elif other.client_id == order.client_id and other.terms.parent_id == order.order_id:
                self._activate(other)
