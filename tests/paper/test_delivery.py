"""The rules of exercise, assignment and dividends, every figure by hand."""

from datetime import date
from decimal import Decimal

import pytest

from tests.paper.flat import SPY, SPY_CALL, SPY_PUT
from v6.model.contract import Contract
from v6.paper.delivery import Exercise, Instruction, assigned_early, at_expiry, by_instruction, entitlement
from v6.paper.ports import Dividend

D = Decimal
NOTHING = Instruction()


@pytest.mark.parametrize(
    ("option", "held", "shares"), [(SPY_CALL, 2, 200), (SPY_CALL, -2, -200), (SPY_PUT, 2, -200), (SPY_PUT, -2, 200)]
)
def test_a_call_held_and_a_put_owed_bring_shares_and_the_others_take_them(
    option: Contract, held: int, shares: int
) -> None:
    assert at_expiry(option, held, D("3.00"), NOTHING).shares == shares


def test_a_cent_in_the_money_is_exercised_and_less_is_not() -> None:
    assert at_expiry(SPY_CALL, 1, D("0.01"), NOTHING) == Exercise(SPY_CALL, 1, 1)
    assert at_expiry(SPY_CALL, 1, D("0.009"), NOTHING) == Exercise(SPY_CALL, 1, 0)
    assert at_expiry(SPY_CALL, -1, D("0.01"), NOTHING) == Exercise(SPY_CALL, -1, -1)
    assert at_expiry(SPY_CALL, -1, D(0), NOTHING) == Exercise(SPY_CALL, -1, 0)


def test_the_owner_can_let_a_part_lapse_and_exercise_out_of_the_money() -> None:
    assert at_expiry(SPY_CALL, 3, D(5), Instruction(lapse=2)) == Exercise(SPY_CALL, 3, 1)
    assert at_expiry(SPY_CALL, 3, D(5), Instruction(lapse=9)) == Exercise(SPY_CALL, 3, 0)
    assert at_expiry(SPY_CALL, 3, D(0), Instruction(exercise=2)) == Exercise(SPY_CALL, 3, 2)
    assert at_expiry(SPY_CALL, -3, D(5), Instruction(lapse=3)) == Exercise(SPY_CALL, -3, -3), "it is not his to say"


def test_before_the_expiry_only_what_is_held_is_exercised() -> None:
    assert by_instruction(SPY_CALL, 3, Instruction(exercise=2)) == Exercise(SPY_CALL, 2, 2)
    assert by_instruction(SPY_CALL, 1, Instruction(exercise=2)) == Exercise(SPY_CALL, 1, 1)
    assert by_instruction(SPY_CALL, 3, Instruction(lapse=2)) is None
    assert by_instruction(SPY_CALL, -3, Instruction(exercise=2)) is None


@pytest.mark.parametrize(
    ("spot", "put", "paid", "taken"),
    [
        ("210", "0.11", "0.92", True),
        ("210", "0.92", "0.92", False),
        ("210", "1.50", "0.92", False),
        ("205", "0.11", "0.92", False),
        ("205.01", "0.11", "0.92", True),
    ],
)
def test_a_call_is_taken_before_a_dividend_that_is_worth_more_than_the_put(
    spot: str, put: str, paid: str, taken: bool
) -> None:
    assert assigned_early(SPY_CALL, D(spot), D(put), D(paid)) is taken
    assert not assigned_early(SPY_PUT, D(spot), D(put), D(paid)), "a put is worth more after the dividend"


def test_a_holder_gets_the_dividend_and_who_is_short_owes_it() -> None:
    paid = Dividend(date(2015, 3, 20), date(2015, 4, 30), D("0.92"))
    assert (entitlement(SPY, 200, paid), entitlement(SPY, -100, paid)) == (D("184.00"), D("-92.00"))
