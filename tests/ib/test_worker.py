"""Hundreds of positions of another origin: over the real client, against the gateway and its own counts."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal

import pytest

from tests.ib.stage import Desk, Stage, play, ticket
from tests.paper.flat import CONDOR, FAR, SPX, FlatMarket, option
from v6.ib.glimpse import Glimpse
from v6.ib.holdings import Holdings
from v6.ib.hybrid import HybridStreamer
from v6.ib.pacing import MESSAGES_PER_S
from v6.ib.queue import SEEN_EVERY, PositionQueue
from v6.ib.registry import Rank
from v6.ib.worker import QueueWorker
from v6.model.contract import Contract, Right

MANY, FEW = 400, 90


def crowd(count: int) -> list[Contract]:
    return [option(1000 + n, 1000 + n, Right.PUT, FAR.expiry or SPX.expiry) for n in range(count)]  # type: ignore[arg-type]


def crowded(count: int) -> FlatMarket:
    market = FlatMarket()
    market.listed += crowd(count)
    market.quotes |= {contract.con_id: (1.0, 1.2) for contract in crowd(count)}
    known = {contract.con_id: contract for contract in market.listed}
    market.contract = known.get  # type: ignore[method-assign, assignment]
    return market


@dataclass
class Sweep:
    """A connected desk with a streamer and a worker, and what the worker saved."""

    stage: Stage
    desk: Desk
    queue: PositionQueue
    saved: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        clock = self.stage.clock
        self.worker = QueueWorker(
            self.queue, Glimpse(self.desk.link, clock), clock, lambda: self.hybrid.free_lines(), self.closed_s,
            self.saved.append,
        )  # fmt: skip
        self.hybrid = HybridStreamer(
            self.desk.feed, self.queue, Holdings(self.desk.link).contracts, self.worker.quotes
        )

    def closed_s(self, _: datetime) -> float:
        return 0.0

    async def run(self, seconds: float) -> None:
        self.hybrid.apply(self.stage.clock.now())
        task = asyncio.create_task(self.worker.run())
        await asyncio.sleep(seconds)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    def oldest(self, contracts: list[Contract]) -> float | None:
        return self.stage.gateway.meter.longest([c.con_id for c in contracts], self.stage.clock.now().timestamp())


def swept(story: Callable[[Sweep], Awaitable[None]], count: int) -> None:
    async def main(stage: Stage) -> None:
        for contract in crowd(count):
            stage.gateway.hold(contract, 1, Decimal(1))
        desk = await stage.connected()
        await asyncio.sleep(2)
        ids = [contract.con_id for contract in crowd(count)]
        stage.gateway.meter.begin(ids, stage.clock.now().timestamp())
        await story(Sweep(stage, desk, PositionQueue()))

    play(main, market=crowded(count))


def test_every_queued_position_is_seen_at_least_every_thirty_seconds() -> None:
    async def story(sweep: Sweep) -> None:
        await sweep.run(180)
        meter = sweep.stage.gateway.meter
        oldest = sweep.oldest(crowd(MANY))
        assert oldest is not None
        assert oldest <= SEEN_EVERY.total_seconds()
        assert (meter.lines_peak, meter.pacing_errors) == (0, 0)
        assert meter.messages_per_s_peak <= MESSAGES_PER_S
        assert sweep.worker.missed == 0
        assert set(sweep.worker.quotes()) == {contract.con_id for contract in crowd(MANY)}
        assert sweep.queue.longest.total_seconds() == pytest.approx(oldest, abs=0.01), "both sides tell the same"

    swept(story, MANY)


def test_a_restart_in_the_middle_of_a_round_goes_on_where_it_was() -> None:
    async def story(sweep: Sweep) -> None:
        await sweep.run(4.5)
        done = set(sweep.worker.quotes())
        assert 100 < len(done) < MANY
        again = Sweep(sweep.stage, sweep.desk, PositionQueue.from_json(sweep.saved[-1]))
        await again.run(4.5)
        assert not done & set(again.worker.quotes()), "nobody twice before everybody once"
        assert len(done) + len(again.worker.quotes()) > 300

    swept(story, MANY)


def test_an_order_leaves_at_once_while_the_sweep_is_on() -> None:
    async def story(sweep: Sweep) -> None:
        sweep.hybrid.apply(sweep.stage.clock.now())
        task = asyncio.create_task(sweep.worker.run())
        await asyncio.sleep(3.21)
        assert sweep.desk.link.pacer.waiting() > 0
        broker, asked = sweep.desk.broker, sweep.stage.clock.now()
        broker.place(ticket("v6-a", broker.next_order_id(), "-2.20"))
        await asyncio.sleep(0.01)
        assert sweep.stage.gateway.order_refs_placed == {"v6-a": 1}
        assert sweep.stage.clock.now() - asked < timedelta(seconds=0.1)
        task.cancel()

    swept(story, MANY)


def test_what_the_desk_claims_streams_and_everything_else_is_queued() -> None:
    async def story(sweep: Sweep) -> None:
        legs = [leg for leg, _ in CONDOR]
        sweep.hybrid.registry.claim("underlyings", Rank.UNDERLYING, [SPX])
        sweep.hybrid.registry.claim("positions", Rank.HELD, [*legs, crowd(FEW)[0]])
        await sweep.run(20)
        assert sweep.stage.gateway.meter.lines_peak == 6
        assert len(sweep.queue) == FEW - 1
        assert set(sweep.hybrid.quotes()) == {SPX.con_id, *(c.con_id for c in (*legs, *crowd(FEW)))}

    swept(story, FEW)


def test_more_own_positions_than_lines_are_seen_in_turn_before_foreign_ones() -> None:
    async def story(sweep: Sweep) -> None:
        own = [*crowd(FEW)]
        sweep.hybrid.registry.claim("positions", Rank.HELD, own)
        await sweep.run(60)
        assert sweep.stage.gateway.meter.lines_peak == 80
        assert len(sweep.queue) == FEW - 80
        oldest = sweep.oldest(own[80:])
        assert oldest is not None
        assert oldest <= SEEN_EVERY.total_seconds()

    swept(story, FEW)


def test_an_account_with_fewer_lines_is_learnt_from_error_101() -> None:
    async def story(sweep: Sweep) -> None:
        own = crowd(FEW)
        sweep.hybrid.registry.claim("positions", Rank.HELD, own[:10])
        sweep.hybrid.apply(sweep.stage.clock.now())
        for contract in own[6:10]:
            sweep.hybrid.heard(101, contract.con_id)
        sweep.hybrid.heard(101, 999)
        assert sweep.desk.feed.lines() == 6
        streamed = sweep.hybrid.apply(sweep.stage.clock.now())
        assert [c.con_id for c in streamed] == [c.con_id for c in own[:6]]
        assert own[7].con_id in sweep.queue

    swept(story, FEW)


def test_one_that_the_broker_does_not_know_costs_the_others_nothing() -> None:
    async def story(sweep: Sweep) -> None:
        lost = crowd(FEW)[3].con_id
        sweep.stage.market.listed = [c for c in sweep.stage.market.listed if c.con_id != lost]
        known = {c.con_id: c for c in sweep.stage.market.listed}
        sweep.stage.market.contract = known.get  # type: ignore[method-assign, assignment]
        await sweep.run(40)
        assert sweep.worker.missed >= 1
        assert set(sweep.worker.quotes()) == {c.con_id for c in crowd(FEW)} - {lost}
        wrapper = sweep.desk.link.ib.wrapper
        assert not wrapper.reqId2Ticker
        assert not wrapper._futures

    swept(story, FEW)


def test_a_closed_market_is_not_asked() -> None:
    async def story(sweep: Sweep) -> None:
        sweep.closed_s = lambda _: 3600.0  # type: ignore[method-assign]
        sweep.worker._wait_s = sweep.closed_s
        before = sweep.stage.gateway.meter.messages
        await sweep.run(600)
        assert sweep.stage.gateway.meter.messages == before

    swept(story, FEW)


def test_a_position_of_a_kind_that_cannot_be_quoted_is_named_and_left_out() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        holdings = Holdings(desk.link)
        stage.gateway.hold(FAR, 1, Decimal(1))
        await desk.broker.positions()
        wire = next(iter(desk.link.ib.positions())).contract
        wire.secType = "BOND"
        assert list(holdings.contracts()) == []
        assert "BOND" in holdings.unreadable[FAR.con_id]

    play(story)
