"""Alerts whose text cannot say what it promises."""

from __future__ import annotations

import pytest

from tests.lint.rules import found, rule
from v6.model.decision import ActionKind


def mute(when: str, text: str, **more: int) -> str | None:
    return found(rule("a", 1, when, ActionKind.ALERT, tells=text, **more)).get("a: mute-value")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("when", "value"),
    [
        ("not has(vix)", "vix"),
        ("not has(vix) and dte < 3", "vix - vix_change_1d"),
        ("pnl_ratio == 0", "1 / pnl_ratio"),
        ("not has(iv) or not has(iv) and vix > 3", "iv > 0.3"),
    ],
)
def test_a_value_that_is_missing_whenever_the_alert_goes_out_is_named(when: str, value: str) -> None:
    assert mute(when, f"look at {{{value}}}") == (
        f"`{value}` is always missing when `a` tells, so the text says `unknown`"
    )


@pytest.mark.parametrize(
    ("when", "value"),
    [
        ("vix > 30", "vix"),
        ("vix > 30", "iv"),
        ("not has(vix) or dte < 3", "vix"),
        ("not has(vix)", "has(vix)"),
        ("dte < 3", "'soon'"),
    ],
)
def test_a_value_that_may_be_there_is_not(when: str, value: str) -> None:
    assert mute(when, f"look at {{{value}}}") is None


def test_what_acts_on_missing_inputs_can_show_them_on_other_rows() -> None:
    assert mute("vix > 30", "{iv}", missing_for_s=300) is None


def test_what_fires_on_after_a_pause_may_tell_on_any_row() -> None:
    assert mute("not has(vix)", "{vix}", keep_s=600) is not None
    assert mute("not has(vix)", "{vix}", keep_s=600, cooldown_s=3600) is None


def test_the_text_of_a_rule_that_acts_is_judged_too() -> None:
    closes = rule("a", 1, "not has(pnl_ratio) and dte < 2", tells="closed at {pnl_ratio:.0%}")
    assert "a: mute-value" in found(closes)
