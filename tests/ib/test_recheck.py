"""After 1102 the broker says that it kept the lines: those that do not tick are asked again."""

import asyncio

from tests.ib.stage import Desk, Stage, play
from tests.paper.flat import LONG_PUT, SHORT_PUT
from v6.ib.recheck import MOST_ASKED, SILENT_S, LineCheck
from v6.paper.fields import error
from v6.paper.session import Session


def numbers(stage: Stage) -> dict[int, int]:
    """Return the request id of each line that the gateway has, by contract."""
    return {line.con_ids[0]: number for number, line in stage.gateway.sessions[0].lines.by_id.items()}


class Checked:
    """A desk with two lines over which a gap has gone; `told` are those that stay silent."""

    def __init__(self, desk: Desk, *, is_open: bool = True) -> None:
        self.desk = desk
        self.told: list[str] = []
        self.check = LineCheck(desk.feed, desk.link, lambda: is_open, self.told.append)
        desk.feed.stream([LONG_PUT, SHORT_PUT])

    async def gap(self, stage: Stage, code: int = 1102) -> None:
        await asyncio.sleep(6)
        session = stage.gateway.sessions[0]
        session.send(error(-1, 1100, "lost"))
        await asyncio.sleep(1)
        session.send(error(-1, code, "restored"))
        await asyncio.sleep(0.1)


def test_lines_that_were_kept_count_again_when_they_tick_and_are_not_asked_anew() -> None:
    async def story(stage: Stage) -> None:
        checked = Checked(await stage.connected())
        await checked.gap(stage)
        before = numbers(stage)
        assert checked.desk.feed.quotes() == {}, "what they said before the gap is not a quote of now"
        stage.market.quotes |= {10: (1.05, 1.25), 11: (2.05, 2.35)}
        await asyncio.sleep(6)
        assert {c: q.bid for c, q in checked.desk.feed.quotes().items()} == {10: 1.05, 11: 2.05}
        await asyncio.sleep(SILENT_S)
        assert numbers(stage) == before

    play(story)


def test_a_line_that_died_in_the_gap_is_asked_again_within_fifteen_seconds_and_no_other() -> None:
    async def story(stage: Stage) -> None:
        checked = Checked(await stage.connected())
        await checked.gap(stage)
        before = numbers(stage)
        del stage.gateway.sessions[0].lines.by_id[before[LONG_PUT.con_id]]
        stage.market.quotes |= {10: (1.05, 1.25), 11: (2.05, 2.35)}
        await asyncio.sleep(SILENT_S)
        assert checked.desk.feed.quotes()[LONG_PUT.con_id].bid == 1.05
        after = numbers(stage)
        assert after[LONG_PUT.con_id] != before[LONG_PUT.con_id]
        assert after[SHORT_PUT.con_id] == before[SHORT_PUT.con_id]
        assert checked.told == []

    play(story)


def test_a_line_that_is_only_quiet_says_all_it_knows_when_it_is_asked() -> None:
    async def story(stage: Stage) -> None:
        checked = Checked(await stage.connected())
        await checked.gap(stage)
        await asyncio.sleep(SILENT_S + 1)
        assert {c: q.bid for c, q in checked.desk.feed.quotes().items()} == {10: 1.0, 11: 2.0}

    play(story)


def test_lines_that_never_answer_are_told_and_not_asked_for_ever() -> None:
    async def story(stage: Stage) -> None:
        checked = Checked(await stage.connected())
        await checked.gap(stage)
        session: Session = stage.gateway.sessions[0]
        session.lines.by_id.clear()
        session.data_received = lambda _: None  # type: ignore[method-assign]
        await asyncio.sleep(SILENT_S * (MOST_ASKED + 1) + 1)
        assert len(checked.told) == 1
        assert "2 lines do not tick, asked 3 times" in checked.told[0]
        await asyncio.sleep(300)
        assert len(checked.told) == 1

    play(story)


def test_in_a_closed_market_silent_lines_are_let_go() -> None:
    async def story(stage: Stage) -> None:
        checked = Checked(await stage.connected(), is_open=False)
        await checked.gap(stage)
        assert checked.desk.feed.lines() == 2
        await asyncio.sleep(SILENT_S + 1)
        assert checked.desk.feed.lines() == 0, "the first cycle of a session opens them anew"

    play(story)


def test_a_connection_that_goes_meanwhile_ends_the_check() -> None:
    async def story(stage: Stage) -> None:
        checked = Checked(await stage.connected())
        await checked.gap(stage)
        checked.desk.link.disconnect()
        await asyncio.sleep(SILENT_S * 5)
        assert checked.told == []

    play(story)
