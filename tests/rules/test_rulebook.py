from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import pytest

from tests.lang.desks import RULE, desk, swapped
from v6.lang.desk import Rule
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules import RuleSet, RuleState, load_texts
from v6.rules.rulebook import Rulebook, pins_from_json, pins_to_json, sources_of

AT = datetime(2024, 3, 4, 15, tzinfo=UTC)
NEW = swapped(RULE, {"value: 0.5": "value: 0.58"})
TELL = swapped(
    RULE,
    {
        "{action: close}": '{action: alert}\nalert: {severity: info, text: "{pnl_ratio:.0%}"}',
        "id: take_profit": "id: tell",
        "priority: 50": "priority: 70",
    },
)
SNAPSHOT = Snapshot(
    "s", 1, AT, (Row.of(PORTFOLIO_KEY, {}), Row.of("old", {"pnl_ratio": 0.55}), Row.of("new", {"pnl_ratio": 0.55}))
)


def rules(*texts: str) -> RuleSet:
    return RuleSet.compile(load_texts(desk(*texts)))


def keep(held: Sequence[Rule], _: Sequence[Rule]) -> Sequence[Rule]:
    return held


def take(_: Sequence[Rule], new: Sequence[Rule]) -> Sequence[Rule]:
    return new


BOOK = Rulebook(rules(RULE)).moved(rules(NEW), ["old"], keep)


def test_a_pinned_position_is_decided_by_its_own_rules_and_others_by_the_desks() -> None:
    decisions, state = BOOK.evaluate(SNAPSHOT, RuleState())
    assert [(d.key, d.rule_id) for d in decisions] == [("", None), ("old", "take_profit"), ("new", None)]
    assert len({d.bundle_fingerprint for d in decisions}) == 2
    assert set(state.keys) == {"", "old", "new"}


def test_rules_that_are_taken_over_leave_nothing_pinned() -> None:
    assert Rulebook(rules(RULE)).moved(rules(NEW), ["old"], take).pinned == {}
    unasked = lambda *_: pytest.fail("the rules are the same")  # noqa: E731
    assert Rulebook(rules(RULE)).moved(rules(RULE), ["old"], unasked).pinned == {}


def test_a_second_edit_goes_on_from_what_the_position_holds() -> None:
    seen = []

    def merge(held: Sequence[Rule], new: Sequence[Rule]) -> Sequence[Rule]:
        seen.append((held, new))
        return held

    third = rules(swapped(RULE, {"value: 0.5": "value: 0.57"}))
    book = BOOK.moved(third, ["old", "new"], merge)
    assert seen == [(rules(RULE).rules, third.rules), (rules(NEW).rules, third.rules)]
    assert book.of("old").rules == rules(RULE).rules


def test_a_closed_position_is_forgotten() -> None:
    assert BOOK.without({"new"}).pinned == {}
    assert BOOK.without({"old", "new"}) is BOOK


def test_pins_outlive_a_restart() -> None:
    text = pins_to_json(BOOK, sources_of(rules(RULE), desk(RULE)))
    book, sources = pins_from_json(text, rules(NEW))
    assert book.of("old").rules == rules(RULE).rules
    assert book.of("old").fingerprint == BOOK.of("old").fingerprint
    assert pins_to_json(book, sources) == text


def test_alerts_come_from_the_rules_that_decide_the_row() -> None:
    book = Rulebook(rules(RULE, TELL)).moved(rules(NEW), ["old"], keep)
    decisions, _ = book.evaluate(SNAPSHOT, RuleState())
    assert [(n.key, n.text) for n in book.notices(SNAPSHOT, decisions, RuleState())] == [("old", "55%")]


def test_the_state_of_a_row_is_the_same_whichever_rules_decide_it() -> None:
    plain, state = Rulebook(rules(RULE)).evaluate(SNAPSHOT, RuleState())
    pinned, other = replace(BOOK, current=rules(RULE)).evaluate(SNAPSHOT, RuleState())
    assert [d.rule_id for d in plain] == [d.rule_id for d in pinned]
    assert state.keys == other.keys
