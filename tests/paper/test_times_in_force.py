"""How long orders live, and the trailing stop, which moves while it lives."""

import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from ib_async import LimitOrder, MarketOrder, Order, StopOrder, Trade

from tests.paper.flat import FAR, OPEN, SHORT_PUT, Stage, play, wire
from v6.model.contract import Side
from v6.paper.matching import Book, Quote, Trail, trailed

D = Decimal


def limit(action: str, quantity: int, price: float, tif: str, **more: object) -> LimitOrder:
    return LimitOrder(action, quantity, price, tif=tif, **more)


def ended(trade: Trade) -> tuple[str, float]:
    return trade.orderStatus.status, trade.orderStatus.filled


def test_an_ioc_fills_what_it_can_and_ends_with_the_rest() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        stage.gateway.desk.floor.partial_share = 1.0
        partly = ib.placeOrder(wire(SHORT_PUT), limit("BUY", 10, 2.3, "IOC"))
        await asyncio.sleep(2)
        status, filled = ended(partly)
        assert status == "Cancelled"
        assert 0 < filled < 10
        assert stage.gateway.positions() == {11: filled}
        resting = ib.placeOrder(wire(SHORT_PUT), limit("BUY", 1, 2.25, "IOC"))
        await asyncio.sleep(2)
        assert ended(resting) == ("Cancelled", 0)
        assert stage.codes() == [202, 202]
        await asyncio.sleep(3600)
        assert stage.gateway.positions() == {11: filled}

    play(story)


def test_a_fok_fills_whole_or_not_at_all() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        stage.gateway.desk.floor.partial_share = 1.0
        whole = ib.placeOrder(wire(SHORT_PUT), limit("BUY", 10, 2.3, "FOK"))
        none = ib.placeOrder(wire(SHORT_PUT), limit("BUY", 10, 2.25, "FOK"))
        await asyncio.sleep(2)
        assert ended(whole) == ("Filled", 10)
        assert len(whole.fills) == 1
        assert ended(none) == ("Cancelled", 0)

    play(story)


@pytest.mark.parametrize("tif", ["IOC", "FOK"])
def test_what_cannot_wait_ends_at_once_while_the_market_is_closed(tif: str) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = ib.placeOrder(wire(SHORT_PUT), limit("BUY", 1, 2.3, tif))
        await asyncio.sleep(2)
        assert ended(trade) == ("Cancelled", 0)

    play(story, at=OPEN - timedelta(hours=1))


def test_a_gtd_order_ends_at_its_moment_and_not_before() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        zones = ("20150303-15:00:00", "20150303 10:00:00 US/Eastern", "20150303 10:00:00")
        trades = [ib.placeOrder(wire(SHORT_PUT), limit("BUY", 1, 1.0, "GTD", goodTillDate=z)) for z in zones]
        moment = datetime(2015, 3, 3, 15, tzinfo=UTC)
        await asyncio.sleep((moment - stage.clock.now()).total_seconds() - 1)
        assert {t.orderStatus.status for t in trades} == {"Submitted"}
        await asyncio.sleep(2)
        assert {t.orderStatus.status for t in trades} == {"Cancelled"}
        assert {text for _, code, text in stage.errors if code == 202} == {
            "Order Canceled - reason:the GTD order has expired"
        }

    play(story)


def test_a_gtd_order_can_be_given_more_time_and_a_fill_leaves_nothing_to_end() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        order = limit("BUY", 1, 1.0, "GTD", goodTillDate="20150302-15:00:00")
        trade = ib.placeOrder(wire(SHORT_PUT), order)
        await asyncio.sleep(60)
        order.goodTillDate = "20150302-16:00:00"
        ib.placeOrder(wire(SHORT_PUT), order)
        await asyncio.sleep(3600)
        assert trade.orderStatus.status == "Submitted"
        stage.market.quotes[11] = (0.8, 1.0)
        await asyncio.sleep(7200)
        assert ended(trade) == ("Filled", 1)
        assert stage.codes() == []

    play(story)


def test_gtc_orders_live_through_the_night_and_day_orders_do_not() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trades = [ib.placeOrder(wire(SHORT_PUT), limit("BUY", 1, 1.0, tif)) for tif in ("GTC", "DAY")]
        await asyncio.sleep(86_400)
        assert [t.orderStatus.status for t in trades] == ["Submitted", "Cancelled"]

    play(story)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (limit("BUY", 1, 2.3, "GTD"), 201),
        (limit("BUY", 1, 2.3, "GTD", goodTillDate="20150301-15:00:00"), 201),
        (limit("BUY", 1, 2.3, "GTD", goodTillDate="soon"), 320),
        (limit("BUY", 1, 2.3, "DAY", goodTillDate="20150303-15:00:00"), 201),
        (limit("BUY", 1, 2.3, "OPG"), 201),
        (limit("BUY", 1, 2.3, "DTC"), 201),
        (limit("BUY", 1, 2.3, "DAY", ocaGroup="g", ocaType=4), 201),
        (limit("BUY", 1, 2.3, "DAY", trailingPercent=5), 201),
        (StopOrder("BUY", 1, 2.3, tif="IOC"), 201),
        (Order(action="BUY", totalQuantity=1, orderType="TRAIL", tif="DAY"), 201),
        (Order(action="BUY", totalQuantity=1, orderType="TRAIL", tif="DAY", auxPrice=1, trailingPercent=5), 201),
        (Order(action="BUY", totalQuantity=1, orderType="TRAIL", tif="DAY", trailingPercent=100), 201),
        (Order(action="BUY", totalQuantity=1, orderType="LOC", lmtPrice=2.3, tif="DAY"), 387),
        (Order(action="BUY", totalQuantity=1, orderType="MOC", tif="DAY"), 387),
        (Order(action="BUY", totalQuantity=1, orderType="TRAIL LIMIT", tif="DAY", auxPrice=1), 387),
    ],
)  # fmt: skip
def test_what_is_not_supported_or_makes_no_sense_is_refused(order: Order, code: int) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(wire(SHORT_PUT), order)
        await asyncio.sleep(2)
        assert stage.codes() == [code]
        assert stage.gateway.orders() == []

    play(story)


def book(bid: str | None, ask: str) -> Book:
    low = None if bid is None else D(bid)
    return Book(low, D(ask), (Quote(low, D(ask)),))


def test_a_trailing_stop_follows_a_gain_and_never_gives_way() -> None:
    by_dollars, by_part = Trail(D("0.50")), Trail(None, D(10))
    assert trailed(Side.SELL, None, by_dollars, book("6.00", "6.40")) == D("5.50")
    assert trailed(Side.SELL, D("5.50"), by_dollars, book("7.00", "7.40")) == D("6.50")
    assert trailed(Side.SELL, D("6.50"), by_dollars, book("6.60", "7.00")) == D("6.50")
    assert trailed(Side.SELL, None, by_part, book("6.00", "6.40")) == D("5.40")
    assert trailed(Side.BUY, None, by_part, book("6.00", "6.40")) == D("7.04")
    assert trailed(Side.BUY, D("7.04"), by_part, book("5.00", "5.40")) == D("5.94")
    assert trailed(Side.SELL, D("5.50"), by_dollars, book(None, "0.05")) == D("5.50"), "without a bid it stands"


@pytest.mark.parametrize("terms", [{"auxPrice": 1.0}, {"trailingPercent": 12.5}])
def test_a_trailing_stop_sells_at_the_market_when_the_price_falls_back_to_it(terms: dict[str, float]) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(wire(FAR), MarketOrder("BUY", 1, tif="DAY"))
        await asyncio.sleep(2)
        trade = ib.placeOrder(wire(FAR), Order(action="SELL", totalQuantity=1, orderType="TRAIL", tif="GTC", **terms))
        await asyncio.sleep(2)
        assert (trade.orderStatus.status, trade.orderStatus.whyHeld) == ("PreSubmitted", "trigger")
        for bid in (8.0, 7.2):
            stage.market.quotes[14] = (bid, bid + 0.4)
            await asyncio.sleep(300)
            assert trade.orderStatus.status == "PreSubmitted"
        (seen,) = await (await stage.client(2)).reqAllOpenOrdersAsync()
        assert seen.order.trailStopPrice == 7.0
        stage.market.quotes[14] = (6.9, 7.3)
        await asyncio.sleep(300)
        assert (trade.orderStatus.status, trade.orderStatus.avgFillPrice) == ("Filled", 6.9)
        assert stage.gateway.positions() == {}

    play(story)


def test_a_trailing_stop_begins_where_its_owner_says() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(wire(FAR), MarketOrder("BUY", 1, tif="DAY"))
        await asyncio.sleep(2)
        order = Order(action="SELL", totalQuantity=1, orderType="TRAIL", tif="GTC", auxPrice=5.0, trailStopPrice=5.9)
        trade = ib.placeOrder(wire(FAR), order)
        await asyncio.sleep(600)
        assert trade.orderStatus.status == "PreSubmitted"
        stage.market.quotes[14] = (5.9, 6.4)
        await asyncio.sleep(300)
        assert trade.orderStatus.status == "Filled"

    play(story)
