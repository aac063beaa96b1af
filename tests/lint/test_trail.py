"""Trailing stops: the right way round, the wrong way round, and without an arm."""

from __future__ import annotations

import pytest

from tests.lint.rules import found, rule

GIVES_BACK = "pnl_ratio <= peak * 0.6"


def trail(when: str, **track: str) -> dict[str, str]:
    return found(rule("a", 1, when, track=track))


@pytest.mark.parametrize(
    ("when", "peak"),
    [
        (f"peak >= 0.3 and {GIVES_BACK}", "max(pnl_ratio)"),
        ("peak - pnl_ratio >= 0.2", "max(pnl_ratio)"),
        ("peak >= 0.3 and peak - pnl_ratio >= peak * 0.4", "max(pnl_ratio)"),
        ("mark <= peak - 1.5", "max(mark)"),
        # Not a trailing stop: it only asks whether it was ever there.
        ("peak >= 0.3 and vix > 30", "max(pnl_ratio)"),
        ("peak >= 0.3 and pnl_ratio > 0.1", "max(pnl_ratio)"),
    ],
)
def test_a_trailing_stop_the_right_way_round_is_left_alone(when: str, peak: str) -> None:
    assert trail(when, peak=peak) == {}


def test_without_an_arm_a_losing_position_is_closed_at_its_best() -> None:
    message = trail(GIVES_BACK, peak="max(pnl_ratio)")["a: fires-at-peak"]
    assert message.startswith("`a` can fire at `peak` itself, before anything was given back, e.g. pnl_ratio=")


def test_a_share_of_a_negative_mark_is_above_it() -> None:
    assert "a: fires-at-peak" in trail("mark <= peak * 0.985", peak="max(mark)")


@pytest.mark.parametrize("price", ["abs(mark)", "-mark"])
def test_trailing_the_price_of_what_was_sold_is_the_wrong_way_round(price: str) -> None:
    message = trail(f"peak > 1 and {price} <= peak * 0.985", peak=f"max({price})")["a: inverted-trail"]
    assert "it waits at mark=" in message
    assert "and fires when the position improves to mark=" in message
