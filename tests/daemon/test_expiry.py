"""Options that expire while a daemon watches, and while none does."""

import asyncio
import re
import shutil
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.daemon.history import walked
from v6.daemon.daemon import LEDGER_EVENTS, Daemon
from v6.daemon.settings import Settings
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys
from v6.store.journal import JournalReader

EXPIRY = date(2015, 3, 13)


def desk(folder: Path) -> Path:
    """Return a desk that sells this Friday's options and lets them expire."""
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    path = folder / "strategies/iron_condor.yaml"
    text = path.read_text()
    for name, value in (("dte_min", 1), ("dte_max", 7), ("dte_target", 4), ("min_credit_ratio", 0.01), ("width", 25)):
        text, count = re.subn(rf"{name}: [\d.]+", f"{name}: {value}", text)
        assert count == 1, name
    path.write_text(text)
    for path in (folder / "rules").glob("*.yaml"):
        if re.search(r"^scope: position", path.read_text(), re.MULTILINE):
            # No rule acts: what ends a position here is its expiry alone.
            path.write_text(
                f"version: 1\nid: {path.stem}\n"
                + re.findall(r"^priority: .*\n", path.read_text(), re.MULTILINE)[0]
                + "scope: position\ntitle: Never\nwhen: dte > 1000\nthen: {action: close, urgency: high}\n"
                + "examples:\n  - {given: {dte: 2000}, fires: true}\n  - {given: {dte: 3}, fires: false}\n"
            )
    return folder


@pytest.mark.parametrize("away", [timedelta(0), timedelta(days=4)], ids=["watched", "four days away"])
def test_an_expiry_is_booked_at_the_close_of_its_own_day(tmp_path: Path, away: timedelta) -> None:
    history = walked()
    close = {session.day: session.close for session in history.sessions}[EXPIRY]

    async def main(loop: VirtualLoop) -> None:
        market, calendar = HistoryMarket(history, 1), xnys()
        stop = calendar.open_utc(EXPIRY) + timedelta(hours=3)
        until = calendar.close_utc(date(2015, 3, 17)) - timedelta(hours=2)
        clock = VirtualClock(loop, calendar.open_utc(date(2015, 3, 9)) - timedelta(minutes=5))
        gateway = PaperGateway(market, clock=clock, cash=Decimal(250_000), seed=1, step_s=300.0)
        port = await gateway.start()
        settings = Settings(
            desk(tmp_path / "desk"),
            tmp_path / "store",
            "127.0.0.1",
            port,
            cycle_s=300.0,
            durable=False,
            flush_every=50,
            heartbeat_s=None,
        )
        await Daemon(settings, clock, calendar).run(stop)
        await _sleep_until(clock, stop + away)
        await Daemon(settings, clock, calendar).run(until)
        await gateway.stop()

    run_virtual(main)
    events = [event for _, event in JournalReader(tmp_path / "store/journal.sqlite").events(kinds=LEDGER_EVENTS)]
    (opened,) = [event.position for event in events if isinstance(event, e.PositionOpened) and _expires(event)]
    (closed,) = [event for event in events if isinstance(event, e.PositionClosed)]
    value = opened.structure.payoff(Decimal(repr(close)))
    assert (closed.position_id, closed.reason, closed.exit_price) == (opened.position_id, "expired", value)
    assert closed.commission > 0
    assert closed.pnl == (value - opened.entry_price) * 100 * opened.quantity - closed.commission
    assert opened.position_id not in Ledger(events).holdings


def _expires(event: e.PositionOpened) -> bool:
    return event.position.structure.expiry == EXPIRY


async def _sleep_until(clock: VirtualClock, moment: datetime) -> None:
    await asyncio.sleep(max(0.0, (moment - clock.now()).total_seconds()))
