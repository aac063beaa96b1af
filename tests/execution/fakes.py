"""A broker that does only what a test tells it to, and a journal in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal

from v6.errors import BrokerError
from v6.execution.books import Books
from v6.execution.executor import Executor
from v6.execution.ledger import Ledger
from v6.lang.desk import Limits
from v6.model import event as e
from v6.model.contract import Contract, Leg, Right, SecType, Side
from v6.model.decision import Urgency
from v6.model.order import Fill, OrderIntent, OrderState, Purpose
from v6.model.position import Structure, StructureKind
from v6.model.snapshot import PORTFOLIO_KEY, Row
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.ports import BrokerEvent, BrokerStatus, Clock, CommissionReport, OrderReport, Ticket
from v6.risk import Approved, Book, review

NOON = datetime(2014, 1, 7, 17, 0, tzinfo=UTC)
EXPIRY = date(2014, 2, 21)
FEE = Decimal("1.25")


def option(con_id: int, strike: int, right: Right) -> Contract:
    return Contract(con_id, "SPX", SecType.OPTION, "SMART", "USD", 100, "SPXW", EXPIRY, Decimal(strike), right)


CONDOR = Structure(
    StructureKind.IRON_CONDOR,
    "SPX",
    (
        Leg(option(1, 1650, Right.PUT), 1),
        Leg(option(2, 1700, Right.PUT), -1),
        Leg(option(3, 1900, Right.CALL), -1),
        Leg(option(4, 1950, Right.CALL), 1),
    ),
)
ENTRY_PRICES = (Decimal("2.0"), Decimal("7.0"), Decimal("6.0"), Decimal("1.5"))
"""Leg prices whose net is -9.5 per unit."""

EXIT_PRICES = (Decimal("1.0"), Decimal("3.0"), Decimal("3.0"), Decimal("0.5"))
"""Leg prices whose net is -4.5 per unit."""

LIMITS = Limits(
    max_open_positions=5,
    max_contracts_per_order=10,
    max_loss_per_order_ratio=0.05,
    max_total_loss_ratio=0.20,
    max_margin_ratio=0.5,
    max_new_orders_per_day=20,
    max_day_loss_ratio=0.02,
    min_minutes_to_close=2,
)
PORTFOLIO = Row.of(
    PORTFOLIO_KEY,
    {"net_liq": 250_000.0, "day_pnl_ratio": 0.0, "max_loss_ratio": 0.0, "margin_ratio": 0.0, "minutes_to_close": 90.0},
)


def open_intent(identity: str = "open1", quantity: int = 2, urgency: Urgency = Urgency.NORMAL) -> OrderIntent:
    return OrderIntent(
        intent_id=identity,
        position_id=f"condor-{identity}",
        purpose=Purpose.OPEN,
        side=Side.BUY,
        strategy="iron_condor",
        structure=CONDOR,
        quantity=quantity,
        limit=Decimal("-9.70"),
        worst=Decimal("-9.20"),
        urgency=urgency,
        created_at=NOON,
    )


def close_intent(
    position_id: str = "condor-open1",
    quantity: int = 2,
    attempt: int = 1,
    *,
    rolls: bool = False,
    urgency: Urgency = Urgency.NORMAL,
) -> OrderIntent:
    return OrderIntent(
        intent_id=f"close{attempt}",
        position_id=position_id,
        purpose=Purpose.CLOSE,
        side=Side.SELL,
        strategy="iron_condor",
        structure=CONDOR,
        quantity=quantity,
        limit=Decimal("-4.40"),
        worst=Decimal("-4.90"),
        urgency=urgency,
        created_at=NOON,
        decision_id="d",
        rule_id="take_profit",
        attempt=attempt,
        rolls=rolls,
    )


def approved(intent: OrderIntent, ledger: Ledger) -> Approved:
    """Pass the intent through the real gate."""
    held = {key: holding.units for key, holding in ledger.holdings.items()}
    live = frozenset(r.intent.position_id for r in ledger.live_orders())
    verdict = review(intent, PORTFOLIO, LIMITS, Book(held, live, 0, Decimal(0), 0))
    assert isinstance(verdict, Approved), verdict
    return verdict


def fills(intent: OrderIntent, units: int, prices: tuple[Decimal, ...] = ENTRY_PRICES, serial: int = 1) -> list[Fill]:
    """Return the leg executions of some units; `serial` tells one partial fill from the next."""
    return [
        Fill(
            exec_id=f"{intent.intent_id}.{serial}.{n}.01",
            order_ref=intent.order_ref,
            con_id=leg.contract.con_id,
            quantity=leg.ratio * intent.side.sign * units,
            price=price,
            at=NOON,
        )
        for n, (leg, price) in enumerate(zip(intent.structure.legs, prices, strict=True))
    ]


def commissions(of: list[Fill], each: Decimal = FEE) -> list[CommissionReport]:
    return [CommissionReport(fill.exec_id, each) for fill in of]


def corrected(fill: Fill, price: Decimal, commission: Decimal | None = None) -> Fill:
    """Return the broker's correction of an execution: the last group of its id counts up."""
    exec_id = f"{fill.exec_id.rpartition('.')[0]}.02"
    return replace(fill, exec_id=exec_id, price=price, commission=commission)


def report(
    intent: OrderIntent, status: BrokerStatus, filled: int = 0, perm_id: int = 77, text: str = ""
) -> OrderReport:
    return OrderReport(intent.order_ref, 1, perm_id, status, filled, text)


class MemoryJournal:
    """The journal's contract without a disk; `log` shows what was written before what was sent."""

    def __init__(self, log: list[str]) -> None:
        self.written: list[e.Event] = []
        self.commits: list[int] = []
        self.log = log

    def append(self, *events: e.Event, state: Mapping[str, str] | None = None) -> int:
        self.written.extend(events)
        self.commits.append(len(self.written))
        self.log.extend(type(event).__name__ for event in events)
        return len(self.written)


class FakeBroker:
    """Records what it is asked to do; says only what a test makes it say."""

    def __init__(self, log: list[str]) -> None:
        self.log = log
        self.placed: list[Ticket] = []
        self.repriced: list[Ticket] = []
        self.cancelled: list[int] = []
        self.known: list[BrokerEvent] = []
        self.held: dict[int, int] = {}
        self.looks = 0
        self.deaf = False
        self.up = True
        self.degraded = False
        self.refuses = False
        self._listeners: list[Callable[[BrokerEvent], None]] = []

    def healthy(self) -> bool:
        return self.up and not self.degraded

    def reachable(self) -> bool:
        return self.up

    def next_order_id(self) -> int:
        return len(self.placed) + 1

    def place(self, ticket: Ticket) -> None:
        if self.refuses:
            raise BrokerError("the queue is not empty")
        self.log.append(f"bytes of {ticket.order_ref}")
        self.placed.append(ticket)

    def reprice(self, ticket: Ticket) -> None:
        self.log.append("new limit")
        self.repriced.append(ticket)

    def cancel(self, order_id: int) -> None:
        self.cancelled.append(order_id)

    async def evidence(self) -> list[BrokerEvent]:
        self.looks += 1
        if self.deaf:
            raise BrokerError("executions: no answer within 10 s")
        return list(self.known)

    async def positions(self) -> dict[int, int]:
        return dict(self.held)

    def listen(self, listener: Callable[[BrokerEvent], None]) -> None:
        self._listeners.append(listener)

    def say(self, *events: BrokerEvent) -> None:
        for event in events:
            for listener in self._listeners:
                listener(event)


class Station:
    """An executor with its broker and books; `restarted` is what a new process makes of the journal."""

    def __init__(self, clock: Clock, broker: FakeBroker | None = None, written: list[e.Event] | None = None) -> None:
        self.clock = clock
        self.log: list[str] = [] if broker is None else broker.log
        self.broker = broker or FakeBroker(self.log)
        self.journal = MemoryJournal(self.log)
        self.journal.written = list(written or ())
        self.books = Books(self.journal, Ledger(self.journal.written))
        self.executor = Executor(self.broker, self.books, clock)

    @property
    def ledger(self) -> Ledger:
        return self.books.ledger

    def submit(self, intent: OrderIntent) -> None:
        self.executor.submit(approved(intent, self.ledger))

    def restarted(self) -> Station:
        broker = FakeBroker(self.log)
        broker.known, broker.held = list(self.broker.known), dict(self.broker.held)
        return Station(self.clock, broker, self.journal.written)


Story = Callable[[Station], Awaitable[None]]


def play(story: Story) -> Station:
    """Run a story against a fresh station in virtual time."""

    async def main(loop: VirtualLoop) -> Station:
        station = Station(VirtualClock(loop, NOON))
        await story(station)
        await station.executor.close()
        return station

    return run_virtual(main)


def state_of(station: Station, ref: str) -> OrderState:
    return station.ledger.orders[ref].state


def findings(station: Station) -> list[str]:
    return [event.code for event in station.journal.written if isinstance(event, e.FindingRaised)]


async def opened(station: Station, units: int = 2) -> None:
    intent = open_intent(quantity=units)
    station.submit(intent)
    done = fills(intent, units)
    station.broker.say(
        report(intent, BrokerStatus.WORKING), *done, *commissions(done), report(intent, BrokerStatus.FILLED, units)
    )
    await asyncio.sleep(0)
