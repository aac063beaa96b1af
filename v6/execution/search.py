"""Find out what became of an order by its orderRef, or conclude that the broker does not have it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Final

from v6.errors import BrokerError
from v6.execution.books import Books
from v6.execution.ledger import OrderRecord
from v6.execution.settle import complete, ending
from v6.model import event as e
from v6.model.order import Fill, OrderState
from v6.ports import Broker, BrokerEvent, BrokerStatus, Clock, OrderReport

LOOK_EVERY_S: Final = 10.0
"""Looks are no closer than this, and two of them without a trace of the order are a verdict."""

_APART: Final = timedelta(seconds=LOOK_EVERY_S, milliseconds=-10)
"""LOOK_EVERY_S less what timers round off."""


class Search:
    """Two looks at all evidence and one at the positions; absence in them is the only evidence of absence."""

    def __init__(
        self,
        broker: Broker,
        books: Books,
        clock: Clock,
        listener: Callable[[BrokerEvent], None],
        tell: Callable[[str, str, str], None],
    ) -> None:
        self._broker = broker
        self._books = books
        self._clock = clock
        self._listener = listener
        self._tell = tell
        self._missing: dict[str, datetime] = {}
        self._looked_at: datetime | None = None
        # Two equal questions at once would steal each other's answer in the client library.
        self._asking = asyncio.Lock()

    def found(self, ref: str) -> None:
        """Take the broker's mention of the order for what it is: it exists."""
        self._missing.pop(ref, None)

    def is_missing(self, ref: str) -> bool:
        """Tell whether the last look had no trace of the order."""
        return ref in self._missing

    def due_in_s(self) -> float:
        """Return the seconds until the next look may be made."""
        if self._looked_at is None:
            return 0.0
        left = LOOK_EVERY_S - (self._clock.now() - self._looked_at).total_seconds()
        # A clock that was set back must not put the look off.
        return min(max(0.0, left), LOOK_EVERY_S)

    async def look(self) -> None:
        """Fold everything the broker knows and note which live orders are not in it; raises BrokerError."""
        async with self._asking:
            if not self._broker.reachable():
                raise BrokerError("IB's servers are out of reach: what the broker lists now may not be all")
            asked_at = self._looked_at = self._clock.now()
            evidence = await self._broker.evidence()
        # Fills first: a final report ends its order only when the fills account for it.
        for event in sorted(evidence, key=lambda item: isinstance(item, OrderReport)):
            self._listener(event)
        if not self._broker.reachable():
            return  # it lost its servers meanwhile, and the answer may leave things out
        named = {item.order_ref for item in evidence if isinstance(item, OrderReport | Fill)}
        for record in self._books.ledger.live_orders():
            ref, sent_at = record.intent.order_ref, record.sent_at
            if ref not in named and sent_at is not None and sent_at <= asked_at:
                self._missing.setdefault(ref, asked_at)

    async def conclude(self) -> None:
        """End the unknown orders of which two looks found no trace, if the positions agree; raises BrokerError."""
        if not self._lost():
            return
        positions = await self._broker.positions()
        if not self._broker.reachable():
            return
        # Asked again: much may have been heard while the answer was on its way.
        for ref in self._lost():
            self._end(self._books.ledger.orders[ref], positions)

    def _lost(self) -> list[str]:
        last = self._looked_at
        return [
            record.intent.order_ref
            for record in self._books.ledger.live_orders()
            if record.state is OrderState.UNKNOWN
            and last is not None
            and last - self._missing.get(record.intent.order_ref, last) >= _APART
        ]

    def _end(self, record: OrderRecord, positions: Mapping[int, int]) -> None:
        ref, now = record.intent.order_ref, self._clock.now()
        reason = "not at the broker in two looks ten seconds apart"
        report = OrderReport(
            ref, record.order_id, record.perm_id, BrokerStatus.CANCELLED, record.units_filled(), reason
        )
        if not (self._agree(record, positions, now) and complete(record, report)):
            # It may have filled unseen: to act on the position now could turn it around.
            self._tell(ref, "order-lost", f"{ref} is {reason}, and the positions differ; nothing more is sent for it")
        elif record.perm_id or record.fills:
            self._books.post(*ending(record, report, self._books.ledger, now))
        else:
            self._books.post(e.OrderEnded(now, ref, OrderState.NOT_SENT, reason))

    def _agree(self, record: OrderRecord, positions: Mapping[int, int], now: datetime) -> bool:
        """Tell whether the broker holds of the order's legs what our books say; expired legs cannot tell."""
        structure = record.intent.structure
        if structure.expiry < now.date():
            return True
        expected = self._books.ledger.expected_contracts()
        con_ids = (leg.contract.con_id for leg in structure.legs)
        return all(positions.get(con_id, 0) == expected.get(con_id, 0) for con_id in con_ids)
