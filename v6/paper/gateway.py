"""The paper gateway: a TWS look-alike at server version 178 over a market that only has to answer questions.

What two clients agree on is proven by tests (the layouts); how a real gateway behaves is our reading of public
captures, and where we chose, the module that chose says so.
"""

from __future__ import annotations

import asyncio
import logging
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Final

from v6.model.contract import Contract, SecType
from v6.paper.account import Ledger
from v6.paper.desk import Desk
from v6.paper.faults.engine import Faults
from v6.paper.intake import Fees
from v6.paper.limits import Limits
from v6.paper.margin import Quotes, quotes_of
from v6.paper.market.book import FLAT_RATES
from v6.paper.meter import Meter
from v6.paper.nights import Nights
from v6.paper.orders import PaperExecution
from v6.paper.ports import Halt, HaltingMarket, Mark, Market, Payout, StockMarket, StockTerms
from v6.paper.reports import Figures
from v6.paper.session import Session, Stage
from v6.paper.sides import Sides
from v6.ports import Clock
from v6.pricing.calendar import TradingCalendar, new_york_date, xnys

ACCOUNT_EVERY: Final = timedelta(minutes=3)
"""Account values are sent at most this often while no position changes, as TWS does."""

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class OrderTruth:
    """What really became of an order, for the oracles of tests."""

    client_id: int
    order_id: int
    perm_id: int
    order_ref: str
    status: str
    filled: int
    remaining: int
    average: Decimal


class PaperGateway:
    """One paper account and its server; orders, positions and executions outlive every connection."""

    def __init__(
        self, market: Market, *, clock: Clock, account: str = "DU1234567", cash: Decimal, seed: int, step_s: float,
        fees: Fees | None = None, calendar: TradingCalendar | None = None,
        rates: tuple[float, float] = (FLAT_RATES.rate, FLAT_RATES.dividend), limits: Limits | None = None,
        faults: Faults | None = None, sides: bool = False,
    ) -> None:  # fmt: skip
        """Open an account; `rates` are the continuous interest and dividend yield that the option calculator uses.

        With `sides` the lines of options tell the computations of bid, ask and last besides the model's, which takes
        several times the work of a line without them.
        """
        self.market = market
        # The look at a protocol's methods costs more than the answer; a market does not change its kind.
        self._halting = market if isinstance(market, HaltingMarket) else None
        self.clock = clock
        self.account = account
        self.calendar = calendar or xnys()
        self.rates = rates
        self.limits = limits or Limits()
        self._faults = faults
        self._sides = sides
        self.sessions: list[Session] = []
        self.ledger = Ledger(cash)
        self.meter = Meter()
        self.desk = Desk(market, clock, self.ledger, self, account=account, seed=seed, fees=fees or Fees(),
                         step_s=step_s)  # fmt: skip
        self.nights = Nights(market, self.calendar, self.ledger, account, self._delivered, self.desk.number)
        self._step_s = step_s
        self._day_start = cash
        self._day_values: dict[int, Decimal] = {}
        self._prices: dict[int, Decimal] = {}
        self._spots: dict[str, Decimal] = {}
        self._server: asyncio.AbstractServer | None = None
        self._step_timer: asyncio.TimerHandle | None = None
        self._expiry_timer: asyncio.TimerHandle | None = None
        self._night_timer: asyncio.TimerHandle | None = None
        self._ended: set[int] = set()
        self._due: datetime | None = None
        self._account_told: datetime | None = None

    async def start(self, host: str = "127.0.0.1", port: int = 0) -> int:
        """Listen and begin to live with the clock; return the port."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(self._accept, host, port)
        if self._faults is not None:
            self._faults.start(self)
        self._due = None
        self._wake()
        self._plan_expiry()
        return int(self._server.sockets[0].getsockname()[1])

    async def stop(self) -> None:
        """Hang up on everybody and forget all timers; the account stays readable."""
        for timer in (self._step_timer, self._expiry_timer, self._night_timer):
            if timer is not None:
                timer.cancel()
        self.desk.stop()
        if self._faults is not None:
            self._faults.stop()
        if self._server is not None:
            self._server.close()
        for session in list(self.sessions):
            session.close()
        if self._server is not None:
            await self._server.wait_closed()
            self._server = None

    def _accept(self) -> Session:
        return Session(self) if self._faults is None else self._faults.session(self)

    # -- truth, for tests

    def positions(self) -> dict[int, int]:
        """Return signed contracts by con_id."""
        return {con_id: held.quantity for con_id, held in self.ledger.holdings.items()}

    def orders(self) -> list[OrderTruth]:
        """Return every order ever taken, in order of arrival."""
        return [
            OrderTruth(
                o.client_id, o.order_id, o.perm_id, o.order_ref, o.status.value, o.filled, o.remaining, o.average
            )
            for o in self.desk.book.orders
        ]

    @property
    def order_refs_placed(self) -> Counter[str]:
        """Return how many different orders were taken under each orderRef; above 1 is a duplicate."""
        return Counter(self.desk.refs)

    def hold(self, contract: Contract, quantity: int, price: Decimal) -> None:
        """Put a position of another origin into the account, as its owner's hand would; clients are not told."""
        self.ledger.trade(contract, quantity, price, Decimal(0))
        self._plan_expiry()

    def tick_every(self, step_s: float) -> None:
        """Move the market at this step from now on."""
        self._step_s = step_s
        if self._step_timer is not None:
            self._step_timer.cancel()
        self._due = self._next_due(self.clock.now())
        self._wake()

    def net_liquidation(self) -> Decimal:
        """Return cash plus the value of all positions, in dollars."""
        return self.figures().net_liquidation

    # -- for sessions and the desk

    def marks(self, con_ids: Iterable[int]) -> dict[int, Mark | None]:
        """Return the present books by con_id, in one call of the market."""
        wanted = sorted(set(con_ids))
        if not wanted:
            return {}
        return dict(zip(wanted, self.market.marks(wanted, self.clock.now()), strict=True))

    def stock(self, con_id: int) -> StockTerms | None:
        """Return the present terms of a stock or fund, None for anything else."""
        return self.market.stock(con_id, self.clock.now()) if isinstance(self.market, StockMarket) else None

    def payout(self, con_id: int) -> Payout | None:
        """Return what a stock or fund is known to pay, None for anything else."""
        terms = self.stock(con_id)
        return None if terms is None else terms.payout

    def sides_of(self, contract: Contract) -> Sides | None:
        """Return what tells the computations of an option's bid, ask and last, None where they are not served."""
        if not self._sides or contract.sec_type is not SecType.OPTION:
            return None
        # The dividends of a share are in its options' prices as cash, not as a yield.
        yearly = 0.0 if self.nights.share_of(contract, self.clock.now()) else self.rates[1]
        settles = self.market.settles_at(contract).timestamp()
        return Sides(contract, settles, (self.rates[0], yearly), lambda: self.clock.now().timestamp(),
                     self.desk.floor.last.get)  # fmt: skip

    def halt(self) -> Halt | None:
        """Return what the exchange does not do at present, None where and while there is no halt."""
        return None if self._halting is None else self._halting.halt(self.clock.now())

    def figures(self, marks: Mapping[int, Mark | None] | None = None) -> Figures:
        """Return the account in money; `marks` spares a call of the market if it is at hand."""
        held = self.ledger.holdings
        known = self.marks(held) if marks is None else marks
        # Between expiry and settlement there is no book: the last price stands.
        seen = quotes_of({con_id: h.contract for con_id, h in held.items()}, known)
        self._prices.update(seen.prices)
        self._spots.update(seen.spots)
        self._prices = {con_id: p for con_id, p in self._prices.items() if con_id in held}
        return Figures(self.ledger, self._prices, self.account, self._day_start, self._day_values, self._spots)

    def maintenance_margin(self) -> Decimal:
        """Return the account's maintenance margin in money at the present prices."""
        figures = self.figures()
        return self.ledger.margin(Quotes(figures.prices, figures.spots)).maintenance

    @property
    def lines_used(self) -> int:
        """Return how many lines of market data the clients have open together."""
        return sum(len(session.lines.by_id) for session in self.sessions)

    def told(self, con_id: int) -> None:
        """Note that a client was told of a contract."""
        self.meter.told(con_id, self.clock.now().timestamp())

    def ready(self) -> list[Session]:
        """Return the sessions that have started their API."""
        return [s for s in self.sessions if s.stage is Stage.READY]

    def post(self, client_id: int, message: bytes) -> None:
        """Send to one client, if it is connected."""
        for session in self.ready():
            if session.client_id == client_id:
                session.send(message)

    def moved(self, con_ids: Sequence[int]) -> None:
        """Tell those who subscribed that positions have changed."""
        changed = [self.ledger.holdings.get(c) or self.ledger.closed[c] for c in con_ids]
        figures = self.figures()
        for session in self.ready():
            if session.wants_positions:
                session.send(figures.positions(changed))
            if session.wants_account:
                session.send(figures.portfolio([h for h in changed if not h.quantity]))
            session.account_update(figures)
        self._account_told = self.clock.now()
        self._plan_expiry()

    # -- time

    def _wake(self) -> None:
        now = self.clock.now()
        # A real loop may wake a few microseconds early; a step before its time would be a step too many.
        if self._due is None or now >= self._due:
            if self._session(now) is None:
                self._shut()
            else:
                if not self.desk.is_open:
                    self.desk.open()
                    for session in self.ready():
                        session.streams.begin_session()
                self._step()
            self._due = self._next_due(now)
        if self._due is not None:
            wait = (self._due - now).total_seconds()
            self._step_timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _session(self, now: datetime) -> date | None:
        """Return the session that is open, if the market has prices for it."""
        day = self.calendar.session_at(now)
        return day if day is not None and self.market.first_day <= day <= self.market.last_day else None

    def _next_due(self, now: datetime) -> datetime | None:
        """Return the next multiple of the step since the opening, the close, or the next opening."""
        day = self._session(now)
        if day is not None:
            opened = self.calendar.open_utc(day)
            steps = math.floor((now - opened).total_seconds() / self._step_s) + 1
            return min(opened + timedelta(seconds=steps * self._step_s), self.calendar.close_utc(day))
        day = self.calendar.session_on_or_before(max(new_york_date(now), self.market.first_day))
        while self.calendar.open_utc(day) <= now:
            if day >= min(self.market.last_day, self.calendar.last_day):
                _log.info("the market has no prices after %s: there will be no more sessions", self.market.last_day)
                return None
            day = self.calendar.next_session(day)
        return self.calendar.open_utc(day)

    def _shut(self) -> None:
        if self.desk.is_open:
            self.desk.close()
            figures = self.figures()
            self._day_start = figures.net_liquidation
            self._day_values = {c: self.ledger.value(h, figures.prices) for c, h in self.ledger.holdings.items()}
            self.ledger.begin_day()
            for session in self.ready():
                session.streams.end_session()
                session.send(session.lines.freeze())

    def _step(self) -> None:
        """Move the market: one call for everything anybody watches, then ticks, then matching, then the account."""
        ready = self.ready()
        wanted = [c for s in ready for line in s.lines.by_id.values() for c in line.con_ids]
        tells = self._account_told is None or self.clock.now() - self._account_told >= ACCOUNT_EVERY
        held = self.ledger.holdings if tells else ()
        marks = self.marks([*wanted, *held, *self.desk.wanted()])
        watched = {line.con_ids[0] for s in ready for line in s.lines.by_id.values() if line.wants_dividends}
        payouts = {con_id: self.payout(con_id) for con_id in sorted(watched)}
        halt = self.halt()
        for session in ready:
            session.send(session.lines.ticks(marks, payouts, halt, self.told))
        self.desk.step(marks)
        if tells:
            self._account_told = self.clock.now()
            figures = self.figures(marks)
            for session in ready:
                if session.wants_account:
                    session.send(figures.portfolio())
                session.account_update(figures)

    def _plan_expiry(self) -> None:
        if self._expiry_timer is not None:
            self._expiry_timer.cancel()
            self._expiry_timer = None
        now, loop = self.clock.now(), asyncio.get_running_loop()
        ends = [self.market.settles_at(contract) for contract in self._ending()]
        if ends:
            wait = (min(ends) - now).total_seconds()
            self._expiry_timer = loop.call_later(max(wait, 0.0), self._expire)
        if self._night_timer is not None:
            self._night_timer.cancel()
            self._night_timer = None
        night = self.nights.next(now)
        if night is not None:
            self._night_timer = loop.call_later((night - now).total_seconds(), self._night)

    def _ending(self) -> list[Contract]:
        """Return the options held that have not come to their expiry yet."""
        held = (h.contract for h in self.ledger.holdings.values())
        return [c for c in held if c.sec_type is SecType.OPTION and c.con_id not in self._ended]

    def _night(self) -> None:
        self.nights.run(self.clock.now())
        self._ended &= self.ledger.holdings.keys()
        self._plan_expiry()

    def _delivered(self, executions: Sequence[PaperExecution], con_ids: Sequence[int]) -> None:
        self.desk.executions.extend(executions)
        self.moved(con_ids)

    def _expire(self) -> None:
        """Settle in cash what has reached its settlement; IB tells it by nothing but changed positions.

        What delivers shares stays until the night.
        """
        now = self.clock.now()
        gone = []
        for contract in [c for c in self._ending() if self.market.settles_at(c) <= now]:
            self.desk.expire(contract.con_id)
            if self.nights.share_of(contract, now) is not None:
                self._ended.add(contract.con_id)
                continue
            self.ledger.settle(contract.con_id, Decimal(repr(round(self.market.settlement(contract), 6))))
            gone.append(contract)
        if gone:
            self.moved([c.con_id for c in gone])
        else:
            self._plan_expiry()
