"""Tick 49 over the real client: what is halted has no price, and after the halt only fresh quotes count."""

import asyncio
import math
from datetime import datetime

import ib_async
import pytest

from tests.ib.stage import Desk, Stage, play
from tests.paper.flat import LONG_PUT, SHORT_PUT, SPX, FlatMarket
from v6.daemon.halted import TradingHalts
from v6.ib import convert
from v6.ib.snapshot import live
from v6.paper.ports import Halt


class Pausing(FlatMarket):
    """A market that a test halts."""

    what: Halt | None = None

    def halt(self, at: datetime) -> Halt | None:
        return self.what


@pytest.mark.parametrize(("tick", "halted"), [(1.0, True), (2.0, True), (0.0, False), (math.nan, None)])
def test_tick_49_is_read(tick: float, halted: bool | None) -> None:
    ticker = ib_async.Ticker()
    ticker.halted = tick
    assert convert.halted(ticker) is halted


class Watched:
    """A desk with two lines and the index; `cycle` is what the daemon does with them in each of its own."""

    def __init__(self, desk: Desk) -> None:
        self.desk = desk
        self.found: list[str] = []
        self.halts = TradingHalts(desk.feed, lambda code, _: self.found.append(code))

    async def cycle(self, wait_s: float = 1.0) -> frozenset[str]:
        self.halts.ask_anew()
        self.desk.feed.stream([SPX, LONG_PUT, SHORT_PUT])
        await asyncio.sleep(wait_s)
        self.halts.look([SPX, LONG_PUT, SHORT_PUT], self.desk.feed.quotes())
        return self.halts.symbols()


@pytest.mark.parametrize("what", list(Halt))
def test_a_halt_is_told_its_prices_are_not_used_and_it_ends_with_fresh_quotes(what: Halt) -> None:
    market = Pausing()

    async def story(stage: Stage) -> None:
        watched = Watched(await stage.connected())
        quotes = watched.desk.feed.quotes
        assert await watched.cycle() == frozenset()
        market.what = what
        await asyncio.sleep(10)
        assert await watched.cycle() == {"SPX"}
        assert [live(quotes()[c.con_id]) for c in (LONG_PUT, SHORT_PUT)] == [None, None]
        assert live(quotes()[SPX.con_id]) is not None, "an index is no contract that could be halted"
        market.what = None
        await asyncio.sleep(10)
        assert await watched.cycle(wait_s=0.0) == {"SPX"}, "the lines are asked anew, and have not answered yet"
        assert LONG_PUT.con_id not in quotes()
        assert await watched.cycle() == frozenset()
        assert live(quotes()[LONG_PUT.con_id]) is not None
        assert watched.found == ["trading-halted", "trading-resumed"]

    play(story, market=market)


def test_a_halt_that_came_and_went_between_two_cycles_leaves_no_old_quote() -> None:
    market = Pausing()

    async def story(stage: Stage) -> None:
        watched = Watched(await stage.connected())
        await watched.cycle()
        market.what = Halt.TRADING
        await asyncio.sleep(10)
        market.what = None
        await asyncio.sleep(10)
        assert watched.desk.feed.resumed() == [LONG_PUT.con_id, SHORT_PUT.con_id]
        watched.halts.ask_anew()
        watched.desk.feed.stream([SPX, LONG_PUT, SHORT_PUT])
        assert LONG_PUT.con_id not in watched.desk.feed.quotes(), "what came before and in the halt is forgotten"
        await asyncio.sleep(1)
        assert watched.desk.feed.quotes()[LONG_PUT.con_id].bid == 1.0
        assert watched.desk.feed.resumed() == []

    play(story, market=market)


def test_a_contract_that_is_not_watched_any_more_halts_nothing() -> None:
    market = Pausing()

    async def story(stage: Stage) -> None:
        watched = Watched(await stage.connected())
        market.what = Halt.TRADING
        assert await watched.cycle() == {"SPX"}
        watched.halts.look([SPX], watched.desk.feed.quotes())
        assert watched.halts.symbols() == frozenset()

    play(story, market=market)
