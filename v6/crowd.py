"""A desk beside thousands of positions of another origin: how much it streams, and how old what it knows may get."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from v6.daemon.daemon import Daemon
from v6.daemon.settings import Settings, simulated
from v6.demo import BEFORE_OPEN, CASH, Plan, clear_store
from v6.errors import V6Error
from v6.ib.pacing import MESSAGES_PER_S
from v6.ib.queue import SEEN_EVERY
from v6.model import event as e
from v6.model.contract import Contract, SecType
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket, load_package_history
from v6.paper.ports import Market
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import TradingCalendar, new_york_date, xnys

CONDORS: Final = 2
LONGEST_DAYS: Final = 60
CYCLE_S: Final = 30.0
STEP_S: Final = 2.5
"""The market's step while it is watched; at IB a busy option ticks several times a second."""

SETTLE: Final = timedelta(minutes=5)
FEWEST_ROUNDS: Final = 3.0
SHORTEST_WATCH_S: Final = 300.0
RESTART_AT: Final = 0.43
"""The share of the watch after which the desk is stopped and started again: in the middle of a round."""

RESTART_S: Final = 2.0
"""A new process takes at least so long to start; it knows nothing of what the old one sent within the last second."""


@dataclass(frozen=True, slots=True)
class Ages:
    """How long, in seconds, the desk went at most without a word of a contract, as the gateway saw it.

    `allowed` is the queue's own 30 seconds, or what its contracts take at 45 messages a second.
    """

    active: float | None
    queued: float | None
    allowed: float


@dataclass(frozen=True, slots=True)
class CrowdReport:
    """What the gateway counted while the desk was watched; the desk's own figures have `desk_` before them."""

    contracts: int
    condors_open: int
    restarts: int
    seconds: float
    streaming_lines_peak: int
    max_position_age_s: Ages
    pacing_errors: int
    messages: int
    messages_per_s_peak: int
    desk_max_queued_age_s: float
    desk_answers: int
    desk_unanswered: int
    findings: tuple[str, ...]


def run_crowd(plan: Plan, contracts: int) -> CrowdReport:
    """Trade until two condors are open, then watch them beside `contracts` positions of another origin."""
    clear_store(plan.store)
    market, calendar = HistoryMarket(load_package_history(), plan.seed), xnys()

    async def main(loop: VirtualLoop) -> CrowdReport:
        clock = VirtualClock(loop, calendar.open_utc(market.first_day) - BEFORE_OPEN)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=plan.seed, step_s=min(plan.cycle_s, 300.0))
        port = await gateway.start("127.0.0.1", 0)
        scene = _Scene(plan, clock, calendar, gateway, port)
        traded = await scene.open_condors()
        report = await scene.watch(contracts, traded)
        await gateway.stop()
        return report

    return run_virtual(main)


@dataclass
class _Scene:
    plan: Plan
    clock: VirtualClock
    calendar: TradingCalendar
    gateway: PaperGateway
    port: int

    def settings(self) -> Settings:
        return simulated(self.plan.root, self.plan.store, self.port, self.plan.cycle_s)

    async def open_condors(self) -> set[int]:
        """Run the desk as it is until it holds two condors; return all contracts that it ever ordered."""
        daemon = Daemon(self.settings(), self.clock, self.calendar)

        def enough() -> None:
            if len(daemon.books.ledger.holdings) >= CONDORS and not daemon.books.ledger.live_orders():
                daemon.request_stop()

        await daemon.run(self.clock.now() + timedelta(days=LONGEST_DAYS), enough)
        if len(daemon.books.ledger.holdings) < CONDORS:
            raise V6Error(f"the desk did not hold {CONDORS} positions at once within {LONGEST_DAYS} days")
        orders = daemon.books.ledger.orders.values()
        return {leg.contract.con_id for record in orders for leg in record.intent.structure.legs}

    async def watch(self, count: int, traded: set[int]) -> CrowdReport:
        """Fill the account, then run the desk twice over the time that several rounds of the queue take."""
        allowed = max(count / MESSAGES_PER_S, SEEN_EVERY.total_seconds())
        seconds = max(FEWEST_ROUNDS * allowed, SHORTEST_WATCH_S)
        await self._until_time_is_left(timedelta(seconds=seconds) + 2 * SETTLE)
        self.gateway.tick_every(STEP_S)
        crowd = foreign_positions(self.gateway.market, self.clock.now(), count, traded)
        for contract, quantity, price in crowd:
            self.gateway.hold(contract, quantity, price)
        settings = replace(self.settings(), cycle_s=CYCLE_S, heartbeat_s=5.0, adopt=True)
        begun = self.clock.now()
        meter, queued = self.gateway.meter, {contract.con_id for contract, _, _ in crowd}
        seen = _Seen()
        active = seen.start(Daemon(settings, self.clock, self.calendar))
        meter.begin(active | queued, begun.timestamp())
        await seen.daemons[0].run(begun + timedelta(seconds=seconds * RESTART_AT))
        await asyncio.sleep(RESTART_S)
        seen.start(Daemon(settings, self.clock, self.calendar))
        await seen.daemons[1].run(begun + timedelta(seconds=seconds))
        ended = self.clock.now()
        return CrowdReport(
            contracts=len(queued),
            condors_open=len(seen.daemons[1].books.ledger.holdings),
            restarts=len(seen.daemons) - 1,
            seconds=(ended - begun).total_seconds(),
            streaming_lines_peak=meter.lines_peak,
            max_position_age_s=Ages(
                _rounded(meter.longest(active, ended.timestamp())),
                _rounded(meter.longest(queued, ended.timestamp())),
                round(allowed, 3),
            ),
            pacing_errors=meter.pacing_errors,
            messages=meter.messages,
            messages_per_s_peak=meter.messages_per_s_peak,
            desk_max_queued_age_s=round(max(d.queue.longest.total_seconds() for d in seen.daemons), 3),
            desk_answers=sum(d.worker.answered for d in seen.daemons),
            desk_unanswered=sum(d.worker.missed for d in seen.daemons),
            findings=tuple(seen.findings),
        )

    async def _until_time_is_left(self, needed: timedelta) -> None:
        """Wait for a moment of a session that is far enough from its opening and its close."""
        now = self.clock.now()
        day = self.calendar.session_at(now)
        if day is None or now + needed > self.calendar.close_utc(day):
            day = self.calendar.next_session(new_york_date(now))
            if self.calendar.open_utc(day) + needed > self.calendar.close_utc(day):
                raise V6Error("a session is too short to see so many contracts three times each; ask for fewer")
            await asyncio.sleep((self.calendar.open_utc(day) + SETTLE - now).total_seconds())


class _Seen:
    """The lives of the desk, and what they found."""

    def __init__(self) -> None:
        self.daemons: list[Daemon] = []
        self.findings: list[str] = []

    def start(self, daemon: Daemon) -> set[int]:
        self.daemons.append(daemon)
        daemon.books.listen(self._note)
        return set(daemon.books.ledger.expected_contracts())

    def _note(self, event: e.Event) -> None:
        if isinstance(event, e.FindingRaised):
            self.findings.append(f"{event.code}: {event.text}")


def foreign_positions(
    market: Market, at: datetime, count: int, without: set[int]
) -> list[tuple[Contract, int, Decimal]]:
    """Return (contract, quantity, price) of listed options, latest expiries first, for an account to hold.

    Long and short alternate so that together they hardly move the account: +1 -1 -1 +1 over the strikes.
    Raises V6Error if not so many are listed.
    """
    found: list[tuple[Contract, int, Decimal]] = []
    for trading_class, expiry in sorted(market.expiries("SPX", at), key=lambda item: item[1], reverse=True):
        pattern = Contract(0, "SPX", SecType.OPTION, "", "", 0, trading_class, expiry)
        listed = [c for c in market.find(pattern, at) if c.con_id not in without]
        listed.sort(key=lambda c: (str(c.right), c.strike or 0))
        listed = listed[: count - len(found)]
        marks = market.marks([c.con_id for c in listed], at)
        for n, (contract, mark) in enumerate(zip(listed, marks, strict=True)):
            if mark is not None:
                price = Decimal(repr(mark.price)).quantize(Decimal("0.01"))
                found.append((contract, 1 if n % 4 in (0, 3) else -1, price))
        if len(found) == count:
            return found
    raise V6Error(f"only {len(found)} options are listed, not {count}")


def _rounded(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds, 3)
