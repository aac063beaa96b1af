"""Actions that come again, and durations that cannot do what they say."""

from __future__ import annotations

import pytest

from tests.lint.rules import desk, found, rule
from v6.errors import Severity
from v6.lint import lint
from v6.model.catalogue import Scope
from v6.model.decision import ActionKind

REDUCE, ROLL, ALERT = ActionKind.REDUCE, ActionKind.ROLL, ActionKind.ALERT


def test_a_timer_below_a_cycle_only_asks_twice() -> None:
    assert "shorter than a cycle" in found(rule("a", 1, "vix > 30", for_s=10))["a: short-timer"]
    assert found(rule("a", 1, "vix > 30", for_s=30)) == {}


def test_a_timer_beyond_a_session_never_passes() -> None:
    [diagnostic] = lint(desk(rule("a", 1, "dte < 9", for_s=86_400, protective=True)))
    assert (diagnostic.code, diagnostic.severity) == ("endless-timer", Severity.ERROR)
    assert "`for` of 24 h never passes" in diagnostic.message
    assert "`missing_for`" in found(rule("a", 1, "vix > 30", missing_for_s=30_000))["a: endless-timer"]


@pytest.mark.parametrize(("seconds", "idle"), [(20, True), (30, True), (31, False), (86_400, False)])
def test_a_pause_or_firing_on_for_a_cycle_changes_nothing(seconds: int, idle: bool) -> None:
    keeps = found(rule("a", 1, "vix > 30", keep_s=seconds))
    pauses = found(rule("a", 1, "dte < 9", ROLL, cooldown_s=seconds))
    assert keeps.get("a: short-timer", "").startswith("`keep_firing_for`") is idle
    assert pauses.get("a: short-timer", "").startswith("`cooldown`") is idle


@pytest.mark.parametrize(("window", "short"), [("20s", True), ("30s", True), ("31s", False), ("1h", False)])
def test_a_mean_over_less_than_a_cycle_is_the_value_itself(window: str, short: bool) -> None:
    usual = rule("a", 1, "vix > usual + 5", track={"usual": f"mean(vix, {window})"})
    assert ("a: short-window" in found(usual)) is short
    # However short, a look back sees the row before.
    assert found(rule("a", 1, "rise > 5", track={"rise": f"change(vix, {window})"})) == {}


@pytest.mark.parametrize("kind", [ActionKind.CLOSE, ROLL, ALERT])
def test_what_ends_its_cause_or_tells_once_may_fire_in_every_cycle(kind: ActionKind) -> None:
    assert found(rule("a", 1, "pnl_ratio > 0.5", kind)) == {}


def test_a_halt_is_a_level_and_may_stay() -> None:
    assert found(rule("a", 1, "drawdown > 0.1", ActionKind.HALT_OPENS, scope=Scope.PORTFOLIO)) == {}


def test_a_roll_for_what_rolling_does_not_change_comes_again_in_every_cycle() -> None:
    [diagnostic] = lint(desk(rule("a", 1, "vix > 30", ROLL, cooldown_s=3600)))
    assert (diagnostic.code, diagnostic.severity) == ("every-cycle", Severity.ERROR)
    assert diagnostic.message.startswith("`a` would roll again in every cycle")
    assert found(rule("a", 1, "vix > 30 and dte < 9", ROLL)) == {}
    assert found(rule("a", 1, "vix > 30 and low < 0", ROLL, track={"low": "min(pnl_ratio)"})) == {}


def test_a_reduce_on_what_wavers_comes_again_and_again() -> None:
    [diagnostic] = lint(desk(rule("a", 1, "pnl_ratio > 0.5", REDUCE)))
    assert (diagnostic.code, diagnostic.severity) == ("wavers", Severity.WARNING)
    jump = rule("a", 1, "rise > 0.1", REDUCE, track={"rise": "change(pnl_ratio, 1h)"})
    assert "`rise` may waver" in found(jump)["a: wavers"]


@pytest.mark.parametrize("given", [{"keep_s": 300}, {"cooldown_s": 3600}, {"for_s": 300}])
def test_what_takes_its_time_does_not_waver(given: dict[str, int]) -> None:
    assert found(rule("a", 1, "pnl_ratio > 0.5", REDUCE, **given)) == {}  # type: ignore[arg-type]


def test_what_goes_one_way_only_does_not_waver() -> None:
    assert found(rule("a", 1, "dte < 10 and quantity > 1", REDUCE)) == {}
    assert found(rule("a", 1, "best >= 0.5", REDUCE, track={"best": "max(pnl_ratio)"})) == {}


def test_a_cooldown_within_an_episode_that_lasts_longer_never_counts() -> None:
    assert "a: idle-cooldown" in found(rule("a", 1, "vix > 30", ALERT, keep_s=600, cooldown_s=600))
    assert "a: idle-cooldown" in found(rule("a", 1, "vix > 30", REDUCE, keep_s=600, cooldown_s=300))
    assert found(rule("a", 1, "vix > 30", ALERT, keep_s=600, cooldown_s=601)) == {}


def test_a_cooldown_counts_where_a_rule_above_can_delay_the_action() -> None:
    # It may act late in an episode, and then the next one begins soon.
    above = rule("above", 1, "iv > 1")
    assert found(above, rule("a", 2, "vix > 30", REDUCE, keep_s=600, cooldown_s=300)) == {}
    assert "a: idle-cooldown" in found(above, rule("a", 2, "vix > 30", ALERT, keep_s=600, cooldown_s=300))
