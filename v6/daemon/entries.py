"""Open what the templates ask for, and the replacements that rolls are owed."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date

from v6.backends.python import compile_condition
from v6.daemon.entry import Market, propose
from v6.daemon.gate import Gate
from v6.errors import BrokerError
from v6.execution.books import Books
from v6.execution.executor import Executor
from v6.execution.plan import plan_open
from v6.ib.feed import Feed
from v6.lang.desk import StrategyTemplate, Underlying
from v6.model import event as e
from v6.model.order import Purpose
from v6.model.snapshot import Row, Snapshot
from v6.ports import Clock
from v6.strategy import Refused


class Entries:
    """One opening order per strategy at a time; `blocked` tells why nothing may open on an underlying."""

    def __init__(
        self,
        books: Books,
        executor: Executor,
        gate: Gate,
        feed: Feed,
        clock: Clock,
        blocked: Callable[[Underlying], str | None] = lambda _: None,
    ) -> None:
        self._books = books
        self._executor = executor
        self._gate = gate
        self._feed = feed
        self._clock = clock
        self._blocked = blocked
        self._conditions: dict[str, tuple[StrategyTemplate, Callable[..., bool | None]]] = {}
        self._said: set[tuple[date, str, str]] = set()

    async def look(
        self, templates: tuple[StrategyTemplate, ...], snapshot: Snapshot, today: date, halts: tuple[str, ...]
    ) -> None:
        """Open at most one position per template, if its condition is true now and nothing halts opening."""
        self._give_up_old_rolls(today)
        blocked = [template for template in templates if self._blocked(template.underlying) is not None]
        for template in blocked:
            self._withdraw(template)
        if halts:
            return
        portfolio = snapshot.rows[0]
        for template in templates:
            if template in blocked:
                continue
            roll = next((r for r in self._books.ledger.rolls.values() if r.strategy == template.id), None)
            if self._due(template, portfolio, today, rolling=roll is not None):
                await self._open(template, snapshot, today, halts, roll)

    def _withdraw(self, template: StrategyTemplate) -> None:
        """Ask for the end of an order that would open where nothing may."""
        for record in self._books.ledger.live_orders():
            if record.intent.strategy == template.id and record.intent.purpose is Purpose.OPEN:
                self._executor.cancel(record)

    def _due(self, template: StrategyTemplate, portfolio: Row, today: date, *, rolling: bool) -> bool:
        ledger = self._books.ledger
        if any(r.intent.strategy == template.id and r.intent.purpose is Purpose.OPEN for r in ledger.live_orders()):
            return False
        opened = ledger.opened_on.get(template.id)
        if not rolling and opened and (today - opened[-1]).days < template.entry.min_days_between:
            return False
        # Only TRUE opens: an unknown condition is no permission.
        return self._condition(template)(portfolio.values) is True

    def _condition(self, template: StrategyTemplate) -> Callable[..., bool | None]:
        known = self._conditions.get(template.id)
        if known is None or known[0] is not template:
            known = (template, compile_condition(template.entry.when))
            self._conditions[template.id] = known
        return known[1]

    async def _open(
        self,
        template: StrategyTemplate,
        snapshot: Snapshot,
        today: date,
        halts: tuple[str, ...],
        roll: e.RollStarted | None,
    ) -> None:
        portfolio = snapshot.rows[0]
        spot, vix, net_liq = (portfolio[name] for name in ("underlying_price", "vix", "net_liq"))
        if not isinstance(spot, float) or not isinstance(vix, float):
            self._say(today, template.id, "the underlying price or VIX is missing")
            return
        market = Market(today, spot, vix, net_liq if isinstance(net_liq, float) else None)
        try:
            proposal = await propose(template, self._feed, market)
        except BrokerError as error:
            self._say(today, template.id, str(error))
            return
        if isinstance(proposal, Refused):
            self._say(today, template.id, "; ".join(proposal.reasons))
            return
        now = self._clock.now()
        intent = plan_open(template, proposal, snapshot.snapshot_id, now, roll.position_id if roll else None)
        approved = self._gate.review(intent, portfolio, halts)
        if approved is not None:
            self._executor.submit(approved)

    def _give_up_old_rolls(self, today: date) -> None:
        for roll in list(self._books.ledger.rolls.values()):
            if roll.at.date() < today:
                text = "no replacement could be opened on the day of the roll"
                self._books.post(e.RollEnded(self._clock.now(), roll.position_id, None, text))

    def _say(self, today: date, strategy: str, text: str) -> None:
        """Put a refusal on record once a day and kind; figures in it may differ from cycle to cycle."""
        kind = "".join(c for c in text if not c.isdigit())
        if (today, strategy, kind) not in self._said:
            self._said.add((today, strategy, kind))
            self._books.post(e.FindingRaised(self._clock.now(), "entry-refused", f"{strategy}: {text}"))
