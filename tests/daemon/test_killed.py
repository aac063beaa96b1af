"""A daemon that ends as by kill -9, at the worst moments: another one goes on from what is on disk."""

import asyncio
import shutil
from collections import Counter
from datetime import datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.daemon.history import LAST, walked
from v6.daemon.daemon import LEDGER_EVENTS, Daemon
from v6.daemon.settings import Settings
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.order import Purpose
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys
from v6.store.journal import JournalReader

DAYS = 3

Moment = tuple[type[e.Event], Purpose, int]
"""The kind of event, the purpose of its order, and which of them."""


def desk(folder: Path) -> Path:
    """Return a desk that opens every day and closes what it has held for some hours."""
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    strategy, rule = folder / "strategies/iron_condor.yaml", folder / "rules/time_exit.yaml"
    strategy.write_text(strategy.read_text().replace("min_days_between: 7", "min_days_between: 1"))
    rule.write_text(
        """version: 1
id: time_exit
priority: 90
scope: position
title: Close what was held for three hours
when: days_held >= 0.125
then: {action: close, urgency: high}
examples:
  - {given: {days_held: 1}, fires: true}
  - {given: {days_held: 0}, fires: false}
"""
    )
    return folder


def purpose_of(event: e.Event, ledger: Ledger) -> Purpose | None:
    match event:
        case e.OrderIntended():
            return event.intent.purpose
        case e.OrderSending() | e.OrderSubmitted() | e.OrderEnded():
            return ledger.orders[event.order_ref].intent.purpose
        case e.OrderFilled():
            return ledger.orders[event.fill.order_ref].intent.purpose
        case _:
            return None


async def live_and_die(daemon: Daemon, until: datetime, killed: asyncio.Event) -> None:
    """Run until the kill; then nothing of the daemon does anything any more, and nothing of it was told."""
    run = asyncio.create_task(daemon.run(until))
    kill = asyncio.create_task(killed.wait())
    await asyncio.wait({run, kill}, return_when=asyncio.FIRST_COMPLETED)
    assert killed.is_set(), "the days ended before the moment came"

    async def nothing() -> None:
        return None

    daemon.stop = nothing  # type: ignore[method-assign]
    run.cancel()
    await asyncio.gather(run, return_exceptions=True)
    await daemon._executor.close()
    daemon.link.disconnect()


SENT, UNSENT = True, False

CASES = {
    # Bytes are written only after SENDING is on disk, so nothing was sent of a mere intent.
    "intended": ((e.OrderIntended, Purpose.OPEN, 1), UNSENT),
    "entry before the bytes": ((e.OrderSending, Purpose.OPEN, 1), UNSENT),
    "entry after the bytes": ((e.OrderSending, Purpose.OPEN, 1), SENT),
    "exit before the bytes": ((e.OrderSending, Purpose.CLOSE, 1), UNSENT),
    "exit after the bytes": ((e.OrderSending, Purpose.CLOSE, 1), SENT),
    "submitted": ((e.OrderSubmitted, Purpose.OPEN, 1), SENT),
    "a leg filled": ((e.OrderFilled, Purpose.OPEN, 2), SENT),
    "exit ended": ((e.OrderEnded, Purpose.CLOSE, 1), SENT),
}


@pytest.mark.parametrize(("moment", "bytes_left"), CASES.values(), ids=CASES)
def test_another_daemon_goes_on_from_what_is_on_disk(tmp_path: Path, moment: Moment, bytes_left: bool) -> None:
    store, copy = tmp_path / "store", tmp_path / "copy"

    async def main(loop: VirtualLoop) -> None:
        market = HistoryMarket(walked(), 1)
        days = xnys().sessions(market.first_day, LAST)[:DAYS]
        until = xnys().close_utc(days[-1]) + timedelta(minutes=5)
        clock = VirtualClock(loop, xnys().open_utc(days[0]) - timedelta(minutes=5))
        gateway = PaperGateway(market, clock=clock, cash=Decimal(250_000), seed=1, step_s=300.0)
        port = await gateway.start()
        root, killed = desk(tmp_path / "desk"), asyncio.Event()

        def settings(folder: Path) -> Settings:
            return Settings(
                root, folder, "127.0.0.1", port, cycle_s=300.0, durable=False, flush_every=50, heartbeat_s=None
            )

        first = Daemon(settings(store), clock, xnys())
        kind, purpose, left = moment

        def watch(event: e.Event) -> None:
            nonlocal left
            left -= isinstance(event, kind) and purpose_of(event, first.books.ledger) is purpose
            if not killed.is_set() and not left:
                # What is on disk now is all that a process killed here would leave behind.
                shutil.copytree(store, copy, ignore=shutil.ignore_patterns("*.lock", "*-shm"))
                killed.set()
                if not bytes_left:
                    for session in list(gateway.sessions):
                        session.close()

        first.books.listen(watch)
        await live_and_die(first, until, killed)
        second = Daemon(settings(copy), clock, xnys())
        findings: list[e.Event] = []
        second.books.listen(lambda event: findings.append(event) if isinstance(event, e.FindingRaised) else None)
        await second.run(until)
        events = [event for _, event in JournalReader(copy / "journal.sqlite").events(kinds=LEDGER_EVENTS)]
        ledger = Ledger(events)
        assert set(gateway.order_refs_placed.values()) == {1}, "an order was sent twice"
        assert ledger.expected_contracts() == gateway.positions()
        assert findings == []
        assert not list(ledger.live_orders())
        opened = Counter(event.position.opened_at.date() for event in events if isinstance(event, e.PositionOpened))
        assert sum(opened.values()) >= DAYS - 1
        assert max(opened.values()) == 1, "the strategy opens at most once a day"
        assert sum(isinstance(event, e.PositionClosed) for event in events) >= DAYS - 1
        await gateway.stop()

    run_virtual(main)
