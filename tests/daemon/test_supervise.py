"""The connection is kept between cycles: over the real client, against the gateway, in virtual time."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import timedelta

import pytest

from tests.ib.stage import Desk, Stage, play, ticket
from tests.paper.flat import LONG_PUT
from v6.daemon.supervise import HEARTBEAT_S, LOST_FOR_LONG, Supervisor
from v6.errors import BrokerError
from v6.ib.health import LinkState
from v6.ib.reconnect import PAGE_AFTER
from v6.model.contract import Side
from v6.paper.fields import error
from v6.paper.session import Session


@dataclass
class Watched:
    """A desk whose connection is supervised; `moments` are those of its reconnections."""

    stage: Stage
    desk: Desk
    supervisor: Supervisor
    pages: list[tuple[str, str]] = field(default_factory=list)

    @property
    def state(self) -> LinkState:
        return self.desk.link.state


def watched(story: Callable[[Watched], Awaitable[None]]) -> None:
    async def main(stage: Stage) -> None:
        desk, pages = stage.desk(), []  # type: ignore[var-annotated]
        supervisor = Supervisor(desk.link, stage.clock, (), lambda code, text: pages.append((code, text)))
        await supervisor.connect()
        task = asyncio.create_task(supervisor.watch(HEARTBEAT_S, supervisor.connect))
        try:
            await story(Watched(stage, desk, supervisor, pages))
        finally:
            task.cancel()

    play(main)


def deaf(session: Session) -> None:
    session.data_received = lambda _: None  # type: ignore[method-assign]


def test_a_half_open_link_is_found_and_replaced_within_ten_seconds_without_a_cycle() -> None:
    async def story(scene: Watched) -> None:
        await asyncio.sleep(1)
        session, began = scene.stage.gateway.sessions[0], scene.stage.clock.now()
        deaf(session)
        while session in scene.stage.gateway.sessions and scene.stage.clock.now() - began < timedelta(minutes=1):
            await asyncio.sleep(0.1)
        assert scene.stage.clock.now() - began <= timedelta(seconds=10)
        await asyncio.sleep(2)
        assert scene.state is LinkState.HEALTHY
        assert len(scene.stage.gateway.sessions) == 1

    watched(story)


def test_a_gateway_that_stops_and_comes_back_is_found_again_and_nobody_is_called() -> None:
    async def story(scene: Watched) -> None:
        port = scene.stage.port
        await scene.stage.gateway.stop()
        await asyncio.sleep(60)
        assert scene.state is LinkState.DOWN
        assert 3 <= scene.supervisor.retry.failures <= 8, "attempts thin out"
        await scene.stage.gateway.start("127.0.0.1", port)
        await asyncio.sleep(40)
        assert scene.state is LinkState.HEALTHY
        assert scene.pages == []
        assert scene.supervisor.retry.failures == 0

    watched(story)


def test_a_gateway_that_stays_away_calls_a_person_once() -> None:
    async def story(scene: Watched) -> None:
        await scene.stage.gateway.stop()
        await asyncio.sleep(PAGE_AFTER.total_seconds() - 30)
        assert scene.pages == []
        await asyncio.sleep(3600)
        assert [code for code, _ in scene.pages] == ["broker-unreachable"]
        assert "cannot connect" in scene.pages[0][1]
        assert scene.supervisor.retry.circuit_open
        with pytest.raises(BrokerError, match="next attempt"):
            await scene.supervisor.connect()

    watched(story)


def test_a_client_id_that_somebody_else_holds_is_waited_for_and_never_changed() -> None:
    async def story(stage: Stage) -> None:
        other, pages = await stage.connected(1), []  # type: ignore[var-annotated]
        desk = stage.desk(1)
        supervisor = Supervisor(desk.link, stage.clock, (), lambda code, text: pages.append(text))
        for wait in (5, 15, 60):
            with pytest.raises(BrokerError, match="326"):
                await supervisor.connect()
            assert supervisor.retry.next_at is not None
            assert round((supervisor.retry.next_at - stage.clock.now()).total_seconds()) == wait
            await asyncio.sleep(wait)
        assert len(pages) == 1
        other.link.disconnect()
        await asyncio.sleep(1)
        await supervisor.connect()
        assert (desk.link.state, desk.link.ib.client.clientId) == (LinkState.HEALTHY, 1)

    play(story)


def test_a_gateway_without_ibs_servers_for_long_is_connected_to_anew() -> None:
    async def story(scene: Watched) -> None:
        session = scene.stage.gateway.sessions[0]
        session.send(error(-1, 1100, "Connectivity between IB and TWS has been lost."))
        await asyncio.sleep(LOST_FOR_LONG.total_seconds() - 10)
        assert scene.state is LinkState.BROKEN
        await asyncio.sleep(30)
        assert scene.state is LinkState.HEALTHY
        assert scene.stage.gateway.sessions[0] is not session

    watched(story)


def test_a_port_that_was_reset_is_followed() -> None:
    async def story(scene: Watched) -> None:
        session = scene.stage.gateway.sessions[0]
        server = await scene.stage.loop.create_server(lambda: Session(scene.stage.gateway), "127.0.0.1", 7498)
        session.send(error(-1, 1300, "TWS socket port has been reset. Please reconnect on the new port - 7498"))
        await asyncio.sleep(0.1)
        session.close()
        await asyncio.sleep(10)
        assert scene.state is LinkState.HEALTHY
        assert scene.desk.link.ib.client.port == 7498
        server.close()

    watched(story)


def test_without_a_data_farm_nothing_opens_and_positions_can_still_be_closed() -> None:
    async def story(scene: Watched) -> None:
        broker, session = scene.desk.broker, scene.stage.gateway.sessions[0]
        broker.place(ticket("v6-in", broker.next_order_id(), "-2.20"))
        await asyncio.sleep(5)
        session.send(error(-1, 2103, "Market data farm connection is broken:usopt"))
        await asyncio.sleep(1)
        assert scene.state is LinkState.DEGRADED
        assert (broker.healthy(), broker.reachable()) == (False, True)
        with pytest.raises(BrokerError, match="degraded"):
            broker.place(ticket("v6-more", broker.next_order_id(), "-2.20"))
        broker.place(ticket("v6-out", broker.next_order_id(), "-3.20", side=Side.SELL))
        await asyncio.sleep(5)
        assert scene.stage.gateway.positions() == {}
        assert set(scene.stage.gateway.order_refs_placed) == {"v6-in", "v6-out"}

    watched(story)


def test_without_ibs_servers_nothing_is_placed_and_no_limit_changed() -> None:
    async def story(scene: Watched) -> None:
        broker, session = scene.desk.broker, scene.stage.gateway.sessions[0]
        number = broker.next_order_id()
        broker.place(ticket("v6-a", number, "-5.00"))
        await asyncio.sleep(1)
        session.send(error(-1, 1100, "lost"))
        await asyncio.sleep(1)
        for side in Side:
            with pytest.raises(BrokerError, match="broken"):
                broker.place(ticket("v6-b", broker.next_order_id(), "-2.20", side=side))
        with pytest.raises(BrokerError, match="broken"):
            broker.reprice(ticket("v6-a", number, "-4.50"))

    watched(story)


def test_a_competing_session_degrades_the_link_until_its_lines_tick_again() -> None:
    async def story(scene: Watched) -> None:
        scene.desk.feed.stream([LONG_PUT])
        await asyncio.sleep(1)
        session = scene.stage.gateway.sessions[0]
        session.send(error(7, 10197, "No market data during competing live session"))
        await asyncio.sleep(12)
        assert scene.state is LinkState.DEGRADED, "no tick has come: the market stands still"
        scene.stage.market.quotes[LONG_PUT.con_id] = (1.1, 1.3)
        await asyncio.sleep(6)
        assert scene.state is LinkState.HEALTHY

    watched(story)
