"""When it is tried again, and when a person is called; all times are given."""

from datetime import UTC, datetime, time, timedelta

from v6.ib.reconnect import GRACE, IB_NORTH_AMERICA, PAGE_AFTER, Downtime, Retry, expected, failed, page_due

TUESDAY_NOON = datetime(2015, 3, 3, 17, 0, tzinfo=UTC)
NEVER: tuple[Downtime, ...] = ()


def attempts(start: datetime, count: int, *, id_in_use: bool = False) -> tuple[list[float], Retry]:
    """Return the seconds between attempts that all fail, each made when it was due."""
    retry, at, waits = Retry(), start, []
    for _ in range(count):
        retry = failed(retry, at, IB_NORTH_AMERICA, id_in_use=id_in_use)
        assert retry.next_at is not None
        waits.append((retry.next_at - at).total_seconds())
        at = retry.next_at
    return waits, retry


def test_attempts_thin_out_and_then_the_circuit_opens_to_one_a_minute() -> None:
    waits, retry = attempts(TUESDAY_NOON, 9)
    assert waits == [1, 2, 4, 8, 16, 32, 60, 60, 60]
    assert retry.circuit_open


def test_an_attempt_is_not_due_before_its_time() -> None:
    retry = failed(Retry(failures=2), TUESDAY_NOON, NEVER)
    assert not retry.due(TUESDAY_NOON + timedelta(seconds=3))
    assert retry.due(TUESDAY_NOON + timedelta(seconds=4))


def test_a_client_id_in_use_is_tried_after_5_15_and_60_seconds_and_a_person_called_at_once() -> None:
    waits, retry = attempts(TUESDAY_NOON, 4, id_in_use=True)
    assert waits == [5, 15, 60, 60]
    assert retry.page_at == TUESDAY_NOON


def test_a_person_is_called_once_after_five_minutes_of_an_unexpected_outage() -> None:
    retry = failed(Retry(), TUESDAY_NOON, NEVER)
    assert not page_due(retry, TUESDAY_NOON + PAGE_AFTER - timedelta(seconds=1))
    retry = failed(retry, TUESDAY_NOON + timedelta(minutes=4), NEVER)
    assert page_due(retry, TUESDAY_NOON + PAGE_AFTER), "later failures do not put the call off"
    assert not page_due(Retry(page_at=TUESDAY_NOON, paged=True), TUESDAY_NOON + PAGE_AFTER)


def test_the_nightly_reset_is_quiet_until_ten_minutes_after_its_end() -> None:
    at = datetime(2015, 3, 3, 6, 0, tzinfo=UTC)  # 01:00 in New York
    retry = failed(Retry(), at, IB_NORTH_AMERICA)
    end = datetime(2015, 3, 3, 6, 45, tzinfo=UTC)
    assert retry.page_at == end + GRACE
    assert retry.next_at == at + timedelta(minutes=1), "no hammering at a door that is known to be shut"


def test_windows_keep_new_yorks_time_over_the_change_of_clocks() -> None:
    nightly = IB_NORTH_AMERICA[0]
    assert nightly.covers(datetime(2015, 3, 6, 5, 30, tzinfo=UTC)) is not None, "00:30 in winter"
    assert nightly.covers(datetime(2015, 3, 10, 4, 30, tzinfo=UTC)) is not None, "00:30 in summer"
    assert nightly.covers(datetime(2015, 3, 10, 6, 0, tzinfo=UTC)) is None, "02:00 in summer"


def test_the_weekend_runs_over_midnight_and_only_on_friday() -> None:
    saturday_two, sunday_two = (datetime(2015, 3, day, 7, 0, tzinfo=UTC) for day in (7, 8))
    found = expected(IB_NORTH_AMERICA, saturday_two)
    assert found is not None
    assert found[0].name == "IB's weekend maintenance"
    assert found[1] == datetime(2015, 3, 7, 8, 0, tzinfo=UTC)
    other = expected(IB_NORTH_AMERICA, sunday_two)
    assert other is not None
    assert other[0].name == "the weekly login"


def test_the_weekly_login_calls_a_person_at_once_for_nobody_else_can_make_it() -> None:
    at = datetime(2015, 3, 8, 14, 0, tzinfo=UTC)
    assert page_due(failed(Retry(), at, IB_NORTH_AMERICA), at)


def test_a_calendar_of_ones_own_replaces_ibs() -> None:
    lunch = Downtime("lunch", time(12, 0), time(12, 30))
    assert expected((lunch,), TUESDAY_NOON) == (lunch, TUESDAY_NOON + timedelta(minutes=30))
    assert expected((lunch,), TUESDAY_NOON + timedelta(hours=1)) is None
