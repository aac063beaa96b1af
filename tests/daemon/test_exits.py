"""What is not closed, because the broker does not hold it."""

import asyncio
from datetime import datetime
from decimal import Decimal

from tests.execution.fakes import CONDOR, ENTRY_PRICES, LIMITS, NOON, PORTFOLIO, Station, close_intent
from v6.daemon.exits import Exits
from v6.daemon.gate import Gate
from v6.model import event as e
from v6.model.decision import Action, ActionKind, Decision, Urgency
from v6.model.order import Purpose
from v6.model.position import Position
from v6.model.quote import Quote

QUOTES = {
    leg.contract.con_id: Quote(leg.contract.con_id, NOON, float(price) - 0.1, float(price) + 0.1)
    for leg, price in zip(CONDOR.legs, ENTRY_PRICES, strict=True)
}
"""A market in which the condor can be priced."""


class Clock:
    def now(self) -> datetime:
        return NOON


class Desk:
    """Two condors in the books; the broker wholly holds those that are not `fenced`."""

    def __init__(self, *earlier: e.Event) -> None:
        held = [Position(key, "iron_condor", CONDOR, 1, Decimal("-9.5"), NOON) for key in ("p1", "p2")]
        self.station = Station(Clock(), None, [*(e.PositionOpened(NOON, p) for p in held), *earlier])
        self.fenced: frozenset[str] = frozenset()
        gate = Gate(self.station.books, self.station.clock, lambda: LIMITS)
        self.exits = Exits(self.station.books, self.station.executor, gate, lambda: self.fenced)
        self.written = len(self.station.journal.written)

    def act(self, *keys: str) -> list[str]:
        """Let the rules close the positions; return the ids of those for which an order was meant."""
        self.exits.act([closing(key) for key in keys], PORTFOLIO, QUOTES, NOON)
        new = self.station.journal.written[self.written :]
        self.written += len(new)
        self.new = new
        return [event.intent.position_id for event in new if isinstance(event, e.OrderIntended)]


def closing(key: str) -> Decision:
    action = Action(ActionKind.CLOSE, Urgency.HIGH)
    return Decision(f"d-{key}", "s", NOON, key, "stop_loss", action, 1, 0, "bundle", "rule")


def sent(number: int) -> list[e.Event]:
    intent = close_intent("p1", 1)
    assert intent.purpose is Purpose.CLOSE
    ref = intent.order_ref
    return [e.OrderIntended(NOON, intent), e.OrderSending(NOON, ref, number), e.OrderSubmitted(NOON, ref, number)]


def test_a_fenced_position_is_not_closed_and_that_is_told_once() -> None:
    desk = Desk()
    desk.fenced = frozenset({"p1"})
    assert desk.act("p1") == []
    (told,) = desk.new
    assert isinstance(told, e.FindingRaised)
    assert told.code == "exit-fenced"
    assert desk.act("p1") == []
    assert desk.new == []


def test_other_positions_are_closed_as_ever_and_this_one_when_the_broker_holds_it_again() -> None:
    async def story() -> None:
        desk = Desk()
        desk.fenced = frozenset({"p1"})
        assert desk.act("p1", "p2") == ["p2"]
        desk.fenced = frozenset()
        assert desk.act("p1") == ["p1"]
        await desk.station.executor.close()

    asyncio.run(story())


def test_the_closing_order_of_a_fenced_position_is_withdrawn_and_no_other() -> None:
    desk = Desk(*sent(5))
    desk.act()
    assert desk.station.broker.cancelled == []
    desk.fenced = frozenset({"p2"})
    desk.act()
    assert desk.station.broker.cancelled == []
    desk.fenced = frozenset({"p1"})
    desk.act()
    assert desk.station.broker.cancelled == [5]
