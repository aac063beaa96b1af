"""Dividends and underlyings from the wire to a position's row, by the real client in virtual time."""

import asyncio
from datetime import UTC, date, datetime
from decimal import Decimal

import ib_async
import pytest

from tests.ib.stage import Stage, play
from tests.paper.flat import OPEN, SHORT_PUT, SPX, SPY, SPY_CALL, SPY_WING, with_stock
from v6.daemon.watch import Watch
from v6.errors import BrokerError
from v6.execution.ledger import Ledger
from v6.ib import convert
from v6.ib.context import Context
from v6.ib.snapshot import Session
from v6.lang.events import EventCalendar, SymbolEvents
from v6.model import event as e
from v6.model.contract import Leg, SecType
from v6.model.position import Position, Structure, StructureKind
from v6.model.snapshot import Row
from v6.model.upcoming import Dividend, NextDividend, NoDividend
from v6.paper.ports import Payout, StockTerms

EX_DAY = date(2015, 3, 3)
PAYING = StockTerms("ETF", Payout(3.8, 4.0, EX_DAY, 0.93))
SPREAD = Structure(StructureKind.BEAR_CALL_SPREAD, "SPY", (Leg(SPY_CALL, -1), Leg(SPY_WING, 1)))
HELD = Position("p1", "bear_call_spread", SPREAD, 1, Decimal("-2.5"), OPEN)


def ticker(*told: object) -> ib_async.Ticker:
    return ib_async.Ticker(dividends=ib_async.Dividends(*told))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("told", "meaning"),
    [
        ((0.83, 0.92, date(2013, 2, 19), 0.23), Dividend(date(2013, 2, 19), 0.23)),
        ((None, None, datetime(2013, 2, 19, 5, tzinfo=UTC), 0.23), Dividend(date(2013, 2, 19), 0.23)),
        ((None, None, None, None), None),
        ((0.0, 0.0, None, None), NoDividend()),
        ((0.0, 0.0, None, 0.0), NoDividend()),
        ((0.83, 0.92, None, None), None),
        ((0.83, 0.92, None, 0.23), None),
        ((0.83, None, date(2013, 2, 19), None), None),
        ((0.83, 0.92, date(2013, 2, 19), 0.0), None),
        ((0.83, 0.92, date(2013, 2, 19), -1.0), None),
        ((0.83, 0.92, date(2013, 2, 19), float("nan")), None),
        ((0.83, float("nan"), None, None), None),
    ],
)
def test_only_a_whole_dividend_or_a_plain_none_is_believed(told: tuple[object, ...], meaning: NextDividend) -> None:
    assert convert.dividend_of(ticker(*told)) == meaning


def test_a_ticker_that_was_never_told_of_dividends_says_nothing() -> None:
    assert convert.dividend_of(ib_async.Ticker()) is None


def test_the_line_of_a_fund_brings_its_next_dividend() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([SPY, SPX, SHORT_PUT])
        assert desk.feed.dividend(SPY.con_id) is None, "nothing has come yet"
        await asyncio.sleep(1)
        assert desk.feed.dividend(SPY.con_id) == Dividend(EX_DAY, 0.93)
        assert desk.feed.dividend(SPX.con_id) is None
        assert desk.feed.dividend(SHORT_PUT.con_id) is None
        desk.feed.stream([SPX])
        assert desk.feed.dividend(SPY.con_id) is None, "a closed line tells nothing"

    play(story, market=with_stock(PAYING))


def test_a_new_dividend_is_told_when_it_is_declared() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([SPY])
        await asyncio.sleep(1)
        assert desk.feed.dividend(SPY.con_id) is None
        stage.market.stocks[SPY.con_id] = PAYING
        await asyncio.sleep(10)
        assert desk.feed.dividend(SPY.con_id) == Dividend(EX_DAY, 0.93)

    play(story, market=with_stock(StockTerms("ETF", Payout(3.8, None, None, None))))


def test_the_underlying_is_the_one_that_the_broker_names() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        fund = await desk.feed.underlying(SPY_CALL)
        assert (fund.contract.con_id, fund.contract.sec_type, fund.stock_type) == (2, SecType.STOCK, "ETF")
        index = await desk.feed.underlying(SHORT_PUT)
        assert (index.contract.con_id, index.contract.sec_type, index.stock_type) == (1, SecType.INDEX, "")
        stage.market.listed.remove(SPX)
        with pytest.raises(BrokerError, match="names no underlying of SPXW 2015-03-20 2000P"):
            await desk.feed.underlying(SHORT_PUT)

    play(story, market=with_stock(PAYING))


async def row_of(stage: Stage, calendar: EventCalendar = EventCalendar()) -> Row:  # noqa: B008
    desk = await stage.connected()
    watch = Watch(desk.feed, Ledger([e.PositionOpened(OPEN, HELD)]), Context(), lambda: calendar)
    snapshot = await watch.snapshot(stage.clock.now(), 1, Session(OPEN.date(), 1.0, 389.0))
    return snapshot.row("p1")


def test_a_short_call_on_a_fund_is_seen_with_its_dividend_on_the_eve_of_the_ex_date() -> None:
    async def story(stage: Stage) -> None:
        row = await row_of(stage)
        # 205 call at 5.10 to 5.30 over a fund at 210: five of its 5.20 are intrinsic.
        assert row["short_exercise"] == "american"
        assert row["short_call_itm"] == pytest.approx(5 / 210)
        assert row["short_call_extrinsic"] == pytest.approx(0.2)
        assert (row["short_put_itm"], row["short_put_extrinsic"]) == (0.0, None)
        assert (row["next_dividend"], row["sessions_to_ex_dividend"]) == (0.93, 1.0)
        assert (row["earnings"], row["sessions_to_earnings"]) == ("none", None)

    play(story, market=with_stock(PAYING))


def test_a_fund_of_which_the_broker_tells_no_dividend_has_an_unknown_one_unless_the_desk_knows() -> None:
    async def silent(stage: Stage) -> None:
        assert (await row_of(stage))["next_dividend"] is None

    async def known(stage: Stage) -> None:
        row = await row_of(stage, EventCalendar({"SPY": SymbolEvents(dividends=())}))
        assert (row["next_dividend"], row["sessions_to_ex_dividend"]) == (0.0, None)

    for story in (silent, known):
        play(story, market=with_stock(StockTerms("ETF")))
