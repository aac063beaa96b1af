"""The fund on the index: what it pays, what a share is worth, and its American options held to the exact model."""

from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from v6.model.contract import Contract, Right, SecType
from v6.paper.market import FLAT_RATES, SPX, SPY, HistoryMarket
from v6.paper.market.fund import decode, encode
from v6.paper.ports import Dividend, Mark, PayingMarket, StockMarket
from v6.pricing.american import American
from v6.pricing.calendar import xnys

EX_DAY = date(2014, 6, 20)
YEAR_S = 365.0 * 86400.0


def noon(month: int, day: int) -> datetime:
    return datetime(2014, month, day, 16, tzinfo=UTC)


def quoted(market: HistoryMarket, con_id: int, at: datetime) -> Mark:
    mark = market.marks([con_id], at)[0]
    assert mark is not None
    return mark


def call(expiry: date, strike: int) -> int:
    return encode(expiry, strike, Right.CALL)


def test_the_market_lists_and_pays_for_the_fund_and_for_nothing_else(market: HistoryMarket) -> None:
    assert isinstance(market, StockMarket)
    assert isinstance(market, PayingMarket)
    assert market.stock(SPX.con_id, noon(3, 19)) is None
    assert market.dividends(SPX.con_id, date(2014, 1, 1), date(2014, 12, 31)) == []
    assert market.contract(SPY.con_id) == SPY


def test_a_dividend_goes_ex_on_the_third_friday_of_each_quarters_last_month(market: HistoryMarket) -> None:
    paid = market.dividends(SPY.con_id, date(2014, 1, 1), date(2014, 12, 31))
    assert [(d.ex_day, d.pay_day) for d in paid] == [
        (date(2014, 3, 21), date(2014, 4, 30)),
        (date(2014, 6, 20), date(2014, 7, 31)),
        (date(2014, 9, 19), date(2014, 10, 31)),
        (date(2014, 12, 19), date(2015, 1, 30)),
    ]


def test_a_dividend_is_a_quarter_of_two_percent_of_the_share_half_a_year_before(market: HistoryMarket) -> None:
    for paid in market.dividends(SPY.con_id, date(2014, 9, 1), date(2014, 12, 31)):
        (then,) = market.daily(SPX.con_id, paid.ex_day - timedelta(days=182), 1)
        assert paid.amount == Decimal(str(round(then.close / 10 * 0.02 / 4, 2)))


def test_holders_know_the_next_dividend_and_the_past_year(market: HistoryMarket) -> None:
    terms = market.stock(SPY.con_id, noon(6, 2))
    assert terms is not None
    assert terms.payout is not None
    (coming,) = market.dividends(SPY.con_id, date(2014, 6, 1), date(2014, 6, 30))
    assert (terms.stock_type, terms.payout.ex_day, terms.payout.amount) == ("ETF", EX_DAY, float(coming.amount))
    assert market.dividends(SPY.con_id, EX_DAY, EX_DAY) == [Dividend(EX_DAY, date(2014, 7, 31), coming.amount)]


def test_a_share_is_a_tenth_of_the_index_and_what_it_has_collected(market: HistoryMarket) -> None:
    (paid,) = market.dividends(SPY.con_id, EX_DAY, EX_DAY)
    for at, part in ((noon(6, 19), 90 / 91), (noon(6, 20), 0.0), (noon(4, 21), 31 / 91)):
        share, index = quoted(market, SPY.con_id, at), quoted(market, SPX.con_id, at)
        assert share.price - index.price / 10 == pytest.approx(float(paid.amount) * part, abs=0.002)
        assert share.bid is not None
        assert share.bid <= share.price < share.ask
        assert share.ask - share.bid == pytest.approx(0.01)


def test_options_on_the_fund_are_a_dollar_apart_and_end_at_the_close(market: HistoryMarket) -> None:
    at = noon(6, 2)
    low, following, *_ = market.strikes("SPY", "SPY", EX_DAY, at)
    assert following - low == 1
    pattern = Contract(0, "SPY", SecType.OPTION, "SMART", "USD", 0, "", EX_DAY, Decimal(190), Right.PUT)
    (found,) = market.find(pattern, at)
    assert (found.trading_class, found.multiplier, found.con_id) == ("SPY", 100, encode(EX_DAY, 190, Right.PUT))
    assert market.settles_at(found) == xnys().close_utc(EX_DAY)
    assert ("SPY", EX_DAY) in market.expiries("SPY", at)
    assert market.find(Contract(0, "SPY", SecType.STOCK, "", "", 1), at) == [SPY]


def test_the_terms_of_an_option_are_in_its_identity() -> None:
    assert decode(call(EX_DAY, 190)) == (EX_DAY, 190, Right.CALL)
    assert decode(SPY.con_id) is None
    assert decode(encode(EX_DAY, 190, Right.PUT) | 1 << 30) is None, "an index option is none of the fund's"


@pytest.mark.parametrize("right", list(Right))
@pytest.mark.parametrize("at", [noon(5, 20), noon(6, 10), noon(6, 18)])
def test_prices_are_those_of_the_exact_american_model_within_cents(
    market: HistoryMarket, right: Right, at: datetime
) -> None:
    expiry = date(2014, 6, 27)
    share = quoted(market, SPY.con_id, at).price
    (paid,) = market.dividends(SPY.con_id, EX_DAY, EX_DAY)
    years = (xnys().close_utc(expiry) - at).total_seconds() / YEAR_S
    until = (xnys().open_utc(EX_DAY) - at).total_seconds() / YEAR_S
    for strike in range(round(share) - 12, round(share) + 13, 4):
        ours = quoted(market, encode(expiry, strike, right), at)
        assert ours.iv is not None
        dividends = ((until, float(paid.amount)),)
        exact = American(share, strike, years, right, FLAT_RATES.rate, dividends=dividends).price(ours.iv)
        assert ours.price == pytest.approx(exact, abs=0.02), (strike, ours.iv)


def test_before_a_dividend_a_deep_call_is_worth_its_exercise_and_not_less(market: HistoryMarket) -> None:
    at = noon(6, 19)
    share = quoted(market, SPY.con_id, at).price
    deep = quoted(market, call(date(2014, 6, 27), 150), at)
    assert share - 150 <= deep.price < share - 150 + 0.1
    assert deep.delta == pytest.approx(1.0, abs=0.05)
    (paid,) = market.dividends(SPY.con_id, EX_DAY, EX_DAY)
    after = quoted(market, call(date(2014, 6, 27), 150), noon(6, 20))
    fell = share - quoted(market, SPY.con_id, noon(6, 20)).price
    assert deep.price - after.price == pytest.approx(fell, abs=0.3), "it falls with the share, dividend and all"
    assert fell == pytest.approx(float(paid.amount), abs=2.0)


def test_daily_bars_of_the_fund_are_those_of_the_index_in_its_scale(market: HistoryMarket) -> None:
    (bar,), (index,) = (market.daily(c, EX_DAY, 1) for c in (SPY.con_id, SPX.con_id))
    assert (bar.open, bar.close) == (round(index.open / 10, 2), round(index.close / 10, 2))


def test_an_option_settles_to_the_funds_close(market: HistoryMarket) -> None:
    close = market.daily(SPY.con_id, EX_DAY, 1)[0].close
    for right, value in ((Right.CALL, max(close - 170, 0.0)), (Right.PUT, max(170 - close, 0.0))):
        option = market.contract(encode(EX_DAY, 170, right))
        assert option is not None
        assert market.settlement(option) == pytest.approx(value)
