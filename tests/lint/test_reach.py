"""Rules that cannot fire or never decide, and actions that keep better ones from running."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import pairwise

import pytest

from tests.lint.rules import desk, expression, found, rule
from v6.errors import Severity
from v6.lang.desk import Rule
from v6.lint import lint
from v6.lint.verdict import weaker
from v6.model.catalogue import Scope
from v6.model.decision import Action, ActionKind, Urgency

ROLL = ActionKind.ROLL


def test_two_parts_that_exclude_each_other_are_named() -> None:
    [(key, message)] = found(rule("a", 1, "dte > 30 and vix > 20 and dte <= 21")).items()
    assert key == "a: unreachable"
    assert message == "`dte > 30` and `dte <= 21` are never true together, so the rule never fires"


def test_a_peak_below_the_current_value_makes_a_rule_unreachable() -> None:
    trail = rule("a", 1, "peak < 0.1 and pnl_ratio > 0.2", track={"peak": "max(pnl_ratio)"})
    assert "are never true together" in found(trail)["a: unreachable"]


def test_what_only_missing_inputs_can_fire_is_said_so() -> None:
    assert found(rule("a", 1, "vix > 30 and vix < 20", missing_for_s=300))["a: unreachable"].endswith(
        "so it acts only on missing inputs"
    )
    assert found(rule("a", 1, "vix > 30 and vix < 20", missing_for_s=300, fallback="dte < 3"))[
        "a: unreachable"
    ].endswith("so only its fallback can fire")


@pytest.mark.parametrize(("protective", "severity"), [(True, Severity.ERROR), (False, Severity.WARNING)])
def test_only_lost_protection_is_an_error(protective: bool, severity: Severity) -> None:
    findings = lint(desk(rule("a", 1, "dte > 30 and dte < 20", protective=protective, escalate=True)))
    assert [(d.code, d.severity) for d in findings] == [("unreachable", severity)]


def test_a_rule_true_on_every_row_fires_in_every_cycle() -> None:
    assert "the rule fires in every cycle" in found(rule("a", 1, "dte >= 0"))["a: always-fires"]


def test_missing_values_keep_a_rule_from_firing_always() -> None:
    assert "a: always-fires" not in found(rule("a", 1, "vix > 0"))


def test_a_narrower_rule_below_is_shadowed() -> None:
    message = found(rule("a", 1, "dte <= 25", ROLL), rule("b", 2, "dte <= 1"))["b: shadowed"]
    assert message == (
        "`b` never decides: whenever it fires, `a` fires first, e.g. dte=1: `a` (roll) goes before close"
    )


def test_a_wider_rule_below_is_not_shadowed() -> None:
    assert found(rule("a", 1, "dte <= 1"), rule("b", 2, "dte <= 25")) == {}


def test_several_rules_shadow_together() -> None:
    message = found(
        rule("a", 1, "vix > 20"), rule("unconcerned", 2, "iv > 4"), rule("b", 3, "vix <= 20"), rule("c", 4, "vix > 10")
    )["c: shadowed"]
    assert "`a` or `b` fires first" in message


def test_a_value_missing_above_leaves_room_below() -> None:
    # Where vix is missing, a is unknown and b decides.
    assert "b: shadowed" not in found(rule("a", 1, "vix > 20 or dte < 5"), rule("b", 2, "dte < 5 or iv > 4"))
    assert found(rule("a", 1, "vix > 20 or vix <= 20"), rule("b", 2, "dte < 5")) == {}


def test_rules_of_different_scopes_do_not_shadow() -> None:
    account = rule("a", 1, "vix > 20", ActionKind.HALT_OPENS, scope=Scope.PORTFOLIO)
    assert found(account, rule("b", 2, "vix > 30")) == {}


@pytest.mark.parametrize(
    ("for_above", "for_below", "shadows"), [(60, 0, False), (60, 30, False), (60, 60, True), (0, 60, True)]
)
def test_a_timer_above_shadows_only_what_waits_as_long(for_above: int, for_below: int, shadows: bool) -> None:
    above, below = rule("a", 1, "vix > 20", for_s=for_above), rule("b", 2, "vix > 30", for_s=for_below)
    assert ("b: shadowed" in found(above, below)) is shadows


def test_a_timer_above_that_false_resets_sooner_shadows_nothing() -> None:
    # While iv is missing and vix low, b is unknown and its clock runs on; a is false and starts afresh.
    above = rule("a", 1, "vix > 20", for_s=60)
    below = rule("b", 2, "vix > 20 and (iv > 1 or vix > 20) or has(iv) and iv > 4 and vix > 20", for_s=60)
    assert "b: shadowed" in found(above, below)
    below = rule("b", 2, "iv > 1 and vix > 20 or not has(iv) and vix > 300 - 280 + 0 * iv", for_s=60)
    assert "b: shadowed" not in found(above, below)


def test_a_clock_that_starts_while_the_rule_above_is_unknown_is_ahead_of_it() -> None:
    # Below an unknown protective rule the roll is passed over, but its clock runs.
    above = rule("a", 1, "vix > 20", for_s=60, protective=True, escalate=True)
    below = rule("b", 2, "vix > 20 or not has(vix)", ROLL, for_s=60)
    assert "b: shadowed" not in found(above, below)
    assert "b: shadowed" in found(above, rule("b", 2, "vix > 20", ROLL, for_s=60))


def test_what_acts_on_missing_inputs_is_shadowed_only_by_what_waits_no_longer() -> None:
    same = {"when": "vix > 20"}
    assert "b: shadowed" not in found(rule("a", 1, **same), rule("b", 2, **same, missing_for_s=300))
    assert "b: shadowed" not in found(rule("a", 1, **same, missing_for_s=600), rule("b", 2, **same, missing_for_s=300))
    assert "b: shadowed" in found(rule("a", 1, **same, missing_for_s=300), rule("b", 2, **same, missing_for_s=300))


def test_a_roll_shadows_only_while_no_protective_rule_above_is_unknown() -> None:
    guard = rule("guard", 1, "vix > 50", protective=True, missing_for_s=300)
    message = found(guard, rule("a", 2, "dte <= 25", ROLL), rule("b", 3, "dte <= 1"))["b: shadowed"]
    assert message.startswith("`b` never decides while the protective rules above are known: whenever")


def test_a_faster_close_below_a_slower_one_is_an_error() -> None:
    slow, fast = rule("a", 1, "dte <= 25"), rule("b", 2, "dte <= 1", urgency=Urgency.IMMEDIATE)
    [diagnostic] = lint(desk(slow, fast))
    assert (diagnostic.code, diagnostic.severity) == ("shadowed", Severity.ERROR)
    assert diagnostic.hint == "give `b` a lower priority number than 1, or narrow the other"


def test_an_alert_shadows_nothing() -> None:
    assert "b: shadowed" not in found(rule("a", 1, "dte <= 25", ActionKind.ALERT), rule("b", 2, "dte <= 1"))


def test_an_alert_is_neither_shadowed_nor_hidden() -> None:
    close, tells = rule("a", 1, "dte <= 25"), rule("b", 2, "dte <= 1 or vix > 30 and dte <= 1", ActionKind.ALERT)
    assert set(found(close, tells)) == {"b: dead-part"}
    assert found(rule("a", 1, "dte <= 25", ROLL), rule("b", 2, "dte <= 1", ActionKind.ALERT)) == {}


def test_what_acts_once_shadows_and_hides_nothing() -> None:
    half = rule("a", 1, "dte <= 25", ActionKind.REDUCE)
    assert found(half, rule("b", 2, "dte <= 1"), rule("c", 3, "vix > 30 or dte <= 3", urgency=Urgency.HIGH)) == {}


def test_what_pauses_shadows_nothing_but_still_hides() -> None:
    roll, urgent = rule("a", 1, "dte <= 25", ROLL, cooldown_s=3600), rule("b", 2, "dte <= 1", urgency=Urgency.HIGH)
    assert set(found(roll, urgent)) == {"a: hides-close"}


def test_what_acts_once_is_shadowed_like_anything_else() -> None:
    assert "b: shadowed" in found(rule("a", 1, "dte <= 25"), rule("b", 2, "dte <= 1", ActionKind.REDUCE))


@pytest.mark.parametrize(
    ("above", "below", "shadows"), [(0, 0, True), (300, 0, True), (0, 300, False), (300, 300, True), (299, 300, False)]
)
def test_a_rule_that_fires_on_decides_when_those_above_have_stopped(above: int, below: int, shadows: bool) -> None:
    rules = rule("a", 1, "dte <= 25", keep_s=above), rule("b", 2, "dte <= 1", keep_s=below)
    assert ("b: shadowed" in found(*rules)) is shadows
    timed = rule("a", 1, "vix > 20", keep_s=above, for_s=60), rule("b", 2, "vix > 30", keep_s=below, for_s=60)
    assert ("b: shadowed" in found(*timed)) is shadows


def test_a_part_of_a_rule_that_fires_on_is_not_forestalled() -> None:
    above = rule("a", 1, "vix > 30")
    assert "b: shadowed-part" in found(above, rule("b", 2, "dte < 5 or vix > 35"))
    assert found(above, rule("b", 2, "dte < 5 or vix > 35", keep_s=300)) == {}


@pytest.mark.parametrize(
    ("kind", "missing_for_s", "keep_s", "stops"),
    [
        (ActionKind.CLOSE, 300, 0, True),
        (ActionKind.CLOSE, None, 0, True),
        (ActionKind.ALERT, None, 0, True),
        # Once these have fired on their missing input, or fire on, a roll below may run while they are unknown.
        (ActionKind.ALERT, 300, 0, False),
        (ActionKind.REDUCE, 300, 0, False),
        (ActionKind.ALERT, None, 600, False),
    ],
)
def test_an_unknown_rule_above_a_roll_stops_it_unless_it_has_fired_and_stands_aside(
    kind: ActionKind, missing_for_s: int | None, keep_s: int, stops: bool
) -> None:
    guard = rule("guard", 1, "vix > 50", kind, protective=True, missing_for_s=missing_for_s, keep_s=keep_s)
    close, roll = rule("a", 2, "has(vix) and dte < 9"), rule("r", 3, "dte < 9", ROLL)
    assert ("r: shadowed" in found(guard, close, roll)) is stops


def test_what_gives_up_a_smaller_part_or_goes_slower_protects_less() -> None:
    def act(kind: ActionKind, fraction: float | None = None, urgency: Urgency = Urgency.NORMAL) -> Action:
        return Action(kind, urgency, fraction)

    close, half, third = act(ActionKind.CLOSE), act(ActionKind.REDUCE, 0.5), act(ActionKind.REDUCE, 0.33)
    order = [
        act(ROLL),
        third,
        half,
        act(ActionKind.REDUCE, 0.5, Urgency.HIGH),
        act(ActionKind.CLOSE, None, Urgency.LOW),
    ]
    order += [close, act(ActionKind.CLOSE, None, Urgency.IMMEDIATE)]
    for lesser, greater in pairwise(order):
        assert weaker(lesser, greater)
        assert not weaker(greater, lesser)
    assert not weaker(act(ROLL, None, Urgency.LOW), act(ROLL))


def test_a_roll_above_an_urgent_close_comes_with_a_row_on_which_both_fire() -> None:
    above, below = rule("a", 1, "dte <= 25", ROLL), rule("b", 2, "vix > 35", urgency=Urgency.HIGH)
    [(key, message)] = found(above, below).items()
    assert key == "a: hides-close"
    assert message.startswith("while `a` fires, `b` below cannot act, e.g. dte=")
    assert message.endswith(": roll, although `b` would close")


def test_a_roll_above_an_ordinary_close_is_a_choice() -> None:
    assert found(rule("a", 1, "dte <= 25", ROLL), rule("b", 2, "pnl_ratio > 0.5")) == {}


def test_a_roll_that_excludes_the_close_below_hides_nothing() -> None:
    assert found(rule("a", 1, "dte > 25", ROLL), rule("b", 2, "dte <= 25", urgency=Urgency.HIGH)) == {}


def test_a_close_above_both_leaves_nothing_to_hide() -> None:
    urgent = rule("b", 2, "vix > 35", urgency=Urgency.HIGH)
    below = rule("c", 3, "vix > 40 and dte <= 10", urgency=Urgency.HIGH)
    assert "b: hides-close" not in found(rule("a", 1, "dte <= 25", ROLL), urgent, below)
    assert "c: shadowed" in found(urgent, rule("x", 1, "iv > 4"), below)


def test_an_entry_that_can_never_be_true_never_opens() -> None:
    plain = desk(rule("a", 1, "dte <= 1"))
    [strategy] = plain.strategies
    never = replace(strategy, entry=replace(strategy.entry, when=expression("vix < 20 and vix > 30")))
    [diagnostic] = lint(replace(plain, strategies=(never,)))
    assert diagnostic.code == "never-opens"
    assert "so `iron_condor` never opens a position" in diagnostic.message


def test_the_lint_knows_every_field_of_a_rule() -> None:
    # What makes a rule fire longer or less often changes what may be claimed: think of v6/lint/verdict.py first.
    assert {f.name for f in fields(Rule)} == {
        *("id", "priority", "scope", "title", "protective", "params", "tracks", "when", "for_s", "keep_s"),
        *("cooldown_s", "on_missing", "missing_for_s", "fallback", "then", "alert", "apply_to_open", "examples"),
        *("span", "fingerprint"),
    }
