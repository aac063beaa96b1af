from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from v6.errors import V6Error
from v6.paper.market.history import DailyHistory, Session
from v6.paper.market.intraday import Tape, index_path, uniforms
from v6.pricing.calendar import NEW_YORK, xnys

HALF_DAY = date(2014, 7, 3)


def at(*parts: int) -> float:
    """Return a New York wall-clock time in seconds since the epoch."""
    return datetime(*parts, tzinfo=NEW_YORK).timestamp()


@pytest.fixture(scope="module")
def tape(history: DailyHistory) -> Tape:
    return Tape(history, seed=7)


@st.composite
def days(draw: st.DrawFn) -> Session:
    low = draw(st.floats(500, 5000))
    high = low * (1 + draw(st.sampled_from([0.0, 1e-5, 0.01, 0.1])))
    inside = st.one_of(st.just(low), st.just(high), st.floats(low, high))
    return Session(date(2014, 3, 3), draw(inside), high, low, draw(inside), 15.0)


@settings(deadline=None)
@given(days(), st.sampled_from([210, 390]), st.integers(0, 2**64 - 1))
def test_a_path_starts_at_the_open_ends_at_the_close_and_just_touches_high_and_low(
    day: Session, minutes: int, seed: int
) -> None:
    draws = uniforms(seed, day.day, 3 + minutes)
    path = index_path(day, draws[:3], 4 * draws[3:] - 2)
    assert len(path) == minutes + 1
    assert (path[0], path[-1]) == (day.open, day.close)
    assert (path.min(), path.max()) == (day.low, day.high)


def test_every_session_of_the_tape_agrees_with_its_daily_prices(history: DailyHistory, tape: Tape) -> None:
    for i, session in enumerate(history.sessions[1:], start=1):
        path = tape.path(i)
        assert (path.spot[0], path.spot[-1]) == (session.open, session.close)
        assert (min(path.spot), max(path.spot)) == (session.low, session.high)
        assert path.vix[-1] == session.vix
        assert min(path.vix) > 0


def test_a_half_day_has_fewer_minutes(history: DailyHistory, tape: Tape) -> None:
    days = [s.day for s in history.sessions]
    assert len(tape.path(days.index(HALF_DAY)).spot) == 211
    assert len(tape.path(days.index(HALF_DAY) - 1).spot) == 391


def test_no_minute_jumps_like_a_day(real: DailyHistory) -> None:
    tape = Tape(real, seed=1)
    for i in range(1, len(real.sessions)):
        session = real.sessions[i]
        width = session.high - session.low
        assert np.abs(np.diff(tape.path(i).spot)).max() < 0.6 * width


def test_the_vix_moves_against_the_index(real: DailyHistory) -> None:
    tape = Tape(real, seed=1)
    pairs = [(np.diff(tape.path(i).spot), np.diff(tape.path(i).vix)) for i in range(1, len(real.sessions))]
    index, vix = (np.concatenate(column) for column in zip(*pairs, strict=True))
    assert -0.95 < np.corrcoef(index, vix)[0, 1] < -0.6


def test_the_vix_stays_near_its_closes(real: DailyHistory) -> None:
    tape = Tape(real, seed=1)
    for i in range(1, len(real.sessions)):
        closes = real.sessions[i - 1].vix, real.sessions[i].vix
        path = tape.path(i).vix
        assert min(path) > 0.7 * min(closes)
        assert max(path) < 1.35 * max(closes)


def test_a_day_does_not_depend_on_the_days_asked_for_before(history: DailyHistory) -> None:
    forwards, backwards = Tape(history, seed=3), Tape(history, seed=3)
    numbers = range(1, len(history.sessions))
    first = [forwards.path(i) for i in numbers]
    second = [backwards.path(i) for i in reversed(numbers)]
    assert first == second[::-1]


def test_another_seed_gives_another_day(history: DailyHistory) -> None:
    assert Tape(history, seed=1).path(5) != Tape(history, seed=2).path(5)


def test_the_random_numbers_are_the_same_on_every_machine() -> None:
    assert uniforms(7, date(2014, 3, 3), 3).tolist() == [0.0329587889610769, 0.11355417254626826, 0.09166014534619532]


def test_prices_between_minutes_lie_on_the_line(history: DailyHistory, tape: Tape) -> None:
    i = [s.day for s in history.sessions].index(date(2014, 3, 3))
    path = tape.path(i)
    assert tape.at(at(2014, 3, 3, 9, 31)).spot == path.spot[1]
    half = tape.at(at(2014, 3, 3, 9, 31, 30))
    assert half.spot == pytest.approx((path.spot[1] + path.spot[2]) / 2, abs=0.006)
    assert half.vix == pytest.approx((path.vix[1] + path.vix[2]) / 2, abs=0.006)


def test_outside_the_session_prices_rest_at_the_last_close(history: DailyHistory, tape: Tape) -> None:
    friday = next(s for s in history.sessions if s.day == date(2014, 3, 7))
    for moment in (at(2014, 3, 7, 16), at(2014, 3, 7, 20), at(2014, 3, 8, 12), at(2014, 3, 10, 9, 29)):
        tick = tape.at(moment)
        assert (tick.spot, tick.vix) == (friday.close, friday.vix)


def test_the_previous_close_changes_at_midnight_in_new_york(tape: Tape) -> None:
    assert tape.at(at(2014, 3, 7, 23, 59)).previous.day == date(2014, 3, 6)
    assert tape.at(at(2014, 3, 8, 0, 0)).previous.day == date(2014, 3, 7)
    assert tape.at(at(2014, 3, 10, 12)).previous.day == date(2014, 3, 7)


def test_moments_outside_the_history_are_an_error(history: DailyHistory, tape: Tape) -> None:
    first, last = history.sessions[1].day, history.last_day
    start = datetime.combine(first, datetime.min.time(), NEW_YORK)
    end = xnys().open_utc(xnys().next_session(last))
    tape.at(start.timestamp())
    tape.at((end - timedelta(seconds=1)).timestamp())
    for moment in (start - timedelta(seconds=1), end, datetime(1999, 1, 1, tzinfo=UTC)):
        with pytest.raises(V6Error, match="covers 2014-01-03 to 2014-12-31; asked for"):
            tape.at(moment.timestamp())
