"""What is allowed and probably not meant."""

from __future__ import annotations

import pytest

from tests.lint.rules import desk, found, rule
from v6.errors import Severity
from v6.lint import Inputs, lint, observed
from v6.model.snapshot import Row


@pytest.mark.parametrize(
    ("when", "hint"),
    [
        ("pnl_ratio >= 5", "per cent"),
        ("underlying_change_1d >= 3", "per cent"),
        ("drawdown > 8", "per cent"),
        ("-pnl_ratio <= -8", "per cent"),
        ("iv > 8", "volatility is a ratio"),
        ("vix > 2", "in points"),
        ("vix_high > 2 and dte < 9", "in points"),
        ("dte <= 0.06", "days are counted whole"),
        ("minutes_to_close <= 900", "405 minutes"),
        ("minutes_to_close <= 0.5", "405 minutes"),
    ],
)
def test_a_number_far_from_what_is_usual_is_probably_in_another_unit(when: str, hint: str) -> None:
    track = {"vix_high": "max(vix)"} if "vix_high" in when else None
    [diagnostic] = [d for d in lint(desk(rule("a", 1, when, track=track))) if d.code == "unit-smell"]
    assert diagnostic.severity is Severity.WARNING
    assert hint in diagnostic.hint


def test_a_param_is_held_against_the_usual_too() -> None:
    smelly = rule("a", 1, "pnl_ratio >= target", params={"target": (8, 0.1, 9)})
    assert found(smelly)["a: unit-smell"] == "`pnl_ratio` is hardly ever near 8"


@pytest.mark.parametrize(
    "when",
    [
        "pnl_ratio <= -3",
        "underlying_change_1d <= -0.05",
        "vix > 35",
        "dte < 0.5 + 1",
        "-drawdown <= -0.1",
        "abs(pnl_ratio) > 6",
        "rise > 2 and dte < 9",
    ],
)
def test_usual_numbers_smell_of_nothing(when: str) -> None:
    track = {"rise": "change(vix, 1d)"} if "rise" in when else None
    assert "a: unit-smell" not in found(rule("a", 1, when, track=track))


def test_a_figure_of_the_account_closes_all_positions_at_once() -> None:
    [diagnostic] = lint(desk(rule("a", 1, "abs(portfolio_delta_ratio) > 0.3")))
    assert diagnostic.code == "portfolio-field"
    assert diagnostic.hint == "the position's own figure is `delta`"
    assert diagnostic.span.column == 5


def test_an_end_of_a_params_range_at_which_nothing_fires_is_reported() -> None:
    wide = rule("a", 1, "short_delta > limit", params={"limit": (0.4, 0.2, 1.0)})
    assert found(wide) == {"a: vacuous-param": "with `limit` at 1, which its range allows, `a` can never fire"}
    always = rule("a", 1, "dte >= days", params={"days": (5, 0, 30)})
    assert found(always) == {"a: vacuous-param": "with `days` at 0, which its range allows, `a` fires on every row"}
    folded = rule("a", 1, "low < 1", params={"k": (1, -1, 2)}, track={"low": "min(short_delta * k)"})
    assert "a: vacuous-param" not in found(folded)
    assert found(rule("a", 1, "short_delta > limit", params={"limit": (0.4, 0.2, 0.9)})) == {}


def test_a_constant_input_is_an_error_where_it_stops_a_rule() -> None:
    stuck = Inputs({"vix": 18.0, "iv": None})
    findings = lint(desk(rule("a", 1, "vix > 35"), rule("b", 2, "vix > 30 or dte < 3"), rule("c", 3, "iv > 1")), stuck)
    assert [(d.span.file, d.severity) for d in findings] == [
        ("a.yaml", Severity.ERROR),
        ("b.yaml", Severity.WARNING),
        ("c.yaml", Severity.ERROR),
    ]
    assert findings[0].message == "`vix` is always 18: `a` can never fire"
    assert findings[2].message == "`iv` is always missing: `c` can never fire"


def test_a_constant_input_does_not_move_away_from_its_own_first_value() -> None:
    jump = rule("a", 1, "vix > entry + 5", track={"entry": "first(vix)"})
    assert "`a` can never fire" in found(jump, inputs=Inputs({"vix": 18.0}))["a: constant-input"]


def test_what_never_changed_in_many_rows_is_constant() -> None:
    rows = [Row.of("p", {"vix": 18.0, "dte": float(i % 40)}) for i in range(100)]
    seen = observed(rows).constant
    assert seen["vix"] == 18.0
    assert seen["iv"] is None
    assert "dte" not in seen
    assert observed(rows[:99]).constant == {}
