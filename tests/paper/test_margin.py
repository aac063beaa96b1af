"""Reg T margin: every figure calculated by hand from FINRA 4210 and Cboe Rule 10.3, which `margin` cites."""

import asyncio
from decimal import Decimal

import pytest
from ib_async import LimitOrder, MarketOrder, Stock

from tests.paper.flat import (
    CONDOR,
    FAR,
    LONG_CALL,
    LONG_PUT,
    OPEN,
    SHORT_CALL,
    SHORT_PUT,
    SPY,
    SPY_CALL,
    SPY_PUT,
    FlatMarket,
    Stage,
    bag,
    option,
    play,
    wire,
    with_stock,
)
from v6.model.contract import Contract, Right
from v6.paper.margin import Quotes, Requirement, quotes_of, requirement
from v6.paper.ports import StockTerms

D = Decimal
QUOTES = Quotes(
    {
        10: D("1.10"),
        11: D("2.15"),
        12: D("3.20"),
        13: D("1.55"),
        14: D("6.20"),
        2: D(210),
        20: D("5.20"),
        22: D("0.11"),
    },
    {"SPX": D(2100), "SPY": D(210)},
)
CHEAP_PUT = option(15, 1000, Right.PUT)


def asked(*positions: tuple[Contract, int], quotes: Quotes = QUOTES) -> tuple[Decimal, Decimal]:
    found = requirement(positions, quotes)
    return found.initial, found.maintenance


def initial(*positions: tuple[Contract, int], quotes: Quotes = QUOTES) -> Decimal:
    return asked(*positions, quotes=quotes)[0]


def test_a_condor_asks_its_wider_side_whatever_the_market_does() -> None:
    assert initial(*CONDOR) == 5000
    assert initial(*((c, 3 * q) for c, q in CONDOR)) == 15_000
    assert requirement(CONDOR, QUOTES).moves is False


def test_what_is_paid_in_full_asks_nothing() -> None:
    assert initial((LONG_PUT, 1)) == 0
    assert initial((SHORT_PUT, 1), (LONG_PUT, -1)) == 0


def test_a_naked_index_put_asks_fifteen_percent_less_what_it_is_out_of_the_money() -> None:
    # 15 % x 2100 = 315, less 100 out of the money = 215, more than 10 % x 2000 = 200; and its value of 2.15.
    assert initial((SHORT_PUT, -1)) == 21_500 + 215


def test_far_out_of_the_money_the_least_is_ten_percent_of_the_strike_of_a_put_and_of_the_index_for_a_call() -> None:
    # 315 - 150 = 165, less than 10 % x 1950 = 195.
    assert initial((LONG_PUT, -1)) == 19_500 + 110
    # 315 - 150 = 165, less than 10 % x 2100 = 210.
    assert initial((LONG_CALL, -1)) == 21_000 + 155


def test_a_naked_call_on_the_index_and_one_on_a_fund() -> None:
    # 315 - 100 = 215, more than 210.
    assert initial((SHORT_CALL, -2)) == 2 * (21_500 + 320)
    # 20 % x 210 = 42, in the money: nothing is taken off.
    assert initial((SPY_CALL, -1)) == 4200 + 520
    # 42 - 5 = 37, more than 10 % x 205 = 20.50.
    assert initial((SPY_PUT, -1)) == 3700 + 11


def test_a_short_put_and_a_short_call_ask_the_greater_and_the_value_of_both() -> None:
    assert initial((SHORT_PUT, -1), (SHORT_CALL, -1)) == 21_500 + 215 + 320
    assert initial((LONG_PUT, -1), (SHORT_CALL, -1)) == 21_500 + 110 + 320
    # A second put stands alone.
    assert initial((LONG_PUT, -2), (SHORT_CALL, -1)) == 21_500 + 19_500 + 220 + 320


def test_a_wide_spread_asks_no_more_than_its_short_option_naked() -> None:
    # Its worst is 1000 points, 100,000; naked it is 21,500 and 215.
    assert initial((SHORT_PUT, -1), (CHEAP_PUT, 1)) == 21_715


def test_of_more_short_than_long_the_rest_is_naked() -> None:
    # One spread of 50 points and one naked call.
    assert initial((SHORT_CALL, -2), (LONG_CALL, 1)) == 5000 + 21_500 + 320


def test_another_expiry_covers_nothing() -> None:
    assert initial((SHORT_PUT, -1), (FAR, 1)) == initial((SHORT_PUT, -1))


def test_with_no_price_of_the_underlying_the_worst_is_asked() -> None:
    assert initial((SHORT_PUT, -1), quotes=Quotes()) == 200_000
    assert initial((SHORT_CALL, -1), quotes=Quotes()) == 220_000


def test_shares_ask_half_and_a_quarter_and_shares_owed_half_and_three_tenths() -> None:
    assert asked((SPY, 100)) == (10_500, 5250)
    # With their negative value of 21,000 that makes the 150 % and 130 % of the rule.
    assert asked((SPY, -100)) == (10_500, 6300)


def test_shares_cover_calls_and_are_worth_no_more_than_the_strike_then() -> None:
    # 500 less in equity; 25 % of the strike is 5125, of the price 5250.
    assert asked((SPY, 100), (SPY_CALL, -1)) == (10_500 + 500, 5125 + 500)
    assert asked((SPY, 100), (SPY_CALL, -2)) == (11_000 + 4720, 5625 + 4720)
    assert asked((SPY, 99), (SPY_CALL, -1))[0] == D("0.5") * 99 * 210 + 4720


def test_shares_owed_cover_puts_and_are_valued_no_lower_than_the_strike() -> None:
    assert asked((SPY, -100), (SPY_PUT, -1)) == (10_500, 6300)
    deep = Contract(23, "SPY", SPY_PUT.sec_type, "SMART", "USD", 100, "SPY", SPY_PUT.expiry, D(215), Right.PUT)
    # 5 in the money; 30 % of the strike is 6450.
    assert asked((SPY, -100), (deep, -1)) == (10_500 + 500, 6450 + 500)


def test_calls_held_do_not_hide_what_shares_cover() -> None:
    covered = requirement([(SPY, 100), (SPY_CALL, -1)], QUOTES)
    assert requirement([(SPY, 100), (SPY_CALL, -1), (SPY_PUT, 1)], QUOTES) == covered


def test_requirements_of_underlyings_add_up() -> None:
    both = requirement([(SHORT_PUT, -1), (SPY, 100)], QUOTES)
    assert both == Requirement(D(21_715) + 10_500, D(21_715) + 5250, moves=True)


def test_quotes_know_the_underlying_from_the_share_or_from_an_option_on_it() -> None:
    market = FlatMarket()
    marks = dict(zip((11, 99), market.marks([11, 99], OPEN), strict=True))
    assert quotes_of({11: SHORT_PUT}, marks) == Quotes({11: D("2.15")}, {"SPX": D("2100.0")})


SHARE = Stock("SPY", "SMART", "USD", conId=SPY.con_id)


@pytest.mark.parametrize(
    ("held", "order", "contract", "initial_after", "maintenance_after"),
    [
        ((), LimitOrder("SELL", 1, 2.0), wire(SHORT_PUT), 21_715, 21_715),
        ((), LimitOrder("BUY", 1, -2.2), bag(*CONDOR), 5000, 5000),
        ((), MarketOrder("BUY", 100), SHARE, 10_500, 5250),
        ((), MarketOrder("SELL", 100), SHARE, 10_500, 6300),
        (((SPY, 100),), LimitOrder("SELL", 1, 5.1), wire(SPY_CALL), 11_000, 5625),
        (((SPY, -100),), LimitOrder("SELL", 1, 0.1), wire(SPY_PUT), 10_500, 6300),
        (((SHORT_PUT, -1),), LimitOrder("BUY", 1, 1.2), wire(LONG_PUT), 5000, 5000),
    ],
)  # fmt: skip
def test_what_if_tells_the_margin_after_the_trade(
    held: tuple[tuple[Contract, int], ...], order: LimitOrder, contract: object, initial_after: int,
    maintenance_after: int,
) -> None:  # fmt: skip
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        for one, quantity in held:
            stage.gateway.hold(one, quantity, D(1))
        order.tif = "DAY"
        state = await ib.whatIfOrderAsync(contract, order)
        assert (float(state.initMarginAfter), float(state.maintMarginAfter)) == (initial_after, maintenance_after)
        change = float(state.initMarginAfter) - float(state.initMarginBefore)
        assert float(state.initMarginChange) == pytest.approx(change)
        assert stage.gateway.orders() == []

    play(story, market=with_stock(StockTerms("ETF")))


def test_an_order_beyond_the_equity_is_refused_in_the_words_of_the_broker_and_one_within_is_not() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(wire(SHORT_PUT), LimitOrder("SELL", 1, 2.0, tif="DAY"))
        await asyncio.sleep(2)
        assert stage.errors[-1][1:] == (
            201,
            "Order rejected - reason:YOUR ORDER IS NOT ACCEPTED. IN ORDER TO OBTAIN THE DESIRED POSITION YOUR EQUITY "
            "WITH LOAN VALUE [21298.75 USD] MUST EXCEED THE INITIAL MARGIN [21715.00 USD]",
        )
        ib.placeOrder(SHARE, MarketOrder("BUY", 200, tif="DAY"))
        await asyncio.sleep(60)
        ib.placeOrder(SHARE, MarketOrder("BUY", 200, tif="DAY"))
        await asyncio.sleep(60)
        await asyncio.sleep(2)
        assert stage.gateway.positions() == {SPY.con_id: 200}, "half of 42,000 is within, half of 84,000 is not"

    play(story, cash=21_100, market=with_stock(StockTerms("ETF")))


def test_the_account_tells_initial_and_maintenance_apart_and_follows_the_market() -> None:
    async def story(stage: Stage) -> None:
        ib = await stage.client()
        ib.placeOrder(SHARE, MarketOrder("BUY", 100, tif="DAY"))
        await asyncio.sleep(2)
        seen = {
            v.tag: float(v.value)
            for v in await ib.accountSummaryAsync()
            if v.currency == "USD" and v.tag != "Currency"
        }
        assert (seen["InitMarginReq"], seen["MaintMarginReq"]) == (10_500, 5250)
        assert seen["EquityWithLoanValue"] == pytest.approx(50_000 - 21_001 - 1 + 21_000)
        assert seen["AvailableFunds"] == pytest.approx(seen["EquityWithLoanValue"] - 10_500)
        assert seen["ExcessLiquidity"] == pytest.approx(seen["EquityWithLoanValue"] - 5250)
        stage.market.quotes[SPY.con_id] = (199.99, 200.01)
        await asyncio.sleep(600)
        values = {v.tag: v.value for v in ib.accountValues()}
        assert (values["InitMarginReq"], values["MaintMarginReq"]) == ("10000.00", "5000.00")
        assert values["StockMarketValue"] == "20000.00"

    play(story, cash=50_000, market=with_stock(StockTerms("ETF")))
