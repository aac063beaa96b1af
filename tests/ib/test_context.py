from datetime import UTC, date, datetime, timedelta

import pytest

from v6.errors import StoreError
from v6.ib.context import FEWEST_CLOSES, Context, begin_session, hour_change, iv_percentile, iv_rank, observe

OPEN = datetime(2014, 1, 7, 14, 30, tzinfo=UTC)
DAY = date(2014, 1, 7)
CLOSES = [10.0 + n / 10 for n in range(100)]


def after(minutes: int) -> datetime:
    return OPEN + timedelta(minutes=minutes)


def followed(*prices: tuple[int, float]) -> Context:
    context = Context()
    for minute, price in prices:
        context = observe(context, after(minute), price, 1000.0)
    return context


def test_the_hour_is_measured_against_the_last_price_at_least_that_old() -> None:
    context = followed((0, 100.0), (10, 101.0), (20, 102.0))
    assert hour_change(context, after(65), 99.0) == pytest.approx(99 / 100 - 1)
    assert hour_change(context, after(75), 99.0) == pytest.approx(99 / 101 - 1)


def test_there_is_no_hour_before_one_has_passed() -> None:
    assert hour_change(followed((0, 100.0), (30, 101.0)), after(59), 99.0) is None
    assert hour_change(followed((0, 100.0)), after(70), None) is None


def test_a_gap_over_night_counts_against_the_close() -> None:
    assert hour_change(followed((0, 100.0)), after(24 * 60), 95.0) == pytest.approx(-0.05)


def test_old_prices_are_let_go() -> None:
    context = followed(*((minute, 100.0) for minute in range(0, 6000, 5)))
    assert len(context.prices) <= 14


def test_yesterdays_last_value_is_the_days_reference_and_the_peak_is_of_closes() -> None:
    context = begin_session(Context(), DAY, CLOSES)
    for value in (1000.0, 1200.0, 1100.0):
        context = observe(context, OPEN, 1.0, value)
    assert (context.previous_net_liq, context.peak_net_liq) == (1000.0, 1000.0)
    context = begin_session(context, DAY + timedelta(days=1), CLOSES)
    assert (context.previous_net_liq, context.peak_net_liq) == (1100.0, 1100.0)
    context = observe(context, OPEN, 1.0, 900.0)
    context = begin_session(context, DAY + timedelta(days=2), CLOSES)
    assert (context.previous_net_liq, context.peak_net_liq) == (900.0, 1100.0)


def test_a_missing_account_value_changes_no_reference() -> None:
    context = observe(observe(Context(), OPEN, 1.0, 1000.0), OPEN, 1.0, None)
    assert context.last_net_liq == 1000.0


def test_rank_and_percentile_of_vix() -> None:
    context = begin_session(Context(), DAY, CLOSES)
    assert iv_rank(context, 10.0) == 0.0
    assert iv_rank(context, 25.0) == 1.0
    assert iv_rank(context, 14.95) == pytest.approx(0.5)
    assert iv_percentile(context, 15.0) == pytest.approx(0.5)
    assert iv_percentile(context, 9.0) == 0.0


def test_a_rank_among_few_closes_is_missing() -> None:
    few = begin_session(Context(), DAY, CLOSES[: FEWEST_CLOSES - 1])
    assert iv_rank(few, 15.0) is None
    assert iv_percentile(few, 15.0) is None
    assert iv_rank(begin_session(Context(), DAY, CLOSES), None) is None
    assert iv_rank(begin_session(Context(), DAY, [15.0] * 100), 15.0) is None


def test_it_survives_a_restart() -> None:
    context = begin_session(followed((0, 100.0), (5, 101.0)), DAY, CLOSES)
    assert Context.from_json(context.to_json()) == context


@pytest.mark.parametrize("text", ["", "[]", '{"prices": 1}', "\x00"])
def test_an_unreadable_one_is_an_error_that_says_so(text: str) -> None:
    with pytest.raises(StoreError, match="cannot be read"):
        Context.from_json(text)


def test_closes_that_come_late_in_the_session_move_no_reference() -> None:
    context = observe(begin_session(Context(), DAY, ()), OPEN, 1.0, 1000.0)
    late = begin_session(context, DAY, CLOSES)
    assert (late.previous_net_liq, late.vix_closes) == (1000.0, tuple(CLOSES))
    assert begin_session(late, DAY, ()).vix_closes == tuple(CLOSES)
