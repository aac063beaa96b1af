"""The sync layer against the real gateway, over the real client, in virtual time."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal

from tests.paper.flat import LONG_CALL, LONG_PUT, OPEN, SHORT_CALL, SHORT_PUT, FlatMarket, weekdays
from v6.ib.feed import Feed
from v6.ib.link import Link
from v6.ib.orders import IbBroker
from v6.model.contract import Leg, Side
from v6.model.position import Structure, StructureKind
from v6.paper.gateway import PaperGateway
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.ports import BrokerEvent, Ticket

CONDOR = Structure(
    StructureKind.IRON_CONDOR,
    "SPX",
    (Leg(LONG_PUT, 1), Leg(SHORT_PUT, -1), Leg(SHORT_CALL, -1), Leg(LONG_CALL, 1)),
)
"""At the flat market's quotes: mid -2.525, bought at once for -2.20."""


def ticket(ref: str, order_id: int, limit: str, quantity: int = 1, side: Side = Side.BUY) -> Ticket:
    return Ticket(ref, order_id, CONDOR, side, quantity, Decimal(limit))


@dataclass
class Desk:
    """One client of the gateway: link, feed and order lane, and all that the lane heard."""

    link: Link
    feed: Feed
    broker: IbBroker
    heard: list[BrokerEvent] = field(default_factory=list)


@dataclass
class Stage:
    loop: VirtualLoop
    clock: VirtualClock
    market: FlatMarket
    gateway: PaperGateway
    port: int

    def desk(self, client_id: int = 1, account_port: int | None = None) -> Desk:
        link = Link("127.0.0.1", account_port or self.port, client_id, self.clock)
        desk = Desk(link, Feed(link, self.clock), IbBroker(link))
        desk.broker.listen(desk.heard.append)
        return desk

    async def connected(self, client_id: int = 1) -> Desk:
        desk = self.desk(client_id)
        await desk.link.connect()
        desk.feed.load_account()
        return desk


def play(
    story: Callable[[Stage], Awaitable[None]], *, account: str = "DU1234567", market: FlatMarket | None = None
) -> None:
    """Run a story one minute after the open of the flat market's first session."""

    async def main(loop: VirtualLoop) -> None:
        scene, clock = market or FlatMarket(), VirtualClock(loop, OPEN + timedelta(minutes=1))
        gateway = PaperGateway(
            scene, clock=clock, account=account, cash=Decimal(100_000), seed=1, step_s=5.0, calendar=weekdays()
        )
        port = await gateway.start()
        stage = Stage(loop, clock, scene, gateway, port)
        await story(stage)
        await gateway.stop()

    run_virtual(main)
