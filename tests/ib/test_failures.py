"""Failures of the catalogue that no other test plays: over the real client, against the gateway, in virtual time."""

import asyncio
from datetime import timedelta

import pytest

from tests.ib.stage import CONDOR, Stage, play
from tests.paper.flat import LONG_PUT
from v6.errors import BrokerError
from v6.ib import convert
from v6.ib.health import LinkState, News
from v6.ib.link import REQUEST_TIMEOUT_S
from v6.paper.codec import frame
from v6.paper.fields import error


def test_contract_details_of_a_bag_are_never_answered_and_given_up_in_time() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        bag, began = convert.bag(CONDOR), stage.clock.now()
        with pytest.raises(BrokerError, match="no answer within"):
            await desk.link.ask(lambda: desk.link.ib.reqContractDetailsAsync(bag), "details of a combo")
        assert stage.clock.now() - began <= timedelta(seconds=REQUEST_TIMEOUT_S + 0.1)
        assert desk.link.state is LinkState.HEALTHY

    play(story)


def test_a_message_that_cannot_be_decoded_is_told_once_a_minute_and_does_not_stop_the_rest() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        told: list[News] = []
        desk.link.on_news(lambda news, _: told.append(news))
        for _ in range(3):
            stage.gateway.sessions[0].send(frame(["21", "7", "13", "0", "not a number"]))
            stage.gateway.sessions[0].send(frame(["9999", "what"]))
        await asyncio.sleep(1)
        assert told == [News.UNREADABLE]
        desk.feed.stream([LONG_PUT])
        await asyncio.sleep(1)
        assert desk.feed.quotes()[LONG_PUT.con_id].bid == 1.0
        await asyncio.sleep(60)
        stage.gateway.sessions[0].send(frame(["9999", "again"]))
        await asyncio.sleep(1)
        assert told == [News.UNREADABLE, News.UNREADABLE]

    play(story)


@pytest.mark.parametrize("kind", [2, 3, 4])
def test_prices_that_turn_frozen_or_delayed_are_marked_from_then_on(kind: int) -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        desk.feed.stream([LONG_PUT])
        await asyncio.sleep(1)
        line = next(iter(stage.gateway.sessions[0].lines.by_id.values()))
        stage.gateway.sessions[0].send(line.turn(kind))
        stage.gateway.sessions[0].send(error(line.req_id, 10167, "Displaying delayed market data."))
        stage.gateway.sessions[0].lines.by_id.clear()
        await asyncio.sleep(1)
        assert desk.feed.quotes()[LONG_PUT.con_id].type is convert._TYPES[kind]

    play(story)


def test_a_pacing_violation_slows_the_questions_and_is_told() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        await asyncio.sleep(5)
        told: list[News] = []
        desk.link.on_news(lambda news, _: told.append(news))
        # Behind our pacer's back, as another program of the same client id would.
        for _ in range(60):
            desk.link.pacer._write("49\x001\x00")
        await asyncio.sleep(1)
        assert told == [News.PACE_EXCEEDED]
        assert stage.gateway.meter.pacing_errors > 0

    play(story)


def test_account_values_that_the_broker_calls_not_ready_are_unknown_and_stop_opening() -> None:
    async def story(stage: Stage) -> None:
        desk = await stage.connected()
        session = stage.gateway.sessions[0]
        assert desk.feed.account_value("NetLiquidation") is not None
        for ready in ("false", "true"):
            session.send(frame(["6", "2", "AccountReady", ready, "", desk.link.account]))
            await asyncio.sleep(1)
            assert (desk.feed.account_value("NetLiquidation") is not None) is (ready == "true")
            assert (list(desk.feed.reasons()) == []) is (ready == "true")

    play(story)
