"""A recorder between ib_async and the paper gateway, and a replay of what it wrote, in virtual time."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from ib_async import IB, Index, LimitOrder

from tests.paper.flat import CONDOR, OPEN, SHORT_PUT, Stage, bag, play, wire
from v6.paper.recording import Recorder, Recording, ReplayServer, load_recording
from v6.paper.vtime import VirtualLoop, run_virtual

INDEX = Index("SPX", "CBOE", "USD", conId=1)


async def connected(port: int, client_id: int = 1) -> IB:
    ib = IB()
    ib.RaiseRequestErrors = True
    await ib.connectAsync("127.0.0.1", port, clientId=client_id, timeout=4, raiseSyncErrors=True)
    return ib


def record(path: Path, story: Callable[[IB], Awaitable[Any]], client_id: int = 1, step_s: float = 5.0) -> Recording:
    """Write a recording of a story that ib_async plays against the paper gateway."""

    async def whole(stage: Stage) -> None:
        out = io.StringIO()
        recorder = Recorder("127.0.0.1", stage.port, out, OPEN)
        ib = await connected(await recorder.start(), client_id)
        await story(ib)
        ib.disconnect()
        await asyncio.sleep(1)
        await recorder.stop()
        path.write_text(out.getvalue(), encoding="utf-8")

    play(whole, at=OPEN + timedelta(hours=2), step_s=step_s)
    return load_recording(path)


def replayed(
    recording: Recording, story: Callable[[IB, ReplayServer], Awaitable[Any]], client_id: int = 1, speed: float = 1.0
) -> Any:
    """Play a story against the replay of a recording."""

    async def main(loop: VirtualLoop) -> Any:
        problems: list[dict[str, Any]] = []
        loop.set_exception_handler(lambda _, context: problems.append(context))
        server = ReplayServer(recording, speed)
        ib = await connected(await server.start(), client_id)
        result = await story(ib, server)
        ib.disconnect()
        await asyncio.sleep(1)
        await server.stop()
        assert problems == []
        return result

    return run_virtual(main)


async def day(ib: IB) -> dict[str, Any]:
    """Ask and trade a little of everything, and return what was heard."""
    (details,) = await ib.reqContractDetailsAsync(wire(SHORT_PUT))
    chains = await ib.reqSecDefOptParamsAsync("SPX", "", "IND", 1)
    rule = await ib.reqMarketRuleAsync(int(details.marketRuleIds.split(",")[0]))
    ticker, index = ib.reqMktData(wire(SHORT_PUT)), ib.reqMktData(INDEX)
    total = ib.reqPnL(ib.managedAccounts()[0])
    margin = await ib.whatIfOrderAsync(bag(*CONDOR), LimitOrder("BUY", 1, -2.0, tif="DAY"))
    trade = ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -1.5, tif="DAY", orderRef="v6-condor"))
    resting = ib.placeOrder(wire(SHORT_PUT), LimitOrder("BUY", 1, 0.5, tif="DAY", orderRef="v6-low"))
    await asyncio.sleep(30)
    resting.order.lmtPrice = 0.6
    ib.placeOrder(wire(SHORT_PUT), resting.order)
    await asyncio.sleep(10)
    ib.cancelOrder(resting.order)
    await asyncio.sleep(10)
    bars = await ib.reqHistoricalDataAsync(INDEX, "", "3600 S", "5 mins", "TRADES", useRTH=True)
    fills = await ib.reqExecutionsAsync()
    done = await ib.reqCompletedOrdersAsync(apiOnly=False)
    summary = await ib.accountSummaryAsync()
    ib.cancelMktData(wire(SHORT_PUT))
    await asyncio.sleep(5)
    return {
        "details": details,
        "chains": chains,
        "rule": rule,
        "quote": (ticker.bid, ticker.ask, ticker.modelGreeks, index.last, index.close),
        "pnl": (total.dailyPnL, total.unrealizedPnL),
        "margin": margin,
        "statuses": [[entry.status for entry in t.log] for t in (trade, resting)],
        "fills": [(f.execution.execId, f.execution.price, f.commissionReport.commission) for f in fills],
        "done": [(t.order.orderRef, t.orderStatus.status) for t in done],
        "positions": [(p.contract.conId, p.position, p.avgCost) for p in ib.positions()],
        "bars": list(bars),
        "summary": {v.tag: v.value for v in summary if v.tag != "AccountCode"},
    }
