"""ES, NQ and RTY beside a market that lists the S&P 500."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from tests.daemon.history import walked
from v6.model.contract import Contract, SecType
from v6.paper.market import HistoryMarket
from v6.paper.market.futures import ROOTS, WithFutures
from v6.paper.market.listing import SPX

AT = datetime(2015, 3, 10, 15, 0, tzinfo=UTC)


@pytest.fixture(scope="module")
def market() -> WithFutures:
    return WithFutures(HistoryMarket(walked(), 1), 1)


def months(market: WithFutures, symbol: str, at: datetime = AT) -> list[Contract]:
    return market.find(Contract(0, symbol, SecType.FUTURE, "CME", "USD", 1), at)


def test_four_quarters_are_listed_and_the_front_month_rolls_on_its_third_friday(market: WithFutures) -> None:
    assert [c.expiry for c in months(market, "ES")] == [
        date(2015, 3, 20), date(2015, 6, 19), date(2015, 9, 18), date(2015, 12, 18),
    ]  # fmt: skip
    opening = datetime(2015, 3, 20, 13, 30, tzinfo=UTC)
    assert months(market, "ES", opening - timedelta(seconds=1))[0].expiry == date(2015, 3, 20)
    assert months(market, "ES", opening)[0].expiry == date(2015, 6, 19)


def test_a_contract_is_found_again_by_its_id_and_no_id_is_taken_twice(market: WithFutures) -> None:
    listed = [c for root in ROOTS for c in months(market, root.symbol)]
    assert len({c.con_id for c in listed}) == 12
    assert [market.contract(c.con_id) for c in listed] == listed
    options = market.find(Contract(0, "SPX", SecType.OPTION, "", "", 0), AT)
    assert options
    assert not {c.con_id for c in listed} & {c.con_id for c in options}


def test_es_is_the_index_and_carry(market: WithFutures) -> None:
    es = months(market, "ES")[1]
    future, index = market.marks([es.con_id, SPX.con_id], AT)
    assert future is not None
    assert index is not None
    assert future.price == pytest.approx(index.price, rel=0.006)
    assert future.price < index.price  # dividends are more than interest here
    assert future.bid is not None
    assert future.ask - future.bid == pytest.approx(0.25)
    assert future.bid <= future.price + 0.01
    assert future.bid % 0.25 == 0


def test_nq_and_rty_follow_the_index_with_noise_of_their_seed(market: WithFutures) -> None:
    other = WithFutures(HistoryMarket(walked(), 1), 2)
    for symbol in ("NQ", "RTY"):
        front = months(market, symbol)[1].con_id
        (mine,), (again,), (theirs,) = (m.marks([front], AT) for m in (market, market, other))
        assert mine == again
        assert mine is not None
        assert theirs is not None
        assert mine.price != theirs.price
        assert mine.price == pytest.approx(theirs.price, rel=0.08)


def test_after_its_end_a_future_has_no_book(market: WithFutures) -> None:
    front = months(market, "ES")[0]
    assert market.marks([front.con_id], market.settles_at(front)) == [None]


def test_the_market_beneath_answers_as_before(market: WithFutures) -> None:
    alone = HistoryMarket(walked(), 1)
    pattern = Contract(0, "SPX", SecType.OPTION, "", "", 0, "SPXW", date(2015, 3, 27))
    assert market.find(pattern, AT) == alone.find(pattern, AT)
    ids = [c.con_id for c in alone.find(pattern, AT)[:5]]
    assert market.marks([*ids, SPX.con_id], AT) == alone.marks([*ids, SPX.con_id], AT)
