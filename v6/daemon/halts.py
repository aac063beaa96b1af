"""Why nothing may open now; exits go on whatever is said here."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from datetime import datetime
from typing import TypeAlias

from v6.daemon.clocks import SKEW_S
from v6.daemon.policy import Policy
from v6.execution.ledger import Ledger
from v6.ib.reconnect import Downtime, quiet_until, stops_opens
from v6.model.decision import ActionKind, Decision
from v6.model.order import OrderState
from v6.model.snapshot import PORTFOLIO_KEY

Source: TypeAlias = Callable[[], Iterable[str]]
"""A part of the desk that knows reasons of its own; it also puts on record when one begins."""


class Halts:
    """All reasons together: what the parts of the desk say, what the books say, and what the rules say."""

    def __init__(self, ledger: Ledger, downtimes: Sequence[Downtime], sources: Sequence[Source]) -> None:
        self._ledger = ledger
        self._downtimes = downtimes
        self._sources = sources
        self._quiet_until: datetime | None = None

    def reasons(self, at: datetime, skew_s: float, decisions: Sequence[Decision], policy: Policy) -> tuple[str, ...]:
        """Return every reason why nothing may open at the moment, in words; empty if something may."""
        down = self._downtime(at)
        return (
            *(reason for source in self._sources for reason in source()),
            *([] if down is None else [down]),
            *in_doubt(self._ledger),
            *([f"the broker's clock and ours differ by {skew_s:.0f} s"] if skew_s > SKEW_S else []),
            *of_rules(decisions, policy),
        )

    def _downtime(self, at: datetime) -> str | None:
        if self._quiet_until is not None and at < self._quiet_until:
            return None
        down = stops_opens(self._downtimes, at)
        self._quiet_until = quiet_until(self._downtimes, at) if down is None else None
        return down


def in_doubt(ledger: Ledger) -> Iterator[str]:
    """Yield the orders of which nobody knows whether they are positions: limits cannot count them."""
    for record in ledger.live_orders():
        if record.state is OrderState.UNKNOWN:
            yield f"order {record.intent.order_ref} is UNKNOWN"


def of_rules(decisions: Sequence[Decision], policy: Policy) -> Iterator[str]:
    """Yield the protective rules that are unknown, and the rule that halts opening."""
    for decision in decisions:
        where = decision.key or "the portfolio"
        yield from (f"protective rule {rule} is unknown for {where}" for rule in policy.unknown(decision))
        if decision.key == PORTFOLIO_KEY and decision.action and decision.action.kind is ActionKind.HALT_OPENS:
            yield f"rule {decision.rule_id}"
