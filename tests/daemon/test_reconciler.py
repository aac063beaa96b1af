"""When books and broker are compared, and what is told of it."""

import asyncio
from collections.abc import Callable
from datetime import date, datetime, timedelta
from decimal import Decimal

from tests.execution.fakes import CONDOR, NOON, Station, fills, open_intent, option
from v6.daemon.conflicts import Kind
from v6.daemon.reconcile import QUIET, Reconciler
from v6.errors import BrokerError
from v6.model import event as e
from v6.model.contract import Right
from v6.model.order import OrderState
from v6.model.position import Position
from v6.model.statement import Execution, Held, OpenOrder, Statement

TODAY = date(2014, 1, 7)
"""NOON's day."""


class Clock:
    def __init__(self) -> None:
        self.at = NOON

    def now(self) -> datetime:
        return self.at


class Account:
    """A broker that holds what a test says."""

    def __init__(self) -> None:
        self.held: dict[int, int] = {}
        self.orders: tuple[OpenOrder, ...] = ()
        self.fills: list[Execution] = []
        self.asked = 0
        self.mute = False
        self.asked_for_executions = 0
        self.meanwhile: Callable[[], object] = lambda: None

    async def statement(self) -> Statement:
        self.asked += 1
        self.meanwhile()
        legs = {leg.contract.con_id: leg.contract for leg in CONDOR.legs}
        named = {c: legs.get(c) or option(c, 1000 + c, Right.PUT) for c in self.held}
        return Statement({c: Held(n, named[c]) for c, n in self.held.items()}, self.orders)

    async def executions(self) -> list[Execution]:
        self.asked_for_executions += 1
        if self.mute:
            raise BrokerError("executions: no answer within 10 s")
        return self.fills


class Scene:
    def __init__(self, *, every_s: float = 900.0, adopt: bool = False) -> None:
        self.clock, self.account = Clock(), Account()
        self.station = Station(self.clock)
        self.books = self.station.books
        self.reconciler = Reconciler(self.books, {}, self.account, self.clock, every_s, adopt)

    def run(self) -> None:
        asyncio.run(self.reconciler.run(TODAY, {}))

    def found(self) -> list[tuple[str, str]]:
        written = self.station.journal.written
        return [(event.code, event.text) for event in written if isinstance(event, e.FindingRaised)]


def test_nothing_opens_before_the_first_comparison() -> None:
    scene = Scene()
    assert scene.reconciler.halts == ("not reconciled yet",)
    scene.run()
    assert (scene.reconciler.halts, scene.found()) == ((), [])
    assert scene.account.asked_for_executions == 0, "they are asked for only when something differs"


def test_it_is_due_after_a_gap_and_at_intervals() -> None:
    scene = Scene(every_s=900)
    assert scene.reconciler.due(NOON)
    scene.run()
    assert not scene.reconciler.due(NOON + timedelta(seconds=899))
    assert scene.reconciler.due(NOON + timedelta(seconds=900))
    assert scene.reconciler.due(NOON - timedelta(seconds=1)), "a clock that was set back must not put it off"
    scene.reconciler.distrust()
    assert scene.reconciler.due(NOON)


def test_it_is_due_in_every_cycle_while_something_differs() -> None:
    scene = Scene()
    scene.account.held = {77: 1}
    scene.run()
    assert scene.reconciler.due(NOON)
    scene.account.held = {}
    scene.run()
    assert not scene.reconciler.due(NOON)
    assert scene.reconciler.halts == ()


def test_a_conflict_is_told_once_and_again_when_its_figures_change() -> None:
    scene = Scene()
    scene.account.held = {77: 1}
    for _ in range(3):
        scene.run()
    assert scene.found() == [("missing-here", "SPXW 2014-02-21 1077P: we hold 0, the broker 1")]
    scene.account.held = {77: 2, 78: -1}
    scene.run()
    assert scene.found()[1:] == [
        (
            "missing-here",
            "SPXW 2014-02-21 1077P: we hold 0, the broker 2; SPXW 2014-02-21 1078P: we hold 0, the broker -1",
        )
    ]


def test_thousands_of_conflicts_are_one_finding_of_bounded_length() -> None:
    scene = Scene()
    scene.account.held = dict.fromkeys(range(100, 3100), 1)
    scene.run()
    ((code, text),) = scene.found()
    assert code == "missing-here"
    assert text.endswith("; and 2950 more")
    assert len(scene.reconciler.conflicts) == 3000


def test_orders_of_others_are_listed_once_and_halt_nothing() -> None:
    scene = Scene()
    scene.account.orders = (OpenOrder(9, 0, "", "SELL 1 SPX BAG LMT 2.5"),)
    for _ in range(3):
        scene.run()
    assert scene.found() == [("foreign-order", "SELL 1 SPX BAG LMT 2.5 of a person (client 0) works")]
    assert scene.reconciler.halts == ()
    assert scene.station.broker.cancelled == []


def test_our_own_orders_are_not_foreign() -> None:
    scene = Scene()
    intent = open_intent()
    scene.books.post(e.OrderIntended(NOON, intent))
    scene.account.orders = (OpenOrder(9, 1, intent.order_ref, "BUY 2 SPX BAG LMT -9.7"),)
    scene.run()
    assert scene.found() == []


def test_a_cause_that_was_seen_is_kept_when_its_evidence_is_gone() -> None:
    scene = Scene()
    scene.account.held = {77: 1}
    scene.account.fills = [Execution("a.01", 0, "", 77, 1, NOON)]
    scene.run()
    scene.account.fills = []
    scene.run()
    assert [c.kind for c in scene.reconciler.conflicts] == [Kind.MANUAL]
    assert [code for code, _ in scene.found()] == ["manual-trade"]


def test_executions_that_are_not_told_cost_the_cause_and_not_the_cycle() -> None:
    scene = Scene()
    scene.account.held, scene.account.mute = {77: 1}, True
    scene.account.fills = [Execution("a.01", 0, "", 77, 1, NOON)]
    scene.run()
    assert [c.kind for c in scene.reconciler.conflicts] == [Kind.MISSING_HERE]


def test_positions_are_not_compared_while_fills_arrive_and_shortly_after() -> None:
    scene = Scene()
    intent = open_intent()
    done = fills(intent, 2)
    scene.books.post(e.OrderIntended(NOON, intent), e.OrderFilled(NOON, done[0]))
    scene.account.held = {77: 1}
    scene.run()
    assert (scene.account.asked, scene.found()) == (0, [])
    assert scene.reconciler.due(NOON), "it is made up for"


def test_a_fill_between_question_and_answer_makes_the_answer_worthless() -> None:
    scene = Scene()
    intent = open_intent()
    scene.books.post(e.OrderIntended(NOON, intent))
    scene.account.meanwhile = lambda: scene.books.post(e.OrderFilled(NOON, fills(intent, 2)[0]))
    scene.run()
    assert scene.found() == []
    assert scene.reconciler.halts == ("not reconciled yet",)


def test_five_quiet_seconds_after_a_fill_the_positions_tell() -> None:
    scene = Scene()
    intent, done = open_intent(), fills(open_intent(), 2)
    scene.books.post(
        e.OrderIntended(NOON, intent),
        *(e.OrderFilled(NOON, fill) for fill in done),
        e.OrderEnded(NOON, intent.order_ref, OrderState.FILLED),
    )
    scene.clock.at = NOON + QUIET - timedelta(seconds=1)
    scene.run()
    assert scene.account.asked == 0
    scene.clock.at = NOON + QUIET
    scene.run()
    assert scene.account.asked == 1


def test_adopted_positions_are_no_conflict() -> None:
    scene = Scene(adopt=True)
    scene.account.held = {77: 1}
    scene.run()
    assert [code for code, _ in scene.found()] == ["foreign-positions"]
    assert scene.reconciler.halts == ()


def test_what_the_broker_does_not_wholly_hold_is_fenced_until_it_does() -> None:
    scene = Scene()
    scene.books.post(e.PositionOpened(NOON, Position("p1", "iron_condor", CONDOR, 1, Decimal(-9), NOON)))
    scene.account.held = {1: 1, 2: -1, 3: -1}
    scene.run()
    assert scene.reconciler.fenced() == {"p1"}
    scene.account.held[4] = 1
    scene.run()
    assert (scene.reconciler.fenced(), scene.reconciler.halts) == (set(), ())
