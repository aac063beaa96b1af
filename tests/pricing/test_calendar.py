from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from v6.errors import V6Error
from v6.pricing.calendar import TradingCalendar, new_york_date, third_friday, xnys


@pytest.fixture(scope="module")
def calendar() -> TradingCalendar:
    return xnys()


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.mark.parametrize("day", [date(2012, 10, 29), date(2018, 12, 5), date(2025, 1, 9), date(2024, 11, 28)])
def test_the_exchange_was_closed_on(calendar: TradingCalendar, day: date) -> None:
    assert not calendar.is_session(day)
    with pytest.raises(V6Error, match="not a trading session"):
        calendar.open_utc(day)


def test_new_york_opens_an_hour_earlier_in_utc_when_the_clocks_go_forward(calendar: TradingCalendar) -> None:
    assert calendar.open_utc(date(2018, 3, 9)) == utc(2018, 3, 9, 14, 30)
    assert calendar.open_utc(date(2018, 3, 12)) == utc(2018, 3, 12, 13, 30)
    assert calendar.close_utc(date(2018, 11, 2)) == utc(2018, 11, 2, 20)
    assert calendar.close_utc(date(2018, 11, 5)) == utc(2018, 11, 5, 21)


@pytest.mark.parametrize("day", [date(2018, 7, 3), date(2024, 12, 24), date(2025, 7, 3)])
def test_options_close_at_a_quarter_past_one_on_a_half_day(calendar: TradingCalendar, day: date) -> None:
    one_o_clock = utc(day.year, day.month, day.day, 18 if day.month == 12 else 17)
    assert calendar.close_utc(day) == one_o_clock
    assert calendar.option_close_utc(day) == one_o_clock + timedelta(minutes=15)


def test_options_close_at_a_quarter_past_four_on_a_full_day(calendar: TradingCalendar) -> None:
    assert calendar.option_close_utc(date(2018, 7, 2)) == utc(2018, 7, 2, 20, 15)


def test_the_neighbours_of_a_day_skip_weekends_and_holidays(calendar: TradingCalendar) -> None:
    assert calendar.next_session(date(2018, 3, 29)) == date(2018, 4, 2)  # over Good Friday
    assert calendar.previous_session(date(2018, 4, 2)) == date(2018, 3, 29)
    assert calendar.previous_session(date(2018, 4, 1)) == date(2018, 3, 29)
    assert calendar.session_on_or_before(date(2018, 4, 2)) == date(2018, 4, 2)
    assert calendar.sessions(date(2018, 3, 29), date(2018, 4, 2)) == [date(2018, 3, 29), date(2018, 4, 2)]


def test_a_session_includes_its_opening_and_not_its_close(calendar: TradingCalendar) -> None:
    day = date(2018, 3, 12)
    opening, close = calendar.open_utc(day), calendar.close_utc(day)
    a_moment = timedelta(microseconds=1)
    assert calendar.session_at(opening) == day
    assert calendar.session_at(close - a_moment) == day
    assert calendar.session_at(opening - a_moment) is None
    assert calendar.session_at(close) is None


def test_minutes_are_counted_only_while_the_exchange_is_open(calendar: TradingCalendar) -> None:
    assert calendar.minutes_since_open(utc(2018, 3, 12, 14)) == 30.0
    assert calendar.minutes_to_close(utc(2018, 3, 12, 14)) == 360.0
    assert calendar.minutes_to_close(utc(2018, 7, 3, 16, 30)) == 30.0
    assert calendar.minutes_since_open(utc(2018, 3, 11, 14)) is None
    assert calendar.minutes_to_close(utc(2018, 3, 12, 13)) is None


def test_the_monthly_expiry_moves_to_thursday_exactly_when_the_third_friday_is_a_holiday(
    calendar: TradingCalendar,
) -> None:
    months = [(year, month) for year in range(1990, 2027) for month in range(1, 13)]
    moved = [calendar.monthly_expiry(*m) for m in months if calendar.monthly_expiry(*m) != third_friday(*m)]
    assert moved == [
        date(1992, 4, 16),
        date(2000, 4, 20),
        date(2003, 4, 17),
        date(2008, 3, 20),
        date(2014, 4, 17),
        date(2019, 4, 18),
        date(2022, 4, 14),
        date(2025, 4, 17),
        date(2026, 6, 18),
    ]


def test_weekly_expiries_are_fridays_or_the_session_before(calendar: TradingCalendar) -> None:
    assert calendar.weekly_expiries(date(2018, 3, 19), date(2018, 4, 6)) == [
        date(2018, 3, 23),
        date(2018, 3, 29),
        date(2018, 4, 6),
    ]
    assert calendar.weekly_expiry(date(2018, 3, 26)) == date(2018, 3, 29)


def test_a_range_that_ends_on_a_moved_expiry_includes_it(calendar: TradingCalendar) -> None:
    assert calendar.weekly_expiries(date(2018, 3, 29), date(2018, 3, 29)) == [date(2018, 3, 29)]
    assert calendar.weekly_expiries(date(2018, 3, 30), date(2018, 4, 1)) == []


def test_days_beyond_the_calendar_are_an_error_and_not_a_holiday(calendar: TradingCalendar) -> None:
    for day in (date(1980, 1, 2), date(2050, 1, 3)):
        with pytest.raises(V6Error, match="outside the calendar"):
            calendar.is_session(day)
        with pytest.raises(V6Error, match="covers 1990-01-02 to 2035"):
            calendar.next_session(day)
        with pytest.raises(V6Error, match="covers 1990-01-02 to 2035"):
            calendar.previous_session(day)


def test_the_date_in_new_york_lags_utc_in_the_evening() -> None:
    assert new_york_date(utc(2018, 3, 13, 2)) == date(2018, 3, 12)
