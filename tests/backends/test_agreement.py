"""One meaning, three evaluators: no generated expression or series may tell them apart."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backends.compare import as_snapshots, as_table, decided, replayed, three_ways
from tests.backends.draw import NUMBERS, SERIES, SPAN, START, STEPS, draw_rules, draw_series, nasty_rows
from tests.backends.generate import conditions, numbers, rules
from v6.backends.duckdb import replay_sql
from v6.backends.sql import condition_sql
from v6.lang.ast import Binary, BinaryOp, Call, Compare, CompareOp, Expr, Function, Name, Number
from v6.lang.desk import Rule
from v6.model.catalogue import BY_NAME, Value, admit
from v6.model.snapshot import Row, Snapshot
from v6.rules import load_desk

ROOT = Path(__file__).parents[2]
ROWS = nasty_rows(60, seed=7)
SYMBOLS = tuple(BY_NAME[name] for name in NUMBERS)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("nasty", as_table(ROWS))
        connection.execute("CREATE TABLE nasty_rows AS SELECT * FROM nasty")
        yield connection


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conditions(SYMBOLS))
def test_conditions_mean_the_same_in_every_backend(database: duckdb.DuckDBPyConnection, expr: Expr) -> None:
    oracle, python, sql = three_ways(expr, ROWS, database)
    assert python == oracle
    assert sql == oracle


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(numbers(SYMBOLS))
def test_numbers_are_the_same_doubles_in_every_backend(database: duckdb.DuckDBPyConnection, expr: Expr) -> None:
    oracle, python, sql = three_ways(expr, ROWS, database)
    assert python == oracle
    assert sql == oracle


def test_the_rows_are_rich_in_what_could_go_wrong(database: duckdb.DuckDBPyConnection) -> None:
    pnl, vix = Name(BY_NAME["pnl"], SPAN), Name(BY_NAME["net_liq"], SPAN)
    quotient = Binary(BinaryOp.DIV, pnl, vix, SPAN)
    has = Call(Function.HAS, (quotient,), SPAN)
    answers, _, _ = three_ways(has, ROWS, database)
    there = [row["pnl"] is not None and row["net_liq"] is not None for row in ROWS]
    assert any(t and not a for t, a in zip(there, answers, strict=True)), "no division failed"
    assert any(answers)


@pytest.mark.parametrize("depth", [19])
def test_deep_division_does_not_blow_up_the_query(database: duckdb.DuckDBPyConnection, depth: int) -> None:
    expr: Expr = Name(BY_NAME["pnl"], SPAN)
    for _ in range(depth):
        expr = Binary(BinaryOp.DIV, expr, Name(BY_NAME["vix"], SPAN), SPAN)
        expr = Call(Function.MAX, (expr, Number(-1.0, SPAN)), SPAN)
    condition = Compare((CompareOp.GT,), (expr, Number(0.0, SPAN)), SPAN)
    assert len(condition_sql(condition)) < 5000
    oracle, python, sql = three_ways(condition, ROWS, database)
    assert python == oracle == sql


@st.composite
def series(draw: st.DrawFn) -> list[Snapshot]:
    """Snapshots of a portfolio and two positions that come and go, at uneven intervals."""
    at, snapshots = START, []
    for cycle in range(draw(st.integers(1, 12))):
        keys = ["", *draw(st.sampled_from((["a"], ["a", "b"], ["b"], [])))]
        rows = tuple(
            Row.of(key, {name: draw(st.sampled_from(values)) for name, values in SERIES.items()}) for key in keys
        )
        snapshots.append(Snapshot(f"s{cycle}", cycle, at, rows))
        at += draw(st.sampled_from(STEPS))
    return snapshots


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.tuples(*(rules(bit) for bit in range(4))), series())
def test_a_replayed_series_decides_what_the_live_rules_decided(
    database: duckdb.DuckDBPyConnection, wanted: tuple[Rule, ...], snapshots: list[Snapshot]
) -> None:
    database.register("snapshots", as_snapshots(snapshots))
    assert replayed(wanted, database) == decided(wanted, snapshots)


@pytest.mark.parametrize("seed", range(12))
def test_a_replayed_series_leaves_the_state_that_the_live_rules_carry(
    database: duckdb.DuckDBPyConnection, seed: int
) -> None:
    random = Random(seed)
    wanted, snapshots = draw_rules(random), draw_series(random, cycles=30, positions=4)
    database.register("snapshots", as_snapshots(snapshots))
    assert replayed(wanted, database, states=True) == decided(wanted, snapshots, states=True)


@pytest.mark.parametrize("seed", range(6))
def test_the_deciding_rule_alone_is_the_one_that_the_whole_answer_names(
    database: duckdb.DuckDBPyConnection, seed: int
) -> None:
    """Of rules that judge a row by itself, for which the two are different queries, and of others."""
    random = Random(f"first {seed}")
    drawn, snapshots = draw_rules(random), draw_series(random, cycles=40, positions=4)
    shipped = [rule for rule in load_desk(ROOT).rules if not rule.tracks]
    plain = [replace(r, for_s=0, keep_s=0, cooldown_s=0, missing_for_s=None, alert=None) for r in (*drawn, *shipped)]
    alone = [rule for rule in plain if not rule.live_tracks and not rule.stands_aside]
    database.register("snapshots", as_snapshots([*snapshots, *shipped_series(200, seed)]))
    named = set()
    for wanted in (alone, drawn):
        whole = database.sql(f"SELECT snapshot_id, key, rule_id FROM ({replay_sql(wanted)})").fetchall()
        first = database.sql(
            f"SELECT snapshot_id, key, rule_id FROM ({replay_sql(wanted, first_only=True)})"
        ).fetchall()
        assert sorted(first, key=str) == sorted(whole, key=str)
        named |= {rule for _, _, rule in first}
    assert len(named) > 3


def shipped_series(cycles: int, seed: int) -> list[Snapshot]:
    """A seeded walk of three positions and the account that reaches every shipped rule, with holes and nights."""
    random, at, snapshots = Random(seed), START, []
    walks = {
        "pnl_ratio": (-0.1, 0.25),
        "broker_pnl_ratio": (-0.1, 0.25),
        "delta": (0.0, 0.12),
        "short_delta": (0.2, 0.08),
        "short_distance": (0.04, 0.02),
        "gamma_1pct": (-0.08, 0.04),
        "iv": (0.15, 0.04),
        "vix": (16.0, 4.0),
        "underlying_change_1h": (0.0, 0.012),
        "underlying_change_1d": (0.0, 0.02),
        "drawdown": (0.05, 0.03),
        "margin_ratio": (0.3, 0.1),
        "max_loss_ratio": (0.1, 0.05),
        "portfolio_delta_ratio": (0.0, 0.5),
    }
    for cycle in range(cycles):
        rows = []
        for key in ("", "p1", "p2", "p3"):
            values: dict[str, Value] = {
                "structure": "single" if key == "p3" else "iron_condor",
                "credit": 7.0,
                "dte": float(max(45 - cycle // 8, 0)),
                "minutes_since_open": 120.0,
                "minutes_to_close": 200.0,
            }
            for name, (mean, spread) in walks.items():
                missing = random.random() < (0.6 if cycle % 50 > 40 else 0.03)
                values[name] = None if missing else admit(BY_NAME[name], random.gauss(mean, spread))
            rows.append(Row.of(key, values))
        snapshots.append(Snapshot(f"s{cycle:04}", cycle, at, tuple(rows)))
        at += timedelta(hours=18) if cycle % 20 == 19 else timedelta(minutes=5)
    return snapshots


def test_the_shipped_rules_decide_alike_live_and_replayed(database: duckdb.DuckDBPyConnection) -> None:
    wanted, snapshots = load_desk(ROOT).rules, shipped_series(400, seed=3)
    database.register("snapshots", as_snapshots(snapshots))
    live = decided(wanted, snapshots, states=True)
    assert replayed(wanted, database, states=True) == live
    ever = 0
    for _, mask, *_ in live.values():
        assert isinstance(mask, int)
        ever |= mask
    assert ever == (1 << len(wanted)) - 1, "a rule never fired, so it was not compared"
