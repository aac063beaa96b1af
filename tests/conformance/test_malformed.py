"""Every request that the scenarios send, spoilt field by field: refused or answered, never the end of a session."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import cast

from tests.conformance.catalogue import ALL
from tests.conformance.scenarios import Scenario
from tests.conformance.voices import Voice, through_ib_async
from tests.paper.flat import Stage, play
from tests.paper.test_session import START, greeting, raw
from v6.paper.codec import frame
from v6.paper.limits import Limits

JUNK = ("", "x", "-1", "1E400", "nan", "²", "99999999999999999999")


Pile = dict[tuple[str, int], list[str]]


def noting(scenario: Scenario, pile: Pile) -> Callable[[Voice], Awaitable[None]]:
    """Return the scenario with an ear on what the client sends."""

    async def story(voice: Voice) -> None:
        send = voice.client.sendMsg

        def note(message: str | None) -> None:
            if message:
                fields = message.split("\0")[:-1]
                pile[(fields[0], len(fields))] = fields
            send(message)

        voice.client.sendMsg = note
        await scenario.run(voice)

    return story


def sent_by_ib_async() -> list[list[str]]:
    """Return one request of each kind and length that the scenarios send."""
    pile: Pile = {}
    for scenario in ALL:
        if "ib_async" in scenario.clients:
            through_ib_async(noting(scenario, pile), scenario.client_id)
    return [*pile.values()]


def test_a_request_that_is_cut_short_or_too_long_is_refused_under_its_id() -> None:
    requests = sent_by_ib_async()
    assert len({fields[0] for fields in requests}) > 70

    async def story(stage: Stage) -> None:
        client, transport = await raw(stage, greeting("v157..178"), START)
        for fields in requests:
            # A calculation may end with one field or two, as the two clients write it.
            short = fields[:-2] if fields[0] in ("54", "55") else fields[:-1]
            for spoilt in (short, [*fields, "1"]):
                client.heard.clear()
                transport.write(frame(spoilt))
                await asyncio.sleep(0.001)
                codes = [heard[3] for heard in client.heard if heard[0] == "4"]
                assert len(codes) == 1, (spoilt, client.heard)
        assert not client.lost

    play(story, limits=Limits(messages=None))


def test_no_field_of_any_request_can_end_a_session() -> None:
    requests = sent_by_ib_async()

    async def story(stage: Stage) -> None:
        client, transport = await raw(stage, greeting("v157..178"), START)
        for fields in requests:
            for i in range(1, len(fields)):
                for junk in JUNK:
                    transport.write(frame([*fields[:i], junk, *fields[i + 1 :]]))
            await asyncio.sleep(0.2)
            assert not client.lost, fields
        client.heard.clear()
        transport.write(frame(("49", "1")))
        await asyncio.sleep(1)
        assert "49" in {heard[0] for heard in cast(list[list[str]], client.heard)}

    play(story, limits=Limits(messages=None, lines=None))
