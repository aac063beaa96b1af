"""What `v6 rules show` says about a rule, in words that are true."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.lang.desks import RULE, desk, swapped
from v6.rules import load_texts
from v6.ruletools.words import Meaning, describe_rule

ALERT = 'alert: {severity: warning, text: "at { pnl_ratio:.0%} of {{all}}, {dte}"}\nwhen:'


def described(swaps: Mapping[str, str]) -> Meaning:
    (rule,) = load_texts(desk(swapped(RULE, swaps))).rules
    return describe_rule(rule)


def said(**swaps: str) -> tuple[str, ...]:
    return described(
        {{"when": "when:", "action": "action: close"}[key]: text for key, text in swaps.items()}
    ).sentences()


def test_a_plain_rule_is_said_as_before() -> None:
    assert said() == (
        "For each position: close (normal) as soon as this holds:",
        "    pnl_ratio >= target",
        "that is: pnl_ratio >= 0.5",
        "While that cannot be judged for want of an input, it waits.",
        "It is not protective: others do not wait for it.",
    )


def test_a_reduce_says_how_much_and_how_often() -> None:
    lines = said(when="cooldown: 1d\nwhen:", action="action: reduce, fraction: 0.5")
    assert lines[0] == "For each position: reduce by 50% (normal) as soon as this holds:"
    assert lines[3:5] == (
        "It acts once, and then stands aside: it comes again only after that was known to be false in between.",
        "Once it has acted it pauses for 1d.",
    )


def test_firing_on_is_said() -> None:
    lines = said(when="keep_firing_for: 90s\nwhen:", action="action: reduce, fraction: 0.5")
    assert lines[3] == "It fires on for 90s after that last made it fire."
    assert lines[4].endswith(": it comes again only after that was known to be false and it no longer fires.")
    assert "It fires on for 1h after that last made it fire." in said(when="keep_firing_for: 1h\nwhen:")


def test_an_alert_says_what_it_tells_and_how_often() -> None:
    lines = said(when=f"cooldown: 1h\n{ALERT}", action="action: alert")
    assert lines[0] == "For each position: tell as soon as this holds:"
    assert lines[3:6] == (
        "It tells once: it comes again only after that was known to be false in between.",
        "Once it has told it pauses for 1h.",
        "It tells (warning): at {pnl_ratio:.0%} of {{all}}, {dte}",
    )


def test_a_rule_that_acts_can_tell_as_well() -> None:
    found = described({"when:": ALERT})
    assert "When it begins to fire it tells (warning): at {pnl_ratio:.0%} of {{all}}, {dte}" in found.sentences()
    assert [item.name for item in found.inputs] == ["pnl_ratio", "dte"]
    assert not found.latches


@pytest.mark.parametrize(
    ("when", "unknown"),
    [("dte <= 5", False), ("was > 5", True), ("dte / credit > 2", True), ("has(was)", False)],
)
def test_a_young_key_and_a_division_can_leave_it_unknown(when: str, unknown: bool) -> None:
    swaps = {
        "params:\n  target: {value: 0.5, unit: ratio, min: 0.1, max: 2}\n": "track: {was: 'last_before(dte, 1h)'}\n",
        "pnl_ratio >= target": when,
        "examples:\n  - {given: {pnl_ratio: 0.6}, fires: true}\n  - {given: {pnl_ratio: 0.4}, fires: false}\n": "",
    }
    given = {
        "dte <= 5": ("dte: 3", "dte: 9"),
        "was > 5": ("was: 6", "was: 2"),
        "dte / credit > 2": ("dte: 9, credit: 1", "dte: 1, credit: 1"),
        "has(was)": ("was: 1", "was: null"),
    }[when]
    examples = f"examples:\n  - {{given: {{{given[0]}}}, fires: true}}\n  - {{given: {{{given[1]}}}, fires: false}}\n"
    (rule,) = load_texts(desk(swapped(RULE, swaps) + examples)).rules
    found = describe_rule(rule)
    assert found.can_be_unknown is unknown
    assert ("None of its inputs can be missing." in found.sentences()) is not unknown


def test_a_loosening_for_open_positions_is_said() -> None:
    assert said(when="apply_to_open: true\nwhen:")[-1] == "Where it was loosened, that holds for open positions too."


def test_tracks_are_written_out_with_their_windows() -> None:
    found = described(
        {
            "when:": "track:\n  usual: mean(pnl_ratio, 1h)\nwhen:",
            ">= target": ">= target and usual > 0",
            "{pnl_ratio: 0.6}": "{pnl_ratio: 0.6, usual: 1}",
        }
    )
    assert found.tracks == {"usual": "mean(pnl_ratio, 3600s) in ratio"}
