import asyncio

from tests.paper.flat import LONG_PUT, SHORT_PUT, Stage, play, wire
from v6.paper.limits import Limits, Pace


def test_a_message_above_the_rate_is_not_taken_and_the_next_second_is_free() -> None:
    pace = Pace(Limits(messages=3))
    assert [pace.takes(0.1 * i) for i in range(4)] == [True, True, True, False]
    assert pace.takes(1.05)
    assert (pace.offences, pace.spent) == (1, False)


def test_a_burst_is_one_offence_and_the_third_is_the_last() -> None:
    pace = Pace(Limits(messages=1))
    for second in (0.0, 2.0):
        for _ in range(5):
            pace.takes(second)
        assert not pace.spent
    pace.takes(4.0)
    pace.takes(4.0)
    assert (pace.offences, pace.spent) == (3, True)


def test_a_client_that_never_slows_down_is_told_100_and_hung_up_on() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.client.MaxRequests = 0
        for _ in range(3):
            for _ in range(60):
                ib.client.reqIds(1)
            await asyncio.sleep(2)
        assert set(stage.codes()) == {100}
        assert not ib.isConnected()

    play(story)


def test_a_client_that_keeps_to_the_rate_of_ib_async_is_never_told_100() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        for _ in range(400):
            ib.client.reqIds(1)
        await asyncio.sleep(20)
        assert stage.codes() == []

    play(story)


def test_a_line_too_many_is_refused_until_another_is_given_back() -> None:
    async def story(stage: Stage) -> None:
        first, second = await stage.client(1), await stage.client(2)
        first.reqMktData(wire(LONG_PUT))
        second.reqMktData(wire(SHORT_PUT))
        await asyncio.sleep(1)
        assert stage.codes() == [101]
        (ticker,) = await second.reqTickersAsync(wire(LONG_PUT))
        assert ticker.bid == 1.0, "a snapshot takes no line"
        first.cancelMktData(wire(LONG_PUT))
        second.reqMktData(wire(LONG_PUT))
        await asyncio.sleep(1)
        assert stage.codes() == [101]

    play(story, limits=Limits(lines=1))
