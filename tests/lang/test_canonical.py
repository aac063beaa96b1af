"""The fingerprint follows the meaning of a desk's files and nothing else."""

from __future__ import annotations

import pytest

from tests.lang.desks import LIMITS, RULE, STRATEGY, desk, swapped
from v6.lang.load import read_desk


def fingerprint(files: dict[str, str]) -> str:
    reading = read_desk(files)
    assert reading.desk is not None, reading.diagnostics
    return reading.desk.fingerprint


TRACK = swapped(RULE, {"when: pnl_ratio": "track: {peak: max(pnl_ratio)}\nwhen: peak"})


@pytest.mark.parametrize(
    "rule",
    [
        "# a comment\n" + RULE,
        swapped(RULE, {"title: Take half": "title: Take the half\ndoc: why"}),
        swapped(RULE, {"value: 0.5": "value: 0.50"}),
        swapped(RULE, {"{value: 0.5, unit: ratio, min": "{unit: ratio, value: 0.5, min"}),
        swapped(RULE, {"max: 2": "max: 2.0"}),
        swapped(RULE, {"target: {": "goal: {", ">= target": ">= goal"}),
        swapped(RULE, {"pnl_ratio >= target": "(pnl_ratio)  >=  0.5"}),
        swapped(RULE, {"pnl_ratio >= target": ">\n  pnl_ratio\n  >= target"}),
        swapped(RULE, {"version: 1\nid: take_profit\n": "id: take_profit\nversion: 1\n"}),
        swapped(RULE, {"pnl_ratio: 0.6": "pnl_ratio: 0.7"}),
        swapped(RULE, {"{action: close}": "{action: close, urgency: normal}"}),
        swapped(RULE, {"when:": "on_missing: skip\nprotective: false\nwhen:"}),
    ],
)
def test_what_does_not_change_the_meaning(rule: str) -> None:
    assert fingerprint(desk(rule)) == fingerprint(desk())


@pytest.mark.parametrize(
    "files",
    [
        desk(swapped(RULE, {"value: 0.5": "value: 0.51"})),
        desk(swapped(RULE, {">= target": "> target"})),
        desk(swapped(RULE, {"priority: 50": "priority: 51"})),
        desk(swapped(RULE, {"id: take_profit": "id: other"})),
        desk(swapped(RULE, {"when:": "for: 1m\nwhen:"})),
        desk(swapped(RULE, {"action: close": "action: roll"})),
        desk(swapped(RULE, {"{action: close}": "{action: close, urgency: high}"})),
        desk(TRACK),
        desk(strategy=swapped(STRATEGY, {"width: 50": "width: 25"})),
        desk(strategy=swapped(STRATEGY, {"vix < 35": "vix <= 35"})),
        desk(limits=swapped(LIMITS, {"min_minutes_to_close: 2": "min_minutes_to_close: 3"})),
    ],
)
def test_what_changes_the_meaning(files: dict[str, str]) -> None:
    assert fingerprint(files) != fingerprint(desk())


def test_a_track_is_known_by_what_it_folds_not_by_its_name() -> None:
    renamed = swapped(TRACK, {"{peak:": "{top:", "when: peak": "when: top"})
    assert fingerprint(desk(renamed)) == fingerprint(desk(TRACK))
    assert fingerprint(desk(swapped(TRACK, {"max(": "min("}))) != fingerprint(desk(TRACK))


def test_a_rule_has_a_fingerprint_of_its_own() -> None:
    other = swapped(RULE, {"id: take_profit": "id: other", "priority: 50": "priority: 60"})
    one, two = read_desk(desk()).desk, read_desk(desk(RULE, other)).desk
    assert one is not None
    assert two is not None
    assert two.rules[0].fingerprint == one.rules[0].fingerprint != two.rules[1].fingerprint
    assert two.fingerprint != one.fingerprint
