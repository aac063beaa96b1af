"""Carry out what the rules decided for positions that are held."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime

from v6.daemon.gate import Gate
from v6.execution.books import Books
from v6.execution.executor import Executor
from v6.execution.plan import closing_limit, plan_close
from v6.model import event as e
from v6.model.decision import ActionKind, Decision
from v6.model.order import Purpose
from v6.model.quote import Quote
from v6.model.snapshot import Row

CLOSING = frozenset({ActionKind.CLOSE, ActionKind.ROLL})


class Exits:
    """One closing order per position at a time; a resting one follows the market."""

    def __init__(self, books: Books, executor: Executor, gate: Gate) -> None:
        self._books = books
        self._executor = executor
        self._gate = gate
        self._unpriced: set[str] = set()

    def chase(self, quotes: dict[int, Quote]) -> None:
        """Move every resting closing order to where it fills now."""
        for record in self._books.ledger.live_orders():
            if record.intent.purpose is Purpose.CLOSE:
                limit = closing_limit(record.intent, quotes)
                if limit is not None:
                    self._executor.chase(record, limit)

    def act(self, decisions: Sequence[Decision], portfolio: Row, quotes: dict[int, Quote], at: datetime) -> None:
        """Send one closing order for each position whose decision closes it and that has none under way."""
        for decision in decisions:
            if decision.action is not None and decision.action.kind in CLOSING:
                self._close(decision, portfolio, quotes, at)

    def _close(self, decision: Decision, portfolio: Row, quotes: dict[int, Quote], at: datetime) -> None:
        ledger = self._books.ledger
        holding = ledger.holdings.get(decision.key)
        if holding is None or ledger.live_for(decision.key) is not None:
            return
        attempt = ledger.attempts(decision.key) + 1
        intent = plan_close(decision, holding.now(), holding.units, quotes, at, attempt)
        if isinstance(intent, str):
            if decision.key not in self._unpriced:
                self._unpriced.add(decision.key)
                self._books.post(e.FindingRaised(at, "no-price", intent))
            return
        self._unpriced.discard(decision.key)
        approved = self._gate.review(intent, portfolio, ())
        if approved is not None:
            self._executor.submit(approved)
