from __future__ import annotations

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v6.errors import V6Error
from v6.model.contract import Contract, Right, SecType
from v6.paper.market import SPX, VIX
from v6.paper.market.history import DailyHistory
from v6.paper.market.listing import MONTHLY, WEEKLY, Listing, Terms, decode, encode, settles_at

NOON = datetime(2014, 3, 3, 17, tzinfo=UTC)
ANY_OPTION = Contract(0, "SPX", SecType.OPTION)

terms = st.builds(
    Terms,
    st.sampled_from([WEEKLY, MONTHLY]),
    st.dates(date(1990, 1, 1), date(2079, 1, 1)),
    st.integers(1, 8191).map(lambda n: 5 * n),
    st.sampled_from(Right),
)


@pytest.fixture(scope="module")
def listing(history: DailyHistory) -> Listing:
    return Listing(history)


@given(terms)
def test_a_con_id_says_all_of_its_options_terms(option: Terms) -> None:
    con_id = encode(option)
    assert 2**30 <= con_id < 2**31
    assert decode(con_id) == option


def test_con_ids_never_change() -> None:
    """Journals hold them: a change of the encoding would orphan every recorded position."""
    assert encode(Terms("SPXW", date(2014, 4, 17), 1800, Right.PUT)) == 1219101392
    assert encode(Terms("SPX", date(2014, 4, 16), 1800, Right.CALL)) == 1755955921


@pytest.mark.parametrize("strike", [0, -5, 1802, 5 * 8192])
def test_a_strike_off_the_grid_has_no_con_id(strike: int) -> None:
    with pytest.raises(V6Error, match="no such option"):
        encode(Terms("SPXW", date(2014, 4, 17), strike, Right.PUT))


@pytest.mark.parametrize("con_id", [-1, 0, 1, 2**30, 2**31, encode(Terms("SPXW", date(2014, 4, 15), 1800, Right.PUT))])
def test_a_con_id_that_is_no_contract_is_unknown(listing: Listing, con_id: int) -> None:
    assert listing.contract(con_id) is None


def test_the_indices_have_ibs_con_ids(listing: Listing) -> None:
    assert listing.contract(416904) == SPX
    assert listing.contract(13455763) == VIX


def test_pm_settled_weeklies_expire_on_fridays_or_the_thursday_before_a_holiday(listing: Listing) -> None:
    weekly = [day for name, day in listing.expiries("SPX", NOON) if name == WEEKLY]
    assert len(weekly) == 10
    assert weekly[0] == date(2014, 3, 7)
    assert [day for day in weekly if day.weekday() != 4] == [date(2014, 4, 17)]
    assert settles_at(WEEKLY, date(2014, 4, 17)) == datetime(2014, 4, 17, 20, tzinfo=UTC)
    assert settles_at(WEEKLY, date(2014, 11, 28)) == datetime(2014, 11, 28, 18, tzinfo=UTC)  # a half day


def test_am_settled_monthlies_stop_the_day_before_they_settle_at_the_open(listing: Listing) -> None:
    monthly = [day for name, day in listing.expiries("SPX", NOON) if name == MONTHLY]
    assert monthly[:3] == [date(2014, 3, 20), date(2014, 4, 16), date(2014, 5, 15)]
    assert settles_at(MONTHLY, date(2014, 3, 20)) == datetime(2014, 3, 21, 13, 30, tzinfo=UTC)
    assert settles_at(MONTHLY, date(2014, 4, 16)) == datetime(2014, 4, 17, 13, 30, tzinfo=UTC)
    assert settles_at(MONTHLY, date(2014, 3, 21)) is None


@pytest.mark.parametrize(("trading_class", "expiry"), [(WEEKLY, date(2014, 3, 7)), (MONTHLY, date(2014, 3, 20))])
def test_a_series_is_listed_until_the_moment_it_settles(listing: Listing, trading_class: str, expiry: date) -> None:
    end = settles_at(trading_class, expiry)
    assert end is not None
    assert (trading_class, expiry) in listing.expiries("SPX", end - timedelta(seconds=1))
    assert (trading_class, expiry) not in listing.expiries("SPX", end)


def test_other_symbols_have_no_options(listing: Listing) -> None:
    assert listing.expiries("VIX", NOON) == []


def test_strikes_reach_from_30_percent_below_to_20_percent_above(history: DailyHistory, listing: Listing) -> None:
    before = [s.close for s in history.sessions if s.day < NOON.date()]
    strikes = listing.strikes(WEEKLY, date(2014, 4, 25), NOON)
    assert strikes == list(range(strikes[0], strikes[-1] + 1, 5))
    assert strikes[0] - 5 < 0.7 * before[-1] <= 0.7 * max(before)
    assert strikes[-1] + 5 > 1.2 * before[-1]


def test_strikes_are_only_ever_added(history: DailyHistory, listing: Listing) -> None:
    expiry, known = date(2014, 9, 26), set[int]()
    for session in history.sessions:
        moment = datetime.combine(session.day, NOON.timetz())
        if (WEEKLY, expiry) in listing.expiries("SPX", moment):
            now = set(listing.strikes(WEEKLY, expiry, moment))
            assert known <= now
            known = now
    assert known


def test_an_unlisted_series_has_no_strikes(listing: Listing) -> None:
    assert listing.strikes(WEEKLY, date(2014, 4, 24), NOON) == []


def test_a_whole_expiry_can_be_asked_for_at_once(listing: Listing) -> None:
    expiry = date(2014, 4, 25)
    found = listing.find(replace(ANY_OPTION, trading_class=WEEKLY, expiry=expiry), NOON)
    strikes = listing.strikes(WEEKLY, expiry, NOON)
    assert [(c.strike, c.right) for c in found] == [(s, r) for s in strikes for r in (Right.CALL, Right.PUT)]
    assert {(c.symbol, c.expiry, c.exchange, c.multiplier) for c in found} == {("SPX", expiry, "SMART", 100)}
    assert all(listing.contract(c.con_id) == c for c in found)


def test_one_option_is_found_by_its_terms_and_by_its_con_id(listing: Listing) -> None:
    pattern = Contract(
        0, "SPX", SecType.OPTION, "SMART", "USD", 100, "SPXW", date(2014, 4, 17), Decimal(1800), Right.PUT
    )
    (found,) = listing.find(pattern, NOON)
    assert found == replace(pattern, con_id=1219101392)
    assert listing.find(Contract(found.con_id, "", SecType.OPTION, ""), NOON) == [found]


def test_an_option_is_found_on_the_exchange_that_was_asked_for(listing: Listing) -> None:
    pattern = Contract(
        0, "SPX", SecType.OPTION, "CBOE", expiry=date(2014, 3, 7), strike=Decimal(1800), right=Right.PUT
    )
    assert [c.exchange for c in listing.find(pattern, NOON)] == ["CBOE"]


def test_a_con_id_finds_an_option_only_while_it_lives(listing: Listing) -> None:
    con_id = encode(Terms("SPXW", date(2014, 3, 7), 1800, Right.PUT))
    pattern = Contract(con_id, "", SecType.OPTION, "")
    end = datetime(2014, 3, 7, 21, tzinfo=UTC)
    assert len(listing.find(pattern, end - timedelta(seconds=1))) == 1
    assert listing.find(pattern, end) == []
    assert listing.find(pattern, end - timedelta(days=90)) == []
    assert listing.contract(con_id) is not None


@pytest.mark.parametrize(
    "change",
    [
        {"symbol": "NDX"},
        {"currency": "EUR"},
        {"exchange": "ISE"},
        {"multiplier": 10},
        {"trading_class": "SPXQ"},
        {"expiry": date(2014, 3, 8)},
        {"strike": Decimal("1802.5")},
        {"strike": Decimal(50000)},
        {"sec_type": SecType.FUTURE},
        {"con_id": 12345},
    ],
)
def test_a_term_that_does_not_fit_finds_nothing(listing: Listing, change: dict[str, object]) -> None:
    assert listing.find(replace(ANY_OPTION, **change), NOON) == []


def test_an_index_is_found_on_cboe_only(listing: Listing) -> None:
    assert listing.find(Contract(0, "SPX", SecType.INDEX, "CBOE"), NOON) == [SPX]
    assert listing.find(Contract(0, "", SecType.INDEX, ""), NOON) == [SPX, VIX]
    assert listing.find(Contract(0, "SPX", SecType.INDEX, "SMART"), NOON) == []
