"""One segment of a backtest: the daemon against the paper gateway from flat, in virtual time, marked at each close."""

from __future__ import annotations

import asyncio
import shutil
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Final

from v6.backtest.free import NO_FEES, FreeMarket
from v6.backtest.record import DayMark, Recorder, SegmentResult
from v6.daemon.daemon import Daemon
from v6.daemon.settings import ONCE_A_DAY_S, simulated
from v6.demo import BEFORE_OPEN
from v6.errors import V6Error
from v6.paper.gateway import PaperGateway
from v6.paper.intake import Fees
from v6.paper.market import DailyHistory, HistoryMarket
from v6.paper.ports import Market
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys
from v6.store.outbox import Outbox

MARK_LAG: Final = timedelta(minutes=2)
"""The account is read this long after the close, when what expires that day has settled."""

RUN_OFF: Final = timedelta(days=14)
"""How much longer than the template's longest expiry the positions of a segment are followed beyond its last day."""

NEVER_S: Final = 1e12

LOOKS: Final = 2
"""A changed folder is taken when it looks the same twice."""


@dataclass(frozen=True, slots=True)
class Segment:
    """The days that are traded, and whether positions are then run off (the last segment's are marked instead)."""

    days: tuple[date, ...]
    run_off: bool

    @property
    def name(self) -> str:
        return f"{self.days[0]}-{self.days[-1]}" + ("-off" if self.run_off else "")


@dataclass(frozen=True, slots=True)
class Conditions:
    """What all segments of a backtest share."""

    seed: int
    cycle_s: float
    cash: float
    costs: bool


@dataclass(frozen=True, slots=True)
class Places:
    """The desk folder of the segment (its bundle is rewritten for the run-off) and a folder for its journal."""

    desk: Path
    store: Path
    without_templates: str


def run_segment(
    segment: Segment,
    conditions: Conditions,
    history: DailyHistory,
    places: Places,
    longest: int,
    on_day: Callable[[int], None] | None = None,
) -> SegmentResult:
    """Run the segment and return what it did; `longest` is the template's longest expiry in days.

    `on_day` is told how many of the segment's own days are done. Raises V6Error, with nothing left half done.
    """
    shutil.rmtree(places.store, ignore_errors=True)
    market: Market = HistoryMarket(history, conditions.seed)
    if not conditions.costs:
        market = FreeMarket(market)
    start = xnys().open_utc(segment.days[0]) - BEFORE_OPEN

    async def main(loop: VirtualLoop) -> SegmentResult:
        clock = VirtualClock(loop, start)
        gateway = PaperGateway(
            market,
            clock=clock,
            cash=Decimal(repr(conditions.cash)),
            seed=conditions.seed,
            step_s=min(conditions.cycle_s, 300.0),
            fees=Fees() if conditions.costs else NO_FEES,
        )
        port = await gateway.start("127.0.0.1", 0)
        run = _Run(segment, conditions, gateway, clock, places, on_day)
        result = await run.whole(port, _followed(segment, market.last_day, longest))
        await gateway.stop()
        return result

    return run_virtual(main)


def _followed(segment: Segment, last: date, longest: int) -> tuple[date, ...]:
    """Return the days after the segment in which its positions may still run."""
    if not segment.run_off:
        return ()
    end = min(segment.days[-1] + timedelta(days=longest) + RUN_OFF, last)
    return tuple(xnys().sessions(segment.days[-1], end)[1:])


class _NoTables(Outbox):
    """Copies nothing: the journal of years would take minutes to copy into tables that nobody reads."""

    def flush(self) -> int:
        return 0


class _Run:
    """One daemon and one gateway; a class because marking and stopping need both."""

    def __init__(
        self,
        segment: Segment,
        conditions: Conditions,
        gateway: PaperGateway,
        clock: VirtualClock,
        places: Places,
        on_day: Callable[[int], None] | None,
    ) -> None:
        self._segment = segment
        self._conditions = conditions
        self._gateway = gateway
        self._clock = clock
        self._places = places
        self._on_day = on_day
        self._marks: list[DayMark] = []
        self._recorder = Recorder(gateway)

    async def whole(self, port: int, after: tuple[date, ...]) -> SegmentResult:
        settings = replace(
            simulated(self._places.desk, self._places.store, port, self._conditions.cycle_s),
            # As in a headless demo: nobody else trades the account, nobody reads the tables.
            reconcile_every_s=ONCE_A_DAY_S,
            flush_at_close=False,
            # The desk is a copy of its own; the run-off's change of it is told, not looked for.
            look_every_s=NEVER_S,
        )
        daemon = Daemon(settings, self._clock, xnys())
        daemon.outbox = _NoTables(daemon.journal, self._places.store / "tables")
        fingerprint = daemon.ruleset.fingerprint
        daemon.books.listen(self._recorder.hear)
        days = (*self._segment.days, *after)
        marking = asyncio.create_task(self._mark(daemon, days))
        # It ends by itself, after the last day's close; what fails in it must not be waited for until then.
        marking.add_done_callback(lambda task: daemon.request_stop() if not task.cancelled() else None)
        await daemon.run(xnys().close_utc(days[-1]) + BEFORE_OPEN)
        await marking
        return SegmentResult(
            first=self._segment.days[0],
            last=self._segment.days[-1],
            cash=self._conditions.cash,
            days=tuple(self._marks),
            trades=self._recorder.trades(self._gateway),
            cycles=daemon.cycles,
            findings=tuple(self._recorder.findings),
            denied=self._recorder.denied,
            halted_days=self._recorder.halted_days,
            fingerprint=fingerprint,
            event_log_sha256=daemon.journal_hash,
        )

    async def _mark(self, daemon: Daemon, days: tuple[date, ...]) -> None:
        last = self._segment.days[-1]
        before = Decimal(repr(self._conditions.cash))
        for number, day in enumerate(days, 1):
            due = xnys().close_utc(day) + MARK_LAG
            await asyncio.sleep((due - self._clock.now()).total_seconds())
            net_liq = self._gateway.net_liquidation()
            self._marks.append(self._recorder.mark(day, net_liq, net_liq - before, self._gateway, day <= last))
            before = net_liq
            if day <= last and self._on_day is not None:
                self._on_day(number)
            if day == last and number < len(days):
                self._stop_opening(daemon)
            if day >= last and not self._gateway.ledger.holdings and not daemon.books.ledger.holdings:
                return

    def _stop_opening(self, daemon: Daemon) -> None:
        """Take the template out of the running bundle, as an owner would who wants nothing new."""
        (self._places.desk / "rules" / "bundle.yaml").write_text(self._places.without_templates, encoding="utf-8")
        for _ in range(LOOKS):
            daemon.poll_rules()
        if daemon.ruleset.desk.strategies:
            raise V6Error(f"the rules of the run-off could not be loaded; is git writing near {self._places.desk}?")
