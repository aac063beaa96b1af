"""What can be exercised against a position; every figure by hand."""

from datetime import date
from decimal import Decimal

import pytest

from tests.execution.fakes import NOON
from v6.ib.exercise import AMERICAN_INDEX_CLASSES, EUROPEAN_CLASSES, extrinsics, moneyness, short_exercise, style_of
from v6.model.contract import Contract, Leg, Right, SecType
from v6.model.position import Structure, StructureKind
from v6.model.quote import Quote
from v6.model.upcoming import Exercise


def option(con_id: int, strike: int, right: Right = Right.CALL, symbol: str = "SPY", name: str = "SPY") -> Contract:
    expiry = date(2014, 2, 21)
    return Contract(con_id, symbol, SecType.OPTION, "SMART", "USD", 100, name, expiry, Decimal(strike), right)


def held(*legs: tuple[Contract, int]) -> Structure:
    return Structure(StructureKind.CUSTOM, legs[0][0].symbol, tuple(Leg(contract, ratio) for contract, ratio in legs))


def quoted(**mids: float) -> dict[int, Quote]:
    return {int(name[1:]): Quote(int(name[1:]), NOON, mid - 0.1, mid + 0.1) for name, mid in mids.items()}


CALL_180, CALL_185, CALL_190 = option(1, 180), option(2, 185), option(3, 190)
PUT_190, PUT_175 = option(4, 190, Right.PUT), option(5, 175, Right.PUT)


@pytest.mark.parametrize(
    ("symbol", "name", "underlying", "style"),
    [
        ("SPX", "SPXW", SecType.INDEX, Exercise.EUROPEAN),
        ("SPX", "SPXW", None, Exercise.EUROPEAN),
        ("OEX", "OEX", SecType.INDEX, Exercise.AMERICAN),
        ("SPY", "SPY", SecType.STOCK, Exercise.AMERICAN),
        ("BRK B", "BRKB", SecType.STOCK, Exercise.AMERICAN),
        ("SPY", "SPY", None, None),
        ("SPY", "2SPY", SecType.STOCK, None),
        ("AAPL", "AAPL1", SecType.STOCK, None),
        ("SX5E", "OESX", SecType.INDEX, None),
    ],
)
def test_the_style_comes_from_the_class_and_the_underlying_and_is_never_guessed(
    symbol: str, name: str, underlying: SecType | None, style: Exercise | None
) -> None:
    assert style_of(option(1, 100, symbol=symbol, name=name), underlying) is style


def test_no_class_is_both_european_and_american() -> None:
    assert not EUROPEAN_CLASSES & AMERICAN_INDEX_CLASSES


def test_only_short_options_can_be_exercised_against_us() -> None:
    spread = held((CALL_180, 1), (CALL_185, -1))
    assert short_exercise(held((CALL_180, 1)), None) is Exercise.NONE
    assert short_exercise(spread, SecType.STOCK) is Exercise.AMERICAN
    assert short_exercise(spread, None) is None, "of a kind that is not known it is not known"
    index = option(6, 1800, Right.PUT, "SPX", "SPXW")
    assert short_exercise(held((index, -1)), None) is Exercise.EUROPEAN
    assert short_exercise(held((index, -1), (CALL_180, -1)), None) is None
    assert short_exercise(held((index, -1), (CALL_180, -1)), SecType.STOCK) is Exercise.AMERICAN


def test_the_deepest_short_of_each_side_counts() -> None:
    structure = held((CALL_180, -1), (CALL_185, -1), (PUT_190, -1), (PUT_175, 1))
    assert moneyness(structure, 188.0) == {
        "short_call_itm": pytest.approx(8 / 188),
        "short_put_itm": pytest.approx(2 / 188),
    }


def test_out_of_the_money_is_zero_and_without_a_price_it_is_not_known() -> None:
    spread = held((CALL_190, -1))
    assert moneyness(spread, 188.0) == {"short_call_itm": 0.0, "short_put_itm": 0.0}
    assert moneyness(spread, None) == {"short_call_itm": None, "short_put_itm": 0.0}
    assert moneyness(held((CALL_180, 1)), None) == {"short_call_itm": 0.0, "short_put_itm": 0.0}


def test_the_extrinsic_value_is_what_the_mid_holds_beyond_the_intrinsic() -> None:
    structure = held((CALL_180, -1), (CALL_185, -1), (CALL_190, -1), (PUT_190, -1))
    found = extrinsics(structure, quoted(n1=8.3, n2=4.0, n3=0.2, n4=2.05), 188.0)
    assert found == {"short_call_extrinsic": pytest.approx(0.3), "short_put_extrinsic": pytest.approx(0.05)}


def test_below_parity_it_is_negative_and_nobody_rounds_it_up() -> None:
    assert extrinsics(held((CALL_180, -1)), quoted(n1=7.9), 188.0)["short_call_extrinsic"] == pytest.approx(-0.1)


def test_a_leg_out_of_the_money_needs_no_quote_and_one_in_it_makes_the_least_unknown() -> None:
    structure = held((CALL_180, -1), (CALL_185, -1), (CALL_190, -1))
    assert extrinsics(structure, quoted(n1=8.3, n2=4.0), 188.0)["short_call_extrinsic"] == pytest.approx(0.3)
    assert extrinsics(structure, quoted(n1=8.3, n3=0.2), 188.0)["short_call_extrinsic"] is None
    crossed = {1: Quote(1, NOON, 8.5, 8.4), **quoted(n2=4.0)}
    assert extrinsics(structure, crossed, 188.0)["short_call_extrinsic"] is None


def test_nothing_in_the_money_has_no_extrinsic_value_at_risk() -> None:
    nothing = {"short_call_extrinsic": None, "short_put_extrinsic": None}
    assert extrinsics(held((CALL_190, -1)), quoted(n3=0.2), 188.0) == nothing
    assert extrinsics(held((CALL_180, -1)), quoted(n1=8.3), None) == nothing
