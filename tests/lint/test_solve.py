"""What the solver cannot settle is not claimed."""

from __future__ import annotations

import pytest
import z3

from tests.lint.rules import expression, found, rule
from v6.lint import solve
from v6.lint.encode import World
from v6.lint.logic import Logic, every
from v6.lint.solve import Prover

HARD = "pnl_ratio * delta * vix > 7 and pnl_ratio * vix * vega < 3 and delta / vega * theta > 2"


def test_giving_up_is_not_a_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solve, "STEPS", 1)
    assert found(rule("a", 1, HARD), rule("b", 2, f"{HARD} and dte < 9")) == {}


def test_a_clash_names_as_few_parts_as_it_takes() -> None:
    world = World()
    parts = {text: world.truth(expression(text)).true for text in ("dte > 9", "vix > 20", "dte < 30", "dte < 5")}
    assert Prover(world).clash(True, parts) == ("dte > 9", "dte < 5")
    assert Prover(world).clash(True, {"dte > 9": parts["dte > 9"]}) is None
    assert Prover(world).clash(False, parts) == ()


def test_a_model_has_nothing_missing_unless_it_must() -> None:
    world = World()
    either, must = world.truth(expression("vix > 20 or iv > 1")), world.truth(expression("not has(pnl_ratio)"))
    prover = Prover(world)

    def missing(*claims: Logic) -> list[str]:
        model = prover.model(every(*claims))
        assert model is not None
        cells = {field.name: cell.known for (_, field), cell in world.fields.items()}
        return [name for name, known in cells.items() if not z3.is_true(model.eval(known, model_completion=True))]

    assert missing(either.true) == []
    assert "pnl_ratio" in missing(either.true, must.true)
