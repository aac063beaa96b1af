"""Parts of a condition that change nothing, or on which another rule has always decided before."""

from __future__ import annotations

import pytest

from tests.lint.rules import found, rule


@pytest.mark.parametrize(
    ("when", "dead"),
    [
        ("dte <= 21 and dte <= 30", "dte <= 30"),
        ("dte <= 30 and dte <= 21", "dte <= 30"),
        ("dte <= 21 or dte <= 7", "dte <= 7"),
        ("pnl_ratio >= 0.5 or (pnl_ratio >= 0.8 and vix < 20)", "pnl_ratio >= 0.8 and vix < 20"),
        ("vix > 30 and (dte < 5 or vix > 25)", "dte < 5 or vix > 25"),
        ("not (dte > 21 or dte > 30)", "dte > 30"),
    ],
)
def test_a_part_without_which_nothing_changes_is_dead(when: str, dead: str) -> None:
    findings = found(rule("a", 1, when))
    assert list(findings) == ["a: dead-part"]
    assert findings["a: dead-part"].startswith(f"`{dead}` ")


def test_of_two_equal_parts_one_is_reported() -> None:
    assert found(rule("a", 1, "vix > 30 or vix > 30"))["a: dead-part"].startswith("`vix > 30` never adds anything")


@pytest.mark.parametrize(
    "when",
    [
        # It decides what a missing value means.
        "has(vix) and vix > 30",
        "vix > 30 or iv > 0.5",
        "dte <= 21 and (vix > 30 or iv > 0.5)",
        # Where iv is missing the second part makes it unknown.
        "vix > 30 and (iv > 0.5 or iv <= 0.5)",
        # Rounding could make the sum miss.
        "pnl_ratio + 0.2 > 0.3 and pnl_ratio > 0.1",
    ],
)
def test_a_part_that_matters_on_some_row_is_left_alone(when: str) -> None:
    assert "a: dead-part" not in found(rule("a", 1, when))


def test_a_comparison_with_one_outcome_is_named_and_not_called_dead_again() -> None:
    assert found(rule("a", 1, "vix > 20 and abs(delta) <= 16")) == {
        "a: always-true": "`abs(delta) <= 16` is always true when its inputs are there"
    }
    assert found(rule("a", 1, "vix > 20 or min(short_delta, 0.5) > 0.6")) == {
        "a: always-false": "`min(short_delta, 0.5) > 0.6` is never true"
    }


def test_one_link_of_a_chain_can_be_settled() -> None:
    assert found(rule("a", 1, "0 <= dte <= 21")) == {"a: always-true": "`0 <= dte` is always true"}


def test_a_branch_that_is_never_taken_is_dead() -> None:
    when = "pnl_ratio >= (0.4 if vix > 35 else 0.5 if vix > 40 else 0.8)"
    assert found(rule("a", 1, when)) == {
        "a: dead-branch": "`0.5` is never used: `vix > 40` is never true here",
    }


def test_a_fallback_is_judged_by_itself() -> None:
    guarded = rule("a", 1, "dte < 14 and vix > 30", fallback="dte < 14 and iv > 0.5", missing_for_s=300)
    assert found(guarded) == {}
    doubled = rule("a", 1, "dte < 14 and vix > 30", fallback="dte < 14 and dte < 20", missing_for_s=300)
    assert found(doubled)["a: dead-part"].startswith("`dte < 20` ")


def test_an_alternative_that_a_rule_above_always_takes_is_reported() -> None:
    message = found(rule("a", 1, "vix > 30"), rule("b", 2, "dte < 5 or vix > 35"))["b: shadowed-part"]
    assert message.startswith("`vix > 35` never decides: whenever it makes `b` fire, `a` fires first, e.g. vix=")


def test_a_timer_above_leaves_the_alternative_its_say() -> None:
    assert found(rule("a", 1, "vix > 30", for_s=60), rule("b", 2, "dte < 5 or vix > 35")) == {}
