"""Take the snapshot: keep the needed lines open, wait for new ones, and build the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from datetime import datetime
from decimal import Decimal

import structlog

from v6.errors import BrokerError
from v6.execution.ledger import Ledger
from v6.ib.context import Context, begin_session, observe
from v6.ib.feed import Feed
from v6.ib.snapshot import Inputs, Session, build, price_of
from v6.model.contract import Contract, SecType
from v6.model.quote import Quote
from v6.model.snapshot import Snapshot

log = structlog.get_logger("v6.daemon")

SETTLE_S = 3.0
"""How long a snapshot waits for the first ticks of lines that were just opened."""

POLL_S = 0.1


class Watch:
    """The eyes of the daemon; `context` is what they remember, and is saved by the caller."""

    def __init__(self, feed: Feed, ledger: Ledger, context: Context) -> None:
        self._feed = feed
        self._ledger = ledger
        self.context = context
        self._underlying: Contract | None = None
        self._vix: Contract | None = None

    def reset(self) -> None:
        """Forget lines of a connection that is gone."""
        self._feed.forget_lines()

    async def snapshot(self, at: datetime, cycle: int, session: Session) -> Snapshot:
        """Return what is known now; raises BrokerError when the broker does not answer."""
        if self.context.session != session.day:
            self.context = begin_session(self.context, session.day, await self._vix_closes())
        await self._stream()
        net_liq = self._feed.account_value("NetLiquidation")
        underlying, vix = self._quote(self._underlying), self._quote(self._vix)
        held = [holding.now() for holding in self._ledger.holdings.values()]
        inputs = Inputs(
            at=at,
            cycle=cycle,
            session=session,
            positions=held,
            commissions=self._commissions(),
            quotes=self._feed.quotes(),
            unrealized=self._feed.unrealized(),
            underlying=underlying,
            vix=vix,
            net_liq=net_liq,
            margin=self._feed.account_value("MaintMarginReq"),
            context=self.context,
        )
        snapshot = build(inputs)
        self.context = observe(self.context, at, price_of(underlying), None if net_liq is None else net_liq[0])
        return snapshot

    def quotes(self) -> dict[int, Quote]:
        return self._feed.quotes()

    def previous_close(self) -> float | None:
        """Return the underlying's close of the session before, None until it is known."""
        quote = self._quote(self._underlying)
        return None if quote is None else quote.close

    async def _vix_closes(self) -> list[float]:
        """Return the closes, none if the broker has no history to give: ranks are then missing for the session."""
        try:
            return await self._feed.vix_closes()
        except BrokerError as error:
            log.warning("vix-history-missing", error=str(error))
            return []

    async def _stream(self) -> None:
        if self._underlying is None or self._vix is None:
            self._underlying = await self._feed.index("SPX", SecType.INDEX, "CBOE")
            self._vix = await self._feed.index("VIX", SecType.INDEX, "CBOE")
        wanted = [self._underlying, self._vix, *self._legs()]
        self._feed.stream(wanted)
        waited = 0.0
        while waited < SETTLE_S and any(self._feed.quote(c.con_id) is None for c in wanted):
            await asyncio.sleep(POLL_S)
            waited += POLL_S

    def _legs(self) -> Iterable[Contract]:
        for holding in self._ledger.holdings.values():
            for leg in holding.position.structure.legs:
                yield leg.contract

    def _quote(self, contract: Contract | None) -> Quote | None:
        return None if contract is None else self._feed.quote(contract.con_id)

    def _commissions(self) -> dict[str, Decimal]:
        found = {}
        for key, holding in self._ledger.holdings.items():
            share = Decimal(holding.units) / holding.position.quantity
            found[key] = self._ledger.commission_of(holding.position) * share
        return found
