"""The whole daemon on real history in virtual time, with things going wrong around it."""

import shutil
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import ROOT
from v6.daemon.daemon import LEDGER_EVENTS, Daemon
from v6.daemon.settings import Settings
from v6.demo import BEFORE_OPEN, CASH
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket, load_package_history
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys
from v6.store.journal import JournalReader

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

DAYS = 4


@dataclass
class Scene:
    """The gateway, which outlives daemons, and what the present daemon said."""

    clock: VirtualClock
    gateway: PaperGateway
    settings: Settings
    seen: list[e.Event] = field(default_factory=list)

    def daemon(self) -> Daemon:
        daemon = Daemon(self.settings, self.clock, xnys())
        daemon.books.listen(self.seen.append)
        return daemon

    def agrees(self) -> bool:
        reader = JournalReader(self.settings.store / "journal.sqlite")
        ledger = Ledger(event for _, event in reader.events(kinds=LEDGER_EVENTS))
        return ledger.expected_contracts() == self.gateway.positions()


def desk(folder: Path) -> Path:
    """Return a desk that opens every day and closes after a day, so that a few days hold many orders."""
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name)
    path = folder / "strategies/iron_condor.yaml"
    path.write_text(path.read_text().replace("min_days_between: 7", "min_days_between: 1"))
    return folder


def play(folder: Path, hook: Callable[[Scene, Daemon, datetime], None], lives: int = 1) -> Scene:
    """Run the days; `hook` is called after each cycle, and a daemon it abandons is followed by another."""
    market = HistoryMarket(load_package_history(), 1)
    calendar = xnys()
    days = calendar.sessions(market.first_day, market.last_day)[:DAYS]
    until = calendar.close_utc(days[-1]) + BEFORE_OPEN

    async def main(loop: VirtualLoop) -> Scene:
        clock = VirtualClock(loop, calendar.open_utc(days[0]) - BEFORE_OPEN)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=1, step_s=300.0)
        port = await gateway.start()
        settings = Settings(
            desk(folder / "desk"),
            folder / "store",
            "127.0.0.1",
            port,
            cycle_s=300.0,
            durable=False,
            flush_every=50,
            heartbeat_s=None,
        )
        scene = Scene(clock, gateway, settings)
        for _ in range(lives):
            daemon = scene.daemon()
            await daemon.run(until, lambda daemon=daemon: hook(scene, daemon, clock.now()))  # type: ignore[misc]
        await gateway.stop()
        return scene

    return run_virtual(main)


def test_a_dropped_connection_costs_a_reconnect_and_nothing_else(tmp_path: Path) -> None:
    drops = 0

    def hook(scene: Scene, _: Daemon, now: datetime) -> None:
        nonlocal drops
        # Every fifty minutes, and right after the first entry was sent.
        if (now.minute, now.hour % 2) in {(0, 1), (50, 0)}:
            for session in list(scene.gateway.sessions):
                session.close()
                drops += 1

    scene = play(tmp_path, hook)
    snapshots = sum(isinstance(event, e.SnapshotTaken) for event in scene.seen)
    assert drops > 10
    assert snapshots >= 78 * DAYS - 2 * drops
    assert max(scene.gateway.order_refs_placed.values()) == 1
    assert any(isinstance(event, e.PositionOpened) for event in scene.seen)
    assert scene.agrees()
    assert not [event for event in scene.seen if isinstance(event, e.FindingRaised)]


def test_the_desks_calendar_is_read_again_when_it_changes_and_a_mistake_in_it_is_a_finding(tmp_path: Path) -> None:
    cycles, earnings = 0, []

    def hook(scene: Scene, daemon: Daemon, now: datetime) -> None:
        nonlocal cycles
        cycles += 1
        assert daemon.latest is not None
        held = [row for row in daemon.latest.rows if row.key]
        earnings.extend((row["earnings"], row["sessions_to_earnings"], row["short_exercise"]) for row in held)
        path = scene.settings.root / "events.yaml"
        if cycles == 100:
            day = f"{xnys().next_session(now.date()):%Y-%m-%d}"
            path.write_text(f"version: 1\nsymbols: {{SPX: {{earnings: [{{day: '{day}', time: before_open}}]}}}}\n")
        if cycles == 110:
            path.write_text("version: 1\nsymbols: {SPX: {earnings: sometimes}}\n")
        if cycles == 120:
            daemon.request_stop()

    scene = play(tmp_path, hook)
    findings = [event for event in scene.seen if isinstance(event, e.FindingRaised)]
    assert [finding.code for finding in findings] == ["events-file"]
    assert findings[0].text.startswith("events.yaml:2:27: bad-value")
    assert set(earnings) == {("none", None, "european"), ("reports", 1.0, "european")}
    assert earnings[-1] == ("reports", 1.0, "european"), "the last good one is kept"


def test_a_restart_goes_on_where_the_last_one_stopped(tmp_path: Path) -> None:
    stops = {date(2014, 1, 6), date(2014, 1, 8)}

    def hook(_: Scene, daemon: Daemon, now: datetime) -> None:
        if now.date() in stops and now.hour == 17:
            stops.discard(now.date())
            daemon.request_stop()

    scene = play(tmp_path, hook, lives=3)
    starts = [event for event in scene.seen if isinstance(event, e.RuleSetReloaded)]
    assert stops == set()
    assert len(starts) == 0, "the first event of a life is written before anybody listens"
    assert max(scene.gateway.order_refs_placed.values()) == 1
    assert scene.agrees()
    opened = [event.position.opened_at.date() for event in scene.seen if isinstance(event, e.PositionOpened)]
    assert len(opened) == len(set(opened)), "a restart opens nothing that was opened before it"
    days = [event.snapshot.cycle for event in scene.seen if isinstance(event, e.SnapshotTaken)]
    assert len(days) >= 78 * DAYS - 4


def test_a_rule_state_survives_a_restart(tmp_path: Path) -> None:
    states: list[str] = []

    def hook(_: Scene, daemon: Daemon, now: datetime) -> None:
        if now.date() == date(2014, 1, 8) and now.hour == 17 and not states:
            states.append(daemon.journal.state("rule_state") or "")
            daemon.request_stop()
        elif states and len(states) == 1:
            states.append(daemon.journal.state("rule_state") or "")

    play(tmp_path, hook, lives=2)
    before, after = states
    assert "track" in before
    first = before.split('"last"')[1].split("slots")[1]
    assert first.split(":")[0] == after.split('"last"')[1].split("slots")[1].split(":")[0]


def test_a_foreign_position_stops_opening_and_is_left_alone(tmp_path: Path) -> None:
    def hook(scene: Scene, _: Daemon, now: datetime) -> None:
        if now.date() == date(2014, 1, 6) and now.hour == 17 and now.minute == 0:
            # Somebody buys one more of a leg by hand; the daemon sees it when it reconciles after a reconnect.
            held = next(iter(scene.gateway.ledger.holdings.values()))
            scene.gateway.ledger.trade(held.contract, 1, Decimal(1), Decimal(0))
            scene.gateway.sessions[0].close()

    scene = play(tmp_path, hook)
    findings = [event.code for event in scene.seen if isinstance(event, e.FindingRaised)]
    assert findings == ["quantity-differs"]
    opened = [event for event in scene.seen if isinstance(event, e.PositionOpened)]
    assert {event.at.date() for event in opened} == {date(2014, 1, 6)}


def test_no_gateway_is_waited_for(tmp_path: Path) -> None:
    down = {date(2014, 1, 7)}

    def hook(scene: Scene, daemon: Daemon, now: datetime) -> None:
        if now.date() in down and now.hour == 16:
            down.clear()
            daemon.link.disconnect()
            daemon.link._port = 1
        if now.hour == 19:
            daemon.link._port = scene.settings.port

    scene = play(tmp_path, hook)
    assert down == set()
    times = [event.at for event in scene.seen if isinstance(event, e.SnapshotTaken)]
    assert not [t for t in times if t.date() == date(2014, 1, 7) and t.hour in {17, 18}]
    assert [t for t in times if t.date() == date(2014, 1, 7) and t.hour == 20]
    assert scene.agrees()
