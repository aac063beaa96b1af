"""Recorded rows are tuples in the catalogue's order, so what has been released never moves."""

from __future__ import annotations

import pytest

from v6.model.catalogue import FIELDS, Field, Kind, admit
from v6.model.snapshot import Row

FIRST_RELEASE = """
structure legs quantity dte days_held credit max_profit max_loss mark spread pnl pnl_ratio broker_pnl_ratio delta
gamma_1pct theta vega iv short_delta short_distance underlying_price underlying_change_1h underlying_change_1d vix
vix_change_1d iv_rank iv_percentile minutes_since_open minutes_to_close net_liq day_pnl_ratio drawdown open_positions
max_loss_ratio margin_ratio portfolio_delta_ratio
"""


def test_new_fields_stand_behind_those_of_the_first_release() -> None:
    released = FIRST_RELEASE.split()
    assert [field.name for field in FIELDS[: len(released)]] == released


def test_what_was_appended_may_be_missing_because_old_rows_miss_it() -> None:
    assert all(field.nullable for field in FIELDS[len(FIRST_RELEASE.split()) :])


def test_a_short_row_is_completed_with_missing_values_and_a_whole_one_is_left_alone() -> None:
    whole = Row.of("p", {"structure": "single", "earnings": "none"})
    assert whole.completed() is whole
    short = Row("p", whole.values[:36]).completed()
    assert (short["structure"], short["earnings"]) == ("single", None)
    with pytest.raises(ValueError, match="the catalogue has"):
        Row("p", (*whole.values, None)).completed()


@pytest.mark.parametrize("field", [f for f in FIELDS if f.kind is Kind.ENUM], ids=lambda f: f.name)
def test_a_word_that_is_no_choice_is_missing(field: Field) -> None:
    assert admit(field, field.choices[0]) == field.choices[0]
    assert admit(field, "perhaps") is None
