"""The whole of V6 in one loop: paper gateway and daemon on real history, in virtual time, headless or watched."""

from __future__ import annotations

import asyncio
import shutil
import signal
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from v6.daemon.daemon import Daemon
from v6.daemon.settings import ONCE_A_DAY_S, RECONCILE_EVERY_S, simulated
from v6.errors import V6Error
from v6.model import event as e
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket, load_package_history
from v6.paper.ports import Market
from v6.paper.scenarios import Scenario, ScenarioMarket
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import TradingCalendar, xnys

CASH: Final = Decimal(250_000)
BEFORE_OPEN = timedelta(minutes=5)
LOOK_EVERY_S: Final = 0.2
"""Wall seconds between two looks at the desk's files when nobody watches; a watcher may edit at any simulated time."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to run: `days` sessions from the start of the history or scenario; speed None is as fast as it goes."""

    root: Path
    store: Path
    days: int
    seed: int
    cycle_s: float = 300.0
    speed: float | None = None
    scenario: Scenario | None = None


@dataclass(frozen=True, slots=True)
class Report:
    """What a run did; counts are of events in the journal, duplicates and leftovers of the gateway's own truth."""

    days: int
    cycles: int
    snapshots: int
    decisions: int
    orders_sent: int
    fills: int
    positions_opened: int
    positions_closed: int
    positions_open_at_end: int
    duplicate_orders: int
    unmanaged_positions: int
    findings: int
    rules_fired: dict[str, int]
    equity_start: float
    equity_end: float
    event_log_sha256: str
    bundle_fingerprint: str


@dataclass
class Tally:
    """Running counts of a run, fed with every event."""

    snapshots: int = 0
    decisions: int = 0
    orders_sent: int = 0
    fills: int = 0
    opened: int = 0
    closed: int = 0
    findings: int = 0

    def __post_init__(self) -> None:
        self.rules: Counter[str] = Counter()

    def count(self, event: e.Event) -> None:
        match event:
            case e.SnapshotTaken():
                self.snapshots += 1
            case e.DecisionsMade():
                acting = [d for d in event.decisions if d.rule_id is not None]
                self.decisions += len(acting)
                self.rules.update(d.rule_id for d in acting if d.rule_id is not None)
            case e.OrderSending():
                self.orders_sent += 1
            case e.OrderFilled():
                self.fills += 1
            case e.PositionOpened():
                self.opened += 1
            case e.PositionClosed():
                self.closed += 1
            case e.FindingRaised():
                self.findings += 1
            case _:
                pass


@dataclass
class Watcher:
    """Callbacks of a watched run."""

    on_day: Callable[[datetime, Daemon], None]
    on_event: Callable[[e.Event], None]


def run_demo(plan: Plan, watcher: Watcher | None = None) -> Report:
    """Run the plan to its end, or to Ctrl-C, and return its report; the store is made anew."""
    clear_store(plan.store)
    calendar = xnys()
    market = market_of(plan.scenario, plan.seed)
    first = market.first_day
    days = calendar.sessions(first, market.last_day)[: plan.days]
    if len(days) < plan.days:
        source = "history" if plan.scenario is None else f"scenario {plan.scenario.name}"
        raise V6Error(f"the {source} has {len(days)} sessions from {first}; --days {plan.days} is more")
    start = calendar.open_utc(days[0]) - BEFORE_OPEN
    until = calendar.close_utc(days[-1]) + BEFORE_OPEN

    async def main(loop: VirtualLoop) -> Report:
        clock = VirtualClock(loop, start)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=plan.seed, step_s=min(plan.cycle_s, 300.0))
        port = await gateway.start("127.0.0.1", 0)
        return await _trade(plan, clock, calendar, gateway, port, until, watcher)

    return run_virtual(main, speed=plan.speed)


def market_of(scenario: Scenario | None, seed: int) -> Market:
    """Return the market of a scenario, or of the history that the package `arch` carries."""
    return HistoryMarket(load_package_history(), seed) if scenario is None else ScenarioMarket(scenario, seed)


async def _trade(
    plan: Plan,
    clock: VirtualClock,
    calendar: TradingCalendar,
    gateway: PaperGateway,
    port: int,
    until: datetime,
    watcher: Watcher | None,
) -> Report:
    settings = replace(
        simulated(plan.root, plan.store, port, plan.cycle_s),
        # Nobody else trades an account in memory: compared at the start, after gaps and once a session is enough.
        reconcile_every_s=ONCE_A_DAY_S if plan.speed is None else RECONCILE_EVERY_S,
        # Nobody reads the tables of a headless run before its end; a watched one is looked into as it goes.
        flush_at_close=plan.speed is not None,
        look_every_s=LOOK_EVERY_S if watcher is None else 0.0,
    )
    daemon = Daemon(settings, clock, calendar)
    tally = Tally()
    daemon.books.listen(tally.count)
    if watcher is not None:
        daemon.books.listen(watcher.on_event)
    seen_days: list[datetime] = []

    def after_cycle() -> None:
        now = clock.now()
        if not seen_days or seen_days[-1].date() != now.date():
            seen_days.append(now)
        if watcher is not None:
            watcher.on_day(now, daemon)

    loop = asyncio.get_running_loop()
    loop.add_signal_handler(signal.SIGINT, daemon.request_stop)
    try:
        await daemon.run(until, after_cycle)
    finally:
        loop.remove_signal_handler(signal.SIGINT)
    report = _report(daemon, tally, gateway, len(seen_days))
    await gateway.stop()
    return report


def _report(daemon: Daemon, tally: Tally, gateway: PaperGateway, days: int) -> Report:
    expected = daemon.books.ledger.expected_contracts()
    actual = gateway.positions()
    unmanaged = [c for c in actual if actual[c] != expected.get(c, 0)]
    return Report(
        days=days,
        cycles=daemon.cycles,
        snapshots=tally.snapshots,
        decisions=tally.decisions,
        orders_sent=tally.orders_sent,
        fills=tally.fills,
        positions_opened=tally.opened,
        positions_closed=tally.closed,
        positions_open_at_end=len(daemon.books.ledger.holdings),
        duplicate_orders=sum(n - 1 for n in gateway.order_refs_placed.values()),
        unmanaged_positions=len(unmanaged),
        findings=tally.findings,
        rules_fired=dict(sorted(tally.rules.items())),
        equity_start=float(CASH),
        equity_end=float(gateway.net_liquidation()),
        event_log_sha256=daemon.journal_hash,
        bundle_fingerprint=daemon.ruleset.fingerprint,
    )


def clear_store(store: Path) -> None:
    """Remove the store of an earlier demo, and nothing that is not one."""
    if not store.exists():
        return
    if any(store.iterdir()) and not (store / "journal.sqlite").exists():
        raise V6Error(f"{store} is not the store of an earlier demo; name another with --store")
    shutil.rmtree(store)
