from decimal import Decimal

from tests.paper.flat import FAR, LONG_CALL, LONG_PUT, SHORT_CALL, SHORT_PUT
from v6.model.contract import Contract
from v6.paper.account import Ledger, margin

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


def test_the_margin_of_a_condor_is_its_wider_side() -> None:
    condor = [(LONG_PUT, 1), (SHORT_PUT, -1), (SHORT_CALL, -1), (LONG_CALL, 1)]
    assert margin(condor) == 5000
    assert margin([(c, 3 * q) for c, q in condor]) == 15_000


def test_what_is_paid_in_full_asks_no_margin() -> None:
    assert margin([(LONG_PUT, 1)]) == 0
    assert margin([(SHORT_PUT, 1), (LONG_PUT, -1)]) == 0


def test_naked_shorts_are_stressed_to_zero_and_to_twice_the_strike() -> None:
    assert margin([(SHORT_PUT, -1)]) == 200_000
    assert margin([(SHORT_CALL, -1)]) == 220_000


def test_another_expiry_covers_nothing() -> None:
    assert margin([(SHORT_PUT, -1), (FAR, 1)]) == 200_000


def test_the_margin_follows_the_holdings_and_can_be_asked_ahead() -> None:
    book = ledger((SHORT_CALL, -1, "3.0"), (LONG_CALL, 1, "1.5"))
    assert book.margin == 5000
    assert book.after({12: (SHORT_CALL, -1), 13: (LONG_CALL, 1)}) == 10_000
    assert book.margin == 5000
    book.trade(SHORT_CALL, 1, D(3), D(1))
    assert book.margin == 0
