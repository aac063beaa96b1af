from __future__ import annotations

from dataclasses import replace

import pytest

from tests.lang.desks import RULE, desk, swapped
from v6.lang.desk import Rule
from v6.lint.adopt import adopt
from v6.rules import load_texts

STOP = swapped(
    RULE,
    {
        "id: take_profit": "id: stop",
        "priority: 50": "priority: 60",
        "target: {value: 0.5, unit: ratio, min: 0.1, max: 2}": "most: {value: 2, unit: ratio, min: 0.1, max: 4}",
        "when: pnl_ratio >= target": "when: pnl_ratio <= -most",
        "pnl_ratio: 0.6": "pnl_ratio: -5",
        "pnl_ratio: 0.4": "pnl_ratio: 0",
    },
)


def rules(*texts: str) -> tuple[Rule, ...]:
    return load_texts(desk(*texts)).rules


def reasons(before: tuple[Rule, ...], after: tuple[Rule, ...]) -> dict[str, str]:
    return {difference.rule_id: difference.reason for difference in adopt(before, after).differences}


def test_a_tighter_threshold_holds_for_open_positions_at_once() -> None:
    before, after = rules(STOP), rules(swapped(STOP, {"value: 2": "value: 1.5"}))
    assert adopt(before, after).rules == after
    assert reasons(before, after) == {}


def test_a_looser_threshold_does_not_and_says_where_it_is_looser() -> None:
    before, after = rules(STOP), rules(swapped(STOP, {"value: 2": "value: 3"}))
    assert adopt(before, after).rules == before
    assert "such as with pnl_ratio=-2" in reasons(before, after)["stop"]


def test_a_looser_threshold_that_is_to_hold_for_open_positions_does() -> None:
    loose = swapped(STOP, {"value: 2": "value: 3", "when:": "apply_to_open: true\nwhen:"})
    assert adopt(rules(STOP), rules(loose)).rules == rules(loose)


def test_other_words_for_the_same_condition_are_no_change() -> None:
    same = swapped(STOP, {"when: pnl_ratio <= -most": "when: -most >= pnl_ratio", "title: Take half": "title: Stop"})
    assert reasons(rules(STOP), rules(same)) == {}


def test_a_rule_that_is_removed_goes_on_for_open_positions() -> None:
    before, after = rules(RULE, STOP), rules(RULE)
    assert [rule.id for rule in adopt(before, after).rules] == ["take_profit", "stop"]
    assert reasons(before, after) == {"stop": "it is no longer in the bundle"}


def test_a_new_rule_that_closes_is_taken_and_one_that_rolls_is_not() -> None:
    roll = swapped(
        RULE, {"id: take_profit": "id: roll", "action: close": "action: roll", "priority: 50": "priority: 5"}
    )
    assert [rule.id for rule in adopt(rules(RULE), rules(RULE, STOP)).rules] == ["take_profit", "stop"]
    assert [rule.id for rule in adopt(rules(RULE), rules(RULE, roll)).rules] == ["take_profit"]
    assert "take the place of a close" in reasons(rules(RULE), rules(RULE, roll))["roll"]


ESCALATE = "on_missing: escalate\nmissing_for: 5m\nfallback: null\n"
LOOSER = {
    "slower": ({"{action: close}": "{action: close, urgency: high}"}, {}, "close (normal)"),
    "later": ({}, {"priority: 60": "priority: 70"}, "priority"),
    "longer": ({}, {"when:": "for: 5m\nwhen:"}, "longer"),
    "shorter": ({"when:": "keep_firing_for: 5m\nwhen:"}, {}, "shorter time"),
    "blind": ({"when:": ESCALATE + "when:"}, {}, "missing inputs"),
    "patient": ({"when:": ESCALATE + "when:"}, {"when:": ESCALATE.replace("5m", "6m") + "when:"}, "missing inputs"),
    "unprotected": ({"when:": f"protective: true\n{ESCALATE}when:"}, {"when:": f"{ESCALATE}when:"}, "protective"),
    "partial": ({}, {"{action: close}": "{action: reduce, fraction: 0.9}"}, "reduce 0.9"),
    "less": (
        {"{action: close}": "{action: reduce, fraction: 0.9}"},
        {"{action: close}": "{action: reduce, fraction: 0.8}"},
        "reduce 0.8",
    ),
    "forgetful": (
        {"when: pnl_ratio <= -most": "track: {low: min(pnl_ratio)}\nwhen: low <= -most", "pnl_ratio: -5": "low: -5"},
        {
            "when: pnl_ratio <= -most": "track: {low: min(pnl_ratio * 1)}\nwhen: low <= -most",
            "pnl_ratio: -5": "low: -5",
        },
        "begin anew",
    ),
}


@pytest.mark.parametrize("name", LOOSER)
def test_whatever_is_looser_stays_out_of_open_positions(name: str) -> None:
    old, new, reason = LOOSER[name]
    before, after = rules(swapped(STOP, old)), rules(swapped(STOP, new))
    assert adopt(before, after).rules == before
    assert reason in reasons(before, after)["stop"]


@pytest.mark.parametrize("name", [name for name in LOOSER if name not in {"later", "forgetful"}])
def test_and_the_other_way_round_it_is_tighter(name: str) -> None:
    old, new, _ = LOOSER[name]
    before, after = rules(swapped(STOP, new)), rules(swapped(STOP, old))
    assert reasons(before, after) == {}
    assert adopt(before, after).rules == after


def test_an_alert_is_the_desks_at_once_and_goes_with_its_rule() -> None:
    tell = swapped(
        STOP, {"{action: close}": "{action: alert}\nalert: {severity: info, text: low}", "id: stop": "id: t"}
    )
    later = swapped(tell, {"value: 2": "value: 3"})
    assert adopt(rules(RULE, tell), rules(RULE, later)).rules == rules(RULE, later)
    assert adopt(rules(RULE, tell), rules(RULE)).rules == rules(RULE)


def test_a_position_keeps_its_rules_alone_where_old_and_new_are_too_many_for_a_mask() -> None:
    def bundle(name: str) -> tuple[Rule, ...]:
        return tuple(replace(rule, id=f"{name}{i}", priority=i) for i in range(40) for rule in rules(STOP))

    before, after = bundle("old"), bundle("new")
    adoption = adopt(before, after)
    assert adoption.rules == before
    assert [difference.rule_id for difference in adoption.differences] == ["*"]


def test_portfolio_rules_are_the_desks() -> None:
    halt = swapped(
        STOP,
        {
            "scope: position": "scope: portfolio",
            "{action: close}": "{action: halt_opens}",
            "when: pnl_ratio <= -most": "when: drawdown >= most",
            "pnl_ratio: -5": "drawdown: 5",
            "pnl_ratio: 0": "drawdown: 0",
        },
    )
    looser = swapped(halt, {"value: 2": "value: 3"})
    assert adopt(rules(RULE, halt), rules(RULE, looser)).rules == rules(RULE, looser)
