"""The whole account as the broker tells it, over the real client, against the gateway."""

import asyncio
from decimal import Decimal

from tests.ib.stage import Stage, play, ticket
from tests.paper.flat import LONG_PUT, SHORT_PUT
from v6.model.contract import Side
from v6.model.statement import Execution, OpenOrder


def test_positions_come_with_contract_and_cost_per_contract() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        stage.gateway.hold(LONG_PUT, 2, Decimal("1.10"))
        stage.gateway.hold(SHORT_PUT, -1, Decimal("2.15"))
        held = (await desk.broker.statement()).positions
        assert {c: (h.quantity, h.cost) for c, h in held.items()} == {10: (2, 110.0), 11: (-1, 215.0)}
        for con_id, ours in ((10, LONG_PUT), (11, SHORT_PUT)):
            told = held[con_id].contract
            assert told is not None
            assert (told.strike, told.right, told.expiry, told.multiplier, told.trading_class) == (
                ours.strike, ours.right, ours.expiry, ours.multiplier, ours.trading_class,
            )  # fmt: skip

    play(story)


def test_orders_of_every_client_are_listed_with_their_owner_and_none_is_touched() -> None:
    async def story(stage: Stage) -> None:
        desk, other = await stage.connected(1), await stage.connected(2)
        desk.broker.place(ticket("v6-a", desk.broker.next_order_id(), "-5.00"))
        other.broker.place(ticket("", other.broker.next_order_id(), "-5.05", 3, Side.BUY))
        await asyncio.sleep(1)
        found = {order.client_id: order for order in (await desk.broker.statement()).orders}
        assert set(found) == {1, 2}
        assert found[1].order_ref == "v6-a"
        assert found[2] == OpenOrder(found[2].perm_id, 2, "", "BUY 3 SPX BAG LMT -5.05")
        assert found[2].perm_id > 0
        await asyncio.sleep(60)
        assert len((await desk.broker.statement()).orders) == 2, "both still work"

    play(story)


def test_executions_of_everybody_are_told_by_leg() -> None:
    async def story(stage: Stage) -> None:
        desk, other = await stage.connected(1), await stage.connected(2)
        other.broker.place(ticket("", other.broker.next_order_id(), "-2.20", 2))
        await asyncio.sleep(5)
        found = await desk.broker.executions()
        totals: dict[int, int] = {}
        for fill in found:
            totals[fill.con_id] = totals.get(fill.con_id, 0) + fill.quantity
        assert totals == {10: 2, 11: -2, 12: -2, 13: 2}
        assert {(fill.client_id, fill.order_ref) for fill in found} == {(2, "")}
        assert all(isinstance(fill, Execution) and fill.at.utcoffset() is not None for fill in found)

    play(story)
