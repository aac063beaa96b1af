"""The formulas allow whatever the oracle does, so that what the solver refutes cannot happen."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from fractions import Fraction

import pytest
import z3
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backends.draw import NUMBERS, nasty_rows
from tests.backends.generate import conditions, numbers
from tests.lint.rules import desk, expression, rule
from v6.backends.reference import evaluate
from v6.lang.ast import Binary, Call, Expr, Fold, Function, Name, Track, fields_of, tracks_of, walk
from v6.lint.encode import NOW, World, word_index
from v6.lint.logic import Logic, Quantity, Truth, every, negate
from v6.lint.solve import Prover
from v6.lint.witness import Witness, witness
from v6.model.catalogue import BY_NAME, FIELDS, Field, Kind, Value
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState, names_on

START = datetime(2014, 1, 2, 14, 30, tzinfo=UTC)
SYMBOLS = tuple(BY_NAME[name] for name in NUMBERS)


def _there(name: str, value: Value) -> Value:
    field = BY_NAME[name]
    if value is not None or field.nullable:
        return value
    return field.choices[0] if field.choices else float(field.low)


ROWS = [{name: _there(name, value) for name, value in row.items()} for row in nasty_rows(40, seed=11)]
"""Rows the catalogue admits: what is always there is there."""


def real(value: float, world: World) -> z3.ArithRef:
    return z3.RealVal(str(Fraction(value)), world.context)


def holds(cell: Quantity, value: Value, world: World) -> Logic:
    if value is None:
        return negate(cell.known)
    number = float(word_index(value)) if isinstance(value, str) else float(value)
    return every(cell.known, cell.value == real(number, world))


def pinned(row: dict[str, Value], fields: tuple[Field, ...], world: World) -> Logic:
    return every(*(holds(world.field(field), row[field.name], world) for field in fields))


def outcome(truth: Truth, value: Value) -> Logic:
    return truth.unknown if value is None else truth.true if value else truth.false


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conditions(SYMBOLS), st.sampled_from(ROWS))
def test_the_oracles_verdict_is_never_refuted(expr: Expr, row: dict[str, Value]) -> None:
    world = World()
    truth = world.truth(expr)
    here = pinned(row, fields_of(expr), world)
    value = evaluate(expr, row)
    assert not Prover(world).impossible(here, outcome(truth, value))
    if not any(isinstance(node, Binary) for node in walk(expr)):
        # Without rounding the formulas are exact.
        for other in {True, False, None} - {value}:
            assert Prover(world).impossible(here, outcome(truth, other))


def folded(track: Track, rows: list[dict[str, Value]]) -> Value:
    """Return the track's value on the last of rows five minutes apart, as the rules remember it."""
    made = replace(rule("r", 1, "has(t)", track={"t": "max(vix)"}), tracks=(track,), when=Name(track, track.span))
    rules, state = RuleSet.compile(desk(replace(made, when=Call(Function.HAS, (made.when,), track.span)))), RuleState()
    for cycle, cells in enumerate(rows):
        row, at = Row.of("p", cells), START + timedelta(minutes=5 * cycle)
        value = names_on(made, row, state, at)["t"]
        _, state = rules.evaluate(Snapshot(f"s{cycle}", cycle, at, (row,)), state)
    return value


@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    numbers(SYMBOLS),
    st.sampled_from(Fold),
    st.lists(st.sampled_from(ROWS), min_size=1, max_size=5),
    st.sampled_from((60, 600, 900)),
)
def test_a_folds_value_is_never_refuted(expr: Expr, fold: Fold, rows: list[dict[str, Value]], window_s: int) -> None:
    world = World()
    track = Track("t", fold, expr, expr.span, window_s if fold.windowed else None)
    value = folded(track, rows)
    cell = world.fold(track)
    here = pinned(rows[-1], fields_of(expr), world)
    assert not Prover(world).impossible(here, holds(cell, value, world))


def test_a_fold_cannot_be_on_the_wrong_side_of_the_current_value() -> None:
    world = World()
    trail = rule("r", 1, "peak < pnl_ratio", track={"peak": "max(pnl_ratio)"})
    assert Prover(world).impossible(world.truth(trail.when).true)
    missing = rule("r", 1, "has(pnl_ratio) and not has(peak)", track={"peak": "first(pnl_ratio)"})
    assert Prover(world).impossible(world.truth(missing.when).true)


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        # 0.1 + 0.2 is more than 0.3 in doubles, and constants are folded in doubles.
        ("0.1 + 0.2 == 0.3", False),
        ("0.1 + 0.2 > 0.3", True),
        # A sum of fields may be off by its rounding, but not by more.
        ("pnl_ratio + 0.2 > 0.3 and pnl_ratio <= 0.1", True),
        ("pnl_ratio + 0.2 > 0.3 and pnl_ratio <= 0.0999", False),
        ("vix > 300", False),
        ("short_delta < 0", False),
        ("1 / pnl_ratio > 0 and pnl_ratio == 0", False),
        ("has(1 / pnl_ratio) and pnl_ratio == 0", False),
        ("structure == 'single' and structure == 'iron_condor'", False),
        ("has(dte)", True),
        ("not has(dte)", False),
        ("clamp(pnl_ratio, 0, 1) > 1", False),
        ("min(pnl_ratio, 0.5) > 0.5", False),
    ],
)
def test_what_rows_can_do(text: str, possible: bool) -> None:
    world = World()
    assert Prover(world).impossible(world.truth(expression(text)).true) is not possible


def test_a_witness_folds_over_all_of_its_rows() -> None:
    trail = rule("r", 1, "peak >= 0", track={"peak": "max(pnl_ratio)"})
    pnl = BY_NAME["pnl_ratio"]
    [track] = tracks_of(trail.when)
    earlier = "max(pnl_ratio)"
    assert Witness({(NOW, pnl): 0.2, (earlier, pnl): 0.5}).names(trail.when)[track.name] == 0.5
    assert Witness({(NOW, pnl): 0.7, (earlier, pnl): 0.5}).names(trail.when)[track.name] == 0.7
    assert Witness({(NOW, pnl): None, (earlier, pnl): None}).names(trail.when)[track.name] is None


def test_a_look_back_at_a_young_key_finds_nothing() -> None:
    world = World()
    calm = rule("r", 1, "has(before) and dte > 5", track={"before": "last_before(dte, 1h)"})
    assert not Prover(world).impossible(world.truth(calm.when).false, world.truth(expression("dte > 5")).true)
    model = Prover(world).model(world.truth(calm.when).false, world.truth(expression("dte > 5")).true)
    young = witness(world, model, lambda found: found.truth(calm.when) is False, calm.when)
    assert young is not None
    assert "before" in young.names(calm.when)
    assert young.names(calm.when)["before"] is None


def test_a_change_is_the_current_value_less_the_earlier_one() -> None:
    world = World()
    jump = rule("r", 1, "jump > 0", track={"jump": "change(vix, 1h)", "before": "last_before(vix, 1h)"})
    both = expression("jump > 0 and before > vix", {**BY_NAME, **{t.name: t for t in jump.tracks}})
    assert Prover(world).impossible(world.truth(both).true)
    far = expression("jump > 1000", {**BY_NAME, **{t.name: t for t in jump.tracks}})
    assert Prover(world).impossible(world.truth(far).true)


@pytest.mark.parametrize(
    ("text", "possible"),
    [
        ("level > 300.001", False),
        ("level >= 20 and vix < 10", True),
        # Means lie between the values, which need not lie there themselves.
        ("0.1 < flag and flag < 0.9", True),
        ("flag > 1.001", False),
        ("has(vix) and not has(level)", False),
    ],
)
def test_what_means_can_be(text: str, possible: bool) -> None:
    world = World()
    tracks = {"level": "mean(vix, 1h)", "flag": "mean(1 if dte > 5 else 0, 1h)"}
    made = rule("r", 1, text, track=tracks)
    assert Prover(world).impossible(world.truth(made.when).true) is not possible


def test_a_witness_looks_back_in_time() -> None:
    vix = BY_NAME["vix"]
    tracks = {
        "before": "last_before(vix, 1h)",
        "jump": "change(vix, 1h)",
        "usual": "mean(vix, 1h)",
        "high": "max(vix)",
    }
    reads = rule("r", 1, "before > 0 and jump > 0 and usual > 0 and high > 0", track=tracks).when
    cells: dict[tuple[str, Field], Value] = {
        (NOW, vix): 30.0,
        ("last_before(vix, 3600s)", vix): 20.0,
        ("mean(vix, 3600s)", vix): 24.0,
        ("max(vix)", vix): 50.0,
    }
    times = {"last_before(vix, 3600s)": -3_600_000_000, "mean(vix, 3600s)": -1_800_000_000}
    found = Witness(cells, times)
    assert {name: found.names(reads)[name] for name in tracks} == {
        "before": 20.0,
        "jump": 10.0,
        "usual": 24.0,
        "high": 50.0,
    }
    unseen = Witness({(NOW, vix): 30.0, ("mean(vix, 3600s)", vix): None})
    assert unseen.names(reads)["usual"] == 30.0
    assert unseen.names(reads)["before"] is None


def test_every_field_has_a_place_in_an_unremarkable_day() -> None:
    from v6.lint.witness import USUAL

    numbers_of = {field.name for field in FIELDS if field.kind is Kind.NUMBER}
    assert numbers_of <= USUAL.keys()
    assert all(BY_NAME[n].low <= float(USUAL[n] or 0) <= BY_NAME[n].high for n in numbers_of)
