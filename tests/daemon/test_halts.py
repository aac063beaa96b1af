"""Why nothing may open: each reason is there while its cause is, and not longer."""

from datetime import UTC, datetime, time
from zoneinfo import ZoneInfo

import pytest

from tests.execution.fakes import NOON, open_intent
from v6.daemon.halts import Halts, in_doubt
from v6.execution.ledger import Ledger
from v6.ib.reconnect import IB_NORTH_AMERICA, Downtime
from v6.model import event as e
from v6.model.order import OrderState
from v6.rules.rulebook import Rulebook

INTENT = open_intent()
REF = INTENT.order_ref
SENT = (e.OrderIntended(NOON, INTENT), e.OrderSending(NOON, REF, 7))


class NoRules:
    """A policy of which no rule is unknown."""

    book: Rulebook

    def unknown(self, _: object) -> tuple[str, ...]:
        return ()


def reasons(ledger: Ledger, at: datetime = NOON, downtimes: tuple[Downtime, ...] = (), skew_s: float = 0) -> list[str]:
    return list(Halts(ledger, downtimes, []).reasons(at, skew_s, (), NoRules()))  # type: ignore[arg-type]


def test_an_order_in_doubt_may_be_a_position_and_halts_until_it_is_resolved() -> None:
    working = [*SENT, e.OrderSubmitted(NOON, REF, 1)]
    assert list(in_doubt(Ledger(working))) == []
    doubted = [*working, e.OrderUnresolved(NOON, REF, "lost")]
    assert reasons(Ledger(doubted)) == [f"order {REF} is UNKNOWN"]
    assert reasons(Ledger([*doubted, e.OrderEnded(NOON, REF, OrderState.CANCELLED)])) == []


def test_clocks_that_differ_halt() -> None:
    assert reasons(Ledger(), skew_s=5.0) == []
    assert reasons(Ledger(), skew_s=5.1) == ["the broker's clock and ours differ by 5 s"]


def new_york(hour: int, minute: int, day: int = 4) -> datetime:
    return datetime(2015, 3, day, hour, minute, tzinfo=ZoneInfo("America/New_York")).astimezone(UTC)


@pytest.mark.parametrize(
    ("hour", "minute", "halted"), [(11, 54, False), (11, 55, True), (12, 0, True), (12, 9, True), (12, 10, False)]
)
def test_opening_stops_five_minutes_before_a_restart_that_lies_in_the_session(
    hour: int, minute: int, halted: bool
) -> None:
    restart = Downtime("the gateway's daily restart", time(12, 0), time(12, 10))
    found = reasons(Ledger(), new_york(hour, minute), (restart,))
    assert bool(found) is halted
    assert all("the gateway's daily restart" in text for text in found)


def test_opening_stops_before_the_weekly_login_and_only_in_its_week_day() -> None:
    assert reasons(Ledger(), new_york(0, 54, day=8), IB_NORTH_AMERICA[3:]) == []
    assert "weekly login begins at" in reasons(Ledger(), new_york(0, 56, day=8), IB_NORTH_AMERICA[3:])[0]
    assert reasons(Ledger(), new_york(0, 56, day=4), IB_NORTH_AMERICA[3:]) == []


def test_a_window_that_begins_after_midnight_is_seen_from_before_it() -> None:
    late = Downtime("reset", time(0, 2), time(0, 10))
    assert reasons(Ledger(), new_york(23, 58), (late,)) != []
    assert reasons(Ledger(), new_york(23, 56), (late,)) == []
