from decimal import Decimal

from tests.paper.flat import LONG_CALL, LONG_PUT, SHORT_CALL, SHORT_PUT, SPY
from v6.model.contract import Contract
from v6.paper.account import Ledger
from v6.paper.margin import Quotes

D = Decimal


def ledger(*trades: tuple[Contract, int, str], cash: int = 10_000, fee: str = "1") -> Ledger:
    made = Ledger(D(cash))
    for contract, quantity, price in trades:
        made.trade(contract, quantity, D(price), D(fee))
    return made


def test_cash_pays_price_multiplier_and_commission() -> None:
    assert ledger((SHORT_PUT, -2, "1.5")).cash == 10_000 + 300 - 1


def test_the_average_cost_holds_the_commission_on_both_sides() -> None:
    assert ledger((LONG_PUT, 2, "1.5")).holdings[10].average_cost == D("150.5")
    assert ledger((SHORT_PUT, -2, "1.5")).holdings[11].average_cost == D("149.5")


def test_closing_realises_price_difference_less_both_commissions() -> None:
    book = ledger((SHORT_PUT, -2, "1.5"))
    assert book.trade(SHORT_PUT, 1, D("1.0"), D(1)) == D("149.5") - 101
    assert book.quantity(11) == -1
    assert book.trade(SHORT_PUT, 1, D("2.0"), D(1)) == D("149.5") - 201
    assert book.holdings == {}
    assert book.cash == 10_000 + book.realized


def test_a_trade_through_zero_closes_and_opens() -> None:
    book = ledger((LONG_PUT, 1, "1.0"))
    assert book.trade(LONG_PUT, -3, D("2.0"), D(3)) == 200 - 1 - 101
    assert book.quantity(10) == -2
    assert book.holdings[10].average_cost == D(199)


def test_an_opening_trade_realises_nothing() -> None:
    assert Ledger(D(0)).trade(LONG_PUT, 1, D(1), D(1)) is None


def test_a_settlement_pays_the_value_without_commission() -> None:
    book = ledger((SHORT_PUT, -1, "1.5"))
    book.settle(11, D("20"))
    assert book.cash == 10_000 + 149 - 2000
    assert book.realized == 149 - 2000


def test_a_holding_without_a_price_counts_at_cost() -> None:
    book = ledger((LONG_PUT, 1, "1.5"), (SHORT_PUT, -1, "2.5"))
    assert book.market_value({10: D(2)}) == 200 - 249


def test_the_margin_follows_the_holdings_and_can_be_asked_ahead() -> None:
    book, unknown = ledger((SHORT_CALL, -1, "3.0"), (LONG_CALL, 1, "1.5")), Quotes()
    assert book.margin(unknown).initial == 5000
    assert book.after({12: (SHORT_CALL, -1), 13: (LONG_CALL, 1)}, unknown).initial == 10_000
    assert book.margin(unknown).initial == 5000
    book.trade(SHORT_CALL, 1, D(3), D(1))
    assert book.margin(unknown).initial == 0


def test_a_margin_that_moves_is_asked_anew_and_a_missing_price_counts_at_cost() -> None:
    book = ledger((SHORT_PUT, -1, "2.00"), fee="0")
    seen = [book.margin(Quotes(spots={"SPX": D(spot)})).initial for spot in (2100, 2200)]
    assert seen == [21_500 + 200, 20_000 + 200]
    assert book.margin(Quotes({11: D(3)}, {"SPX": D(2100)})).initial == 21_500 + 300


def test_shares_lend_and_options_do_not() -> None:
    book = ledger((SPY, 100, "200"), (LONG_PUT, 1, "1.5"), cash=50_000, fee="0")
    assert book.equity({SPY.con_id: D(210), 10: D(9)}) == 50_000 - 20_000 - 150 + 21_000


def test_a_dividend_is_worth_its_dollars_before_it_is_cash() -> None:
    book = ledger((SPY, 100, "200"), cash=50_000, fee="0")
    book.accrue(SPY.con_id, D(92))
    assert (book.cash, book.accrued, book.flows[SPY.con_id]) == (30_000, 92, 92 - 20_000)
    book.receive(D(92))
    assert (book.cash, book.accrued) == (30_092, 0)
