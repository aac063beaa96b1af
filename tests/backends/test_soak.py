"""The soak's own claims: its planted bugs still fit the code, and it does see an evaluator that lies."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

from tests.backends import compare
from tests.soak.lang import campaign
from tests.soak.mutants import MUTANTS
from v6.backends.reference import evaluate
from v6.lang.ast import Expr
from v6.model.catalogue import Value

ROOT = Path(__file__).parents[2]


def test_every_planted_bug_still_fits_the_code_it_is_planted_in() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS) >= 45
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text()
        assert text.count(mutant.before) == 1, mutant.name
        assert mutant.after != mutant.before, mutant.name
        ast.parse(text.replace(mutant.before, mutant.after), mutant.name)


def test_a_short_campaign_compares_on_native_tables_and_on_delta_and_finds_nothing() -> None:
    tally = campaign(6000, seed=2)
    assert tally.compared >= 6000
    assert 0 < tally.compared_on_delta < tally.compared / 2
    assert (tally.different, tally.first) == (0, "")


def test_the_campaign_sees_an_evaluator_that_takes_unknown_for_false(monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(expr: Expr, row: dict[str, Value]) -> Value:
        answer = evaluate(expr, row)
        return False if answer is None else answer

    monkeypatch.setattr(compare, "evaluate", wrong)
    tally = campaign(6000, seed=2, stop=True)
    assert tally.different > 0
    assert tally.first
