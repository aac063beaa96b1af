import asyncio

import pytest
from ib_async import LimitOrder, Order

from tests.paper.flat import LONG_PUT, SHORT_PUT, Stage, bag, play, wire


def limit(action: str, quantity: int, price: float, ref: str = "v6-a", **more: object) -> LimitOrder:
    return LimitOrder(action, quantity, price, tif=str(more.pop("tif", "DAY")), orderRef=ref, **more)


async def pause(stage: Stage, seconds: float = 2.0) -> None:
    await asyncio.sleep(seconds)


@pytest.mark.parametrize(
    ("order", "code"),
    [
        (limit("BUY", 1, 2.31), 110),
        (limit("BUY", 1, 3.05), 110),
        (limit("BUY", 1, -1.0), 110),
        (limit("BUY", 1, 2.3, tif="OPG"), 201),
        (limit("BUY", 1, 2.3, allOrNone=True), 201),
        (limit("BUY", 1, 2.3, parentId=77), 135),
        (limit("BUY", 0, 2.3), 434),
        (Order(action="BUY", totalQuantity=1, orderType="MIDPRICE", tif="DAY"), 387),
        (limit("BUY", 1000, 2.3), 201),
    ],
)
def test_an_order_that_cannot_be_taken_is_refused_with_the_code(order: Order, code: int) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(wire(SHORT_PUT), order)
        await pause(stage)
        assert stage.codes() == [code]
        assert stage.gateway.orders() == []

    play(story)


def test_a_naked_short_beyond_the_equity_is_refused_and_a_spread_is_not() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(wire(SHORT_PUT), limit("SELL", 1, 2.0))
        await pause(stage)
        assert stage.codes() == [201]
        ib.placeOrder(bag((SHORT_PUT, -1), (LONG_PUT, 1)), limit("BUY", 1, -0.8))
        await pause(stage)
        assert stage.gateway.positions() == {11: -1, 10: 1}

    play(story, cash=20_000)
