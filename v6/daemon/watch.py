"""Take the snapshot: keep the needed lines open, wait for new ones, and build the rows."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

import structlog

from v6.daemon.halted import TradingHalts
from v6.errors import BrokerError
from v6.execution.ledger import Ledger
from v6.ib.context import Context, begin_session, observe
from v6.ib.feed import Feed
from v6.ib.hybrid import HybridStreamer
from v6.ib.outlook import Outlook, Underlying, look_ahead
from v6.ib.own import with_own_greeks
from v6.ib.queue import PositionQueue
from v6.ib.registry import Rank
from v6.ib.snapshot import Inputs, Session, build, live
from v6.lang.events import EventCalendar
from v6.model.catalogue import Value
from v6.model.contract import Contract, SecType
from v6.model.quote import Quote
from v6.model.snapshot import Snapshot
from v6.pricing.calendar import new_york_date, xnys

log = structlog.get_logger("v6.daemon")

UNDERLYING: Final = "SPX"
"""What V6 watches and trades for now: its price is the price in every row."""

SETTLE_S = 3.0
"""How long a snapshot waits for the first ticks of lines that were just opened."""

POLL_S = 0.1

RETRY = timedelta(minutes=10)
"""How long the daemon goes without an index or a history that the broker did not give, before it asks again."""


class Watch:
    """The eyes of the daemon; `context` is what they remember, and is saved by the caller."""

    def __init__(
        self,
        feed: Feed,
        ledger: Ledger,
        context: Context,
        events: Callable[[], EventCalendar] = EventCalendar,
        hybrid: HybridStreamer | None = None,
        find: Callable[[str, str], None] = lambda *_: None,
    ) -> None:
        self._feed = feed
        self._hybrid = hybrid or HybridStreamer(feed, PositionQueue())
        self._ledger = ledger
        self._events = events
        self.context = context
        self.halts = TradingHalts(feed, find)
        self._indices: dict[str, Contract] = {}
        self._others: dict[str, Underlying] = {}
        self._closes: dict[date, float] = {}
        self._refused: dict[str, datetime] = {}
        self._history_of: date | None = None

    def reset(self) -> None:
        """Forget lines of a connection that is gone."""
        self._feed.forget_lines()
        self._refused.clear()

    async def open_lines(self, at: datetime) -> None:
        """Open the lines of what is held, so that the next snapshot need not wait; raises BrokerError."""
        await self._find_indices(at)
        await self._find_others(at)
        await self._stream(at)

    async def snapshot(self, at: datetime, cycle: int, session: Session) -> Snapshot:
        """Return what is known now; raises BrokerError when the broker does not answer."""
        await self._find_indices(at)
        await self._find_others(at)
        await self._read_history(at, session.day)
        self.halts.ask_anew()
        await self._stream(at)
        self.halts.look(self._watched(), self._hybrid.quotes())
        held = [holding.now() for holding in self._ledger.holdings.values()]
        outlooks = self._outlooks(session.day)
        self.with_greeks = with_own_greeks(self._hybrid.quotes(), self._legs(), outlooks, xnys(), at)
        inputs = Inputs(
            at=at,
            cycle=cycle,
            session=session,
            positions=held,
            commissions=self._commissions(),
            quotes=self.with_greeks,
            unrealized=self._feed.unrealized(),
            underlying=self._quote(UNDERLYING),
            vix=self._quote("VIX"),
            net_liq=self._feed.account_value("NetLiquidation"),
            margin=self._feed.account_value("MaintMarginReq"),
            context=self.context,
            symbol=UNDERLYING,
            outlooks=outlooks,
        )
        snapshot = build(inputs)
        # What was too old for the rules is not remembered as of now either.
        portfolio = snapshot.rows[0]
        self.context = observe(self.context, at, _number(portfolio["underlying_price"]), _number(portfolio["net_liq"]))
        return snapshot

    def quotes(self) -> dict[int, Quote]:
        """Return the quotes that orders may be priced from: live ones."""
        return {con_id: quote for con_id, quote in self._hybrid.quotes().items() if live(quote) is not None}

    def previous_close(self) -> Mapping[date, float]:
        """Return the known closes of the underlying by session, up to the one before the latest quote."""
        quote = self._quote(UNDERLYING)
        if quote is None or quote.close is None:
            return self._closes
        return {**self._closes, xnys().previous_session(new_york_date(quote.at)): quote.close}

    async def _find_indices(self, at: datetime) -> None:
        for symbol in (UNDERLYING, "VIX"):
            if symbol in self._indices or self._waits(symbol, at):
                continue
            try:
                self._indices[symbol] = await self._feed.index(symbol, SecType.INDEX, "CBOE")
            except BrokerError as error:
                self._do_without(symbol, at, error)

    async def _find_others(self, at: datetime) -> None:
        """Find the underlyings of positions in anything but what the desk trades: by their options, never by name."""
        for leg in self._legs():
            symbol = leg.symbol
            if symbol == UNDERLYING or symbol in self._others or self._waits(symbol, at):
                continue
            try:
                self._others[symbol] = await self._feed.underlying(leg)
            except BrokerError as error:
                self._do_without(symbol, at, error)

    def _outlooks(self, today: date) -> dict[str, Outlook]:
        """Return the outlook of each underlying that is held, and of the desk's own."""
        known = dict(self._others)
        if UNDERLYING in self._indices:
            known[UNDERLYING] = Underlying(self._indices[UNDERLYING])
        said, found = self._events(), {}
        for symbol in dict.fromkeys([UNDERLYING, *(leg.symbol for leg in self._legs())]):
            underlying = known.get(symbol)
            con_id = None if underlying is None else underlying.contract.con_id
            quote = None if con_id is None else self._feed.quote(con_id)
            dividend = None if con_id is None else self._feed.dividend(con_id)
            found[symbol] = look_ahead(underlying, quote, dividend, said.of(symbol), today, xnys())
        return found

    async def _read_history(self, at: datetime, today: date) -> None:
        """Begin the session; the histories are asked for once in it, and again later if they were not given."""
        if self.context.session != today:
            self.context = begin_session(self.context, today, ())
            self._history_of = None
        if self._history_of == today or len(self._indices) < 2 or self._waits("history", at):
            return
        try:
            ranked = await self._feed.closes(self._indices["VIX"], "1 Y", today)
            self.context = begin_session(self.context, today, list(ranked.values()))
            self._closes = await self._feed.closes(self._indices[UNDERLYING], "1 M", today)
            self._history_of = today
        except BrokerError as error:
            self._do_without("history", at, error)

    def _waits(self, what: str, at: datetime) -> bool:
        refused = self._refused.get(what)
        return refused is not None and at - refused < RETRY

    def _do_without(self, what: str, at: datetime, error: BrokerError) -> None:
        """Go on with a hole in the snapshot rather than with no exits; a broken connection is no hole."""
        if not self._feed.connected():
            raise error
        self._refused[what] = at
        log.warning("not-given-by-the-broker", what=what, error=str(error))

    async def _stream(self, at: datetime) -> None:
        held = {leg.symbol for leg in self._legs()}
        others = [other.contract for symbol, other in self._others.items() if symbol in held]
        registry = self._hybrid.registry
        registry.claim("underlyings", Rank.UNDERLYING, [*self._indices.values(), *others])
        registry.claim("positions", Rank.HELD, self._legs())
        wanted = self._hybrid.apply(at)
        waited = 0.0
        while waited < SETTLE_S and not all(self._feed.ticked(c.con_id) for c in wanted):
            await asyncio.sleep(POLL_S)
            waited += POLL_S

    def _watched(self) -> Iterable[Contract]:
        held = {leg.symbol for leg in self._legs()}
        yield from self._indices.values()
        yield from (other.contract for symbol, other in self._others.items() if symbol in held)
        yield from self._legs()

    def _legs(self) -> Iterable[Contract]:
        for holding in self._ledger.holdings.values():
            for leg in holding.position.structure.legs:
                yield leg.contract

    def _quote(self, symbol: str) -> Quote | None:
        contract = self._indices.get(symbol)
        return None if contract is None else self._feed.quote(contract.con_id)

    def _commissions(self) -> dict[str, Decimal]:
        found = {}
        for key, holding in self._ledger.holdings.items():
            share = Decimal(holding.units) / holding.position.quantity
            found[key] = self._ledger.commission_of(holding.position) * share
        return found


def _number(value: Value) -> float | None:
    return value if isinstance(value, float) else None
