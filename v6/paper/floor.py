"""Where orders meet the market: triggers, fills, and how long a limit rests. Rules and policy: `matching`."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import Mapping
from decimal import Decimal
from typing import Final, Protocol

from v6.paper.account import Ledger
from v6.paper.executions import Numbers, execute
from v6.paper.intake import Fees
from v6.paper.matching import Book, book_of, crosses, rest_rate, stop_reached, trailed
from v6.paper.orders import OrderBook, PaperExecution, PaperOrder, Status
from v6.paper.ports import HaltingMarket, Mark, Market
from v6.ports import Clock

PARTIAL_SHARE: Final = 0.15
"""Share of fills of more than one contract that come in two parts."""
PARTIAL_GAP_S: Final = 1.0


class Hearer(Protocol):
    """Who must know of what happens on the floor."""

    def triggered(self, order: PaperOrder) -> None:
        """Take note that a stop works now."""
        ...

    def filled(self, order: PaperOrder, size: int, executions: list[PaperExecution]) -> None:
        """Take note of a fill, which the ledger has booked."""
        ...


class Floor:
    """Matching of single orders against the market, and the timers that it needs."""

    def __init__(
        self, market: Market, clock: Clock, ledger: Ledger, book: OrderBook, hearer: Hearer, *, seed: int, fees: Fees,
        step_s: float,
    ) -> None:  # fmt: skip
        self.is_open = False
        self.partial_share = PARTIAL_SHARE
        self.executions: list[PaperExecution] = []
        self.last: dict[int, float] = {}
        """The price of the account's last trade in each contract."""
        self.numbers = Numbers(int(clock.now().timestamp()))
        self._market = market
        self._halting = market if isinstance(market, HaltingMarket) else None
        self._clock = clock
        self._ledger = ledger
        self._book = book
        self._hearer = hearer
        self._seed = seed
        self._fees = fees
        self._step_s = step_s
        self._timers: dict[int, asyncio.TimerHandle] = {}

    def step(self, marks: Mapping[int, Mark | None]) -> None:
        """Match the working orders against a fresh book."""
        for order in list(self._book.live.values()):
            self.match(order, book_of(order.ratios, [marks.get(leg.contract.con_id) for leg in order.legs]))

    def match_now(self, order: PaperOrder) -> None:
        """Match one order against the book of the moment."""
        if self.is_open:
            self.match(order, self._look(order))

    def match(self, order: PaperOrder, book: Book | None, *, rested: bool = False) -> None:
        """Fill, trigger or let rest; `rested` means that the resting time of this limit is over."""
        self.drop_timer(order)
        if book is None or not self.is_open or order.status.done or order.status is Status.PENDING_SUBMIT:
            return
        if "child" in order.why_held or self._halted():
            return
        terms = order.terms
        if order.why_held == "trigger":
            if terms.trail is not None:
                order.stop = trailed(terms.side, order.stop, terms.trail, book)
            if order.stop is None or not stop_reached(terms.side, order.stop, book):
                return
            order.triggered, order.why_held, order.status = True, "", Status.SUBMITTED
            self._hearer.triggered(order)
        limit = terms.limit if terms.order_type.has_limit else None
        price = crosses(terms.side, limit, book)
        if price is not None:
            self._fill(order, price, book)
        elif limit is not None and not terms.at_once:
            rate = rest_rate(terms.side, limit, book)
            if rested and rate > 0:
                self._fill(order, limit, book)
            elif rate > 0:
                self._rest(order, rate)

    def drop_timer(self, order: PaperOrder) -> None:
        """Forget what an order was waiting for."""
        timer = self._timers.pop(order.perm_id, None)
        if timer is not None:
            timer.cancel()

    def stop(self) -> None:
        """Forget all timers."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _look(self, order: PaperOrder) -> Book | None:
        return book_of(
            order.ratios, self._market.marks([leg.contract.con_id for leg in order.legs], self._clock.now())
        )

    def _halted(self) -> bool:
        return self._halting is not None and self._halting.halt(self._clock.now()) is not None

    def _draw(self, order: PaperOrder) -> float:
        order.draws += 1
        return random.Random(f"{self._seed}:{order.perm_id}:{order.draws}").random()

    def _rest(self, order: PaperOrder, rate: float) -> None:
        wait = -math.log(1.0 - self._draw(order)) / rate * 60.0
        # The exponential has no memory, so what would fall behind the next step is drawn anew there.
        if wait < self._step_s:
            self._timer(order, wait)

    def _timer(self, order: PaperOrder, delay: float) -> None:
        self.drop_timer(order)
        self._timers[order.perm_id] = asyncio.get_running_loop().call_later(delay, self._due, order)

    def _due(self, order: PaperOrder) -> None:
        self._timers.pop(order.perm_id, None)
        self.match(order, self._look(order), rested=True)

    def _size(self, order: PaperOrder) -> int:
        size = order.remaining
        if size > 1 and order.terms.tif != "FOK" and self._draw(order) < self.partial_share:
            return 1 + int(self._draw(order) * (size - 1))
        return size

    def _fill(self, order: PaperOrder, net: Decimal, book: Book) -> None:
        size, now = self._size(order), self._clock.now()
        order.filled += size
        order.value += net * size
        order.last_price = net
        number = self.numbers.executed(len(self.executions))
        done = execute(order, size, net, book, now, number, self._ledger, self._fees)
        self.executions += done
        self.last.update((e.contract.con_id, float(e.price)) for e in done if e.contract is not None)
        if order.remaining == 0:
            self._book.end(order, Status.FILLED, now, f"Filled Size: {order.filled}")
        else:
            self._timer(order, PARTIAL_GAP_S)
        self._hearer.filled(order, size, done)
