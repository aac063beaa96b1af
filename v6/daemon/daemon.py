"""One desk at one broker: connect, cycle, act, and survive what happens to either.

The loop is level-triggered: a cycle acts on what is true now, so an intent that was lost is decided again, and one
that is under way is left alone.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import datetime
from typing import Final, TypeVar

import structlog

from v6.daemon.clocks import WRONG_TIME_S, BrokerClock, Interval
from v6.daemon.daycheck import DayCheck
from v6.daemon.entries import Entries
from v6.daemon.events import DeskEvents
from v6.daemon.exits import Exits, reductions
from v6.daemon.gate import Gate
from v6.daemon.halts import Halts
from v6.daemon.measure import HealthLog, LoopLag, QueueCopy, greeks_of_legs
from v6.daemon.permissions import Permissions
from v6.daemon.policy import PINS, SHADOW_STATE, Policy
from v6.daemon.reconcile import FOREIGN, Reconciler
from v6.daemon.recording import recorder_of
from v6.daemon.reload import LAST_GOOD, Accepted, Refusal, Reloader
from v6.daemon.schedule import closed_for_s, is_last_cycle, next_cycle, session_of
from v6.daemon.settings import Settings
from v6.daemon.storeroom import Storeroom
from v6.daemon.supervise import Supervisor, ended
from v6.daemon.watch import Watch
from v6.errors import BrokerError
from v6.execution.books import Books
from v6.execution.executor import Executor
from v6.execution.ledger import Ledger
from v6.ib.context import Context
from v6.ib.feed import Feed
from v6.ib.glimpse import Glimpse
from v6.ib.health import LinkState, News
from v6.ib.holdings import Holdings
from v6.ib.hybrid import HybridStreamer
from v6.ib.link import Link
from v6.ib.orders import IbBroker
from v6.ib.queue import PositionQueue
from v6.ib.recheck import LineCheck
from v6.ib.worker import QueueWorker
from v6.lang.desk import Underlying
from v6.model import event as e
from v6.model.decision import Decision
from v6.model.snapshot import Snapshot
from v6.ports import Clock
from v6.pricing.calendar import TradingCalendar
from v6.rules import RuleSet, RuleState
from v6.rules.recorded import RULE_STATE as RULE_STATE
from v6.store.journal import BULK, Journal
from v6.store.maintenance import audit
from v6.store.outbox import Outbox
from v6.store.space import free_bytes

T = TypeVar("T")

CONTEXT: Final = "context"
POSITION_QUEUE: Final = "position_queue"

LEDGER_EVENTS: Final = tuple(kind for kind in e.EVENT_TYPES.values() if kind not in BULK)
"""What the ledger folds; the others are most of a journal, change nothing in it, and may have been pruned."""

LONGEST_BACKOFF_S: Final = 60.0

log = structlog.get_logger("v6.daemon")


class Daemon:
    """The loop; everything it knows it reads from the journal, the broker or the files."""

    def __init__(self, settings: Settings, clock: Clock, calendar: TradingCalendar) -> None:
        self.settings = settings
        self._clock = clock
        self._calendar = calendar
        self.journal = Journal(settings.store / "journal.sqlite", durable=settings.durable)
        damage = audit(settings.store / "tables")
        self.outbox = Outbox(self.journal, settings.store / "tables")
        self.books = Books(self.journal, Ledger(event for _, event in self.journal.events(kinds=LEDGER_EVENTS)))
        free = free_bytes if settings.durable else None
        self._storeroom = Storeroom(self.outbox, self.journal, self._find, free)
        self._permissions = Permissions(self.books.ledger, self._find)
        for text in damage:
            self.books.post(e.FindingRaised(clock.now(), "table-damaged", text))
        self._reloader = Reloader(settings.root, store=settings.store if settings.require_diff else None)
        self._look = Interval(settings.look_every_s)
        self._state = _restored(self.journal.state(RULE_STATE), RuleState.from_json, RuleState())
        self._daycheck = DayCheck(settings.store, settings.self_check, self._find, self._on_task_end)
        self._stopping = asyncio.Event()
        self._turn = asyncio.Lock()
        self.cycles = 0
        self.journal_hash = ""
        self.latest: Snapshot | None = None
        self._failures = 0
        self._skew_s = 0.0
        self.policy = self._first_rules()
        self._wire()

    def _wire(self) -> None:
        settings = self.settings
        self.link = Link(settings.host, settings.port, settings.client_id, self._clock)
        self.link.on_restored(lambda: self._reconciler.distrust())
        self.link.on_news(self._on_news)
        self._supervisor = Supervisor(self.link, self._clock, settings.downtimes, self._find)
        broker = IbBroker(self.link)
        broker.raise_order_id(max((r.order_id for r in self.books.ledger.orders.values()), default=0))
        saved = {FOREIGN: self.journal.state(FOREIGN)}
        self._reconciler = Reconciler(
            self.books, saved, broker, self._clock, settings.reconcile_every_s, settings.adopt
        )
        self.feed = Feed(self.link, self._clock)
        self._line_check = LineCheck(
            self.feed, self.link, self._is_open, lambda text: self._find("lines-silent", text)
        )
        self._executor = Executor(broker, self.books, self._clock)
        context = _restored(self.journal.state(CONTEXT), Context.from_json, Context())
        self._events = DeskEvents(settings.root)
        self._wire_queue()
        self._watch = Watch(
            self.feed, self.books.ledger, context, lambda: self._events.calendar, self.hybrid, self._find
        )
        gate = Gate(self.books, self._clock, lambda: self.ruleset.desk.limits)
        self._exits = Exits(self.books, self._executor, gate, self._reconciler.fenced)
        self._entries = Entries(self.books, self._executor, gate, self.feed, self._clock, self._blocked)
        parts = (
            lambda: self._reconciler.halts,
            lambda: self.link.health.reasons,
            self.feed.reasons,
            self._storeroom.reasons,
            self._permissions.reasons,
        )
        self._halts = Halts(self.books.ledger, settings.downtimes, parts)

    def _wire_queue(self) -> None:
        self.queue = _restored(self.journal.state(POSITION_QUEUE), PositionQueue.from_json, PositionQueue())
        holdings, link = Holdings(self.link), self.link
        self.worker = QueueWorker(
            self.queue,
            Glimpse(link, self._clock),
            self._clock,
            self._room,
            lambda at: closed_for_s(self._calendar, at),
            self._keep_queue,
        )
        self.hybrid = HybridStreamer(self.feed, self.queue, holdings.contracts, self.worker.quotes)
        link.ib.errorEvent += self._on_broker_error
        self._queue_copy = QueueCopy(self.queue, self._clock, self.books.post)
        self._lag = LoopLag()
        self._health = HealthLog(self.settings.health_every, self._clock, link, self.feed, self.queue, self._lag)

        self._recorder = recorder_of(self.settings, link, self._clock, self._calendar, self._spare, self._find)

    def _room(self) -> int:
        """Return how many snapshots may be under way at once."""
        return self.hybrid.free_lines() if self.link.state in (LinkState.HEALTHY, LinkState.DEGRADED) else 0

    def _spare(self) -> int:
        """Return how many of them the queue leaves to the recorder."""
        return self._room() - self.worker.flying

    def _keep_queue(self, text: str) -> None:
        self.books.post(state={POSITION_QUEUE: text})
        self._queue_copy.note()

    # -- the loop --------------------------------------------------------------------------------------------------

    async def run(self, until: datetime | None = None, on_cycle: Callable[[], None] | None = None) -> None:
        """Cycle until the moment given, or for ever; a failed cycle is logged, and the next one starts afresh."""
        beat = self.settings.heartbeat_s
        tasks = [asyncio.create_task(self.worker.run())]
        if beat is not None:
            tasks.append(asyncio.create_task(self._supervisor.watch(beat, self._reconnect)))
        if self.settings.health_every:
            tasks.append(asyncio.create_task(self._lag.run()))
        if self._recorder is not None:
            tasks.append(asyncio.create_task(self._recorder.run()))
        for task in tasks:
            task.add_done_callback(self._on_task_end)
        try:
            while True:
                due = next_cycle(self._calendar, self._clock.now(), self.settings.cycle_s)
                if until is not None and due >= until:
                    break
                if await self._stopped_within((due - self._clock.now()).total_seconds()):
                    break
                await self._guarded_cycle()
                if on_cycle is not None:
                    on_cycle()
        finally:
            try:
                await ended(tasks)
            finally:
                await self.stop()

    def request_stop(self) -> None:
        """End the loop after the cycle that is under way."""
        self._stopping.set()

    async def _stopped_within(self, seconds: float) -> bool:
        try:
            async with asyncio.timeout(max(0.0, seconds)):
                await self._stopping.wait()
        except TimeoutError:
            return False
        return True

    async def stop(self) -> None:
        """Stop acting, disconnect, and bring the tables up to the journal; working orders stay at the broker."""
        await self._executor.close()
        self.link.disconnect()
        await self._daycheck.wait()
        await self._storeroom.flush()
        self.journal_hash = self.journal.hash()
        self.journal.close()

    async def _guarded_cycle(self) -> None:
        try:
            async with self._turn:
                await self.cycle()
            self._failures = 0
        except BrokerError as error:
            self._failures += 1
            self._reconciler.distrust()
            log.warning("cycle-failed", error=str(error), failures=self._failures)
            # The next cycle is the retry; a failing broker is asked less and less often.
            await asyncio.sleep(min(2.0**self._failures, LONGEST_BACKOFF_S))

    async def cycle(self) -> None:
        """Look once, decide once, act; raises BrokerError when the broker does not answer."""
        await self._ensure_link()
        if self._look.over():
            self._look_at_files()
        at = await self._now()
        session = session_of(self._calendar, at)
        if session is None or (self.latest is not None and at <= self.latest.ts):
            return
        if self._reconciler.due(at) or self._watch.context.session != session.day:
            await self._reconciler.run(session.day, self._watch.previous_close())
        self._storeroom.look()
        snapshot = await self._watch.snapshot(at, self.cycles, session)
        self.worker.wake()
        decisions = self._decide(snapshot)
        quotes = self._watch.quotes()
        self._exits.chase(quotes)
        self._exits.act(decisions, snapshot.rows[0], quotes, at)
        halts = self._halts.reasons(at, self._skew_s, decisions, self.policy)
        await self._entries.look(self.ruleset.desk.strategies, snapshot, session.day, halts)
        if self.settings.keep_greeks:
            self.books.post(*greeks_of_legs(snapshot, self.books.ledger, self._watch.with_greeks))
        self.books.post(*self._health.measure(self.cycles, self.journal, self.outbox))
        ends = self.settings.flush_at_close and is_last_cycle(self._calendar, at, self.settings.cycle_s)
        if ends or self.cycles % self.settings.flush_every == 0:
            await self._storeroom.flush()
        if ends:
            self._daycheck.start(at.date())

    def _look_at_files(self) -> None:
        self.poll_rules()
        for text in self._events.poll():
            self.books.post(e.FindingRaised(self._clock.now(), "events-file", text))

    async def _now(self) -> datetime:
        """Ask the broker the time: the heartbeat of the cycle. Only a `BrokerClock` is set by the answer."""
        answer = await self.link.server_time()
        if isinstance(self._clock, BrokerClock):
            self._clock.set(answer)
        now = self._clock.now()
        self._skew_s = abs((answer - now).total_seconds())
        if self._skew_s > WRONG_TIME_S:
            raise BrokerError(
                f"the broker's clock says {answer:%Y-%m-%d %H:%M:%S} and ours {now:%Y-%m-%d %H:%M:%S}; "
                "beside an accelerated paper gateway use --speed"
            )
        self.feed.confirm(now)
        return now

    # -- the broker ------------------------------------------------------------------------------------------------

    async def _ensure_link(self) -> None:
        if self.link.ib.isConnected():
            return
        self._watch.reset()
        self.worker.forget()
        self._permissions.connecting()
        await self._supervisor.connect()
        self._permissions.connected()
        self.feed.load_account()
        await self._executor.recover()
        self._reconciler.distrust()

    async def _reconnect(self) -> None:
        """Connect and open the lines at once; what to do is for the next cycle to decide."""
        async with self._turn:
            await self._ensure_link()
            if self._is_open():
                await self._watch.open_lines(self._clock.now())
                self.worker.wake()

    def _on_news(self, news: News, text: str) -> None:
        """Put on record what the broker said of the connection; that all is well again is told by what follows."""
        if news is News.UNREADABLE:
            self._reconciler.distrust()
        if news is not News.RESTORED:
            self._find(str(news), text)

    def _on_task_end(self, task: asyncio.Task[None]) -> None:
        """Put a mistake of ours on record; the loop goes on without what failed, and raises it when it ends."""
        if not task.cancelled() and task.exception() is not None:
            self._find("background-task-failed", repr(task.exception()))

    def _on_broker_error(self, number: int, code: int, text: str, contract: object) -> None:
        self._permissions.heard(number, code, text)
        con_id = getattr(contract, "conId", None)
        if isinstance(con_id, int):
            self.hybrid.heard(code, con_id)

    def _is_open(self) -> bool:
        return session_of(self._calendar, self._clock.now()) is not None

    def _blocked(self, underlying: Underlying) -> str | None:
        return self._permissions.refused(underlying.trading_class) or self._watch.halts.of(underlying.symbol)

    def _find(self, code: str, text: str) -> None:
        self.books.post(e.FindingRaised(self._clock.now(), code, text))

    # -- the rules -------------------------------------------------------------------------------------------------

    @property
    def ruleset(self) -> RuleSet:
        """Return the desk's rules; open positions may be held under earlier ones."""
        return self.policy.book.current

    def _first_rules(self) -> Policy:
        saved = {key: self.journal.state(key) for key in (LAST_GOOD, PINS, SHADOW_STATE)}
        accepted, refusal = self._reloader.start(saved[LAST_GOOD])
        if refusal is not None:
            self.books.post(e.RuleSetRefused(self._clock.now(), refusal.diagnostics))
        policy = Policy(accepted, saved, self.books.ledger.holdings)
        self._take(policy, accepted)
        return policy

    async def watch_rules(self, every_s: float) -> None:
        """Look for changed files between cycles for ever, so that an edit need not wait for the next one."""
        while True:
            await asyncio.sleep(every_s)
            async with self._turn:
                self.poll_rules()

    def poll_rules(self) -> None:
        """Take a changed desk folder if it is good, refuse it if not; the running set is never half replaced."""
        outcome = self._reloader.poll(self.latest, self._state)
        if isinstance(outcome, Accepted):
            self.policy.take(outcome, self.books.ledger.holdings)
            self._take(self.policy, outcome)
        elif isinstance(outcome, Refusal):
            self.books.post(e.RuleSetRefused(self._clock.now(), outcome.diagnostics))

    def _take(self, policy: Policy, accepted: Accepted) -> None:
        events, state = policy.taken(accepted, self._clock.now())
        self.books.post(*events, state=state)

    def _decide(self, snapshot: Snapshot) -> tuple[Decision, ...]:
        judged = self.policy.judge(snapshot, self._state)
        self._state = judged.state
        self.books.post(
            e.SnapshotTaken(snapshot.ts, snapshot),
            e.DecisionsMade(snapshot.ts, judged.decisions),
            *judged.events,
            *reductions(judged.decisions, self.books.ledger, snapshot.ts),
            state={
                RULE_STATE: self._state.to_json(),
                CONTEXT: self._watch.context.to_json(),
                **self.policy.saved(),
            },
        )
        self.latest = snapshot
        self.cycles += 1
        return judged.decisions


def _restored(text: str | None, read: Callable[[str], T], empty: T) -> T:
    return empty if text is None else read(text)
