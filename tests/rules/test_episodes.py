from __future__ import annotations

from datetime import timedelta

import pytest

from tests.lang.desks import RULE, swapped
from tests.rules.test_ruleset import START, Given, compiled, run
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState

UP, DOWN, LOST = {"pnl_ratio": 0.6}, {"pnl_ratio": 0.1}, {"pnl_ratio": None}
HALVE = swapped(RULE, {"{action: close}": "{action: reduce, fraction: 0.5}", "id: take_profit": "id: halve"})
TELL = swapped(
    RULE,
    {
        "{action: close}": '{action: alert}\nalert: {severity: warning, text: "at {pnl_ratio:.0%} of {target:g}"}',
        "id: take_profit": "id: tell",
        "priority: 50": "priority: 40",
    },
)
LATE = swapped(RULE, {"priority: 50": "priority: 60", "value: 0.5": "value: 0.55"})


def decisions(rules: RuleSet, rows: list[tuple[float, Given]], state: RuleState | None = None) -> list[str | None]:
    return [rule for rule, _, _ in run(rules, [(m, g) for m, g in rows], state)[0]]  # type: ignore[misc]


def told(rules: RuleSet, rows: list[tuple[int, Given]], state: RuleState | None = None) -> list[bool]:
    state, found = state or RuleState(), []
    for cycle, (minute, given) in enumerate(rows):
        snapshot = Snapshot(f"s{cycle}", cycle, START + timedelta(minutes=minute), (Row.of("p", given),))
        (decision,), state = rules.evaluate(snapshot, state)
        found.append(decision.alerts > 0)
    return found


def test_a_partial_take_profit_acts_once_and_again_only_after_the_profit_was_seen_to_be_gone() -> None:
    rows = [(0, UP), (5, UP), (10, UP), (15, DOWN), (20, UP), (25, UP)]
    assert decisions(compiled(HALVE), rows) == ["halve", None, None, None, "halve", None]


def test_an_input_that_comes_and_goes_does_not_make_it_act_twice() -> None:
    assert decisions(compiled(HALVE), [(0, UP), (5, LOST), (10, UP), (10 + 24 * 60, UP)]) == [
        "halve",
        None,
        None,
        None,
    ]


def test_a_latched_rule_does_not_hide_those_below_it() -> None:
    assert decisions(compiled(HALVE, LATE), [(0, UP), (5, UP)]) == ["halve", "take_profit"]


def test_a_rule_that_was_not_the_decision_still_has_its_turn() -> None:
    first = swapped(RULE, {"priority: 50": "priority: 40", "value: 0.5": "value: 0.55"})
    rows = [(0, UP), (5, {"pnl_ratio": 0.52})]
    assert decisions(compiled(first, HALVE), rows) == ["take_profit", "halve"]


def test_the_latch_outlives_a_restart_and_an_edit_of_the_threshold() -> None:
    _, state = run(compiled(HALVE), [(0, UP)])
    restored = RuleState.from_json(state.to_json())
    edited = compiled(swapped(HALVE, {"value: 0.5": "value: 0.45"}))
    assert decisions(edited, [(5, UP)], restored) == [None]


@pytest.mark.parametrize(("minute", "decided"), [(9, None), (10, "halve")])
def test_a_pause_is_counted_from_the_action(minute: int, decided: str | None) -> None:
    paused = compiled(swapped(HALVE, {"when:": "cooldown: 10m\nwhen:"}))
    rows = [(0, UP), (5, DOWN), (6, UP), (7, DOWN), (minute, UP)]
    assert decisions(paused, rows) == ["halve", None, None, None, decided]


def test_an_episode_that_begins_in_the_pause_is_acted_on_when_the_pause_ends() -> None:
    paused = compiled(swapped(HALVE, {"when:": "cooldown: 10m\nwhen:"}))
    assert decisions(paused, [(0, UP), (5, DOWN), (6, UP), (12, UP)])[-1] == "halve"


def test_a_rule_fires_on_for_a_while_after_its_condition_has_gone() -> None:
    kept = compiled(swapped(RULE, {"when:": "keep_firing_for: 10m\nwhen:"}))
    rows = [(0, UP), (5, UP), (10, DOWN), (14, LOST), (15, DOWN), (20, UP)]
    assert decisions(kept, rows) == ["take_profit"] * 4 + [None, "take_profit"]


def test_a_night_does_not_cut_short_what_fires_on() -> None:
    kept = compiled(swapped(RULE, {"when:": "keep_firing_for: 1d\nwhen:"}))
    assert decisions(kept, [(0, UP), (18 * 60, DOWN), (24 * 60, DOWN)]) == ["take_profit", "take_profit", None]


def test_an_alert_goes_out_once_per_episode_beside_whatever_is_decided() -> None:
    rules = compiled(TELL, RULE)
    rows = [(0, UP), (5, UP), (10, LOST), (15, UP), (20, DOWN), (25, UP)]
    assert told(rules, rows) == [True, False, False, False, False, True]
    assert decisions(rules, rows) == ["take_profit", "take_profit", None, "take_profit", None, "take_profit"]


def test_an_alert_shows_the_values_of_its_row() -> None:
    rules, snapshot = compiled(TELL), Snapshot("s", 1, START, (Row.of("p", UP),))
    made, _ = rules.evaluate(snapshot, RuleState())
    (notice,) = rules.notices(snapshot, made, RuleState())
    assert (notice.rule_id, notice.key, notice.severity, notice.text) == ("tell", "p", "warning", "at 60% of 0.5")


def test_an_alert_tells_what_is_not_known() -> None:
    text = swapped(TELL, {"{pnl_ratio:.0%}": "{vix:.1f}"})
    rules, snapshot = compiled(text), Snapshot("s", 1, START, (Row.of("p", UP),))
    made, _ = rules.evaluate(snapshot, RuleState())
    assert rules.notices(snapshot, made, RuleState())[0].text == "at unknown of 0.5"


def looking(track: str, when: str) -> RuleSet:
    text = swapped(RULE, {"when: pnl_ratio >= target": f"track: {{seen: '{track}'}}\nwhen: {when} and target > 0"})
    return compiled(
        swapped(text, {"{pnl_ratio: 0.6}": "{seen: 1}", "{pnl_ratio: 0.4}": "{seen: -1}"}),
    )


def test_a_mean_looks_at_what_is_younger_than_its_window() -> None:
    rules = looking("mean(pnl_ratio, 10m)", "seen >= 0.3")
    rows = [(0, {"pnl_ratio": 0.9}), (5, {"pnl_ratio": 0.0}), (10, {"pnl_ratio": 0.2}), (12, LOST), (60, LOST)]
    # 0.9, 0.45, 0.1 without the first one, 0.1 of what is left, nothing.
    assert [u for _, _, u in run(rules, rows)[0]] == [0, 0, 0, 0, 1]
    assert decisions(rules, rows) == ["take_profit", "take_profit", None, None, None]


def test_a_change_is_against_the_latest_value_that_is_old_enough() -> None:
    rules = looking("change(pnl_ratio, 10m)", "seen >= 0.3")
    rows = [
        (0, {"pnl_ratio": 0.1}),
        (5, {"pnl_ratio": 0.9}),
        (10, {"pnl_ratio": 0.4}),
        (16, {"pnl_ratio": 0.9}),
        (20, LOST),
    ]
    assert [u for _, _, u in run(rules, rows)[0]] == [1, 1, 0, 0, 1]
    assert decisions(rules, rows) == [None, None, "take_profit", None, None]


def test_a_look_back_outlives_a_restart() -> None:
    rules = looking("last_before(pnl_ratio, 10m)", "seen >= 0.3")
    _, state = run(rules, [(0, {"pnl_ratio": 0.4}), (5, DOWN)])
    restored = RuleState.from_json(state.to_json())
    assert restored == state
    assert decisions(rules, [(12, DOWN), (16, DOWN)], restored) == ["take_profit", None]


def test_the_state_of_an_earlier_version_is_read_and_its_running_timers_with_it() -> None:
    rules = compiled(
        swapped(RULE, {"when:": "protective: true\non_missing: escalate\nmissing_for: 10m\nfallback: null\nwhen:"})
    )
    old = '{"version":1,"keys":{"p":{"last":%d,"slots":{"take_profit/missing":%d}}}}'
    at = int(START.timestamp()) * 1_000_000
    state = RuleState.from_json(old % (at, at))
    # Known once, so the run begins anew.
    found, state = run(rules, [(5, DOWN), (8, LOST), (12, LOST)], state)
    assert [rule for rule, _, _ in found] == [None, None, None]
