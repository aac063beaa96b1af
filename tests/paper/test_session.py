import asyncio
import random

import pytest
from ib_async import LimitOrder

from tests.paper.flat import (
    CONDOR,
    OPEN,
    Stage,
    bag,
    play,
)
from v6.paper.codec import Framer, frame, split
from v6.paper.limits import Limits


def test_ib_async_connects_and_its_whole_start_up_sync_is_answered() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        assert ib.client.serverVersion() == 178
        assert ib.managedAccounts() == ["DU1234567"]
        assert {v.tag: v.value for v in ib.accountValues()}["NetLiquidation"] == "100000.00"
        assert ib.positions() == ib.trades() == ib.fills() == ib.portfolio() == []
        assert sorted(code for _, code, _ in stage.errors) == [2104, 2106, 2158]
        assert stage.clock.now() == OPEN

    play(story)


def test_a_second_client_with_the_same_id_is_turned_away_with_326() -> None:
    async def story(stage: Stage) -> None:
        first = await stage.client(1)
        with pytest.raises(TimeoutError):
            await stage.client(1)
        assert stage.codes() == [326]
        assert first.isConnected()
        await stage.client(2)

    play(story)


def test_the_id_is_free_again_right_after_a_disconnect() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client(1)
        ib.disconnect()
        await stage.client(1)
        assert stage.codes() == []

    play(story)


class Raw(asyncio.Protocol):
    """A client that says what a test tells it to."""

    def __init__(self) -> None:
        self.framer = Framer()
        self.heard: list[list[str]] = []
        self.lost = False

    def data_received(self, data: bytes) -> None:
        self.framer.feed(data)
        self.heard += [split(body) for body in self.framer.raw()]

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost = True


async def raw(stage: Stage, *chunks: bytes) -> tuple[Raw, asyncio.Transport]:
    transport, protocol = await stage.loop.create_connection(Raw, "127.0.0.1", stage.port)
    assert isinstance(protocol, Raw)
    for chunk in chunks:
        transport.write(chunk)
    await asyncio.sleep(1)
    return protocol, transport


def greeting(versions: str) -> bytes:
    return b"API\0" + len(versions).to_bytes(4, "big") + versions.encode()


START = frame(("71", "2", "5", ""))


def test_a_client_that_is_too_old_is_told_so() -> None:
    async def story(stage: Stage) -> None:
        client, _ = await raw(stage, greeting("v100..176"))
        assert client.heard[0][:4] == ["4", "2", "-1", "503"]
        assert "178" in client.heard[0][4]
        assert client.lost

    play(story)


def test_a_client_that_offers_more_is_answered_178() -> None:
    async def story(stage: Stage) -> None:
        client, _ = await raw(stage, greeting("v100..226 +PACEAPI"), START)
        assert client.heard[0] == ["178", "20150302 14:30:00 UTC"]
        assert [fields[0] for fields in client.heard[1:3]] == ["15", "9"]

    play(story)


def test_a_client_hears_of_its_working_orders_before_it_is_told_the_next_id() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client(5)
        ib.placeOrder(bag(*CONDOR), LimitOrder("BUY", 1, -3.5, tif="DAY"))
        await asyncio.sleep(1)
        ib.disconnect()
        client, _ = await raw(stage, greeting("v157..178"), START)
        assert [fields[0] for fields in client.heard[1:6]] == ["5", "3", "53", "15", "9"]
        assert client.heard[5][2] == str(stage.gateway.orders()[0].order_id + 1)

    play(story)


@pytest.mark.parametrize("noise", [b"GET / HTTP/1.1\r\n", b"API\0\xff\xff\xff\xff", greeting("nonsense")])
def test_noise_on_the_port_is_hung_up_on(noise: bytes) -> None:
    async def story(stage: Stage) -> None:
        client, _ = await raw(stage, noise)
        assert client.lost
        await stage.client()

    play(story)


def test_nothing_that_a_client_sends_kills_its_session() -> None:
    rng = random.Random(5)
    words = [
        "",
        "0",
        "1",
        "-1",
        "x",
        "BAG",
        "OPT",
        "SPX",
        "1E999999999",
        "9" * 5000,
        "²",
        "11",
        "7",
        "True",
        " ",
        "20150320",
    ]
    pile = [[str(rng.randrange(110)), *rng.choices(words, k=rng.randrange(20))] for _ in range(3000)]
    pile += [[], [""], ["²"], ["9" * 50]]

    async def story(stage: Stage) -> None:
        client, transport = await raw(stage, greeting("v157..178"), START)
        for fields in pile:
            if fields[:1] != ["71"]:
                transport.write(frame(fields))
        await asyncio.sleep(100)
        client.heard.clear()
        transport.write(frame(("49", "1")))
        await asyncio.sleep(1)
        assert not client.lost
        assert client.heard[-1][0] == "49"

    play(story, limits=Limits(messages=None))


def test_every_request_without_an_answer_gets_error_320_under_its_id() -> None:
    async def story(stage: Stage) -> None:
        client, transport = await raw(stage, greeting("v157..178"), START)
        client.heard.clear()
        for fields in (["97", "31", "1"], ["87", "32"], ["2", "1"], ["62", "1", "33"], ["abc"], ["999", "1", "2"]):
            transport.write(frame(fields))
        await asyncio.sleep(1)
        assert [fields[:4] for fields in client.heard] == [
            ["4", "2", number, "320"] for number in ("31", "32", "-1", "33", "-1", "-1")
        ]

    play(story)
