from tests.lang.desks import LIMITS, RULE, desk, swapped
from v6.lang.desk import Desk
from v6.lint.loosen import loosenings
from v6.rules import load_texts

STOP = swapped(
    RULE,
    {
        "id: take_profit": "id: stop",
        "priority: 50": "priority: 60",
        "target: {value: 0.5, unit: ratio, min: 0.1, max: 2}": "most: {value: 2, unit: ratio, min: 0.1, max: 4}",
        "when: pnl_ratio >= target": "when: pnl_ratio <= -most",
        "pnl_ratio: 0.6": "pnl_ratio: -5",
        "pnl_ratio: 0.4": "pnl_ratio: 0",
    },
)
HALT = """\
version: 1
id: calm
priority: 70
scope: portfolio
title: Open nothing in a drawdown
params: {most: {value: 0.10, unit: ratio, min: 0.01, max: 0.5}}
when: drawdown >= most
then: {action: halt_opens}
examples:
  - {given: {drawdown: 0.4}, fires: true}
  - {given: {drawdown: 0.0}, fires: false}
"""


def made(*texts: str, limits: str = LIMITS) -> Desk:
    return load_texts(desk(*texts, limits=limits))


def names(old: Desk, new: Desk) -> list[str]:
    return [item.name for item in loosenings(old, new)]


def test_the_same_desk_loosens_nothing() -> None:
    assert loosenings(made(RULE, STOP), made(RULE, STOP)) == ()


def test_a_wider_stop_loosens_and_says_where() -> None:
    (found,) = loosenings(made(RULE, STOP), made(RULE, swapped(STOP, {"value: 2": "value: 3"})))
    assert (found.name, found.span.file) == ("stop", "rules/b.yaml")
    assert "no longer holds, such as with pnl_ratio=-2" in found.reason


def test_apply_to_open_is_no_excuse() -> None:
    wide = swapped(STOP, {"value: 2": "value: 3", "title:": "apply_to_open: true\ntitle:"})
    assert names(made(STOP), made(wide)) == ["stop"]


def test_a_tighter_stop_a_new_close_and_another_spelling_loosen_nothing() -> None:
    assert names(made(RULE), made(RULE, STOP)) == []
    assert names(made(STOP), made(swapped(STOP, {"value: 2": "value: 1"}))) == []
    assert names(made(STOP), made(swapped(STOP, {"pnl_ratio <= -most": "-most >= pnl_ratio"}))) == []


def test_a_rule_that_is_gone_loosens() -> None:
    (found,) = loosenings(made(RULE, STOP), made(RULE))
    assert (found.name, found.reason) == ("stop", "it is no longer in the bundle")


def test_a_halt_of_the_portfolio_is_judged_by_where_it_holds() -> None:
    assert names(made(RULE), made(RULE, HALT)) == []
    assert names(made(RULE, HALT), made(RULE, swapped(HALT, {"value: 0.10": "value: 0.05"}))) == []
    assert names(made(RULE, HALT), made(RULE, swapped(HALT, {"value: 0.10": "value: 0.20"}))) == ["calm"]


def test_limits_loosen_upwards_and_those_named_min_downwards() -> None:
    wide = swapped(
        LIMITS,
        {"max_open_positions: 5": "max_open_positions: 6", "min_minutes_to_close: 2": "min_minutes_to_close: 1"},
    )
    found = loosenings(made(RULE), made(RULE, limits=wide))
    assert [item.reason for item in found] == [
        "max_open_positions is now 6, and was 5",
        "min_minutes_to_close is now 1, and was 2",
    ]
    assert loosenings(made(RULE, limits=wide), made(RULE)) == ()
