"""Hints are difflib's, only found sooner."""

from __future__ import annotations

from difflib import get_close_matches

import pytest
from hypothesis import given
from hypothesis import strategies as st

from v6.lang.hints import did_you_mean
from v6.model.catalogue import FIELDS

NAMES = tuple(field.name for field in FIELDS)


def slowly(word: str, known: tuple[str, ...]) -> str:
    close = get_close_matches(word, known, n=1, cutoff=0.6)
    return f"did you mean `{close[0]}`?" if close else ""


@given(st.sampled_from(NAMES), st.integers(0, 20), st.integers(0, 3), st.text("abeilnoprtv_xé≥", max_size=4))
def test_a_mistyped_name_has_the_hint_of_a_full_search(name: str, at: int, cut: int, put: str) -> None:
    word = name[:at] + put + name[at + cut :]
    assert did_you_mean(word, NAMES) == slowly(word, NAMES)


@pytest.mark.parametrize("word", ["", "v", "vixx", "pnl_ration", "q" * 300, "pnl_ratio" * 40, "≥" * 9, "VIX"])
def test_odd_words_have_it_too(word: str) -> None:
    assert did_you_mean(word, NAMES) == slowly(word, NAMES)
