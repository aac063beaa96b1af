"""A whole desk in a market that is halted, with quotes that stand as if nothing were wrong."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.daemon.test_daemon import desk
from v6.daemon.daemon import Daemon
from v6.daemon.settings import Settings
from v6.demo import BEFORE_OPEN, CASH
from v6.model import event as e
from v6.model.order import Purpose
from v6.paper.gateway import PaperGateway
from v6.paper.scenarios import ScenarioMarket, parse_scenario
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.pricing.calendar import xnys

SCENARIO = """
version: 1
doc: Three calm days with one halt.
start: 2017-03-06
index: 2380
vix: 16
phases:
  - {{days: 3, index: 0.002, vix: 16, volatility: 0.07}}
halts:
  - {{day: {day}, from: "{start}", until: "{end}", what: {what}}}
"""


def days(folder: Path, day: int, start: str, end: str, what: str) -> list[e.Event]:
    """Run two sessions of a desk that opens a condor every day as soon as it may, half an hour after the opening."""
    market = ScenarioMarket(parse_scenario(SCENARIO.format(day=day, start=start, end=end, what=what)), 1)
    calendar = xnys()
    seen: list[e.Event] = []

    async def main(loop: VirtualLoop) -> list[e.Event]:
        clock = VirtualClock(loop, calendar.open_utc(market.first_day) - BEFORE_OPEN)
        gateway = PaperGateway(market, clock=clock, cash=CASH, seed=1, step_s=5.0)
        port = await gateway.start()
        settings = Settings(
            desk(folder / "desk"), folder / "store", "127.0.0.1", port, cycle_s=300.0, durable=False,
            flush_every=1000, heartbeat_s=None,
        )  # fmt: skip
        daemon = Daemon(settings, clock, calendar)
        daemon.books.listen(seen.append)
        await daemon.run(calendar.open_utc(calendar.next_session(market.first_day)) + timedelta(hours=3))
        await gateway.stop()
        return seen

    return run_virtual(main)


def opened(events: list[e.Event]) -> list[datetime]:
    intents = [event for event in events if isinstance(event, e.OrderIntended)]
    return [event.at for event in intents if event.intent.purpose is Purpose.OPEN]


def codes(events: list[e.Event]) -> list[str]:
    return [event.code for event in events if isinstance(event, e.FindingRaised)]


FIRST_DAY, SECOND_DAY = datetime(2017, 3, 6, tzinfo=UTC), datetime(2017, 3, 7, tzinfo=UTC)


@pytest.mark.parametrize("what", ["trading", "quotes"])
def test_a_desk_without_positions_opens_nothing_in_a_halt_and_says_why(tmp_path: Path, what: str) -> None:
    events = days(tmp_path, 1, "10:00", "10:31", what)
    first = opened(events)[0]
    assert FIRST_DAY.replace(hour=15, minute=31) <= first <= FIRST_DAY.replace(hour=15, minute=40)
    said = [event.text for event in events if isinstance(event, e.FindingRaised) and event.code == "entry-refused"]
    assert re.search(r"trading in \d+ of \d+ contracts is halted", said[0])


def test_a_desk_with_positions_opens_nothing_until_their_quotes_are_fresh(tmp_path: Path) -> None:
    events = days(tmp_path, 2, "09:59", "10:31", "trading")
    assert opened(events)[0] < FIRST_DAY.replace(hour=16)
    second = next(at for at in opened(events) if at > SECOND_DAY)
    assert SECOND_DAY.replace(hour=15, minute=31) <= second <= SECOND_DAY.replace(hour=15, minute=40)
    assert [code for code in codes(events) if code.startswith("trading")] == ["trading-halted", "trading-resumed"]
