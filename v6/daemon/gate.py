"""The risk gate with the desk's own books filled in; every denial is on record once."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal

from v6.execution.books import Books
from v6.lang.desk import Limits
from v6.model import event as e
from v6.model.order import OrderIntent, Purpose
from v6.model.snapshot import Row
from v6.ports import Clock
from v6.risk import Approved, Book, Denied, review


class Gate:
    """Nothing reaches the executor but what `review` returns."""

    def __init__(self, books: Books, clock: Clock, limits: Callable[[], Limits]) -> None:
        self._books = books
        self._clock = clock
        self._limits = limits
        self._said: dict[str, tuple[str, ...]] = {}

    def review(self, intent: OrderIntent, portfolio: Row, halts: tuple[str, ...]) -> Approved | None:
        """Return the approval, or None after putting the denial on record (the same reasons once a day)."""
        verdict = review(intent, portfolio, self._limits(), self._book(halts))
        if isinstance(verdict, Approved):
            return verdict
        self._record(verdict)
        return None

    def _record(self, denied: Denied) -> None:
        at = self._clock.now()
        codes = (f"{at:%Y%m%d}", *(reason.split(":")[0] for reason in denied.reasons))
        key = f"{denied.intent.strategy} {denied.intent.purpose}"
        if self._said.get(key) != codes:
            self._said[key] = codes
            self._books.post(e.OrderDenied(at, denied.intent, denied.reasons))

    def _book(self, halts: tuple[str, ...]) -> Book:
        ledger = self._books.ledger
        live = list(ledger.live_orders())
        opening = [r for r in live if r.intent.purpose is Purpose.OPEN]
        today = self._clock.now().date()
        return Book(
            held={key: holding.units for key, holding in ledger.holdings.items()},
            live=frozenset(r.intent.position_id for r in live),
            opening=len(opening),
            opening_loss=sum((_loss(r.intent) for r in opening), Decimal(0)),
            opened_today=ledger.openings_on(today),
            halts=halts,
        )


def _loss(intent: OrderIntent) -> Decimal:
    low, _ = intent.structure.extremes()
    if intent.purpose is not Purpose.OPEN or low is None:
        raise ValueError(f"{intent.intent_id} is no opening order of bounded loss")
    return (intent.worst - low) * intent.structure.multiplier * intent.quantity
