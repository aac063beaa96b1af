"""How fast ticks become snapshots and decisions: the unmodified ib_async client over TCP, two condors held.

`python -m benchmarks.wire [--json]`. `ticks_per_s` is as fast as they come, `core_share_at_5000_per_s` at that pace
with a snapshot and a decision each second; both are CPU time and hold the gateway's writing, which shares the thread.
`tick_to_decision` is from the write of one changed quote to the decisions on the snapshot that has it.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import logging
import time
from collections.abc import Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import structlog

from v6.daemon.clocks import BrokerClock
from v6.daemon.schedule import session_of
from v6.ib.context import Context
from v6.ib.feed import Feed
from v6.ib.link import Link
from v6.ib.snapshot import Inputs, Session, build
from v6.model.contract import Contract, Leg, SecType
from v6.model.position import Position, Structure, StructureKind
from v6.paper.fields import TICK_OPTION, TICK_PRICE, TICK_SIZE
from v6.paper.gateway import PaperGateway
from v6.paper.market import HistoryMarket, load_package_history
from v6.pricing.calendar import xnys
from v6.rules import RuleSet, RuleState, load_texts, read_texts

PACE = 5000
BATCH_S = 0.01
ROUNDS = 400
TRIALS = 1000


class Desk:
    """Eyes and rules without a loop: `decide` reads every line and judges what it saw."""

    def __init__(self, feed: Feed, clock: BrokerClock, indices: Sequence[Contract], positions: list[Position]) -> None:
        self.feed = feed
        self._clock = clock
        self._spx, self._vix = indices
        self._positions = positions
        self._ruleset = RuleSet.compile(load_texts(read_texts(Path.cwd())))
        self._state = RuleState()
        self.cycles = 0

    def decide(self) -> float | None:
        """Take a snapshot, decide, and return the mark of the first position in it."""
        at = self._clock.now()
        session = session_of(xnys(), at)
        assert isinstance(session, Session)
        inputs = Inputs(
            at=at,
            cycle=self.cycles,
            session=session,
            positions=self._positions,
            commissions={},
            quotes=self.feed.quotes(),
            unrealized=self.feed.unrealized(),
            underlying=self.feed.quote(self._spx.con_id),
            vix=self.feed.quote(self._vix.con_id),
            net_liq=self.feed.account_value("NetLiquidation"),
            margin=self.feed.account_value("MaintMarginReq"),
            context=Context(),
        )
        snapshot = build(inputs)
        _, self._state = self._ruleset.evaluate(snapshot, self._state)
        self.cycles += 1
        mark = snapshot.rows[1]["mark"]
        return mark if isinstance(mark, float) else None


def ticks(req_ids: Sequence[int], step: int) -> list[bytes]:
    """Return five ticks for each option: both prices and sizes and the model, none as it was before."""
    shift, size = 0.05 * (step % 20), step % 50 + 1
    found = []
    for req_id in req_ids:
        found += [
            TICK_PRICE.encode(req_id, 1, 10.0 + shift, size, 0),
            TICK_PRICE.encode(req_id, 2, 10.4 + shift, size, 0),
            TICK_SIZE.encode(req_id, 0, size + 1),
            TICK_SIZE.encode(req_id, 3, size + 1),
            TICK_OPTION.encode(req_id, 13, 0, 0.18, 0.2, 10.2 + shift, 0.0, 0.002, 0.5 + shift, -0.4, 1850.0),
        ]
    return found


async def connect(gateway: PaperGateway, port: int, clock: BrokerClock) -> tuple[Link, Desk, list[int]]:
    """Connect, hold two condors, and return the request ids of their eight lines."""
    link = Link("127.0.0.1", port, 1, clock)
    await link.connect()
    feed = Feed(link, clock)
    feed.load_account()
    indices = [await feed.index(symbol, SecType.INDEX, "CBOE") for symbol in ("SPX", "VIX")]
    today = clock.now().date()
    days = [day for day in await feed.expiries(indices[0], "SPXW") if day > today + timedelta(days=14)][:2]
    positions = [await _condor(feed, day, number, clock.now()) for number, day in enumerate(days)]
    feed.stream([*indices, *(leg.contract for p in positions for leg in p.structure.legs)])
    while any(feed.quote(index.con_id) is None for index in indices):
        await asyncio.sleep(0.01)
    lines = gateway.sessions[0].lines.by_id
    options = [n for n, line in lines.items() if line.legs[0].contract.sec_type is SecType.OPTION]
    return link, Desk(feed, clock, indices, positions), options


async def _condor(feed: Feed, day: date, number: int, at: datetime) -> Position:
    listed = await feed.options("SPX", "SPXW", day)
    strikes = sorted({strike for strike, right in listed if right == "P"})
    low = len(strikes) // 4
    chosen = [
        (strikes[low], "P", 1),
        (strikes[low + 5], "P", -1),
        (strikes[-low - 5], "C", -1),
        (strikes[-low], "C", 1),
    ]
    legs = tuple(Leg(listed[strike, right], ratio) for strike, right, ratio in chosen)
    structure = Structure(StructureKind.IRON_CONDOR, "SPX", legs)
    return Position(f"p{number}", "iron_condor", structure, 1, Decimal("-2.0"), at)


def received(link: Link) -> int:
    """Return how many messages ib_async has decoded so far."""
    return int(link.ib.client.connectionStats().numMsgRecv)


async def flood(gateway: PaperGateway, link: Link, desk: Desk, req_ids: Sequence[int]) -> float:
    """Return ticks per second of CPU with a snapshot and a decision for every second's worth of the pace."""
    rounds = [ticks(req_ids, step) for step in range(ROUNDS)]
    total = sum(map(len, rounds))
    counted = received(link)
    sent, begun = 0, time.process_time()
    for batch in rounds:
        gateway.sessions[0].send(b"".join(batch))
        # Once for the socket to be written, once for the client to read it.
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        before, sent = sent, sent + len(batch)
        if before // PACE != sent // PACE:
            desk.decide()
    while received(link) - counted < total:
        await asyncio.sleep(0)
    desk.decide()
    return total / (time.process_time() - begun)


async def paced(gateway: PaperGateway, desk: Desk, req_ids: Sequence[int], seconds: float) -> tuple[float, float]:
    """Return the share of one core at the pace, and the ticks per second that were really sent."""
    batch_size = round(PACE * BATCH_S)
    stream = [tick for step in range(40) for tick in ticks(req_ids, step)]
    batches = [b"".join(stream[i : i + batch_size]) for i in range(0, len(stream), batch_size)]
    loop = asyncio.get_running_loop()
    cpu, begun = time.process_time(), loop.time()
    for number in range(round(seconds / BATCH_S)):
        gateway.sessions[0].send(batches[number % len(batches)])
        if number % round(1 / BATCH_S) == 0:
            desk.decide()
        await asyncio.sleep(max(0.0, begun + (number + 1) * BATCH_S - loop.time()))
    wall = loop.time() - begun
    sent = round(seconds / BATCH_S) * batch_size
    return (time.process_time() - cpu) / sent * PACE, sent / wall


async def latencies(gateway: PaperGateway, desk: Desk, req_id: int) -> list[float]:
    """Return sorted seconds from the write of a changed quote until decisions were made on it."""
    found = []
    seen = desk.decide()
    for step in range(TRIALS):
        price = 10.0 + 0.05 * (step % 2)
        tick = TICK_PRICE.encode(req_id, 1, price, 7, 0)
        begun = time.perf_counter()
        gateway.sessions[0].send(tick)
        await asyncio.sleep(0)
        mark = desk.decide()
        while step and mark == seen:
            await asyncio.sleep(0)
            mark = desk.decide()
        found.append(time.perf_counter() - begun)
        seen = mark
    return sorted(found[1:])


async def measure(seconds: float) -> dict[str, float]:
    market = HistoryMarket(load_package_history(), 1)
    day = xnys().sessions(market.first_day, market.last_day)[20]
    clock = BrokerClock(asyncio.get_running_loop(), xnys().open_utc(day) + timedelta(hours=1))
    gateway = PaperGateway(market, clock=clock, cash=Decimal(250_000), seed=1, step_s=3000.0)
    link, desk, req_ids = await connect(gateway, await gateway.start(), clock)
    fastest = await flood(gateway, link, desk, req_ids)
    share, reached = await paced(gateway, desk, req_ids, seconds)
    spent = await latencies(gateway, desk, req_ids[0])
    link.disconnect()
    await gateway.stop()
    return {
        "lines": float(len(req_ids)),
        "ticks_per_s": round(fastest),
        "core_share_at_5000_per_s": round(share, 3),
        "paced_ticks_per_s": round(reached),
        "tick_to_decision_p50_ms": round(1000 * spent[len(spent) // 2], 3),
        "tick_to_decision_p99_ms": round(1000 * spent[int(len(spent) * 0.99)], 3),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=3.0, help="how long to keep the pace")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    logging.disable(logging.CRITICAL)
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    found = asyncio.run(measure(options.seconds))
    print(json.dumps(found, indent=2) if options.json else "\n".join(f"{k:26} {v}" for k, v in found.items()))


if __name__ == "__main__":
    main()
