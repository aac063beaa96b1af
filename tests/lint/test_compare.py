from dataclasses import replace

import pytest

from tests.lint.rules import rule
from v6.lint.compare import Comparison, Outcome, compare
from v6.model.decision import Action, ActionKind, Urgency


def compared(old: str, new: str, **more: str) -> Comparison:
    return compare(rule("r", 1, old, **more), rule("r", 1, new, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("vix > 30 and dte < 7", "dte < 7 and vix > 30"),
        ("not (vix > 30 or dte < 7)", "vix <= 30 and dte >= 7"),
        ("vix > 30", "vix > 30 or (vix > 40 and dte < 7 and has(vix))"),
        ("abs(delta) > 0.3", "delta > 0.3 or delta < -0.3"),
        ("dte < 7", "dte < 7 and legs >= 1"),
    ],
)
def test_another_text_of_the_same_meaning_is_proven_to_be_the_same(old: str, new: str) -> None:
    found = compared(old, new)
    assert (found.outcome, found.examples, found.timing) == (Outcome.SAME, (), ())


def test_a_lower_threshold_has_a_row_on_which_only_the_new_rule_holds() -> None:
    found = compared("pnl_ratio >= 0.5", "pnl_ratio >= 0.4")
    assert found.outcome is Outcome.DIFFERS
    assert [(e.row, e.old, e.new) for e in found.examples] == [("pnl_ratio=0.4", False, True)]


def test_a_rule_that_moves_has_an_example_for_each_direction() -> None:
    found = compared("vix > 20 and vix < 30", "vix > 25 and vix < 40")
    assert {(e.old, e.new) for e in found.examples} == {(True, False), (False, True)}


def test_what_is_unknown_on_one_side_only_is_a_difference() -> None:
    found = compared("vix > 30 and dte < 7", "has(vix) and vix > 30 and dte < 7")
    assert found.outcome is Outcome.DIFFERS
    assert {(e.old, e.new) for e in found.examples} == {(None, False)}
    assert "vix missing" in found.examples[0].row


def test_a_duration_is_a_difference_though_the_condition_is_the_same() -> None:
    old = rule("r", 1, "vix > 30", for_s=60)
    found = compare(old, replace(old, for_s=300, then=Action(ActionKind.CLOSE, Urgency.HIGH)))
    assert (found.verdicts, found.outcome) == (Outcome.SAME, Outcome.DIFFERS)
    assert found.timing == ("for (s): 60 -> 300", "then: close (normal) -> close (high)")


def test_a_fold_that_is_written_otherwise_may_have_met_anything() -> None:
    old = rule("r", 1, "pnl_ratio <= peak * 0.6", track={"peak": "max(pnl_ratio)"})
    same = compare(old, rule("r", 1, "peak * 0.6 >= pnl_ratio", track={"peak": "max(pnl_ratio)"}))
    assert (same.outcome, same.note) == (Outcome.SAME, "")
    other = compare(old, rule("r", 1, "pnl_ratio <= peak * 0.6", track={"peak": "max(broker_pnl_ratio)"}))
    assert other.outcome is not Outcome.SAME
    assert other.note == "its `peak` would begin anew when it is taken"


def test_what_the_solver_cannot_settle_is_not_called_the_same() -> None:
    old = "delta * gamma_1pct * theta * vega * iv * mark > 1"
    new = "mark * iv * vega * theta * gamma_1pct * delta > 1"
    found = compared(old, new)
    # Doubles in another order may round to the other side of 1: no proof is right.
    assert found.outcome is not Outcome.SAME
