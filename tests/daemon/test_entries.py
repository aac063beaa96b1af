import asyncio
from dataclasses import replace
from datetime import date, datetime
from decimal import Decimal
from typing import cast

import pytest

from tests.conftest import ROOT
from tests.execution.fakes import CONDOR, LIMITS, NOON, FakeBroker, Station, close_intent, open_intent
from v6.daemon.entries import Entries
from v6.daemon.gate import Gate
from v6.errors import BrokerError
from v6.ib.feed import Feed
from v6.model import event as e
from v6.model.position import Position
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules import load_desk

TODAY = date(2014, 1, 7)
TEMPLATE = load_desk(ROOT).strategies[0]
CALM = {
    "vix": 14.0,
    "underlying_price": 1830.0,
    "open_positions": 0.0,
    "minutes_since_open": 120.0,
    "minutes_to_close": 240.0,
    "net_liq": 250_000.0,
}


class FixedClock:
    def now(self) -> datetime:
        return NOON


class AskedFeed:
    """Says that it was asked, and then fails as a broker does."""

    def __init__(self) -> None:
        self.asked = 0

    async def index(self, *_: object) -> object:
        self.asked += 1
        raise BrokerError("no answer within 10 s")


def look(
    values: dict[str, float | None], halts: tuple[str, ...] = (), *earlier: e.Event, blocked: str | None = None
) -> tuple[AskedFeed, Station]:
    station = Station(FixedClock(), FakeBroker([]), list(earlier))
    feed = AskedFeed()
    gate = Gate(station.books, station.clock, lambda: LIMITS)
    entries = Entries(station.books, station.executor, gate, cast(Feed, feed), station.clock, lambda _: blocked)
    snapshot = Snapshot("s", 1, NOON, (Row.of(PORTFOLIO_KEY, values),))
    asyncio.run(entries.look((TEMPLATE,), snapshot, TODAY, halts))
    return feed, station


def test_a_true_condition_asks_the_broker_and_its_failure_is_on_record() -> None:
    feed, station = look(dict(CALM))
    assert feed.asked == 1
    (finding,) = station.journal.written
    assert isinstance(finding, e.FindingRaised)
    assert finding.code == "entry-refused"
    assert "no answer" in finding.text


@pytest.mark.parametrize("name", ["vix", "minutes_since_open", "open_positions"])
def test_an_unknown_condition_is_no_permission(name: str) -> None:
    feed, station = look({**CALM, name: None})
    assert feed.asked == 0
    assert station.journal.written == []


@pytest.mark.parametrize("changed", [{"vix": 36.0}, {"minutes_to_close": 10.0}])
def test_a_false_condition_asks_nothing(changed: dict[str, float]) -> None:
    assert look({**CALM, **changed})[0].asked == 0


def test_a_halt_asks_nothing() -> None:
    assert look(dict(CALM), ("positions differ",))[0].asked == 0


@pytest.mark.parametrize("halts", [(), ("protective rule stop_loss is unknown",)])
def test_where_nothing_may_open_an_entry_at_work_is_withdrawn_and_no_exit(halts: tuple[str, ...]) -> None:
    entry, leave = replace(open_intent(), strategy=TEMPLATE.id), close_intent("p1")
    sent = [
        event
        for number, intent in enumerate((entry, leave), 5)
        for event in (
            e.OrderIntended(NOON, intent),
            e.OrderSending(NOON, intent.order_ref, number),
            e.OrderSubmitted(NOON, intent.order_ref, number),
        )
    ]
    feed, station = look(dict(CALM), halts, *sent, blocked="trading in SPX is halted")
    assert (feed.asked, station.broker.cancelled) == (0, [5])
    assert look(dict(CALM), halts, *sent)[1].broker.cancelled == []


def test_an_old_roll_is_given_up() -> None:
    old = e.RollStarted(NOON.replace(day=6), "p0", TEMPLATE.id)
    _, station = look(dict(CALM), ("halted",), old)
    ended = station.journal.written[-1]
    assert isinstance(ended, e.RollEnded)
    assert ended.new_position_id is None
    assert station.ledger.rolls == {}


def test_a_roll_does_not_wait_for_the_days_between_entries() -> None:
    recent = e.PositionOpened(NOON, Position("p0", TEMPLATE.id, CONDOR, 1, Decimal(-9), NOON))
    assert look(dict(CALM), (), recent)[0].asked == 0
    assert look(dict(CALM), (), recent, e.RollStarted(NOON, "p0", TEMPLATE.id))[0].asked == 1
