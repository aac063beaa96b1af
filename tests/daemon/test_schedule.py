from datetime import UTC, date, datetime, timedelta

import pytest

from v6.daemon.schedule import is_last_cycle, next_cycle, session_of
from v6.pricing.calendar import xnys


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize(
    ("after", "due"),
    [
        ("2014-01-07 12:00:00", "2014-01-07 14:30:01"),
        ("2014-01-07 14:30:01", "2014-01-07 14:35:01"),
        ("2014-01-07 14:33:00", "2014-01-07 14:35:01"),
        ("2014-01-07 20:55:01", "2014-01-08 14:30:01"),
        ("2014-01-07 23:00:00", "2014-01-08 14:30:01"),
        ("2014-01-10 21:30:00", "2014-01-13 14:30:01"),
        ("2014-07-03 16:56:00", "2014-07-07 13:30:01"),
        ("2014-03-07 22:00:00", "2014-03-10 13:30:01"),
    ],
    ids=["before", "at a cycle", "between", "last", "evening", "weekend", "half day", "daylight saving"],
)
def test_the_next_cycle(after: str, due: str) -> None:
    assert next_cycle(xnys(), utc(after), 300.0) == utc(due)


def test_a_day_has_a_cycle_every_five_minutes() -> None:
    moment, count = utc("2014-01-07 14:00:00"), 0
    while True:
        moment = next_cycle(xnys(), moment, 300.0)
        if moment.date() != date(2014, 1, 7):
            break
        count += 1
    assert count == 78


def test_the_session_knows_its_minutes() -> None:
    session = session_of(xnys(), utc("2014-01-07 15:30:00"))
    assert session is not None
    assert (session.day, session.minutes_since_open, session.minutes_to_close) == (date(2014, 1, 7), 60.0, 330.0)


@pytest.mark.parametrize("text", ["2014-01-07 14:29:59", "2014-01-07 21:00:00", "2014-01-11 16:00:00"])
def test_a_closed_market_has_no_session(text: str) -> None:
    assert session_of(xnys(), utc(text)) is None


def test_the_last_cycle_of_a_day_is_known() -> None:
    assert is_last_cycle(xnys(), utc("2014-01-07 20:55:01"), 300.0)
    assert not is_last_cycle(xnys(), utc("2014-01-07 20:55:01") - timedelta(minutes=5), 300.0)
