from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from tests.lang.desks import RULE, desk, swapped
from v6.daemon.policy import PINS, SHADOW_STATE, Policy
from v6.daemon.reload import LAST_GOOD, Accepted
from v6.errors import ConfigError
from v6.model import event as e
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules import RuleSet, RuleState, load_texts
from v6.rules.recorded import recorded_set

AT = datetime(2024, 3, 4, 15, tzinfo=UTC)
STOP = swapped(
    RULE,
    {
        "id: take_profit": "id: stop",
        "target: {value: 0.5, unit: ratio, min: 0.1, max: 2}": "most: {value: 2, unit: ratio, min: 0.1, max: 4}",
        "when: pnl_ratio >= target": "when: pnl_ratio <= -most",
        "pnl_ratio: 0.6": "pnl_ratio: -5",
        "pnl_ratio: 0.4": "pnl_ratio: 0",
    },
)
LOOSE, TIGHT = swapped(STOP, {"value: 2": "value: 3"}), swapped(STOP, {"value: 2": "value: 1"})


def tree(*texts: str, **more: str) -> Accepted:
    files = desk(*texts) | {f"rules/{name}.yaml": text for name, text in more.items()}
    return Accepted(RuleSet.compile(load_texts(files)), "rev", msgspec.json.encode(files).decode())


def at(pnl: float, minute: int = 0) -> Snapshot:
    rows = (Row.of(PORTFOLIO_KEY, {}), Row.of("p", {"pnl_ratio": pnl}))
    return Snapshot(f"s{minute}", minute, AT + timedelta(minutes=minute), rows)


def decided(policy: Policy, pnl: float) -> str | None:
    return policy.judge(at(pnl), RuleState()).decisions[1].rule_id


def test_a_loosening_does_not_reach_an_open_position_and_is_told() -> None:
    policy = Policy(tree(STOP), {}, ["p"])
    policy.take(tree(LOOSE), ["p"])
    events, _ = policy.taken(tree(LOOSE), AT)
    assert [type(event) for event in events] == [e.RuleSetReloaded, e.RulesPinned]
    assert isinstance(events[1], e.RulesPinned)
    assert "stop: there may be rows" in events[1].reasons[0]
    assert decided(policy, -2.5) == "stop"


def test_a_position_that_is_opened_later_is_under_the_new_rules() -> None:
    policy = Policy(tree(STOP), {}, [])
    policy.take(tree(LOOSE), [])
    assert len(policy.taken(tree(LOOSE), AT)[0]) == 1
    assert decided(policy, -2.5) is None


def test_a_tightening_reaches_it_at_once() -> None:
    policy = Policy(tree(STOP), {}, ["p"])
    policy.take(tree(TIGHT), ["p"])
    assert policy.taken(tree(TIGHT), AT)[0][1:] == ()
    assert decided(policy, -1.5) == "stop"


def test_what_was_loosened_while_the_daemon_was_off_does_not_reach_it_either() -> None:
    before = tree(STOP)
    _, saved = Policy(before, {}, ["p"]).taken(before, AT)
    assert decided(Policy(tree(LOOSE), saved, ["p"]), -2.5) == "stop"
    assert decided(Policy(tree(LOOSE), saved, []), -2.5) is None


def test_a_pin_outlives_restarts_and_more_edits_until_the_position_is_closed() -> None:
    policy = Policy(tree(STOP), {}, ["p"])
    policy.take(tree(LOOSE), ["p"])
    _, saved = policy.taken(tree(LOOSE), AT)
    assert {key for key in saved if not key.startswith("ruleset/")} == {LAST_GOOD, PINS}
    policy = Policy(tree(LOOSE), saved, ["p"])
    assert policy.taken(tree(LOOSE), AT)[0][1:] != ()
    assert decided(policy, -2.5) == "stop"
    looser = swapped(STOP, {"value: 2": "value: 4"})
    policy.take(tree(looser), ["p"])
    _, saved = policy.taken(tree(looser), AT)
    assert decided(Policy(tree(looser), saved, ["p"]), -2.5) == "stop"
    policy.judge(Snapshot("s", 1, AT, (Row.of(PORTFOLIO_KEY, {}),)), RuleState())
    assert "stop" not in policy.saved()[PINS]
    assert decided(policy, -2.5) is None


def test_pins_that_cannot_be_read_any_more_leave_the_desks_rules() -> None:
    before = tree(STOP)
    broken = {
        LAST_GOOD: before.texts_json,
        PINS: '{"texts":{"m":["rules/a.yaml","nonsense: 1"]},"positions":{"p":["m"]}}',
    }
    assert decided(Policy(before, broken, ["p"]), -2.5) == "stop"


def test_unknown_protective_rules_are_named_from_the_rules_that_decide_the_row() -> None:
    guard = swapped(STOP, {"when:": "protective: true\non_missing: escalate\nmissing_for: 5m\nfallback: null\nwhen:"})
    policy = Policy(tree(guard), {}, ["p"])
    policy.take(tree(RULE), ["p"])
    lost = Snapshot("s", 1, AT, (Row.of(PORTFOLIO_KEY, {}), Row.of("p", {}), Row.of("q", {})))
    decisions = policy.judge(lost, RuleState()).decisions
    assert [policy.unknown(decision) for decision in decisions] == [(), ("stop",), ()]


def test_every_set_that_decided_anything_can_be_had_again_by_its_fingerprint() -> None:
    take = swapped(RULE, {"priority: 50": "priority: 60"})
    first, second = tree(STOP, take), tree(LOOSE, swapped(take, {"value: 0.5": "value: 0.45"}))
    policy, kept = Policy(first, {}, ["p"]), dict[str, str]()
    made = [policy.taken(first, AT)[1]]
    before = policy.judge(at(0), RuleState()).decisions
    policy.take(second, ["p"])
    made.append(policy.taken(second, AT)[1])
    after = policy.judge(at(0), RuleState()).decisions
    for state in made:
        kept |= state
    marks = {decision.bundle_fingerprint for decision in (*before, *after)}
    assert len(marks) == 3, "the first set, the second, and the mixture that the open position keeps"
    for mark in marks:
        found = recorded_set(mark, kept.get)
        assert found is not None
        assert found.fingerprint == mark
    assert recorded_set("another", kept.get) is None


def test_a_store_from_before_sets_were_kept_has_its_last_one() -> None:
    accepted = tree(STOP)
    found = recorded_set(accepted.ruleset.fingerprint, {LAST_GOOD: accepted.texts_json}.get)
    assert found is not None
    assert recorded_set("another", {LAST_GOOD: accepted.texts_json}.get) is None
    assert recorded_set("another", {"ruleset/another": "{"}.get) is None


SHADOW = "version: 1\nrules: [eager.yaml]\n"


def test_a_shadow_is_judged_on_the_same_snapshots_and_does_nothing() -> None:
    accepted = tree(STOP, shadow=SHADOW, eager=TIGHT)
    assert accepted.ruleset.fingerprint == tree(STOP).ruleset.fingerprint
    policy, state, told = Policy(accepted, {}, ["p"]), RuleState(), []
    for minute, pnl in enumerate((0, -1.5, -1.6, -2.5, -1.5)):
        judged = policy.judge(at(pnl, minute), state)
        state = judged.state
        assert judged.decisions[1].rule_id == ("stop" if pnl == -2.5 else None)
        told += [(minute, event) for event in judged.events]
    # Once when it begins, and again after the two had agreed.
    assert [minute for minute, _ in told] == [1, 4]
    event = told[0][1]
    assert isinstance(event, e.ShadowDiffered)
    assert (event.key, event.rule_id, event.shadow_rule_id, str(event.shadow_action)) == (
        "p",
        None,
        "stop",
        "close (normal)",
    )
    assert policy.saved().keys() == {SHADOW_STATE, PINS}


def test_the_shadows_memory_outlives_a_restart_and_goes_with_the_shadow() -> None:
    patient = swapped(TIGHT, {"when:": "for: 5m\nwhen:"})
    accepted = tree(STOP, shadow=SHADOW, eager=patient)
    policy = Policy(accepted, {}, [])
    policy.judge(at(-1.5), RuleState())
    policy = Policy(accepted, policy.saved(), [])
    assert policy.judge(at(-1.5, 5), RuleState()).events
    policy.take(tree(STOP), [])
    assert policy.judge(at(-1.5, 10), RuleState()).events == ()


def test_a_broken_shadow_refuses_the_tree_with_its_place() -> None:
    with pytest.raises(ConfigError, match=r"rules/shadow\.yaml:2:9: missing-file: .*eagre\.yaml.*eager\.yaml"):
        tree(STOP, shadow="version: 1\nrules: [eagre.yaml]\n", eager=TIGHT)
    with pytest.raises(ConfigError, match=r"rules/eager\.yaml:8:7: unknown-name"):
        tree(STOP, shadow=SHADOW, eager=swapped(TIGHT, {"when: pnl_ratio": "when: pnl_ration"}))
    with pytest.raises(ConfigError, match="the example says"):
        tree(STOP, shadow=SHADOW, eager=swapped(TIGHT, {"pnl_ratio: 0}": "pnl_ratio: -4}"}))


def test_a_rule_may_be_in_the_bundle_and_in_the_shadow() -> None:
    accepted = tree(STOP, shadow="version: 1\nrules: [a.yaml]\n")
    assert Policy(accepted, {}, []).judge(at(-2.5), RuleState()).events == ()
