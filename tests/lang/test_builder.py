"""Durations, tracks and what is new in a rule, as they arrive in the built rule."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from tests.lang.desks import RULE, desk, swapped
from v6.lang.ast import Fold
from v6.lang.builder import seconds
from v6.lang.canonical import track_meaning
from v6.lang.desk import Rule
from v6.model.decision import Action, ActionKind, AlertSeverity, Urgency
from v6.rules import load_texts


def built(swaps: Mapping[str, str]) -> Rule:
    (rule,) = load_texts(desk(swapped(RULE, swaps))).rules
    return rule


@pytest.mark.parametrize(("text", "wanted"), [("1s", 1), ("30s", 30), ("5m", 300), ("2h", 7200), ("1d", 86_400)])
def test_durations_become_seconds(text: str, wanted: int) -> None:
    assert seconds(text) == wanted


@pytest.mark.parametrize(
    ("text", "fold", "window_s", "meaning"),
    [
        ("max(pnl_ratio)", Fold.MAX, None, "max(pnl_ratio)"),
        ("last_before(pnl_ratio,90s)", Fold.LAST_BEFORE, 90, "last_before(pnl_ratio, 90s)"),
        ("  change( max(pnl_ratio, 0) , 1d ) ", Fold.CHANGE, 86_400, "change(max(pnl_ratio, 0), 86400s)"),
        ("mean(min(pnl_ratio, 1, target), 60m)", Fold.MEAN, 3600, "mean(min(pnl_ratio, 1, 0.5), 3600s)"),
    ],
)
def test_a_track_knows_how_far_it_looks_back(text: str, fold: Fold, window_s: int | None, meaning: str) -> None:
    (track,) = built({"when:": f"track: {{t: '{text}'}}\nalert: {{severity: info, text: '{{t}}'}}\nwhen:"}).tracks
    assert (track.fold, track.window_s, track_meaning(track)) == (fold, window_s, meaning)


def test_a_rule_without_the_new_keys_does_nothing_new() -> None:
    rule = built({})
    assert (rule.keep_s, rule.cooldown_s, rule.alert, rule.apply_to_open) == (0, 0, None, False)
    assert rule.decides
    assert not rule.latches
    assert not rule.stands_aside


def test_a_reduce_latches_and_an_alert_does_not_decide() -> None:
    half = built({"action: close": "action: reduce, fraction: 0.5, urgency: low", "when:": "cooldown: 1h\nwhen:"})
    assert half.then == Action(ActionKind.REDUCE, Urgency.LOW, 0.5)
    assert half.latches
    assert half.stands_aside
    assert half.cooldown_s == 3600
    tells = built({"action: close": "action: alert", "when:": "alert: {severity: critical, text: 'x {dte}'}\nwhen:"})
    assert not tells.decides
    assert tells.latches
    assert tells.alert is not None
    assert tells.alert.severity is AlertSeverity.CRITICAL
    assert [type(piece).__name__ for piece in tells.alert.text] == ["str", "Slot"]


def test_a_track_that_only_the_alert_reads_is_alive() -> None:
    track = "track: {peak: max(pnl_ratio), idle: max(dte)}\n"
    read = built({"when:": f"{track}alert: {{severity: info, text: '{{peak}}'}}\nwhen:"})
    assert [t.name for t in read.live_tracks] == ["peak"]


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("keep_firing_for: 60s", "keep_firing_for: 1m", True),
        ("keep_firing_for: 60s", "keep_firing_for: 2m", False),
        ("alert: {severity: info, text: 'a {dte}'}", "alert: {text: 'a { dte }', severity: info}", True),
        ("alert: {severity: info, text: 'a {dte}'}", "alert: {severity: info, text: 'b {dte}'}", False),
        ("apply_to_open: true", "apply_to_open: false", True),
    ],
)
def test_the_fingerprint_follows_the_meaning(one: str, other: str, same: bool) -> None:
    first, second = (built({"when:": f"{text}\nwhen:"}).fingerprint for text in (one, other))
    assert (first == second) is same
