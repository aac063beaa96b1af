"""The twelve rules that ship, held against the defects of the system they come from."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from v6.backends.python import compile_condition
from v6.lang.ast import fields_of
from v6.lang.desk import Desk
from v6.model.catalogue import Value
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState, check_desk, load_desk

ROOT = Path(__file__).parents[2]
ORDER = """
catastrophe single_leg_exit trailing_stop vix_exit take_profit stop_loss
delta_risk gamma_risk time_exit iv_crush dte_roll portfolio_limits
"""
START = datetime(2014, 1, 2, 15, 0, tzinfo=UTC)

CALM: dict[str, Value] = {
    "structure": "iron_condor",
    "legs": 4.0,
    "quantity": 1.0,
    "dte": 40.0,
    "days_held": 5.0,
    "credit": 7.0,
    "pnl_ratio": 0.1,
    "broker_pnl_ratio": 0.1,
    "delta": -0.02,
    "gamma_1pct": -0.05,
    "iv": 0.14,
    "short_delta": 0.16,
    "short_distance": 0.05,
    "underlying_price": 1840.0,
    "underlying_change_1h": 0.001,
    "underlying_change_1d": 0.002,
    "vix": 14.0,
    "minutes_since_open": 120.0,
    "minutes_to_close": 270.0,
}
WELL: dict[str, Value] = {
    "drawdown": 0.01,
    "margin_ratio": 0.2,
    "max_loss_ratio": 0.1,
    "portfolio_delta_ratio": 0.1,
}


@pytest.fixture(scope="module")
def desk() -> Desk:
    return load_desk(ROOT)


@pytest.fixture(scope="module")
def rules(desk: Desk) -> RuleSet:
    return RuleSet.compile(desk)


def decide(rules: RuleSet, *rows: dict[str, Value], key: str = "p") -> str | None:
    """Return the rule that wins on the last of rows five minutes apart, each being changes to a calm position."""
    state, winner = RuleState(), None
    base = WELL if key == "" else CALM
    for cycle, changes in enumerate(rows):
        row = Row.of(key, base | changes)
        snapshot = Snapshot(f"s{cycle}", cycle, START + timedelta(minutes=5 * cycle), (row,))
        (decision,), state = rules.evaluate(snapshot, state)
        winner = decision.rule_id
    return winner


def test_the_shipped_desk_has_no_finding() -> None:
    assert check_desk(ROOT) == []


def test_the_rules_come_in_the_order_of_the_design(desk: Desk) -> None:
    assert [rule.id for rule in desk.rules] == ORDER.split()
    assert [rule.priority for rule in desk.rules] == list(range(10, 130, 10))


def test_a_calm_position_is_left_alone(rules: RuleSet) -> None:
    assert decide(rules, {}, {}) is None
    assert decide(rules, {}, key="") is None


@pytest.mark.parametrize(
    ("rows", "winner"),
    [
        ([{"underlying_change_1h": -0.04}], "catastrophe"),
        ([{}, {"iv": 0.30}], "catastrophe"),
        ([{"structure": "single", "pnl_ratio": 0.9}], "single_leg_exit"),
        ([{"structure": "single", "pnl_ratio": 0.6, "delta": 0.6}], None),
        ([{"pnl_ratio": 0.45}, {"pnl_ratio": 0.2}], None),
        ([{"pnl_ratio": 0.45}, {"pnl_ratio": 0.2}, {"pnl_ratio": 0.2}], "trailing_stop"),
        ([{}, {"vix": 22.0}], "vix_exit"),
        ([{"pnl_ratio": 0.55}], "take_profit"),
        ([{"pnl_ratio": -2.2}], "stop_loss"),
        ([{"pnl_ratio": -0.6, "dte": 5.0}], "stop_loss"),
        ([{"short_delta": 0.45}], "delta_risk"),
        ([{"delta": -0.35}], "delta_risk"),
        ([{"dte": 10.0, "pnl_ratio": -0.1, "gamma_1pct": -0.2}], "gamma_risk"),
        ([{"dte": 2.0, "pnl_ratio": -0.1}], "time_exit"),
        ([{}, {"iv": 0.09, "pnl_ratio": 0.25}], "iv_crush"),
        ([{"dte": 20.0}], "dte_roll"),
    ],
)
def test_each_rule_wins_where_it_should(rules: RuleSet, rows: list[dict[str, Value]], winner: str | None) -> None:
    assert decide(rules, *rows) == winner


@pytest.mark.parametrize(
    "changes",
    [{"drawdown": 0.15}, {"margin_ratio": 0.6}, {"max_loss_ratio": 0.3}, {"portfolio_delta_ratio": -1.5}],
)
def test_any_broken_limit_halts_opening(rules: RuleSet, changes: dict[str, Value]) -> None:
    assert decide(rules, changes, key="") == "portfolio_limits"


def test_the_roll_hides_neither_the_gamma_nor_the_time_exit(rules: RuleSet) -> None:
    assert decide(rules, {"dte": 10.0, "gamma_1pct": -0.2}) == "gamma_risk"
    assert decide(rules, {"dte": 1.0}) == "time_exit"


def test_the_take_profit_leaves_no_band_in_which_it_hides_what_is_below(rules: RuleSet) -> None:
    assert decide(rules, {"pnl_ratio": 0.45, "delta": -0.35}) == "delta_risk"
    assert decide(rules, {"pnl_ratio": 0.45, "dte": 20.0}) == "dte_roll"


def test_the_trailing_stop_has_room_below_the_take_profit(desk: Desk) -> None:
    params = {rule.id: {p.name: p.value for p in rule.params} for rule in desk.rules}
    assert params["trailing_stop"]["arm"] < params["take_profit"]["target"]


def test_no_rule_stops_on_a_premium_whose_fall_is_a_sellers_profit(desk: Desk) -> None:
    for rule in desk.rules:
        read = {f.name for expr in rule.expressions for f in fields_of(expr)}
        assert "mark" not in read, rule.id


def test_a_loss_is_stopped_while_every_greek_is_missing(rules: RuleSet) -> None:
    dark: dict[str, Value] = {"iv": None, "delta": None, "gamma_1pct": None, "short_delta": None}
    assert decide(rules, dark | {"pnl_ratio": -2.2}) == "stop_loss"


def test_a_lost_mark_falls_back_on_the_brokers_figures(rules: RuleSet) -> None:
    assert decide(rules, {"pnl_ratio": None, "broker_pnl_ratio": -2.5}) == "stop_loss"


def test_nothing_is_rolled_while_protection_is_blind(rules: RuleSet) -> None:
    blind: dict[str, Value] = {"delta": None, "short_delta": None, "short_distance": None}
    assert decide(rules, {"dte": 20.0} | blind) is None
    assert decide(rules, {"dte": 20.0, "pnl_ratio": 0.55} | blind) == "take_profit"


def test_a_stop_that_never_saw_a_profit_gives_nothing_back(rules: RuleSet) -> None:
    dark: dict[str, Value] = {"pnl_ratio": None, "broker_pnl_ratio": None}
    assert decide(rules, {"pnl_ratio": 0.4}, dark, dark, dark, dark) == "trailing_stop"
    assert decide(rules, {"pnl_ratio": 0.2}, dark, dark, dark, dark) == "stop_loss"


def test_a_position_that_nobody_can_see_is_closed_in_the_end(rules: RuleSet) -> None:
    dark: dict[str, Value] = {"pnl_ratio": None, "broker_pnl_ratio": None}
    assert decide(rules, dark, dark, dark) is None
    assert decide(rules, dark, dark, dark, dark) == "stop_loss"


def test_a_missing_vix_opens_nothing(desk: Desk) -> None:
    (strategy,) = desk.strategies
    may_open = compile_condition(strategy.entry.when)
    good: dict[str, Value] = {
        "open_positions": 1.0,
        "vix": 14.0,
        "minutes_since_open": 60.0,
        "minutes_to_close": 200.0,
    }
    assert may_open(Row.of("", good).values) is True
    assert may_open(Row.of("", good | {"vix": None}).values) is None
    assert may_open(Row.of("", good | {"open_positions": 4.0}).values) is False


def test_every_protective_rule_says_what_it_does_without_its_inputs(desk: Desk) -> None:
    waiting = {rule.id for rule in desk.rules if rule.protective and rule.missing_for_s is None}
    assert waiting == {"time_exit"}


def test_every_rule_has_an_example_with_a_missing_input_if_it_can_miss_one(desk: Desk) -> None:
    for rule in desk.rules:
        if rule.id != "time_exit":
            assert any(example.fires is None for example in rule.examples), rule.id
