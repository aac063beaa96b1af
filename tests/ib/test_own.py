from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal

import pytest

from tests.ib.test_snapshot import inputs
from v6.ib.outlook import Outlook
from v6.ib.own import with_own_greeks
from v6.ib.snapshot import build
from v6.model.contract import Contract, Right, SecType
from v6.model.quote import Greeks, GreeksSource, Quote, QuoteType
from v6.pricing.bsm import greeks_of, price_of
from v6.pricing.calendar import xnys

NOON = datetime(2014, 1, 7, 17, 0, tzinfo=UTC)
EXPIRY = date(2014, 2, 21)
PUT = Contract(2, "SPX", SecType.OPTION, trading_class="SPXW", expiry=EXPIRY, strike=Decimal(1700), right=Right.PUT)
INDEX = {"SPX": Outlook(SecType.INDEX, Quote(90, NOON, last=1800.0))}
YEARS = (xnys().close_utc(EXPIRY) - NOON).total_seconds() / (365 * 86400)


def quoted(mid: float, con_id: int = 2) -> dict[int, Quote]:
    return {con_id: Quote(con_id, NOON, mid - 0.1, mid + 0.1)}


def greeks(quotes: dict[int, Quote], option: Contract = PUT, outlooks: dict[str, Outlook] = INDEX) -> Greeks | None:
    return with_own_greeks(quotes, [option], outlooks, xnys(), NOON)[option.con_id].greeks


def test_a_leg_without_the_brokers_greeks_gets_ours_from_its_mid_and_they_say_so() -> None:
    price = price_of(1800, 1700, YEARS, 0.17, Right.PUT)
    assert price is not None
    found = greeks(quoted(price))
    assert found is not None
    assert found.source is GreeksSource.LOCAL
    assert found.iv == pytest.approx(0.17, abs=1e-8)
    assert -0.25 < found.delta < -0.05


def test_a_carry_of_three_per_cent_that_we_do_not_know_costs_a_hundredth_of_delta() -> None:
    price = price_of(1800, 1700, YEARS, 0.17, Right.PUT, 0.045, 0.015)
    assert price is not None
    found = greeks(quoted(price))
    assert found is not None
    true = greeks_of(1800, 1700, YEARS, 0.17, Right.PUT, 0.045, 0.015)
    assert true is not None
    assert found.delta == pytest.approx(true.delta, abs=0.011)


def test_the_brokers_greeks_stand() -> None:
    theirs = Greeks(-0.1, 0.002, -0.2, 0.5, 0.16)
    quotes = {2: replace(quoted(5.0)[2], greeks=theirs)}
    assert greeks(quotes) is theirs


@pytest.mark.parametrize(
    ("quotes", "option", "outlooks", "why"),
    [
        ({2: Quote(2, NOON, None, 5.0)}, PUT, INDEX, "no mid"),
        ({2: replace(quoted(5.0)[2], type=QuoteType.DELAYED)}, PUT, INDEX, "a delayed quote"),
        (quoted(5.0), PUT, {}, "no underlying"),
        (
            quoted(5.0),
            PUT,
            {"SPX": Outlook(SecType.INDEX, Quote(90, NOON - timedelta(minutes=2), last=1800.0))},
            "old",
        ),
        (quoted(1850.0), PUT, INDEX, "a price that no volatility gives"),
        (quoted(5.0), replace(PUT, symbol="VIX", trading_class="VIX"), {"VIX": INDEX["SPX"]}, "follows its future"),
        (quoted(5.0), replace(PUT, expiry=date(2014, 2, 22)), INDEX, "expires on a day without a session"),
    ],
)
def test_what_cannot_be_told_stays_missing(
    quotes: dict[int, Quote], option: Contract, outlooks: dict[str, Outlook], why: str
) -> None:
    assert greeks(quotes, option, outlooks) is None, why


def test_a_call_on_a_share_is_american_and_needs_its_dividend_to_be_known() -> None:
    call = Contract(
        3, "SPY", SecType.OPTION, trading_class="SPY", expiry=EXPIRY, strike=Decimal(180), right=Right.CALL
    )
    spot = Quote(91, NOON, last=184.0)
    unknown = Outlook(SecType.STOCK, spot)
    assert greeks(quoted(6.0, 3), call, {"SPY": unknown}) is None
    none = greeks(quoted(6.0, 3), call, {"SPY": replace(unknown, next_dividend=0.0)})
    ahead = greeks(quoted(6.0, 3), call, {"SPY": replace(unknown, next_dividend=1.0, sessions_to_ex_dividend=20)})
    assert none is not None
    assert ahead is not None
    assert ahead.iv > none.iv, "the same price with a dividend ahead speaks of more volatility"


def test_the_row_tells_whose_greeks_it_sums() -> None:
    whole = inputs()
    assert build(whole).row("p1")["greeks_source"] == "broker"
    known = whole.quotes[2].greeks
    assert known is not None
    mixed = {**whole.quotes, 2: replace(whole.quotes[2], greeks=replace(known, source=GreeksSource.LOCAL))}
    assert build(inputs(quotes=mixed)).row("p1")["greeks_source"] == "local"
    blind = {**whole.quotes, 2: replace(whole.quotes[2], greeks=None)}
    assert build(inputs(quotes=blind)).row("p1")["greeks_source"] is None
