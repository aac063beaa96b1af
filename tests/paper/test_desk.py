import asyncio
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest
from ib_async import LimitOrder, StopLimitOrder, StopOrder, Trade

from tests.paper.flat import CONDOR, FAR, LONG_CALL, LONG_PUT, OPEN, SHORT_CALL, SHORT_PUT, Stage, bag, play, wire

CLOSE = datetime(2015, 3, 2, 21, 0, tzinfo=UTC)


def limit(action: str, quantity: int, price: float, ref: str = "v6-a", **more: object) -> LimitOrder:
    return LimitOrder(action, quantity, price, tif=str(more.pop("tif", "DAY")), orderRef=ref, **more)


async def pause(stage: Stage, seconds: float = 2.0) -> None:
    await asyncio.sleep(seconds)


def statuses(trade: Trade) -> list[str]:
    return [entry.status for entry in trade.log if not entry.message]


def test_a_combo_at_the_far_side_fills_at_once_with_improvement_and_all_its_messages() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        happened: list[str] = []
        ib.execDetailsEvent += lambda trade, fill: happened.append(fill.contract.secType)
        ib.commissionReportEvent += lambda trade, fill, report: happened.append("commission")
        ib.orderStatusEvent += lambda trade: happened.append(trade.orderStatus.status)
        trade = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -2.0))
        await pause(stage)
        assert trade.orderStatus.status == "Filled"
        assert trade.orderStatus.avgFillPrice == -2.2
        assert happened == ["Submitted", "BAG", "OPT", "OPT", "OPT", "OPT", "Filled"] + ["commission"] * 4
        assert [f.execution.price for f in trade.fills] == [-2.2, 1.2, 2.0, 3.0, 1.6]
        assert [f.execution.side for f in trade.fills] == ["BOT", "BOT", "SLD", "SLD", "BOT"]
        assert [f.execution.execId[-5:] for f in trade.fills] == ["01.01", "02.01", "03.01", "04.01", "05.01"]
        assert len({f.execution.execId[:-6] for f in trade.fills}) == 1
        assert {f.execution.orderRef for f in trade.fills} == {"v6-a"}
        assert [f.commissionReport.commission for f in trade.fills[1:]] == [1.25] * 4
        assert stage.gateway.positions() == {10: 1, 11: -1, 12: -1, 13: 1}
        assert {p.contract.conId: p.position for p in ib.positions()} == {10: 1, 11: -1, 12: -1, 13: 1}
        assert stage.gateway.ledger.cash == Decimal("100000") + 220 - 5

    play(story)


def test_closing_a_combo_reports_the_realised_profit_and_empties_the_account() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -2.0))
        await pause(stage)
        stage.market.quotes = {10: (0.5, 0.6), 11: (1.0, 1.1), 12: (1.0, 1.2), 13: (0.5, 0.6), 14: (6.0, 6.4)}
        trade = ib.placeOrder(bag(*CONDOR), limit("SELL", 1, -1.5, "v6-b"))
        await pause(stage)
        assert trade.orderStatus.avgFillPrice == pytest.approx(-1.3)
        profit = sum(f.commissionReport.realizedPNL for f in trade.fills)
        assert profit == pytest.approx(220 - 130 - 10)
        assert stage.gateway.positions() == {}
        assert ib.positions() == []
        assert ib.portfolio() == []
        assert stage.gateway.net_liquidation() == 100_000 + 80
        values = {v.tag: v.value for v in ib.accountValues()}
        assert values["NetLiquidation"] == "100080.00"
        assert values["RealizedPnL"] == "80.00"

    play(story)


def test_a_limit_on_the_near_side_of_the_mid_waits_for_the_market() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = ib.placeOrder(wire(SHORT_PUT), limit("BUY", 1, 2.1))
        await pause(stage, 3000)
        assert trade.orderStatus.status == "Submitted"
        stage.market.quotes[11] = (1.8, 2.0)
        await pause(stage, 300)
        assert trade.orderStatus.status == "Filled"
        assert trade.orderStatus.avgFillPrice == 2.0

    play(story)


def test_a_limit_between_mid_and_far_side_fills_at_its_limit_sooner_or_later() -> None:
    async def story(stage: Stage) -> tuple[float, float]:
        ib = await stage.client()
        trade = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -2.5))
        start = stage.clock.now()
        while trade.orderStatus.status != "Filled":
            await pause(stage, 1)
            assert stage.clock.now() < CLOSE
        return trade.orderStatus.avgFillPrice, (stage.clock.now() - start).total_seconds()

    results = [play(story, seed=seed) for seed in range(8)]
    assert {price for price, _ in results} == {-2.5}
    assert len({seconds for _, seconds in results}) > 4
    assert play(story, seed=3) == results[3]


def test_leg_prices_of_a_fill_inside_the_book_add_up_to_the_net() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = ib.placeOrder(bag((SHORT_PUT, -2), (LONG_PUT, 3)), limit("BUY", 1, -0.6))
        await pause(stage, 5000)
        _, sold, bought = trade.fills
        assert 3 * bought.execution.price - 2 * sold.execution.price == pytest.approx(-0.6, abs=1e-12)
        assert stage.gateway.positions() == {11: -2, 10: 3}

    play(story)


def test_an_order_for_several_contracts_can_fill_in_two_parts() -> None:
    async def story(stage: Stage) -> list[float]:
        ib = await stage.client()
        trade = ib.placeOrder(bag(*CONDOR), limit("BUY", 10, -2.0))
        await pause(stage, 60)
        assert trade.orderStatus.filled == 10
        legs = [f for f in trade.fills if f.contract.secType == "OPT" and f.contract.conId == 10]
        assert sum(f.execution.shares for f in legs) == 10
        assert legs[-1].execution.cumQty == 10
        return [f.execution.shares for f in legs]

    parts = [len(play(story, seed=seed)) for seed in range(30)]
    assert set(parts) >= {1, 2}


def test_a_stop_waits_for_its_trigger_and_a_stop_limit_then_works_its_limit() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(wire(FAR), limit("BUY", 2, 6.4))
        await pause(stage)
        stop = ib.placeOrder(wire(FAR), StopOrder("SELL", 1, 5.0, tif="GTC"))
        stop_limit = ib.placeOrder(wire(FAR), StopLimitOrder("SELL", 1, 5.2, 5.0, tif="GTC"))
        await pause(stage, 900)
        assert stop.orderStatus.status == stop_limit.orderStatus.status == "PreSubmitted"
        assert stop.orderStatus.whyHeld == "trigger"
        stage.market.quotes[14] = (4.8, 5.0)
        await pause(stage, 300)
        assert stop.orderStatus.status == "Filled"
        assert stop.orderStatus.avgFillPrice == 4.8
        assert stop_limit.orderStatus.status == "Submitted"
        stage.market.quotes[14] = (5.2, 5.4)
        await pause(stage, 300)
        assert stop_limit.orderStatus.status == "Filled"

    play(story)


def test_a_changed_order_keeps_its_identity_and_fills_at_the_new_limit() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5))
        await pause(stage)
        perm_id = trade.orderStatus.permId
        trade.order.lmtPrice = -2.2
        ib.placeOrder(trade.contract, trade.order)
        await pause(stage)
        assert trade.orderStatus.status == "Filled"
        assert trade.orderStatus.permId == perm_id
        assert stage.gateway.order_refs_placed == {"v6-a": 1}
        assert stage.codes() == []

    play(story)


def test_an_order_read_back_after_a_reconnect_can_be_changed() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5))
        await pause(stage)
        ib.disconnect()
        ib = await stage.client()
        (trade,) = ib.openTrades()
        assert (trade.order.orderRef, trade.order.lmtPrice, trade.contract.secType) == ("v6-a", -3.5, "BAG")
        assert [(leg.conId, leg.action) for leg in trade.contract.comboLegs] == [
            (10, "BUY"), (11, "SELL"), (12, "SELL"), (13, "BUY")
        ]  # fmt: skip
        trade.order.lmtPrice = -2.2
        ib.placeOrder(trade.contract, trade.order)
        await pause(stage)
        assert trade.orderStatus.status == "Filled"
        assert stage.codes() == []

    play(story)


def test_a_cancelled_order_ends_with_202_after_its_status() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5))
        await pause(stage)
        ib.cancelOrder(trade.order)
        await pause(stage)
        assert statuses(trade) == ["PendingSubmit", "Submitted", "PendingCancel", "Cancelled"]
        assert stage.codes() == [202]
        ib.client.cancelOrder(trade.order.orderId)
        ib.client.cancelOrder(4711)
        await pause(stage)
        assert stage.codes() == [202, 10147, 10148]

    play(story)


def test_a_cancel_sent_with_the_order_takes_effect_after_it() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5))
        ib.cancelOrder(trade.order)
        await pause(stage)
        assert statuses(trade)[-2:] == ["Submitted", "Cancelled"]

    play(story)


def test_an_order_id_is_used_once() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        done = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -2.0))
        gone = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5))
        live = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5))
        await pause(stage)
        ib.cancelOrder(gone.order)
        await pause(stage)
        ib.client.placeOrder(done.order.orderId, done.contract, done.order)
        ib.client.placeOrder(gone.order.orderId, gone.contract, gone.order)
        ib.client.placeOrder(live.order.orderId, bag((SHORT_PUT, -1), (LONG_PUT, 1)), live.order)
        await pause(stage)
        assert stage.codes() == [202, 104, 103, 105]
        assert len(stage.gateway.orders()) == 3

    play(story)


def test_day_orders_expire_at_the_close_and_gtc_orders_stay() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        day = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5, "v6-day"))
        gtc = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5, "v6-gtc", tif="GTC"))
        await pause(stage, (CLOSE - OPEN).total_seconds() + 1)
        assert day.orderStatus.status == "Cancelled"
        assert gtc.orderStatus.status == "Submitted"
        assert stage.codes() == [202]
        stage.market.quotes[11] = (4.0, 4.3)
        await pause(stage, 86400 - (CLOSE - OPEN).total_seconds() - 3600)
        assert gtc.orderStatus.status == "Submitted"
        await pause(stage, 3600)
        assert gtc.orderStatus.status == "Filled"

    play(story)


def test_an_order_sent_while_the_market_is_closed_waits_for_the_opening() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        trade = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -2.0))
        await pause(stage)
        assert stage.codes() == [399]
        assert trade.orderStatus.status == "PreSubmitted"
        await pause(stage, 3600)
        assert trade.orderStatus.status == "Filled"

    play(story, at=OPEN - timedelta(hours=1))


def test_a_bracket_goes_to_work_with_its_last_order_and_its_legs_exclude_each_other() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        orders = ib.bracketOrder("BUY", 1, 6.2, 8.0, 4.0, tif="GTC")
        trades = []
        for order in orders:
            trades.append(ib.placeOrder(wire(FAR), order))
            await pause(stage)
        parent, target, stop = trades
        assert [t.orderStatus.status for t in trades[1:]] == ["PreSubmitted", "PreSubmitted"]
        assert (target.orderStatus.whyHeld, stop.orderStatus.whyHeld) == ("child", "child,trigger")
        stage.market.quotes[14] = (6.0, 6.2)
        await pause(stage, 300)
        assert parent.orderStatus.status == "Filled"
        assert (target.orderStatus.status, stop.orderStatus.whyHeld) == ("Submitted", "trigger")
        stage.market.quotes[14] = (8.0, 8.2)
        await pause(stage, 300)
        assert target.orderStatus.status == "Filled"
        assert stop.orderStatus.status == "Cancelled"
        assert stage.gateway.positions() == {}

    play(story)


def test_one_order_of_an_oca_group_ends_the_others() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        first = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5, ocaGroup="g"))
        second = ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -2.0, ocaGroup="g"))
        await pause(stage)
        assert (first.orderStatus.status, second.orderStatus.status) == ("Cancelled", "Filled")

    play(story)


def test_what_if_answers_margin_and_commission_and_places_nothing() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        state = await ib.whatIfOrderAsync(bag(*CONDOR), limit("BUY", 2, -2.2))
        assert float(state.initMarginChange) == float(state.maintMarginAfter) == 10_000
        assert float(state.equityWithLoanChange) == 440 - 10
        assert state.commission == 10
        assert stage.gateway.orders() == []
        ib.placeOrder(bag(*CONDOR), limit("BUY", 2, -2.2))
        await pause(stage)
        values = {v.tag: v.value for v in ib.accountValues()}
        assert values["MaintMarginReq"] == "10000.00"

    play(story)


def test_a_wing_without_a_bid_does_not_keep_a_condor_from_closing() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -2.0))
        await pause(stage)
        stage.market.quotes[10] = (None, 0.05)
        wing = ib.placeOrder(wire(LONG_PUT), limit("SELL", 1, 0.05))
        trade = ib.placeOrder(bag(*CONDOR), limit("SELL", 1, -4.2))
        await pause(stage)
        assert trade.orderStatus.status == "Filled"
        assert next(f for f in trade.fills if f.contract.conId == 10).execution.price == 0.0
        assert wing.orderStatus.status == "Submitted"

    play(story)


def test_a_global_cancel_reaches_the_orders_of_every_client() -> None:
    async def story(stage: Stage) -> None:
        one, two = await stage.client(1), await stage.client(2)
        trades = [ib.placeOrder(bag(*CONDOR), limit("BUY", 1, -3.5)) for ib in (one, two)]
        await pause(stage)
        one.reqGlobalCancel()
        await pause(stage)
        assert [t.orderStatus.status for t in trades] == ["Cancelled", "Cancelled"]

    play(story)


def test_an_equity_that_shrank_does_not_keep_a_position_from_closing() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(bag((SHORT_CALL, -1), (LONG_CALL, 1)), limit("BUY", 1, -1.4))
        await pause(stage)
        assert stage.gateway.positions() == {12: -1, 13: 1}
        stage.market.quotes |= {12: (60.0, 60.5), 13: (5.0, 5.4)}
        ib.placeOrder(bag((SHORT_CALL, -1), (LONG_CALL, 1)), limit("SELL", 1, -56.0))
        await pause(stage)
        assert stage.gateway.positions() == {}

    play(story, cash=5200)


def test_equal_seeds_give_equal_executions() -> None:
    async def story(stage: Stage) -> list[bytes]:
        ib = await stage.client()
        for i in range(5):
            ib.placeOrder(bag(*CONDOR), limit("BUY", 3, -2.5 + 0.05 * i, f"v6-{i}"))
        await pause(stage, 3000)
        return [e.encode(-1) for e in stage.gateway.desk.executions]

    first = play(story, seed=5)
    assert len(first) > 20
    assert first == play(story, seed=5)
    assert first != play(story, seed=6)
