from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta

from v6.model.contract import Right
from v6.paper.market import SPX, VIX, HistoryMarket
from v6.paper.market.ahead import Ahead
from v6.paper.market.history import DailyHistory
from v6.paper.market.listing import Terms, encode
from v6.pricing.calendar import xnys

CLOSE = 3600.0


class Counted:
    """A price that is the moment itself; it notes what was worked out."""

    def __init__(self) -> None:
        self.asked: list[tuple[float, ...]] = []

    def __call__(self, ids: tuple[int, ...], moments: Sequence[float]) -> list[float]:
        self.asked.append(tuple(moments))
        return [ids[0] + moment for moment in moments]

    @property
    def worked_out(self) -> int:
        return sum(map(len, self.asked))


def until(moment: float) -> float:
    return CLOSE if moment < CLOSE else 10 * CLOSE


def test_a_steady_rhythm_is_answered_in_longer_and_longer_series() -> None:
    price = Counted()
    ahead = Ahead(price, until)
    for step in range(12):
        assert ahead.row((1,), 300.0 * step) == 1 + 300.0 * step
    assert [len(moments) for moments in price.asked] == [1, 1, 2, 4, 4]
    assert price.worked_out == 12, "nothing is worked out twice, and nothing beyond the close"


def test_the_rhythm_goes_on_in_the_next_session() -> None:
    price = Counted()
    ahead = Ahead(price, until)
    for step in range(12):
        ahead.row((1,), 300.0 * step)
    assert ahead.row((1,), CLOSE + 7000.0) == 1 + CLOSE + 7000.0
    assert [len(moments) for moments in price.asked[-2:]] == [4, 16], "the close cut the series before it short"


def test_a_question_out_of_rhythm_is_answered_and_begins_small_again() -> None:
    price = Counted()
    ahead = Ahead(price, until)
    for moment in (0.0, 300.0, 600.0, 900.0, 1200.0, 1201.0, 1200.0, 1234.0):
        assert ahead.row((1,), moment) == 1 + moment
    assert [len(moments) for moments in price.asked[-3:]] == [1, 1, 1]


def test_other_contracts_have_a_rhythm_of_their_own() -> None:
    price = Counted()
    ahead = Ahead(price, until)
    for step in range(4):
        assert ahead.row((1,), 300.0 * step) == 1 + 300.0 * step
        assert ahead.row((2,), 300.0 * step + 7.0) == 2 + 300.0 * step + 7.0
    assert len(price.asked) == 6


def test_worked_out_ahead_or_at_once_the_marks_are_the_same(history: DailyHistory) -> None:
    ids = [SPX.con_id, VIX.con_id] + [
        encode(Terms("SPXW", expiry, strike, right))
        for expiry in (date(2014, 3, 7), date(2014, 4, 17))
        for strike in (1500, 1725, 1800, 1805, 1950)
        for right in Right
    ]
    steady, fresh = HistoryMarket(history, seed=7), HistoryMarket(history, seed=7)
    calendar = xnys()
    for day in calendar.sessions(date(2014, 3, 5), date(2014, 3, 10)):
        at = calendar.open_utc(day)
        while at <= calendar.close_utc(day):
            expected = [fresh.marks([con_id], at)[0] for con_id in ids]
            assert steady.marks(ids, at) == expected
            at += timedelta(minutes=5)
    assert steady.marks(ids, datetime(2014, 3, 10, 22, tzinfo=UTC)) == fresh.marks(
        ids, datetime(2014, 3, 10, 22, tzinfo=UTC)
    )
