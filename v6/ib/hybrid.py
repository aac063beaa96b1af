"""Stream what the desk acts on, look at the rest in turn."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Final

import structlog

from v6.ib.feed import Feed
from v6.ib.queue import PositionQueue
from v6.ib.registry import StrategyRegistry
from v6.model.contract import Contract
from v6.model.quote import Quote

ACCOUNT_LINES: Final = 100
"""What IB gives an account by default; a snapshot takes one until it is answered."""

STREAM_LINES: Final = 80
SPARE_LINES: Final = 5
TOO_MANY_LINES: Final = 101

log = structlog.get_logger("v6.ib")


def _nothing() -> dict[int, Quote]:
    return {}


def _nobody() -> Iterable[Contract]:
    return ()


class HybridStreamer:
    """Gives lines to what the registry claims, and queues what is left of it and the rest of what the account holds.

    `held` yields the account's contracts, whoever bought them; `answers` the latest quotes of queued ones.
    """

    def __init__(
        self,
        feed: Feed,
        queue: PositionQueue,
        held: Callable[[], Iterable[Contract]] = _nobody,
        answers: Callable[[], Mapping[int, Quote]] = _nothing,
    ) -> None:
        self.registry = StrategyRegistry()
        self._feed = feed
        self._queue = queue
        self._held = held
        self._answers = answers
        self._budget = STREAM_LINES

    def apply(self, at: datetime) -> tuple[Contract, ...]:
        """Bring lines and queue to what is claimed and held now; return what streams. Raises BrokerError."""
        plan = self.registry.plan(self._budget)
        self._feed.stream(plan.streamed)
        claimed = {contract.con_id for contract in (*plan.streamed, *plan.queued)}
        self._queue.hold(plan.queued, (c for c in self._held() if c.con_id not in claimed), at)
        return plan.streamed

    def quotes(self) -> dict[int, Quote]:
        """Return the streamed quotes, and the queued ones where nothing streams."""
        return {**self._answers(), **self._feed.quotes()}

    def free_lines(self) -> int:
        """Return how many snapshots may be under way at once: lines are shared with them."""
        return max(ACCOUNT_LINES - SPARE_LINES - self._feed.lines(), 1)

    def heard(self, code: int, con_id: int) -> None:
        """Learn the account's true number of lines from error 101: what was refused queues, now and ever after."""
        if code == TOO_MANY_LINES and self._feed.refused(con_id):
            self._budget = max(self._feed.lines(), 1)
            log.warning("fewer-lines-than-expected", lines=self._budget)
