from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.lang.desks import RULE, desk, swapped
from v6.model.catalogue import Value
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState, load_texts

START = datetime(2014, 1, 2, 15, 0, tzinfo=UTC)
Given = dict[str, Value]

FOR = swapped(RULE, {"when:": "for: 10m\nwhen:"})
ESCALATE = swapped(
    RULE,
    {"when:": "protective: true\non_missing: escalate\nmissing_for: 10m\nfallback: broker_pnl_ratio >= target\nwhen:"},
)
ROLL = """\
version: 1
id: roll
priority: 60
scope: position
title: Roll
when: dte <= 21
then: {action: roll}
examples:
  - {given: {dte: 20}, fires: true}
  - {given: {dte: 22}, fires: false}
"""
PEAK = swapped(
    RULE,
    {
        "when: pnl_ratio >= target": "track: {peak: max(pnl_ratio)}\nwhen: peak >= target",
        "id: take_profit": "id: peak",
    },
)


def compiled(*texts: str) -> RuleSet:
    return RuleSet.compile(load_texts(desk(*texts)))


def run(
    rules: RuleSet, rows: list[tuple[int, Given]], state: RuleState | None = None, start: datetime = START
) -> tuple[list[tuple[str | None, int, int]], RuleState]:
    """Evaluate rows of one position at minutes after the start; return (rule, fired, unknown) for each."""
    state = state or RuleState()
    found = []
    for cycle, (minute, given) in enumerate(rows):
        snapshot = Snapshot(f"s{cycle}", cycle, start + timedelta(minutes=minute), (Row.of("p", given),))
        (decision,), state = rules.evaluate(snapshot, state)
        found.append((decision.rule_id, decision.fired, decision.unknown))
    return found, state


def fired(rules: RuleSet, rows: list[tuple[int, Given]], state: RuleState | None = None) -> list[bool]:
    return [rule is not None for rule, _, _ in run(rules, rows, state)[0]]


UP: Given = {"pnl_ratio": 0.6}
DOWN: Given = {"pnl_ratio": 0.1}
LOST: Given = {"pnl_ratio": None}


def test_a_decision_says_what_fired_and_by_which_rules() -> None:
    rules = compiled(RULE, ROLL)
    rows = (Row.of("", {}), Row.of("p", {"pnl_ratio": 0.6, "dte": 20.0}))
    portfolio, position = rules.evaluate(Snapshot("s", 1, START, rows), RuleState())[0]
    assert (portfolio.rule_id, portfolio.action, portfolio.fired, portfolio.unknown) == (None, None, 0, 0)
    assert position.decision_id == "s:p"
    assert position.rule_id == "take_profit"
    assert position.action is not None
    assert position.action.kind == "close"
    assert position.fired == 0b11
    assert position.bundle_fingerprint == rules.fingerprint
    assert position.rule_fingerprint == rules.rules[0].fingerprint


def test_a_missing_input_is_unknown_not_false() -> None:
    assert run(compiled(RULE), [(0, LOST)])[0] == [(None, 0, 1)]


def test_a_division_by_zero_is_unknown_though_no_input_is_missing() -> None:
    rule = swapped(RULE, {"when: pnl_ratio >= target": "when: pnl_ratio * delta / delta >= target or dte < 0.5"})
    rule = swapped(rule, {"{pnl_ratio: 0.6}": "{pnl_ratio: 0.6, delta: 1, dte: 9}"})
    rule = swapped(rule, {"{pnl_ratio: 0.4}": "{pnl_ratio: 0.4, delta: 1, dte: 9}"})
    found, _ = run(compiled(rule), [(0, {"pnl_ratio": 0.6, "delta": 0.0, "dte": 9.0})])
    assert found == [(None, 0, 1)]


def test_a_rule_that_waits_is_let_go_when_its_input_is_back() -> None:
    rows: list[tuple[int, Given]] = [
        (0, {"pnl_ratio": None, "broker_pnl_ratio": None}),
        (9, {"pnl_ratio": 0.1, "broker_pnl_ratio": 0.1}),
        (12, {"pnl_ratio": None, "broker_pnl_ratio": None}),
    ]
    assert fired(compiled(ESCALATE), rows) == [False, False, False]


def test_for_needs_the_condition_to_hold_that_long() -> None:
    assert fired(compiled(FOR), [(0, UP), (5, UP), (10, UP), (15, UP)]) == [False, False, True, True]


def test_for_starts_again_when_the_condition_was_false() -> None:
    assert fired(compiled(FOR), [(0, UP), (5, DOWN), (10, UP), (15, UP), (20, UP)]) == [False] * 4 + [True]


def test_an_unknown_row_leaves_the_clock_running_but_does_not_fire() -> None:
    assert fired(compiled(FOR), [(0, UP), (5, LOST), (10, LOST), (15, UP)]) == [False, False, False, True]


def test_a_night_restarts_the_clock() -> None:
    assert fired(compiled(FOR), [(0, UP), (5, UP), (1000, UP), (1010, UP)]) == [False, False, False, True]


def test_a_quarter_of_an_hour_between_rows_is_no_gap_yet() -> None:
    assert fired(compiled(FOR), [(0, UP), (15, UP)]) == [False, True]
    assert fired(compiled(FOR), [(0, UP), (16, UP)]) == [False, False]


def test_a_fallback_decides_while_the_condition_is_unknown() -> None:
    rules = compiled(ESCALATE)
    assert run(rules, [(0, {"broker_pnl_ratio": 0.7})])[0] == [("take_profit", 1, 0)]
    assert run(rules, [(0, {"broker_pnl_ratio": 0.2})])[0] == [(None, 0, 0)]


def test_a_rule_that_stays_unknown_acts_in_the_end_and_says_so() -> None:
    rows = [(0, LOST), (5, LOST), (10, LOST), (15, DOWN), (20, LOST)]
    assert run(compiled(ESCALATE), rows)[0] == [
        (None, 0, 1),
        (None, 0, 1),
        ("take_profit", 1, 1),
        (None, 0, 0),
        (None, 0, 1),
    ]


def test_nothing_adds_risk_below_a_protective_rule_that_waits() -> None:
    rules = compiled(ESCALATE, ROLL)
    blocked = {"pnl_ratio": None, "dte": 20.0}
    assert run(rules, [(0, blocked)])[0] == [(None, 0b10, 0b01)]
    assert run(rules, [(0, blocked | {"pnl_ratio": 0.1})])[0] == [("roll", 0b10, 0)]


def test_closing_below_a_protective_rule_that_waits_is_allowed() -> None:
    rules = compiled(ESCALATE, swapped(ROLL, {"action: roll": "action: close"}))
    assert run(rules, [(0, {"pnl_ratio": None, "dte": 20.0})])[0] == [("roll", 0b10, 0b01)]


def test_a_waiting_protective_rule_holds_up_nothing_above_it() -> None:
    rules = compiled(swapped(ESCALATE, {"priority: 50": "priority: 70"}), ROLL)
    assert run(rules, [(0, {"pnl_ratio": None, "dte": 20.0})])[0] == [("roll", 0b01, 0b10)]


def test_a_peak_outlives_falls_holes_and_a_restart() -> None:
    rules = compiled(PEAK)
    _, state = run(rules, [(0, UP), (5, DOWN), (10, LOST)])
    restored = RuleState.from_json(state.to_json())
    assert fired(rules, [(15, LOST)], restored) == [True]
    assert fired(rules, [(15, LOST)], restored.forget("p")) == [False]


def test_a_peak_outlives_an_edited_threshold_but_not_an_edited_fold() -> None:
    _, state = run(compiled(PEAK), [(0, UP)])
    edited = compiled(swapped(PEAK, {"value: 0.5": "value: 0.55", "{peak:": "{top:", "when: peak": "when: top"}))
    assert fired(edited, [(5, DOWN)], state) == [True]
    refolded = compiled(swapped(PEAK, {"max(pnl_ratio)": "max(pnl_ratio * 1.1)"}))
    assert fired(refolded, [(5, DOWN)], state) == [False]


def test_for_is_judged_from_its_original_start_under_a_new_duration() -> None:
    _, state = run(compiled(FOR), [(0, UP)])
    shorter = compiled(swapped(FOR, {"for: 10m": "for: 4m"}))
    assert fired(shorter, [(5, UP)], state) == [True]


def test_two_positions_do_not_share_their_memory() -> None:
    rules, state = compiled(PEAK), RuleState()
    rows = (Row.of("p", UP), Row.of("q", DOWN))
    decisions, _ = rules.evaluate(Snapshot("s", 1, START, rows), state)
    assert [d.rule_id for d in decisions] == ["peak", None]


def test_evaluating_changes_neither_the_state_nor_its_json() -> None:
    rules = compiled(PEAK)
    _, state = run(rules, [(0, UP)])
    before = state.to_json()
    run(rules, [(5, {"pnl_ratio": 0.9})], state)
    assert state.to_json() == before
    assert RuleState.from_json(before).to_json() == before


def test_a_state_of_another_version_is_refused() -> None:
    with pytest.raises(ValueError, match="version 9"):
        RuleState.from_json('{"version":9,"keys":{}}')


def test_a_test_for_a_quotient_is_none_of_the_quotients_business() -> None:
    text = swapped(RULE, {"when: pnl_ratio >= target": "when: not has(3 / pnl_ratio * 1e12) and target > 0"})
    rules = compiled(swapped(text, {"pnl_ratio: 0.6": "pnl_ratio: 0"}))
    rows = [(0, {"pnl_ratio": 0.0}), (5, {"pnl_ratio": 5e-324}), (10, LOST), (15, UP)]
    assert fired(rules, rows) == [True, True, True, False]


def test_explain_shows_each_part_with_its_value() -> None:
    rules = compiled(PEAK)
    _, state = run(rules, [(0, UP)])
    assert rules.explain("peak", Row.of("p", DOWN), state, START) == [
        ("peak >= target", True),
        ("peak", 0.6),
        ("target", 0.5),
    ]
    assert rules.explain("peak", Row.of("q", LOST), state, START)[0] == ("peak >= target", None)


def test_explain_goes_on_to_the_fallback_when_the_condition_is_unknown() -> None:
    lines = compiled(ESCALATE).explain("take_profit", Row.of("p", {"broker_pnl_ratio": 0.7}), RuleState(), START)
    assert ("pnl_ratio >= target", None) in lines
    assert ("broker_pnl_ratio >= target", True) in lines
    with pytest.raises(KeyError):
        compiled(RULE).explain("nobody", Row.of("p", {}), RuleState(), START)
