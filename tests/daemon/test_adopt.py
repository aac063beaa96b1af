"""Positions of another origin beside a whole daemon: halted for, or adopted when their owner says so."""

from datetime import timedelta
from decimal import Decimal
from pathlib import Path

import pytest

from tests.daemon.test_daemon import desk
from v6.crowd import foreign_positions
from v6.daemon.daemon import Daemon
from v6.daemon.foreign import from_json
from v6.daemon.reconcile import FOREIGN
from v6.daemon.settings import Settings
from v6.demo import BEFORE_OPEN, CASH
from v6.model import event as e
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket, load_package_history
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys
from v6.store.journal import JournalReader

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")


def morning(folder: Path, *, adopt: bool) -> tuple[list[e.Event], PaperGateway, list[int]]:
    """Run a morning beside six foreign contracts; their owner sells one of them after an hour."""
    market, calendar = HistoryMarket(load_package_history(), 1), xnys()
    first = market.first_day
    seen: list[e.Event] = []

    async def main(loop: VirtualLoop) -> tuple[list[e.Event], PaperGateway, list[int]]:
        clock = VirtualClock(loop, calendar.open_utc(first) - BEFORE_OPEN)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=1, step_s=300.0)
        port = await gateway.start()
        theirs = foreign_positions(market, calendar.open_utc(first), 6, set())
        for contract, quantity, price in theirs:
            gateway.hold(contract, quantity, price)
        settings = Settings(
            desk(folder / "desk"), folder / "store", "127.0.0.1", port, cycle_s=300.0, durable=False,
            flush_every=1000, heartbeat_s=None, adopt=adopt,
        )  # fmt: skip
        daemon = Daemon(settings, clock, calendar)
        daemon.books.listen(seen.append)
        sold = False

        def after_an_hour() -> None:
            nonlocal sold
            if clock.now() >= calendar.open_utc(first) + timedelta(hours=1) and not sold:
                sold = True
                contract, quantity, _ = theirs[0]
                gateway.ledger.trade(contract, -quantity, Decimal(1), Decimal(0))
                gateway.sessions[0].close()

        await daemon.run(calendar.open_utc(first) + timedelta(minutes=100), after_an_hour)
        await gateway.stop()
        return seen, gateway, [contract.con_id for contract, _, _ in theirs]

    return run_virtual(main)


def codes(events: list[e.Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, e.FindingRaised)]


def test_a_desk_beside_unknown_positions_opens_nothing(tmp_path: Path) -> None:
    events, gateway, theirs = morning(tmp_path, adopt=False)
    assert set(codes(events)) == {"missing-here"}
    assert not [event for event in events if isinstance(event, e.OrderSending)]
    assert set(gateway.positions()) == set(theirs[1:])


def test_adopted_positions_are_left_alone_and_the_desk_trades_beside_them(tmp_path: Path) -> None:
    events, gateway, theirs = morning(tmp_path, adopt=True)
    opened = [event for event in events if isinstance(event, e.PositionOpened)]
    assert opened
    assert set(codes(events)) == {"foreign-positions"}
    assert len(codes(events)) == 2, "at the start, and when their owner sold one"
    assert set(theirs[1:]) <= set(gateway.positions())
    saved = JournalReader(tmp_path / "store/journal.sqlite").state(FOREIGN)
    assert saved is not None
    assert set(from_json(saved)) == set(theirs[1:])
