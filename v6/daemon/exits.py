"""Carry out what the rules decided for positions that are held."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from datetime import datetime

from v6.daemon.gate import Gate
from v6.execution.books import Books
from v6.execution.executor import Executor
from v6.execution.ledger import Holding, Ledger
from v6.execution.plan import closing_limit, kept_units, plan_close
from v6.model import event as e
from v6.model.decision import ActionKind, Decision
from v6.model.order import Purpose
from v6.model.quote import Quote
from v6.model.snapshot import Row

CLOSING = frozenset({ActionKind.CLOSE, ActionKind.ROLL})


def reductions(decisions: Sequence[Decision], ledger: Ledger, at: datetime) -> Iterator[e.ReductionDue]:
    """Yield what becomes due by the decisions to reduce.

    Such a rule acts once per episode, so what it asked for is put on record with the decision and worked off from
    there, whatever becomes of the first order.
    """
    for decision in decisions:
        holding = ledger.holdings.get(decision.key)
        action = decision.action
        if holding is None or action is None or action.kind is not ActionKind.REDUCE or action.fraction is None:
            continue
        keep = kept_units(holding.units, action.fraction)
        due = ledger.reductions.get(decision.key)
        if due is None or keep < due.keep:
            yield e.ReductionDue(at, decision.key, keep, decision)


class Exits:
    """One closing order per position at a time; a resting one follows the market, none trades what is `fenced`."""

    def __init__(
        self, books: Books, executor: Executor, gate: Gate, fenced: Callable[[], frozenset[str]] = frozenset
    ) -> None:
        self._books = books
        self._executor = executor
        self._gate = gate
        self._fenced = fenced
        self._unpriced: set[str] = set()
        self._fenced_told: set[str] = set()

    def chase(self, quotes: dict[int, Quote]) -> None:
        """Move every resting closing order to where it fills now."""
        for record in self._books.ledger.live_orders():
            if record.intent.purpose is Purpose.CLOSE:
                limit = closing_limit(record.intent, quotes)
                if limit is not None:
                    self._executor.chase(record, limit)

    def act(self, decisions: Sequence[Decision], portfolio: Row, quotes: dict[int, Quote], at: datetime) -> None:
        """Send one closing order for each position that is to be closed or reduced and has none under way."""
        ledger = self._books.ledger
        self._fenced_told &= self._fenced()
        for record in ledger.live_orders():
            if record.intent.purpose is Purpose.CLOSE and record.intent.position_id in self._fenced():
                self._executor.cancel(record)
        for decision in decisions:
            holding = ledger.holdings.get(decision.key)
            if holding is not None and decision.action is not None and decision.action.kind in CLOSING:
                self._close(decision, holding, holding.units, portfolio, quotes, at)
        for due in list(ledger.reductions.values()):
            holding = ledger.holdings.get(due.position_id)
            if holding is not None and holding.units > due.keep:
                self._close(due.decision, holding, holding.units - due.keep, portfolio, quotes, at)

    def _close(
        self,
        decision: Decision,
        holding: Holding,
        units: int,
        portfolio: Row,
        quotes: dict[int, Quote],
        at: datetime,
    ) -> None:
        ledger = self._books.ledger
        if ledger.live_for(decision.key) is not None:
            return
        if decision.key in self._fenced():
            # The broker does not hold all of it: what closes the rest of a structure would open what is gone.
            if decision.key not in self._fenced_told:
                self._fenced_told.add(decision.key)
                text = f"{decision.key}: the broker does not hold all of it, so {decision.rule_id} cannot close it"
                self._books.post(e.FindingRaised(at, "exit-fenced", text))
            return
        attempt = ledger.attempts(decision.key) + 1
        intent = plan_close(decision, holding.now(), units, quotes, at, attempt)
        if isinstance(intent, str):
            if decision.key not in self._unpriced:
                self._unpriced.add(decision.key)
                self._books.post(e.FindingRaised(at, "no-price", intent))
            return
        self._unpriced.discard(decision.key)
        approved = self._gate.review(intent, portfolio, ())
        if approved is not None:
            self._executor.submit(approved)
