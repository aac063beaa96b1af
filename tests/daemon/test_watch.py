from collections.abc import Awaitable
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import TypeVar, cast

import pytest

from tests.execution.fakes import CONDOR, NOON
from v6.daemon.watch import RETRY, Watch
from v6.errors import BrokerError
from v6.execution.ledger import Ledger
from v6.ib.context import Context
from v6.ib.feed import Feed
from v6.ib.outlook import Underlying
from v6.ib.snapshot import Session
from v6.lang.events import EventCalendar, SymbolEvents
from v6.model import event as e
from v6.model.contract import Contract, Leg, Right, SecType
from v6.model.position import Position, Structure, StructureKind
from v6.model.quote import Greeks, Quote, QuoteType
from v6.model.snapshot import Snapshot
from v6.model.upcoming import Dividend, NextDividend, Report, ReportTime
from v6.paper.vtime import run_virtual

T = TypeVar("T")

TODAY = date(2014, 1, 7)
INDICES = {"SPX": 90, "VIX": 91}
POSITION = Position("p1", "iron_condor", CONDOR, 1, Decimal("-9.5"), NOON, Decimal(5))


@dataclass
class SeenFeed:
    """Answers from what a test put in; `silent` names what is refused."""

    silent: set[str] = field(default_factory=set)
    alive: bool = True
    asked: list[str] = field(default_factory=list)
    known: dict[int, Quote] = field(default_factory=dict)
    net_liq: tuple[float, datetime] | None = (250_000.0, NOON)
    wanted: list[int] = field(default_factory=list)
    dividends: dict[int, NextDividend] = field(default_factory=dict)

    def _answer(self, what: str, answer: T) -> T:
        self.asked.append(what)
        if what in self.silent:
            raise BrokerError(f"{what}: 162 no permission")
        return answer

    async def index(self, symbol: str, *_: object) -> Contract:
        return self._answer(symbol, Contract(INDICES[symbol], symbol, SecType.INDEX, "CBOE"))

    async def closes(self, index: Contract, span: str, before: date) -> dict[date, float]:
        days = [before - timedelta(days=n) for n in range(100, 0, -1)]
        return self._answer(f"{index.symbol} {span}", {day: 10.0 + n / 10 for n, day in enumerate(days)})

    async def underlying(self, option: Contract) -> Underlying:
        return self._answer(f"underlying of {option.symbol}", Underlying(SPY, "ETF"))

    def dividend(self, con_id: int) -> NextDividend:
        return self.dividends.get(con_id)

    def connected(self) -> bool:
        return self.alive

    def stream(self, contracts: list[Contract]) -> None:
        self.wanted = [contract.con_id for contract in contracts]

    def resumed(self) -> list[int]:
        return []

    def close(self, con_ids: list[int]) -> None:
        assert con_ids == []

    def ticked(self, con_id: int) -> bool:
        return con_id in self.known

    def quote(self, con_id: int) -> Quote | None:
        return self.known.get(con_id)

    def quotes(self) -> dict[int, Quote]:
        return self.known

    def unrealized(self) -> dict[int, tuple[float, datetime]]:
        return {leg.contract.con_id: (1.0, NOON) for leg in CONDOR.legs}

    def account_value(self, tag: str) -> tuple[float, datetime] | None:
        return self.net_liq if tag == "NetLiquidation" else (10_000.0, NOON)

    def forget_lines(self) -> None:
        self.known.clear()


SPY = Contract(92, "SPY", SecType.STOCK)
SPY_CALL = Contract(5, "SPY", SecType.OPTION, "SMART", "USD", 100, "SPY", date(2014, 2, 21), Decimal(180), Right.CALL)
ON_SPY = Position(
    "p2", "custom", Structure(StructureKind.SINGLE, "SPY", (Leg(SPY_CALL, -1),)), 1, Decimal("-5"), NOON, Decimal(1)
)


def quoted() -> dict[int, Quote]:
    legs = {n: Quote(n, NOON, 1.0, 1.2, greeks=Greeks(0.1, 0.01, -0.1, 1.0, 0.2)) for n in (1, 2, 3, 4)}
    return {**legs, 90: Quote(90, NOON, last=1800.0, close=1790.0), 91: Quote(91, NOON, last=14.0, close=13.0)}


def watching(feed: SeenFeed, *more: Position, events: EventCalendar = EventCalendar()) -> Watch:  # noqa: B008
    opened = [e.PositionOpened(NOON, position) for position in (POSITION, *more)]
    return Watch(cast(Feed, feed), Ledger(opened), Context(), lambda: events)


def play(story: Awaitable[T]) -> T:
    async def main(_: object) -> T:
        return await story

    return run_virtual(main)


async def look(watch: Watch, at: datetime = NOON, day: date = TODAY) -> Snapshot:
    return await watch.snapshot(at, 1, Session(day, 150.0, 240.0))


def test_indices_and_the_legs_that_are_held_are_streamed() -> None:
    feed = SeenFeed(known=quoted())
    row = play(look(watching(feed))).row("p1")
    assert feed.wanted == [90, 91, 1, 2, 3, 4]
    assert (row["underlying_price"], row["vix"]) == (1800.0, 14.0)
    assert row["iv_rank"] is not None
    assert row["short_distance"] is not None


def test_the_desks_own_index_is_european_reports_nothing_and_is_asked_of_nobody() -> None:
    feed = SeenFeed(known=quoted())
    row = play(look(watching(feed))).row("p1")
    assert (row["short_exercise"], row["earnings"]) == ("european", "none")
    assert (row["next_dividend"], row["sessions_to_ex_dividend"], row["sessions_to_earnings"]) == (None,) * 3
    assert not any(what.startswith("underlying") for what in feed.asked)


def test_a_position_on_another_underlying_is_measured_against_its_own() -> None:
    stock = {5: Quote(5, NOON, 4.1, 4.3), 92: Quote(92, NOON, 184.0, 184.2, last=184.0)}
    feed = SeenFeed(known=quoted() | stock, dividends={92: Dividend(date(2014, 1, 8), 0.9)})
    snapshot = play(look(watching(feed, ON_SPY)))
    assert feed.wanted == [90, 91, 92, 1, 2, 3, 4, 5]
    row = snapshot.row("p2")
    assert (row["short_exercise"], row["earnings"]) == ("american", "none")
    assert row["short_call_itm"] == pytest.approx(4 / 184)
    assert row["short_distance"] == pytest.approx(-4 / 184)
    assert row["short_call_extrinsic"] == pytest.approx(0.2)
    assert (row["next_dividend"], row["sessions_to_ex_dividend"]) == (0.9, 1.0)
    assert snapshot.row("p1")["next_dividend"] is None, "what SPY pays is no matter of SPX"


def test_an_underlying_is_asked_for_once_and_streamed_as_long_as_it_is_held() -> None:
    feed = SeenFeed(known=quoted())
    watch = watching(feed, ON_SPY)

    async def story() -> None:
        await look(watch)
        await look(watch)
        assert feed.asked.count("underlying of SPY") == 1
        watch._ledger.holdings.pop("p2")
        await look(watch)
        assert feed.wanted == [90, 91, 1, 2, 3, 4]

    play(story())


def test_an_underlying_that_the_broker_does_not_name_leaves_everything_about_it_unknown() -> None:
    feed = SeenFeed(silent={"underlying of SPY"}, known=quoted())
    row = play(look(watching(feed, ON_SPY))).row("p2")
    names = ("short_exercise", "short_call_itm", "short_call_extrinsic", "next_dividend", "earnings")
    assert [row[name] for name in names] == [None] * 5


def test_the_desks_calendar_tells_the_earnings_of_a_company() -> None:
    report = Report(TODAY, ReportTime.AFTER_CLOSE)
    calendar = EventCalendar({"SPY": SymbolEvents(reports=(report,))})
    row = play(look(watching(SeenFeed(known=quoted()), ON_SPY, events=calendar))).row("p2")
    assert (row["earnings"], row["sessions_to_earnings"]) == ("reports", 1.0)


@pytest.mark.parametrize("silent", ["SPX", "VIX", "VIX 1 Y", "SPX 1 M"])
def test_what_the_broker_does_not_give_leaves_a_hole_and_no_position_unseen(silent: str) -> None:
    feed = SeenFeed(silent={silent}, known=quoted())
    row = play(look(watching(feed))).row("p1")
    assert row["mark"] is not None
    assert row["broker_pnl_ratio"] is not None
    assert (row["underlying_price"] is None) is (silent == "SPX")
    assert (row["vix"] is None) is (silent == "VIX")
    assert (row["iv_rank"] is None) is (silent in {"SPX", "VIX", "VIX 1 Y"})


def test_what_was_not_given_is_asked_for_again_but_not_in_every_cycle() -> None:
    feed = SeenFeed(silent={"VIX 1 Y"}, known=quoted())
    watch = watching(feed)

    async def story() -> None:
        for minutes in range(0, 15, 5):
            await look(watch, NOON + timedelta(minutes=minutes))
        assert feed.asked.count("VIX 1 Y") == 2
        feed.silent.clear()
        await look(watch, NOON + timedelta(minutes=14) + RETRY)
        await look(watch, NOON + timedelta(minutes=15) + RETRY)
        assert feed.asked.count("VIX 1 Y") == 3
        assert len(watch.context.vix_closes) == 100

    play(story())


def test_histories_are_asked_for_once_a_session() -> None:
    feed = SeenFeed(known=quoted())
    watch = watching(feed)

    async def story() -> None:
        for day in (TODAY, TODAY, TODAY + timedelta(days=1)):
            await look(watch, day=day)

    play(story())
    assert feed.asked == ["SPX", "VIX", "VIX 1 Y", "SPX 1 M", "VIX 1 Y", "SPX 1 M"]


def test_a_broken_connection_is_no_hole() -> None:
    with pytest.raises(BrokerError):
        play(look(watching(SeenFeed(silent={"SPX"}, alive=False))))


def test_a_price_too_old_for_the_rules_is_not_remembered_as_todays() -> None:
    known = quoted()
    known[90] = replace(known[90], at=NOON - timedelta(seconds=61))
    watch = watching(SeenFeed(known=known, net_liq=(1.0, NOON - timedelta(seconds=601))))
    play(look(watch))
    assert watch.context.prices == ()
    assert watch.context.last_net_liq is None


def test_orders_are_not_priced_from_delayed_quotes() -> None:
    known = quoted()
    known[3] = replace(known[3], type=QuoteType.DELAYED)
    assert set(watching(SeenFeed(known=known)).quotes()) == {1, 2, 4, 90, 91}


def test_a_close_belongs_to_the_session_before_its_quote() -> None:
    monday = datetime(2014, 1, 13, 14, 30, 1, tzinfo=NOON.tzinfo)
    known = quoted()
    known[90] = replace(known[90], at=monday, close=1842.37)
    watch = watching(SeenFeed(known=known))
    play(look(watch, monday, monday.date()))
    closes = watch.previous_close()
    assert closes[date(2014, 1, 10)] == 1842.37, "and not to Sunday"
    assert monday.date() not in closes
    assert len(closes) == 100, "what happened while nobody looked is in the history"


def test_what_was_refused_is_asked_again_after_a_reconnect() -> None:
    feed = SeenFeed(silent={"SPX"}, known=quoted())
    watch = watching(feed)

    async def story() -> None:
        await look(watch)
        watch.reset()
        await look(watch)

    play(story())
    assert feed.asked.count("SPX") == 2
