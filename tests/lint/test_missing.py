"""Protection that waits in silence, and fallbacks that need what they stand in for."""

from __future__ import annotations

from tests.lint.rules import desk, found, rule
from v6.errors import Severity
from v6.lint import lint


def test_a_protective_rule_that_waits_for_a_missing_input_protects_nothing() -> None:
    [diagnostic] = lint(desk(rule("a", 1, "pnl_ratio <= -2", protective=True)))
    assert (diagnostic.code, diagnostic.severity) == ("no-fallback", Severity.ERROR)
    assert diagnostic.message == "`a` protects nothing while its inputs are missing, e.g. pnl_ratio missing"


def test_what_is_always_there_needs_no_fallback() -> None:
    assert found(rule("a", 1, "dte <= 1", protective=True)) == {}
    assert found(rule("a", 1, "has(vix) and vix > 30", protective=True)) == {}


def test_a_fallback_on_the_same_input_is_blind() -> None:
    blind = rule("a", 1, "pnl_ratio <= -2", protective=True, fallback="pnl_ratio <= -3", missing_for_s=300)
    [diagnostic] = lint(desk(blind))
    assert (diagnostic.code, diagnostic.severity) == ("blind-fallback", Severity.ERROR)
    assert "the fallback needs `pnl_ratio` too" in diagnostic.message


def test_a_fallback_on_another_input_is_not() -> None:
    assert found(rule("a", 1, "pnl_ratio <= -2", fallback="broker_pnl_ratio <= -2", missing_for_s=300)) == {}


def test_a_fallback_that_the_other_input_can_settle_is_not_blind() -> None:
    either = "pnl_ratio <= -2 or broker_pnl_ratio <= -2"
    assert found(rule("a", 1, "pnl_ratio <= -2", fallback=either, missing_for_s=300)) == {}


def test_a_fallback_that_asks_first_is_not_blind() -> None:
    careful = "broker_pnl_ratio <= -2 if not has(pnl_ratio) else pnl_ratio <= -2"
    assert "a: blind-fallback" not in found(rule("a", 1, "pnl_ratio <= -2", fallback=careful, missing_for_s=300))


def test_a_fold_that_remembers_is_no_missing_input() -> None:
    trail = rule(
        "a",
        1,
        "peak >= 0.3 and pnl_ratio <= peak * 0.6",
        track={"peak": "max(pnl_ratio)"},
        fallback="peak >= 0.3 and broker_pnl_ratio <= peak * 0.6",
        missing_for_s=300,
    )
    assert found(trail) == {}
