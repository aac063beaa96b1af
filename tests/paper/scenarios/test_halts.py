"""What an unmodified ib_async sees of a halt, and what becomes of its orders."""

import asyncio
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from decimal import Decimal

from ib_async import IB, Index, LimitOrder, Option

from v6.paper.gateway import PaperGateway
from v6.paper.market import SPX
from v6.paper.scenarios import ScenarioMarket, parse_scenario
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys

TEXT = """\
version: 1
start: 2017-03-06
index: 2380
vix: 15
phases:
  - {{days: 2, index: -0.03, vix: 25, volatility: 0.2}}
halts:
  - {{day: 1, from: "10:00", until: "10:30", what: {what}}}
"""


@dataclass
class Floor:
    ib: IB
    gateway: PaperGateway
    clock: VirtualClock
    opening: datetime

    async def until(self, minutes: float) -> None:
        """Wait until so many minutes after the opening."""
        wait = self.opening + timedelta(minutes=minutes) - self.clock.now()
        await asyncio.sleep(wait.total_seconds())

    async def put(self) -> Option:
        (contract,) = await self.ib.qualifyContractsAsync(
            Option("SPX", "20170421", 2200, "P", "SMART", "100", "USD", tradingClass="SPXW")
        )
        assert isinstance(contract, Option)
        return contract


def play(what: str, story: Callable[[Floor], Awaitable[None]]) -> None:
    market = ScenarioMarket(parse_scenario(TEXT.format(what=what)), 1)
    opening = xnys().open_utc(market.first_day)

    async def main(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop, opening - timedelta(minutes=1))
        gateway = PaperGateway(market, clock=clock, cash=Decimal(100_000), seed=1, step_s=5)
        ib = IB()
        ib.TimezoneTWS = "UTC"
        await ib.connectAsync("127.0.0.1", await gateway.start(), clientId=1)
        await story(Floor(ib, gateway, clock, opening))
        ib.disconnect()
        await gateway.stop()

    run_virtual(main)


def test_a_halt_without_quotes_takes_them_away_and_the_resumption_brings_them_back() -> None:
    async def story(floor: Floor) -> None:
        ticker = floor.ib.reqMktData(await floor.put())
        index = floor.ib.reqMktData(Index("SPX", "CBOE", "USD", conId=SPX.con_id))
        await floor.until(29)
        assert ticker.bid > 0
        assert math.isnan(ticker.halted)
        await floor.until(31)
        assert (ticker.bid, ticker.ask, ticker.bidSize, ticker.askSize, ticker.halted) == (-1, -1, 0, 0, 1)
        stood = index.last
        await floor.until(59)
        assert (ticker.bid, index.last) == (-1, stood)
        await floor.until(61)
        assert ticker.ask > ticker.bid > 0
        assert ticker.halted == 0
        assert index.last != stood
        assert math.isnan(index.halted)

    play("quotes", story)


def test_a_line_that_is_opened_in_a_halt_is_told_at_once() -> None:
    async def story(floor: Floor) -> None:
        await floor.until(40)
        ticker = floor.ib.reqMktData(await floor.put())
        await asyncio.sleep(1)
        assert (ticker.halted, ticker.bid, ticker.hasBidAsk()) == (1, -1, False)
        await floor.until(61)
        assert ticker.hasBidAsk()

    play("quotes", story)


def test_orders_rest_through_a_halt_without_quotes_and_fill_after_it() -> None:
    async def story(floor: Floor) -> None:
        contract = await floor.put()
        await floor.until(40)
        trade = floor.ib.placeOrder(contract, LimitOrder("BUY", 1, 300.0, tif="DAY"))
        gone = floor.ib.placeOrder(contract, LimitOrder("BUY", 1, 300.0, tif="DAY"))
        await floor.until(50)
        floor.ib.cancelOrder(gone.order)
        await floor.until(59)
        assert (trade.orderStatus.status, gone.orderStatus.status) == ("Submitted", "Cancelled")
        await floor.until(61)
        assert trade.orderStatus.status == "Filled"
        assert list(floor.gateway.positions().values()) == [1]

    play("quotes", story)


def test_quotes_stay_where_only_trading_is_halted_and_nothing_fills_at_them() -> None:
    async def story(floor: Floor) -> None:
        contract = await floor.put()
        ticker = floor.ib.reqMktData(contract)
        await floor.until(35)
        assert (ticker.halted, ticker.hasBidAsk()) == (1, True)
        trade = floor.ib.placeOrder(contract, LimitOrder("BUY", 1, 300.0, tif="DAY"))
        await floor.until(59.9)
        assert (trade.orderStatus.status, ticker.hasBidAsk()) == ("Submitted", True)
        await floor.until(61)
        assert (trade.orderStatus.status, ticker.halted) == ("Filled", 0)

    play("trading", story)
