"""A machine whose clock is wrong: nothing opens, and if it is badly wrong nothing is decided."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from tests.daemon.test_daemon import desk
from v6.daemon.daemon import Daemon
from v6.daemon.settings import Settings
from v6.demo import BEFORE_OPEN, CASH
from v6.model import event as e
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket, load_package_history
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")


@dataclass
class Wrong:
    """A clock that is ahead of the broker's."""

    right: VirtualClock
    ahead: timedelta

    def now(self) -> datetime:
        return self.right.now() + self.ahead


def morning(folder: Path, ahead_s: float) -> list[e.Event]:
    """Run the first hour of a session, in which a desk with a right clock opens a condor."""
    market, calendar = HistoryMarket(load_package_history(), 1), xnys()
    opens, seen = calendar.open_utc(market.first_day), []  # type: ignore[var-annotated]

    async def main(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop, opens - BEFORE_OPEN)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=1, step_s=300.0)
        port = await gateway.start()
        settings = Settings(
            desk(folder / "desk"), folder / "store", "127.0.0.1", port, cycle_s=300.0, durable=False,
            flush_every=1000, heartbeat_s=None,
        )  # fmt: skip
        daemon = Daemon(settings, Wrong(clock, timedelta(seconds=ahead_s)), calendar)
        daemon.books.listen(seen.append)
        await daemon.run(opens + timedelta(hours=1))
        await gateway.stop()

    run_virtual(main)
    return seen


@pytest.mark.parametrize(("ahead_s", "decides", "opens"), [(0, True, True), (8, True, False), (90, False, False)])
def test_a_clock_ahead_of_the_brokers_opens_nothing_and_far_ahead_decides_nothing(
    tmp_path: Path, ahead_s: float, decides: bool, opens: bool
) -> None:
    events = morning(tmp_path, ahead_s)
    assert any(isinstance(event, e.SnapshotTaken) for event in events) is decides
    assert any(isinstance(event, e.OrderSending) for event in events) is opens
