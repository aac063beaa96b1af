"""A decision is made again from what was recorded, bit for bit, and opened up to its thresholds."""

from __future__ import annotations

from contextlib import closing
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from tests.lang.desks import RULE, desk, swapped
from v6.errors import V6Error
from v6.model.catalogue import Value
from v6.model.event import DecisionsMade, SnapshotTaken
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState, load_desk, load_texts
from v6.ruletools.explain import Explanation, Recorded, explain_row
from v6.ruletools.record import Record, Wanted
from v6.store.journal import Journal
from v6.store.outbox import Outbox

AT = datetime(2014, 1, 2, 15, 0, tzinfo=UTC)
BLIND = swapped(
    RULE,
    {
        "id: take_profit": "id: guard",
        "priority: 50": "priority: 10",
        "when: pnl_ratio >= target": "protective: true\non_missing: escalate\nmissing_for: 10m\nfallback: null\n"
        "when: iv >= 0.5 or pnl_ratio >= 0.9",
        "params:\n  target: {value: 0.5, unit: ratio, min: 0.1, max: 2}\n": "",
        "{pnl_ratio: 0.6}, fires: true": "{iv: 0.6}, fires: true",
        "{pnl_ratio: 0.4}, fires: false": "{iv: 0.2, pnl_ratio: 0.1}, fires: false",
    },
)
ROLL = swapped(RULE, {"id: take_profit": "id: roll", "priority: 50": "priority: 60", "action: close": "action: roll"})


def explained(given: dict[str, Value], *rules: str) -> Explanation:
    """Return the explanation of one row whose decision was recorded as it is made now."""
    return explained_last([given], *rules)


def explained_last(series: list[dict[str, Value]], *rules: str) -> Explanation:
    """Return the explanation of the last of several rows five minutes apart."""
    compiled, before = RuleSet.compile(load_texts(desk(*rules))), RuleState()
    *earlier, snapshot = [
        Snapshot("s", i, AT + timedelta(minutes=5 * (i + 1 - len(series))), (Row.of("p", given),))
        for i, given in enumerate(series)
    ]
    for seen in earlier:
        _, before = compiled.evaluate(seen, before)
    (d,), _ = compiled.evaluate(snapshot, before)
    action = (None, None) if d.action is None else (d.action.kind.value, d.action.urgency.value)
    masks = d.fired, d.unknown, d.bundle_fingerprint, d.rule_fingerprint, d.alerts
    recorded = Recorded(d.decision_id, "s", "p", AT, d.rule_id, *action, *masks)
    return explain_row(compiled, snapshot, "p", before, recorded, 0, 0)


def test_a_comparison_says_how_far_it_is_from_its_threshold_and_in_which_unit() -> None:
    (trace,) = explained({"pnl_ratio": 0.375}, RULE).rules
    ((word, part),) = trace.conditions
    assert (word, part.text, part.value, part.distance, part.unit) == (
        "when",
        "pnl_ratio >= target",
        False,
        -0.125,
        "ratio",
    )
    assert trace.why == "does not hold"
    (trace,) = explained({"pnl_ratio": 0.75}, RULE).rules
    assert trace.conditions[0][1].distance == 0.25
    assert trace.why == "decides: it holds"


def test_an_unknown_verdict_names_the_field_for_want_of_which_it_is_unknown() -> None:
    found = explained({"pnl_ratio": 0.2}, BLIND, RULE)
    guard = found.rules[0]
    assert (guard.verdict, guard.missing) == (None, ("iv",))
    assert guard.why == "unknown for want of iv; acts after 10m, so far 0s"
    assert guard.conditions[0][1].parts[0].distance is None
    assert found.missing_inputs == ("iv",)


def test_a_roll_that_waits_for_a_blind_rule_says_so() -> None:
    guard, roll = explained({"pnl_ratio": 0.6}, BLIND, ROLL).rules
    assert roll.fired
    assert roll.why == "fired, but a roll adds risk and guard above is unknown"
    assert guard.verdict is None


def test_a_rule_that_comes_too_late_says_which_came_first() -> None:
    _, roll = explained({"pnl_ratio": 0.6}, RULE, ROLL).rules
    assert roll.why == "fired, but take_profit comes first"


def test_a_condition_that_has_not_held_long_enough_says_how_long() -> None:
    (trace,) = explained({"pnl_ratio": 0.6}, swapped(RULE, {"when:": "for: 10m\nwhen:"})).rules
    assert (trace.signal, trace.why) == ("pending", "holds for 0s of the 10m asked for")


HALF = swapped(RULE, {"action: close": "action: reduce, fraction: 0.5"})
UP: dict[str, Value] = {"pnl_ratio": 0.6}
DOWN: dict[str, Value] = {"pnl_ratio": 0.4}


def why(series: list[dict[str, Value]], *rules: str) -> str:
    found = explained_last(series, *rules)
    assert found.differences == ()
    return found.rules[0].why


def test_a_reduce_that_has_acted_says_what_it_waits_for() -> None:
    assert why([UP], HALF) == "decides: it holds"
    assert why([UP, UP, UP], HALF) == "fired, but it acted 10m ago, and waits until its condition is known to be false"
    assert why([UP, {}, UP], HALF).startswith("fired, but it acted 10m ago")
    assert why([UP, DOWN, UP], HALF) == "decides: it holds"


def test_a_reduce_that_pauses_says_for_how_long() -> None:
    paused = swapped(HALF, {"when:": "cooldown: 1h\nwhen:"})
    assert why([UP, DOWN, UP], paused) == "fired, but it acted 10m ago, and pauses for 1h"


def test_a_rule_that_fires_on_says_how_long_ago_its_condition_held() -> None:
    kept = swapped(RULE, {"when:": "keep_firing_for: 11m\nwhen:"})
    assert why([UP, DOWN, DOWN], kept) == "decides: it held 10m ago, and fires on for 11m"
    assert why([UP, DOWN, DOWN, DOWN], kept) == "does not hold"


def test_a_rule_that_only_tells_says_whether_it_does_so_now() -> None:
    tells = {"when:": "alert: {severity: info, text: look}\nwhen:", "action: close": "action: alert"}
    assert why([UP], swapped(RULE, tells)) == "fired, but it tells"
    assert why([UP, UP], swapped(RULE, tells)) == "fired, but it only tells, and that is done"


def test_a_track_that_looks_back_is_shown_with_its_value_on_the_row() -> None:
    jump = swapped(
        RULE,
        {
            "when: pnl_ratio >= target": "track: {jump: 'change(pnl_ratio, 10m)'}\nwhen: jump >= target",
            "pnl_ratio: 0.6": "jump: 0.6",
            "pnl_ratio: 0.4": "jump: 0.4",
        },
    )
    (young,) = explained_last([DOWN, UP], jump).rules
    assert (young.tracks["jump"], young.missing, young.verdict) == (None, ("jump",), None)
    (trace,) = explained_last([{"pnl_ratio": 0.25}, DOWN, {"pnl_ratio": 0.75}], jump).rules
    assert (trace.tracks["jump"], trace.verdict, trace.conditions[0][1].distance) == (0.5, True, 0.0)


def test_every_recorded_decision_with_an_outcome_is_made_again_bit_for_bit(recorded: Run) -> None:
    record = Record(recorded.store / "tables")
    rows = record._rows("SELECT decision_id FROM decisions WHERE rule_id IS NOT NULL OR unknown <> 0", {})
    assert rows
    for row in rows[:12]:
        (found,) = record.find(Wanted(row["decision_id"]))
        explanation = record.explain(found, load_desk(ROOT))
        assert explanation.differences == ()
        assert explanation.foreign == 0
        if found.rule_id is not None:
            assert [t.rule for t in explanation.rules if t.why.startswith("decides")] == [found.rule_id]


def test_a_decision_that_was_recorded_otherwise_is_a_difference(recorded: Run) -> None:
    record = Record(recorded.store / "tables")
    found = record.find(Wanted(at=datetime(2014, 1, 15, 18, 0, tzinfo=UTC)))[-1]
    forged = Recorded(**{name: getattr(found, name) for name in Recorded.__slots__} | {"fired": 1})
    assert record.explain(forged, load_desk(ROOT)).differences == (f"fired: recorded 1, now {found.fired}",)


def test_a_moment_gives_the_last_snapshot_until_then(recorded: Run) -> None:
    record = Record(recorded.store / "tables")
    at = datetime(2014, 1, 15, 18, 0, tzinfo=UTC)
    found = record.find(Wanted(at=at))
    assert found[0].key == ""
    assert len({item.snapshot_id for item in found}) == 1
    assert max(item.ts for item in found) <= at
    assert record.find(Wanted(at=at, key=found[-1].key)) == found[-1:]
    with pytest.raises(V6Error, match="no position nobody was decided"):
        record.find(Wanted(at=at, key="nobody"))
    with pytest.raises(V6Error, match="nothing was decided until"):
        record.find(Wanted(at=datetime(2000, 1, 1, tzinfo=UTC)))


def test_a_key_that_was_away_for_a_snapshot_starts_afresh_as_in_the_daemon(tmp_path: Path) -> None:
    peak = {"when: pnl_ratio >= target": "track: {peak: max(pnl_ratio)}\nwhen: peak >= target"}
    loaded = load_texts(desk(swapped(RULE, peak)))
    rules, state = RuleSet.compile(loaded), RuleState()
    with closing(Journal(tmp_path / "journal.sqlite")) as journal:
        for cycle, ratio in enumerate([0.6, None, 0.2]):
            row = Row.of("p", {"pnl_ratio": ratio})
            there = (Row.of("", {}),) if ratio is None else (Row.of("", {}), row)
            snapshot = Snapshot(f"s{cycle}", cycle, AT + timedelta(minutes=5 * cycle), there)
            state = state if len(there) > 1 else state.forget("p")
            decisions, state = rules.evaluate(snapshot, state)
            journal.append(SnapshotTaken(snapshot.ts, snapshot), DecisionsMade(snapshot.ts, decisions))
        Outbox(journal, tmp_path / "tables").flush()
    record = Record(tmp_path / "tables")
    (found,) = record.find(Wanted("s2:p"))
    explanation = record.explain(found, loaded)
    assert explanation.differences == ()
    assert dict(explanation.rules[0].tracks) == {"peak": 0.2}
