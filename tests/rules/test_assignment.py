"""The assignment rule against the theory: it never misses a rational exercise for a dividend, and how early it is.

A call on a stock with a discrete dividend is exercised, if ever, on the eve of the ex-date: for S - K rather than for
a call on S - D (Hull, ch. 15). By put-call parity that is worth it exactly when the dividend exceeds the put of the
same strike and the interest on the strike, and what the market shows of it is an extrinsic value of zero.
"""

from __future__ import annotations

from math import exp
from pathlib import Path

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from v6.backends.python import compile_condition
from v6.errors import Diagnostic
from v6.lang import source
from v6.lang.build import build_rule
from v6.lang.desk import Rule
from v6.model.catalogue import Value
from v6.model.snapshot import Row
from v6.pricing.bsm import evaluate

FILE = Path(__file__).parents[2] / "rules" / "extra" / "assignment_risk.yaml"
PARITY = 0.05


def rule() -> Rule:
    node = source.read(FILE.name, FILE.read_text())
    assert isinstance(node, source.Mapping), node if isinstance(node, Diagnostic) else ""
    found, diagnostics = build_rule(node)
    assert diagnostics == []
    assert found is not None
    return found


FIRES = compile_condition(rule().when)


def price(spot: float, strike: float, years: float, vol: float, rate: float, call: bool) -> float:
    return float(evaluate(spot, strike, years, vol, rate, 0.0, call).price)


def fires(spot: float, strike: float, extrinsic: float, dividend: float, sessions: float = 1.0) -> Value:
    fields: dict[str, Value] = {
        "short_exercise": "american",
        "short_call_itm": max(spot - strike, 0.0) / spot,
        "short_call_extrinsic": extrinsic if spot > strike else None,
        "short_put_itm": 0.0,
        "next_dividend": dividend,
        "sessions_to_ex_dividend": sessions,
    }
    return FIRES(Row.of("p", fields).values)


cases = st.tuples(
    st.floats(50, 600),
    st.floats(0.7, 1.05),
    st.integers(1, 180),
    st.floats(0.05, 0.9),
    st.floats(0.0, 0.08),
    st.floats(0.001, 0.03),
)


@given(cases)
def test_no_rational_exercise_for_a_dividend_is_missed(case: tuple[float, float, int, float, float, float]) -> None:
    spot, moneyness, days, vol, rate, yielding = case
    strike, dividend, years = spot * moneyness, spot * yielding, days / 365
    held = price(spot - dividend, strike, years, vol, rate, call=True)
    market = max(spot - strike, held)
    if spot - strike > held:
        assert fires(spot, strike, market - (spot - strike), dividend) is True


@given(cases)
def test_it_is_early_by_one_dividend_and_no_more(case: tuple[float, float, int, float, float, float]) -> None:
    """The market's extrinsic value already bears the dividend: put + interest - dividend, so twice it is the line."""
    spot, moneyness, days, vol, rate, yielding = case
    strike, dividend, years = spot * moneyness, spot * yielding, days / 365
    held = price(spot - dividend, strike, years, vol, rate, call=True)
    extrinsic = max(held - (spot - strike), 0.0)
    cost = price(spot - dividend, strike, years, vol, rate, call=False) + strike * (1 - exp(-rate * years))
    assume(spot > strike and extrinsic > PARITY and abs(cost - 2 * dividend) > 1e-6)
    assert fires(spot, strike, extrinsic, dividend) is (cost < 2 * dividend)


@pytest.mark.parametrize(("strike", "exercised"), [(440, True), (460, True), (475, False), (490, False)])
def test_a_quarterly_dividend_of_spy_three_weeks_before_expiry(strike: float, exercised: bool) -> None:
    """At 475, 14 % volatility, 5.3 % interest and a dividend of 1.60."""
    spot, dividend, years = 475.0, 1.60, 21 / 365
    held = price(spot - dividend, strike, years, 0.14, 0.053, call=True)
    extrinsic = max(held - max(spot - strike, 0.0), 0.0)
    assert fires(spot, strike, extrinsic, dividend) is exercised
    assert fires(spot, strike, extrinsic, dividend, sessions=2.0) is (exercised and extrinsic <= PARITY)


@given(cases)
def test_without_a_dividend_a_call_with_time_value_is_never_exercised(
    case: tuple[float, float, int, float, float, float],
) -> None:
    spot, moneyness, days, vol, rate, _ = case
    strike = spot * moneyness
    extrinsic = price(spot, strike, days / 365, vol, rate, call=True) - max(spot - strike, 0.0)
    assume(extrinsic > PARITY)
    assert fires(spot, strike, extrinsic, 0.0) is False
