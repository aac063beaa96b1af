"""A desk that records the market beside its own work, in virtual time against the paper gateway."""

from __future__ import annotations

import asyncio
import shutil
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.daemon.history import walked
from v6.daemon.daemon import Daemon
from v6.daemon.settings import Settings
from v6.demo import BEFORE_OPEN, CASH
from v6.model import event as e
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket
from v6.paper.market.futures import WithFutures
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys
from v6.store.history import FOLDER, connect
from v6.store.journal import JournalReader
from v6.store.quality import quality
from v6.store.query import connect as tables

DAY = date(2015, 3, 3)
HOURLY = """\
version: 1
every_s: 3600
watched:
  - {symbol: SPX, sec_type: IND, exchange: CBOE}
  - {symbol: VIX, sec_type: IND, exchange: CBOE}
  - {symbol: ES, sec_type: FUT, exchange: CME}
  - {symbol: NQ, sec_type: FUT, exchange: CME}
  - {symbol: RTY, sec_type: FUT, exchange: CME}
chains:
  - {symbol: SPX, trading_class: SPXW, dte_min: 20, dte_max: 40, strikes: 0.02}
"""
SLOTS = [datetime(2015, 3, 3, 14, 30, tzinfo=UTC) + timedelta(hours=n) for n in range(7)]


@dataclass
class Run:
    """What one day left behind."""

    store: Path
    sent: list[tuple[datetime, str]] = field(default_factory=list)
    findings: list[str] = field(default_factory=list)
    errors: int = 0
    at_restart: int = 0


def day(folder: Path, recording: str | None, stop_at: datetime | None = None) -> Run:
    """Run one session; with `stop_at` the daemon is ended without a word then, and another goes on."""
    calendar, root, run = xnys(), folder / "desk", Run(folder / "store")
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, root / name)
    if recording is not None:
        (root / "recording.yaml").write_text(recording)

    def hear(event: e.Event) -> None:
        if isinstance(event, e.OrderSending):
            run.sent.append((event.at, event.order_ref))
        elif isinstance(event, e.FindingRaised):
            run.findings.append(f"{event.code}: {event.text}")

    async def main(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop, calendar.open_utc(DAY) - BEFORE_OPEN)
        market = WithFutures(HistoryMarket(walked(), 1), 1)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=1, step_s=60.0)
        port = await gateway.start()
        settings = Settings(
            root, run.store, "127.0.0.1", port,
            cycle_s=300.0, durable=False, flush_every=1_000, health_every=10, keep_greeks=True,
        )  # fmt: skip
        if stop_at is not None:
            first = Daemon(settings, clock, calendar)
            first.books.listen(hear)
            task = asyncio.create_task(first.run())
            await asyncio.sleep((stop_at - clock.now()).total_seconds())
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)
            run.errors += first.link.errors[100]
            done = "SELECT count(*) FROM chain_quotes WHERE sweep = ?"
            run.at_restart = connect(run.store / FOLDER).execute(done, [SLOTS[2]]).fetchall()[0][0]
        daemon = Daemon(settings, clock, calendar)
        daemon.books.listen(hear)
        await daemon.run(calendar.close_utc(DAY))
        run.errors += daemon.link.errors[100]
        await gateway.stop()

    run_virtual(main)
    return run


@pytest.fixture(scope="module")
def recorded(tmp_path_factory: pytest.TempPathFactory) -> Run:
    return day(tmp_path_factory.mktemp("recorded"), HOURLY)


def rows(run: Run, query: str) -> list[tuple[object, ...]]:
    return connect(run.store / FOLDER).execute(query).fetchall()


def test_a_day_has_every_sweep_that_was_planned(recorded: Run) -> None:
    sweeps = [slot.timestamp() for slot in SLOTS]
    assert [r[0] for r in rows(recorded, "SELECT DISTINCT epoch(sweep) FROM chain_quotes ORDER BY 1")] == sweeps
    counts = "count(*), count(DISTINCT sweep)"
    of_each = rows(recorded, f"SELECT symbol, {counts} FROM underlying_quotes GROUP BY 1 ORDER BY 1")
    assert of_each == [(symbol, 7, 7) for symbol in ("ES", "NQ", "RTY", "SPX", "VIX")]
    assert not [text for text in recorded.findings if text.startswith("recording")]


def test_each_contract_is_recorded_once_a_sweep_with_what_the_gateway_quoted(recorded: Run) -> None:
    twice = "SELECT count(*) FROM (SELECT 1 FROM chain_quotes GROUP BY sweep, con_id HAVING count(*) > 1)"
    assert rows(recorded, twice) == [(0,)]
    found = "count(*) > 300, count(bid), count(delta), count(ask_size), count(open_interest), count(error)"
    some, bids, greeks, sizes, interest, errors = rows(recorded, f"SELECT {found} FROM chain_quotes")[0]
    count = rows(recorded, "SELECT count(*) FROM chain_quotes")[0][0]
    assert some
    assert bids == greeks == sizes == count
    assert interest == errors == 0  # a snapshot is never told the open interest: it stays missing
    band = "SELECT bool_and(abs(strike / spot - 1) <= 0.02 AND expiry - DATE '2015-03-03' BETWEEN 20 AND 40)"
    assert rows(recorded, f"{band} FROM chain_quotes") == [(True,)]


def test_a_day_of_the_gateway_has_no_defects(recorded: Run) -> None:
    assert quality(recorded.store / FOLDER, xnys(), DAY, DAY).findings == ()


def test_the_desks_health_and_the_greeks_of_each_leg_are_tables(recorded: Run) -> None:
    db = tables(recorded.store / "tables")
    cycles = (
        "SELECT list(cycle ORDER BY cycle), bool_and(link = 'healthy'), max(pacing_errors), min(lines) > 0 FROM health"
    )
    assert db.execute(cycles).fetchall() == [([10, 20, 30, 40, 50, 60, 70], True, 0, True)]
    # The one condor of the day: its four legs in each snapshot that has the position, which sums them up.
    sums = """
        SELECT count(*), bool_and(n = 4 AND abs(delta - total) < 1e-9) FROM (
            SELECT s.snapshot_id, s.delta, count(*) AS n, sum(l.ratio * g.delta) AS total
            FROM snapshots s JOIN legs l ON l.position_id = s.key JOIN greeks g USING (snapshot_id, con_id)
            WHERE s.delta NOTNULL GROUP BY ALL)"""
    (counted, agree), *_ = db.execute(sums).fetchall()
    assert counted > 10
    assert agree


def test_pacing_is_never_exceeded(recorded: Run) -> None:
    assert recorded.errors == 0


def test_the_desks_orders_leave_when_they_do_without_a_recorder(recorded: Run, tmp_path: Path) -> None:
    alone = day(tmp_path, None)
    assert alone.sent
    assert not (alone.store / FOLDER).exists()
    assert [ref for _, ref in recorded.sent] == [ref for _, ref in alone.sent]
    late = [(with_it - at).total_seconds() for (with_it, _), (at, _) in zip(recorded.sent, alone.sent, strict=True)]
    assert max(map(abs, late)) < 0.1


@pytest.mark.parametrize("after_s", [0.2, 1.5, 2.5])
def test_a_restart_in_the_middle_of_a_sweep_goes_on_without_duplicates(
    recorded: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, after_s: float
) -> None:
    monkeypatch.setattr("v6.ib.recorder.BATCH", 20)
    run = day(tmp_path, HOURLY, SLOTS[2] + timedelta(seconds=after_s))
    everything = "SELECT epoch(sweep), con_id FROM {} ORDER BY 1, 2"
    for table in ("chain_quotes", "underlying_quotes"):
        found = rows(run, everything.format(table))
        assert len(set(found)) == len(found)
        assert {r for r in found if r[0] != SLOTS[2].timestamp()} == {
            r for r in rows(recorded, everything.format(table)) if r[0] != SLOTS[2].timestamp()
        }
    sweep = f"SELECT con_id FROM chain_quotes WHERE epoch(sweep) = {SLOTS[2].timestamp()}"
    whole, found = set(rows(recorded, sweep)), set(rows(run, sweep))
    assert 0 < run.at_restart < len(whole)
    # The price, and with it the band of strikes, may have moved a little while nobody asked.
    assert len(whole - found) <= len(whole) // 10
    assert run.errors == 0


def test_a_mistake_in_the_file_is_told_and_nothing_recorded(tmp_path: Path) -> None:
    run = day(tmp_path, HOURLY.replace("every_s: 3600", "every_s: 5"))
    told = [event for _, event in JournalReader(run.store / "journal.sqlite").events(kinds=[e.FindingRaised])]
    assert any(isinstance(f, e.FindingRaised) and f.code == "recording-file" and "every_s" in f.text for f in told)
    assert not (run.store / FOLDER).exists()


def test_an_underlying_nobody_lists_is_told_and_the_others_recorded(tmp_path: Path) -> None:
    run = day(tmp_path, HOURLY.replace("symbol: VIX", "symbol: VXX"))
    assert sum("recording-missed: VXX" in text for text in run.findings) == 7
    assert rows(run, "SELECT count(DISTINCT symbol) FROM underlying_quotes") == [(4,)]
