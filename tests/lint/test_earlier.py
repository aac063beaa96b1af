"""The earlier system's twelve rules: every defect of them that a bundle can show, by name."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from v6.errors import Diagnostic, Severity
from v6.lang.desk import Desk
from v6.lint import Inputs, lint
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState, check_desk, load_desk

ROOT = Path(__file__).parents[1] / "bundles" / "earlier"
CONSTANT = Inputs(
    {
        "vix": 18.0,
        "iv_rank": 0.5,
        "iv_percentile": 0.5,
        "underlying_change_1h": 0.0,
        "iv": 0.2,
        "portfolio_delta_ratio": 0.0,
        "underlying_price": 500.0,
    }
)
"""What their market data function returned at its last revision, whatever the market did."""


@pytest.fixture(scope="module")
def earlier() -> Desk:
    return load_desk(ROOT)


@pytest.fixture(scope="module")
def findings(earlier: Desk) -> list[Diagnostic]:
    return lint(earlier)


def about(findings: list[Diagnostic], rule_id: str, code: str) -> list[Diagnostic]:
    return [d for d in findings if d.span.file == f"rules/{rule_id}.yaml" and d.code == code]


def only(findings: list[Diagnostic], rule_id: str, code: str) -> Diagnostic:
    [diagnostic] = about(findings, rule_id, code)
    return diagnostic


def test_the_checks_of_single_expressions_see_nothing_wrong() -> None:
    assert check_desk(ROOT) == []


def test_the_roll_shadows_gamma_risk(findings: list[Diagnostic]) -> None:
    diagnostic = only(findings, "gamma_risk", "shadowed")
    assert diagnostic.severity is Severity.ERROR
    assert "whenever it fires, `dte_roll` fires first" in diagnostic.message
    assert "`dte_roll` (roll) goes before close" in diagnostic.message


def test_the_roll_shadows_the_time_exit(findings: list[Diagnostic]) -> None:
    diagnostic = only(findings, "time_exit", "shadowed")
    assert diagnostic.severity is Severity.ERROR
    assert "e.g. dte=1: `dte_roll` (roll) goes before close" in diagnostic.message


def test_the_fixed_take_profit_hides_the_high_targets_of_the_dynamic_one(findings: list[Diagnostic]) -> None:
    hidden = about(findings, "dynamic_take_profit", "shadowed-part")
    assert [d.message.split(" never")[0] for d in hidden] == [
        "the branch `0.9`",
        "the branch `0.85`",
        "the branch `0.8`",
    ]
    assert all("`take_profit` fires first" in d.message for d in hidden)


def test_the_partial_take_profit_comes_again_whenever_the_profit_wavers(findings: list[Diagnostic]) -> None:
    diagnostic = only(findings, "partial_take_profit", "wavers")
    assert diagnostic.severity is Severity.WARNING
    assert "`partial_take_profit` reduces again each time its condition comes back" in diagnostic.message


def test_the_partial_take_profit_acts_once_and_leaves_its_band_to_the_rules_below(earlier: Desk) -> None:
    rules, state = RuleSet.compile(earlier), RuleState()
    decided: list[str | None] = []
    # Two cycles in the band, then the roll's days in the same band.
    for cycle, dte in enumerate((40.0, 40.0, 20.0, 20.0)):
        row = Row.of("p", {"structure": "iron_condor", "legs": 4.0, "pnl_ratio": 0.6, "dte": dte})
        at = datetime(2014, 1, 2, 15, 0, tzinfo=UTC) + timedelta(seconds=30 * cycle)
        (decision,), state = rules.evaluate(Snapshot(f"s{cycle}", cycle, at, (row,)), state)
        decided.append(decision.rule_id)
    assert decided == ["partial_take_profit", None, "dte_roll", "dte_roll"]


def test_the_delta_of_the_portfolio_closes_single_positions(findings: list[Diagnostic]) -> None:
    diagnostic = only(findings, "delta_risk", "portfolio-field")
    assert "`portfolio_delta_ratio` is the same for all positions" in diagnostic.message
    assert diagnostic.hint == "the position's own figure is `delta`"


def test_the_trailing_stop_on_the_premium_is_the_wrong_way_round(findings: list[Diagnostic]) -> None:
    diagnostic = only(findings, "premium_trailing_stop", "inverted-trail")
    assert diagnostic.severity is Severity.ERROR
    assert "fires when the position improves to" in diagnostic.message


@pytest.mark.parametrize("dead", ["catastrophe", "vix_exit", "delta_risk", "iv_crush", "iv_percentile"])
def test_on_constant_inputs_a_rule_can_never_fire(earlier: Desk, dead: str) -> None:
    diagnostic = only(lint(earlier, CONSTANT), dead, "constant-input")
    assert diagnostic.severity is Severity.ERROR
    assert f"`{dead}` can never fire" in diagnostic.message


def test_rules_that_read_no_constant_are_left_alone(earlier: Desk) -> None:
    found = lint(earlier, CONSTANT)
    assert about(found, "stop_loss", "constant-input") == []
    assert about(found, "time_exit", "constant-input") == []


def test_nothing_else_is_found(findings: list[Diagnostic]) -> None:
    assert sorted({(d.span.file.removeprefix("rules/").removesuffix(".yaml"), d.code) for d in findings}) == [
        ("delta_risk", "portfolio-field"),
        ("dynamic_take_profit", "shadowed-part"),
        ("gamma_risk", "shadowed"),
        ("partial_take_profit", "wavers"),
        ("premium_trailing_stop", "inverted-trail"),
        ("time_exit", "shadowed"),
    ]
