"""How fast simulated trading is, with the unmodified ib_async client in the loop.

`python -m benchmarks.sim [--days N] [--json]`; the floor is the same days with the
gateway's market steps and a client that only holds the lines of two condors, with nobody deciding.
`days_per_minute` is of one process; `days_per_minute_all_cores` of one for each core at the same time, each with a
seed of its own, as a backtest runs its segments.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import os
import tempfile
import time
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path

import ib_async
import structlog

from v6.demo import BEFORE_OPEN, CASH, Plan, run_demo
from v6.paper.gateway import PaperGateway
from v6.paper.market import SPX, VIX, HistoryMarket, load_package_history
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys

LEGS = 8
STEP_S = 300.0


def floor_s(days: int) -> float:
    """Return the seconds that ticks for ten lines cost on the gateway and in the client, with nobody deciding."""
    calendar = xnys()
    market = HistoryMarket(load_package_history(), 1)
    sessions = calendar.sessions(market.first_day, market.last_day)[:days]
    start = calendar.open_utc(sessions[0]) - BEFORE_OPEN

    async def main(loop: VirtualLoop) -> None:
        clock = VirtualClock(loop, start)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=1, step_s=STEP_S)
        port = await gateway.start()
        client = ib_async.IB()
        await client.connectAsync("127.0.0.1", port, clientId=1)
        # The farthest expiry listed now is followed for its life; most days of a short run see all ten lines tick.
        expiry = max(e for name, e in market.expiries("SPX", clock.now()) if name == "SPXW")
        pattern = ib_async.Option("SPX", f"{expiry:%Y%m%d}", exchange="SMART", currency="USD", tradingClass="SPXW")
        details = await client.reqContractDetailsAsync(pattern)
        middle = len(details) // 2
        for detail in details[middle : middle + LEGS]:
            client.reqMktData(detail.contract)
        for index in (SPX, VIX):
            client.reqMktData(ib_async.Index(index.symbol, "CBOE", "USD", conId=index.con_id))
        until = calendar.close_utc(sessions[-1])
        while clock.now() < until:
            await asyncio.sleep(STEP_S)
        client.disconnect()
        await gateway.stop()

    begun = time.perf_counter()
    run_virtual(main)
    return time.perf_counter() - begun


def quietly(days: int, seed: int) -> tuple[int, int, float]:
    """Run the desk for so many days and return days, cycles and seconds; what every run needs once is there before."""
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    xnys()
    with tempfile.TemporaryDirectory() as folder:
        begun = time.perf_counter()
        report = run_demo(Plan(Path.cwd(), Path(folder) / "store", days=days, seed=seed))
        return report.days, report.cycles, time.perf_counter() - begun


def on_all_cores(days: int) -> float:
    """Return the days a minute of one process for each core, while all of them run."""
    cores = os.cpu_count() or 1
    with ProcessPoolExecutor(cores, mp_context=get_context("spawn")) as pool:
        list(pool.map(quietly, [1] * cores, range(cores)))
        runs = pool.map(quietly, [days] * cores, range(1, cores + 1))
        return sum(60 * done / spent for done, _, spent in runs)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--days", type=int, default=40)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    days, cycles, spent = quietly(options.days, 1)
    floor = floor_s(options.days)
    found = {
        "days": days,
        "cycles": cycles,
        "days_per_minute": round(60 * days / spent, 1),
        "days_per_minute_all_cores": round(on_all_cores(options.days), 1),
        "ms_per_cycle": round(1000 * spent / cycles, 3),
        "ratio_to_floor": round(spent / floor, 2),
    }
    print(json.dumps(found, indent=2) if options.json else "\n".join(f"{k:26} {v}" for k, v in found.items()))


if __name__ == "__main__":
    main()
