"""One meaning, three evaluators: no generated expression or series may tell them apart."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.backends.generate import NUMBERS, SERIES, SPAN, conditions, nasty_rows, numbers, rules
from v6.backends.duckdb import replay_sql
from v6.backends.python import compile_condition
from v6.backends.reference import evaluate
from v6.backends.sql import condition_sql
from v6.lang.ast import Binary, BinaryOp, Call, Compare, CompareOp, Expr, Function, Name, Number
from v6.lang.desk import Desk, Limits, Rule
from v6.model.catalogue import BY_NAME, FIELDS, Kind, Value, admit
from v6.model.decision import Decision
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState, load_desk
from v6.ruletools.signals import Phase, signal_of

ROOT = Path(__file__).parents[2]
ROWS = nasty_rows(60, seed=7)
ARROW = {Kind.NUMBER: pa.float64(), Kind.BOOL: pa.bool_(), Kind.ENUM: pa.string()}
LIMITS = Limits(1, 1, 0.1, 0.1, 0.1, 1, 0.1, 1)
START = datetime(2014, 1, 2, 14, 30, tzinfo=UTC)
SYMBOLS = tuple(BY_NAME[name] for name in NUMBERS)


@pytest.fixture(scope="module")
def database() -> Iterator[duckdb.DuckDBPyConnection]:
    with duckdb.connect(config={"threads": 1}) as connection:
        columns = {f.name: pa.array([row[f.name] for row in ROWS], type=ARROW[f.kind]) for f in FIELDS}
        connection.register("nasty", pa.table({"i": pa.array(range(len(ROWS))), **columns}))
        connection.execute("CREATE TABLE nasty_rows AS SELECT * FROM nasty")
        yield connection


def three_ways(expr: Expr, database: duckdb.DuckDBPyConnection) -> tuple[list[Value], list[Value], list[Value]]:
    query = f"SELECT {condition_sql(expr)} FROM nasty_rows ORDER BY i"
    condition = compile_condition(expr)
    return (
        [evaluate(expr, row) for row in ROWS],
        [condition(Row.of("p", row).values) for row in ROWS],
        [answer for (answer,) in database.execute(query).fetchall()],
    )


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(conditions(SYMBOLS))
def test_conditions_mean_the_same_in_every_backend(database: duckdb.DuckDBPyConnection, expr: Expr) -> None:
    oracle, python, sql = three_ways(expr, database)
    assert python == oracle
    assert sql == oracle


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(numbers(SYMBOLS))
def test_numbers_are_the_same_doubles_in_every_backend(database: duckdb.DuckDBPyConnection, expr: Expr) -> None:
    oracle, python, sql = three_ways(expr, database)
    assert python == oracle
    assert sql == oracle


def test_the_rows_are_rich_in_what_could_go_wrong(database: duckdb.DuckDBPyConnection) -> None:
    pnl, vix = Name(BY_NAME["pnl"], SPAN), Name(BY_NAME["net_liq"], SPAN)
    quotient = Binary(BinaryOp.DIV, pnl, vix, SPAN)
    has = Call(Function.HAS, (quotient,), SPAN)
    answers, _, _ = three_ways(has, database)
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
    oracle, python, sql = three_ways(condition, database)
    assert python == oracle == sql


STEPS = st.sampled_from(
    [timedelta(minutes=m) for m in (1, 5, 10, 15, 16)]
    + [timedelta(minutes=15, microseconds=1), timedelta(hours=18), timedelta(seconds=299, microseconds=999_999)]
)


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
        at += draw(STEPS)
    return snapshots


def replayed(wanted: tuple[Rule, ...], snapshots: list[Snapshot]) -> dict[tuple[str, str], tuple[object, ...]]:
    flat = [(snapshot, row) for snapshot in snapshots for row in snapshot.rows]
    columns = {f.name: pa.array([row[f.name] for _, row in flat], type=ARROW[f.kind]) for f in FIELDS}
    table = pa.table(
        {
            "snapshot_id": pa.array([s.snapshot_id for s, _ in flat]),
            "cycle": pa.array([s.cycle for s, _ in flat]),
            "ts": pa.array([s.ts for s, _ in flat], type=pa.timestamp("us", tz="UTC")),
            "key": pa.array([row.key for _, row in flat]),
            **columns,
        }
    )
    with duckdb.connect(config={"threads": 1}) as connection:
        connection.register("snapshots", table)
        query = f"SELECT snapshot_id, key, rule_id, fired, unknown, alerts, pending FROM ({replay_sql(wanted)})"
        return {(row[0], row[1]): row[2:] for row in connection.execute(query).fetchall()}


def decided(wanted: tuple[Rule, ...], snapshots: list[Snapshot]) -> dict[tuple[str, str], tuple[object, ...]]:
    ruleset, state = RuleSet.compile(Desk(wanted, (), LIMITS, "f")), RuleState()
    found: dict[tuple[str, str], tuple[object, ...]] = {}
    for snapshot in snapshots:
        decisions, state = ruleset.evaluate(snapshot, state)
        # A restart between any two cycles must change nothing.
        state = RuleState.from_json(state.to_json())
        found |= {
            (d.snapshot_id, d.key): (d.rule_id, d.fired, d.unknown, d.alerts, pending(ruleset, d, state))
            for d in decisions
        }
    return found


def pending(ruleset: RuleSet, decision: Decision, after: RuleState) -> int:
    """Return the mask of the rules whose `for` is running."""
    phases = (
        signal_of(rule, bool(decision.fired >> bit & 1), decision.key, after) for bit, rule in enumerate(ruleset.rules)
    )
    return sum(1 << bit for bit, phase in enumerate(phases) if phase is Phase.PENDING)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.data_too_large])
@given(st.tuples(*(rules(bit) for bit in range(4))), series())
def test_a_replayed_series_decides_what_the_live_rules_decided(
    wanted: tuple[Rule, ...], snapshots: list[Snapshot]
) -> None:
    assert replayed(wanted, snapshots) == decided(wanted, snapshots)


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


def test_the_shipped_rules_decide_alike_live_and_replayed() -> None:
    wanted, snapshots = load_desk(ROOT).rules, shipped_series(400, seed=3)
    live = decided(wanted, snapshots)
    assert replayed(wanted, snapshots) == live
    ever = 0
    for _, mask, *_ in live.values():
        assert isinstance(mask, int)
        ever |= mask
    assert ever == (1 << len(wanted)) - 1, "a rule never fired, so it was not compared"
