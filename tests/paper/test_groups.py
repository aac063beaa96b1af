"""OCA groups and brackets: what a fill, or the end of a parent, does to the orders that depend on it."""

import asyncio
from collections.abc import Iterable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from ib_async import IB, LimitOrder, Trade

from tests.paper.flat import FAR, LONG_PUT, SHORT_PUT, Stage, play, wire
from v6.paper.groups import OcaType, left_after


@given(st.sampled_from(OcaType), st.integers(1, 500), st.data())
def test_what_is_left_is_never_more_than_the_share_that_the_fill_leaves(
    kind: OcaType, before: int, data: st.DataObject
) -> None:
    size, remaining = data.draw(st.integers(1, before)), data.draw(st.integers(1, 500))
    left = left_after(kind, before, size, remaining)
    assert 0 <= left <= remaining * (before - size) / before
    assert size < before or left == 0


@pytest.mark.parametrize(
    ("kind", "left"),
    [(OcaType.CANCEL_WITH_BLOCK, 0), (OcaType.REDUCE_WITH_BLOCK, 6), (OcaType.REDUCE_NON_BLOCK, 6)],
)
def test_four_of_ten_leave_six_of_ten_unless_the_group_cancels(kind: OcaType, left: int) -> None:
    assert left_after(kind, 10, 4, 10) == left
    assert left_after(kind, 10, 4, 5) == left // 2


def limit(action: str, quantity: int, price: float, kind: int = 0, **more: object) -> LimitOrder:
    return LimitOrder(action, quantity, price, tif="DAY", ocaType=kind, **more)


def in_parts(stage: Stage) -> None:
    """Let every fill of more than one contract come in two parts."""
    stage.gateway.desk.floor.partial_share = 1.0


async def pair(stage: Stage, ib: IB, kind: int) -> tuple[Trade, Trade]:
    """Place two buys of ten in one group, and let the market come to the first."""
    first = ib.placeOrder(wire(SHORT_PUT), limit("BUY", 10, 1.5, kind, ocaGroup="g"))
    second = ib.placeOrder(wire(LONG_PUT), limit("BUY", 10, 0.5, kind, ocaGroup="g"))
    await asyncio.sleep(2)
    stage.market.quotes[11] = (1.3, 1.5)
    return first, second


async def first_part(stage: Stage, trade: Trade) -> int:
    """Wait until a part of the order has been filled, and no more; return its size."""
    while not trade.fills:
        await asyncio.sleep(0.2)
    size = int(trade.fills[0].execution.shares)
    assert 0 < size < 10
    await asyncio.sleep(0.2)
    return size


def totals(orders: Iterable[Trade]) -> list[tuple[str, float]]:
    return [(t.orderStatus.status, t.order.totalQuantity) for t in orders]


def test_type_1_ends_the_others_at_the_first_part_of_a_fill() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        in_parts(stage)
        first, second = await pair(stage, ib, 1)
        await first_part(stage, first)
        assert second.orderStatus.status == "Cancelled"
        await asyncio.sleep(300)
        assert (first.orderStatus.status, first.orderStatus.filled) == ("Filled", 10)

    play(story)


@pytest.mark.parametrize("kind", [2, 3])
def test_types_2_and_3_take_each_part_of_a_fill_from_the_others_and_end_them_with_the_last(kind: int) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        in_parts(stage)
        first, second = await pair(stage, ib, kind)
        size = await first_part(stage, first)
        assert (second.orderStatus.status, second.orderStatus.remaining) == ("Submitted", 10 - size)
        assert second.order.totalQuantity == 10 - size
        await asyncio.sleep(300)
        assert (first.orderStatus.status, second.orderStatus.status) == ("Filled", "Cancelled")

    play(story)


@pytest.mark.parametrize(("kind", "filled"), [(1, 10), (2, 10), (3, 20)])
def test_only_a_group_that_does_not_block_can_fill_twice_in_one_moment(kind: int, filled: int) -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        stage.gateway.desk.floor.partial_share = 0.0
        trades = await pair(stage, ib, kind)
        stage.market.quotes[10] = (0.3, 0.5)
        await asyncio.sleep(600)
        assert sum(t.orderStatus.filled for t in trades) == filled

    play(story)


def test_the_parts_of_a_target_are_taken_from_the_stop_of_its_bracket() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        orders = ib.bracketOrder("BUY", 10, 6.4, 8.0, 4.0, tif="GTC")
        parent, target, stop = (ib.placeOrder(wire(FAR), order) for order in orders)
        stage.gateway.desk.floor.partial_share = 0.0
        await asyncio.sleep(2)
        assert parent.orderStatus.status == "Filled"
        assert (target.orderStatus.status, stop.orderStatus.status) == ("Submitted", "PreSubmitted")
        seen = await (await stage.client(2)).reqAllOpenOrdersAsync()
        assert {t.order.ocaType for t in seen} == {3}
        in_parts(stage)
        stage.market.quotes[14] = (8.0, 8.2)
        size = await first_part(stage, target)
        assert stop.orderStatus.remaining == 10 - size
        await asyncio.sleep(300)
        assert (target.orderStatus.status, stop.orderStatus.status) == ("Filled", "Cancelled")
        assert stage.gateway.positions() == {}

    play(story, cash=1_000_000)


def test_nothing_of_a_bracket_works_before_the_last_of_it_is_sent() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        parent, target, stop = ib.bracketOrder("BUY", 1, 6.4, 8.0, 4.0, tif="GTC")
        ib.placeOrder(wire(FAR), parent)
        ib.placeOrder(wire(FAR), target)
        await asyncio.sleep(600)
        assert stage.gateway.positions() == {}, "though it could fill at once"
        ib.placeOrder(wire(FAR), stop)
        await asyncio.sleep(2)
        assert stage.gateway.positions() == {FAR.con_id: 1}

    play(story)


def test_the_end_of_the_parent_ends_the_children_also_after_a_night() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        orders = ib.bracketOrder("BUY", 1, 5.0, 8.0, 4.0, tif="GTC")
        trades = [ib.placeOrder(wire(FAR), order) for order in orders]
        await asyncio.sleep(86_400)
        assert [t.orderStatus.status for t in trades] == ["Submitted", "PreSubmitted", "PreSubmitted"]
        ib.cancelOrder(trades[0].order)
        await asyncio.sleep(2)
        assert {t.orderStatus.status for t in trades} == {"Cancelled"}
        assert stage.codes() == [202, 202, 202]

    play(story)
