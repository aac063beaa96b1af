"""The earlier system's twelve rules: every defect of them that a bundle can show, by name."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tests.lint.rules import rule
from v6.errors import Diagnostic, Severity
from v6.lang.desk import Desk
from v6.lint import Inputs, lint
from v6.model.decision import Action, ActionKind
from v6.rules import check_desk, load_desk

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
def with_partial(earlier: Desk) -> Desk:
    """Their take profit whole: it reduces by half from 50 % on, which no file can say yet."""
    partial = replace(
        rule("partial_take_profit", 20, "pnl_ratio >= 0.5 and pnl_ratio < 0.8"),
        priority=20,
        then=Action(ActionKind.REDUCE, fraction=0.5),
    )
    rules = [replace(r, priority=19) if r.id == "take_profit" else r for r in earlier.rules]
    return replace(earlier, rules=tuple(sorted([*rules, partial], key=lambda r: r.priority)))


@pytest.fixture(scope="module")
def findings(earlier: Desk) -> list[Diagnostic]:
    return lint(earlier)


def about(findings: list[Diagnostic], rule_id: str, code: str) -> list[Diagnostic]:
    files = (f"rules/{rule_id}.yaml", f"{rule_id}.yaml")
    return [d for d in findings if d.span.file in files and d.code == code]


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


def test_with_the_partial_take_profit_only_the_crash_arm_of_the_dynamic_one_is_left(with_partial: Desk) -> None:
    hidden = about(lint(with_partial), "dynamic_take_profit", "shadowed-part")
    assert [d.message.split(" never")[0] for d in hidden] == [
        "the branch `0.5`",
        "the branch `0.9`",
        "the branch `0.85`",
        "the branch `0.8`",
    ]
    assert "`take_profit` or `partial_take_profit` fires first" in hidden[0].message


def test_the_partial_take_profit_reduces_again_in_every_cycle(with_partial: Desk) -> None:
    diagnostic = only(lint(with_partial), "partial_take_profit", "every-cycle")
    assert diagnostic.severity is Severity.ERROR
    assert "`partial_take_profit` would reduce again in every cycle" in diagnostic.message


def test_the_partial_take_profit_blocks_everything_below_it_in_its_band(with_partial: Desk) -> None:
    diagnostic = only(lint(with_partial), "partial_take_profit", "hides-close")
    assert diagnostic.severity is Severity.ERROR
    for blocked in ("delta_risk", "iv_crush", "iv_percentile", "dte_roll", "gamma_risk", "time_exit"):
        assert f"`{blocked}`" in diagnostic.message
    assert "pnl_ratio=0." in diagnostic.message


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
        ("premium_trailing_stop", "inverted-trail"),
        ("time_exit", "shadowed"),
    ]
