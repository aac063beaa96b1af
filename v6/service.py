"""The long-running commands: the gateway alone, and the desk against a broker."""

from __future__ import annotations

import asyncio
import signal
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from rich.console import Console

from v6.daemon.clocks import BrokerClock, SystemClock
from v6.daemon.daemon import LEDGER_EVENTS, Daemon
from v6.daemon.describe import describe
from v6.daemon.settings import Settings
from v6.errors import StoreError, V6Error
from v6.execution.ledger import Ledger
from v6.ib.link import Link
from v6.paper.faults import Faults, load_script
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket, load_package_history
from v6.paper.market.futures import WithFutures
from v6.paper.ports import Market
from v6.paper.scenarios import Scenario, ScenarioMarket
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.ports import Clock
from v6.pricing.calendar import xnys
from v6.replay.selfcheck import daily
from v6.store.journal import JournalReader
from v6.store.space import keep_reserve

CASH: Final = Decimal(250_000)
BEFORE_OPEN: Final = timedelta(minutes=5)
RULES_POLL_S: Final = 0.25
HEALTH_EVERY: Final = 10


@dataclass(frozen=True, slots=True)
class PaperPlan:
    host: str
    port: int
    seed: int
    first: date | None
    speed: float
    step_s: float
    faults: Path | None = None
    scenario: Scenario | None = None


@dataclass(frozen=True, slots=True)
class RunPlan:
    """`broker` is `paper` or HOST:PORT; `speed` is the gateway's, None for a broker that keeps real time."""

    broker: str
    root: Path
    store: Path
    cycle_s: float
    client_id: int
    speed: float | None
    adopt: bool = False
    require_diff: bool = True
    self_check: bool = True


def serve_paper(plan: PaperPlan, console: Console) -> None:
    """Serve the gateway until SIGINT or SIGTERM."""

    async def main(loop: VirtualLoop) -> None:
        gateway, port, _ = await _gateway(loop, plan)
        console.print(f"paper gateway on {plan.host}:{port}, account {gateway.account}", highlight=False)
        await until_signal(loop)
        await gateway.stop()

    run_virtual(main, speed=plan.speed, memory=False)


def run_desk(plan: RunPlan, console: Console) -> None:
    """Run the desk until SIGINT or SIGTERM; raises V6Error for a broker that cannot be reached or used."""
    if plan.broker == "paper":
        run_virtual(lambda loop: _embedded(plan, console, loop), speed=plan.speed or 60.0)
        return
    host, port = address_of(plan.broker)
    if plan.speed is not None:
        run_virtual(lambda loop: _accelerated(plan, console, host, port, loop), speed=plan.speed, memory=False)
        return
    asyncio.run(_real_time(plan, console, host, port))


async def _embedded(plan: RunPlan, console: Console, loop: VirtualLoop) -> None:
    held = read_status(plan.store)["positions"] if (plan.store / "journal.sqlite").exists() else []
    if held:
        raise V6Error(
            f"{plan.store} holds positions, and the embedded gateway's account is new at each start; "
            "use a new --store, or `v6 paper` and --broker 127.0.0.1:7497"
        )
    gateway, port, clock = await _gateway(loop, PaperPlan("127.0.0.1", 0, 1, None, plan.speed or 60.0, 5.0))
    await _run(plan, console, "127.0.0.1", port, clock)
    await gateway.stop()


async def _accelerated(plan: RunPlan, console: Console, host: str, port: int, loop: VirtualLoop) -> None:
    probe = Link(host, port, plan.client_id, SystemClock())
    await probe.connect()
    at = await probe.server_time()
    probe.disconnect()
    await _run(plan, console, host, port, BrokerClock(loop, at))


async def _real_time(plan: RunPlan, console: Console, host: str, port: int) -> None:
    try:
        keep_reserve(plan.store / "journal.sqlite")
    except StoreError as error:
        # A desk that holds positions must come up all the same; `v6 doctor` says it too.
        console.print(f"warning: {error}", markup=False, highlight=False, soft_wrap=True)
    await _run(plan, console, host, port, SystemClock())


async def _run(plan: RunPlan, console: Console, host: str, port: int, clock: Clock) -> None:
    settings = Settings(
        plan.root,
        plan.store,
        host,
        port,
        plan.client_id,
        plan.cycle_s,
        adopt=plan.adopt,
        require_diff=plan.require_diff,
        self_check=daily if plan.self_check else None,
        health_every=HEALTH_EVERY,
        keep_greeks=True,
    )
    daemon = Daemon(settings, clock, xnys())

    def on_event(event: Any) -> None:
        text = describe(event)
        if text is not None:
            console.print(f"{event.at:%Y-%m-%d %H:%M:%S}  {text}", markup=False, highlight=False, soft_wrap=True)

    daemon.books.listen(on_event)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, daemon.request_stop)
    watch = asyncio.create_task(daemon.watch_rules(RULES_POLL_S))
    console.print(f"desk {plan.root} at {host}:{port}, rules {daemon.ruleset.fingerprint[:12]}", highlight=False)
    try:
        await daemon.run()
    finally:
        watch.cancel()


async def _gateway(loop: VirtualLoop, plan: PaperPlan) -> tuple[PaperGateway, int, VirtualClock]:
    market: Market
    if plan.scenario is None:
        market = HistoryMarket(load_package_history(), plan.seed)
    else:
        market = ScenarioMarket(plan.scenario, plan.seed)
    market = WithFutures(market, plan.seed)
    calendar = xnys()
    first = max(plan.first or market.first_day, market.first_day)
    if first > market.last_day:
        raise V6Error(f"the {'history' if plan.scenario is None else 'scenario'} ends on {market.last_day}")
    opens = calendar.open_utc(first if calendar.is_session(first) else calendar.next_session(first))
    clock = VirtualClock(loop, opens - BEFORE_OPEN)
    faults = Faults(load_script(plan.faults)) if plan.faults else None
    gateway = PaperGateway(
        market, clock=clock, cash=CASH, seed=plan.seed, step_s=plan.step_s, faults=faults, sides=True
    )
    return gateway, await gateway.start(plan.host, plan.port), clock


async def until_signal(loop: asyncio.AbstractEventLoop) -> None:
    """Wait for SIGINT or SIGTERM."""
    stop = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, stop.set)
    await stop.wait()


def address_of(broker: str) -> tuple[str, int]:
    """Return host and port; V6Error if it says neither."""
    host, _, port = broker.rpartition(":")
    if not host or not port.isdigit():
        raise V6Error(f"--broker {broker!r} is neither `paper` nor HOST:PORT")
    return host, int(port)


def read_status(store: Path) -> dict[str, list[dict[str, Any]]]:
    """Return open positions and live orders as the journal has them; raises StoreError if there is none."""
    reader = JournalReader(store / "journal.sqlite")
    ledger = Ledger(event for _, event in reader.events(kinds=LEDGER_EVENTS))
    return {
        "positions": [
            {
                "position_id": key,
                "strategy": holding.position.strategy,
                "units": holding.units,
                "entry_price": str(holding.position.entry_price),
                "opened_at": holding.position.opened_at.isoformat(),
                "contracts": {
                    str(leg.contract.con_id): leg.ratio * holding.units for leg in holding.position.structure.legs
                },
            }
            for key, holding in ledger.holdings.items()
        ],
        "orders": [
            {
                "order_ref": record.intent.order_ref,
                "position_id": record.intent.position_id,
                "purpose": record.intent.purpose.value,
                "state": record.state.value,
            }
            for record in ledger.live_orders()
        ],
    }
