"""What the three evaluators make of the same rows and series, side by side and down to the state they carry."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Final, TypeAlias

import duckdb
import pyarrow as pa

from v6.backends.duckdb import replay_sql
from v6.backends.python import compile_condition
from v6.backends.reference import evaluate
from v6.backends.sql import condition_sql
from v6.lang.ast import Expr
from v6.lang.canonical import track_meaning
from v6.lang.desk import Desk, Limits, OnMissing, Rule
from v6.model.catalogue import FIELDS, Kind, Scope, Value
from v6.model.decision import ActionKind, Decision
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules import RuleSet, RuleState, names_on
from v6.ruletools.signals import Phase, signal_of

ARROW: Final = {Kind.NUMBER: pa.float64(), Kind.BOOL: pa.bool_(), Kind.ENUM: pa.string()}
LIMITS: Final = Limits(1, 1, 0.1, 0.1, 0.1, 1, 0.1, 1)

Outcomes: TypeAlias = dict[tuple[str, str], tuple[object, ...]]
"""By (snapshot_id, key): rule_id, fired, unknown, alerts, pending, and the state where it was asked for."""


def three_ways(
    expr: Expr, rows: Sequence[Mapping[str, Value]], database: duckdb.DuckDBPyConnection, relation: str = "nasty_rows"
) -> tuple[list[Value], list[Value], list[Value]]:
    """Return what the reference, the generated Python and DuckDB answer; `relation` has the rows by index i."""
    condition = compile_condition(expr)
    query = f"SELECT {condition_sql(expr)} FROM {relation} ORDER BY i"
    return (
        [evaluate(expr, row) for row in rows],
        [condition(tuple(row[field.name] for field in FIELDS)) for row in rows],
        [answer for (answer,) in database.execute(query).fetchall()],
    )


def filtered(expr: Expr, database: duckdb.DuckDBPyConnection, relation: str, rows: int) -> list[Value]:
    """Return the verdict on each row told from what WHERE picks: a filter may go by a row group's bounds alone."""
    text, verdicts = condition_sql(expr), dict[int, Value]()
    for where, verdict in ((text, True), (f"NOT {text}", False)):
        for (i,) in database.execute(f"SELECT i FROM {relation} WHERE {where}").fetchall():
            # A row that both filters pick has a verdict that no evaluator gives.
            verdicts[i] = "both" if i in verdicts else verdict
    return [verdicts.get(i) for i in range(rows)]


def as_table(rows: Sequence[Mapping[str, Value]]) -> pa.Table:
    """Return the rows in the catalogue's columns, with their index i."""
    columns = {f.name: pa.array([row[f.name] for row in rows], type=ARROW[f.kind]) for f in FIELDS}
    return pa.table({"i": pa.array(range(len(rows)), type=pa.int64()), **columns})


def same(a: object, b: object) -> bool:
    """Tell whether two values are equal and of one sign: 0.0 and -0.0 differ."""
    if isinstance(a, float) and isinstance(b, float) and a == b == 0.0:
        return math.copysign(1.0, a) == math.copysign(1.0, b)
    return a == b and (isinstance(a, bool) is isinstance(b, bool))


# -- series --------------------------------------------------------------------------------------------------------


def as_snapshots(snapshots: Sequence[Snapshot]) -> pa.Table:
    """Return the series in the columns that a replay reads."""
    flat = [(snapshot, row) for snapshot in snapshots for row in snapshot.rows]
    columns = {f.name: pa.array([row.values[i] for _, row in flat], ARROW[f.kind]) for i, f in enumerate(FIELDS)}
    return pa.table(
        {
            "snapshot_id": pa.array([s.snapshot_id for s, _ in flat]),
            "cycle": pa.array([s.cycle for s, _ in flat]),
            "ts": pa.array([s.ts for s, _ in flat], type=pa.timestamp("us", tz="UTC")),
            "key": pa.array([row.key for _, row in flat]),
            **columns,
        }
    )


def replayed(
    wanted: Sequence[Rule],
    database: duckdb.DuckDBPyConnection,
    relation: str = "snapshots",
    *,
    states: bool = False,
) -> Outcomes:
    """Return what the replay query decides, and the state after each row as far as the query works it out."""
    text = state_sql(wanted, relation) if states else replay_sql(wanted, relation)
    chosen = f"SELECT * EXCLUDE (ts) FROM ({text})"
    found = {(row[0], row[1]): row[2:] for row in database.execute(chosen).fetchall()}
    if states:
        # The query with the state for all rows is not the one that replays run, which leaves most rows out.
        usual = replayed(wanted, database, relation)
        return {p: row if row[:5] == usual.get(p) else ("not alike", usual.get(p), row) for p, row in found.items()}
    return found


def decided(wanted: Sequence[Rule], snapshots: Sequence[Snapshot], *, states: bool = False) -> Outcomes:
    """Return what the live rules decide, written to JSON and read back between any two cycles."""
    ruleset, state = RuleSet.compile(Desk(tuple(wanted), (), LIMITS, "f")), RuleState()
    found: Outcomes = {}
    for snapshot in snapshots:
        before = state
        decisions, state = ruleset.evaluate(snapshot, before)
        # A restart between any two cycles must change nothing.
        state = RuleState.from_json(state.to_json())
        for row, decision in zip(snapshot.rows, decisions, strict=True):
            masks = (decision.fired, decision.unknown, decision.alerts, pending(ruleset, decision, state))
            carried = live_state(ruleset, row, snapshot, before, state) if states else ()
            found[snapshot.snapshot_id, row.key] = (decision.rule_id, *masks, *carried)
    return found


def pending(ruleset: RuleSet, decision: Decision, after: RuleState) -> int:
    """Return the mask of the rules whose `for` is running."""
    phases = (
        signal_of(rule, bool(decision.fired >> bit & 1), decision.key, after) for bit, rule in enumerate(ruleset.rules)
    )
    return sum(1 << bit for bit, phase in enumerate(phases) if phase is Phase.PENDING)


def live_state(
    ruleset: RuleSet, row: Row, snapshot: Snapshot, before: RuleState, after: RuleState
) -> Iterator[object]:
    """Yield what the live rules remember after the row, in the order of `state_sql`; None for rules of other rows.

    The verdict and the tracks come from the reference, which is thereby held against the other two on series as well.
    """
    memory = after.keys[row.key]
    slots = dict(zip(memory.slots, memory.values, strict=True))
    scope = Scope.PORTFOLIO if row.key == PORTFOLIO_KEY else Scope.POSITION
    for rule in ruleset.rules:
        here = rule.scope is scope
        for name in timers(rule):
            yield slots.get(f"{rule.id}/{name}") if here else None
        names = names_on(rule, row, before, snapshot.ts) if here else {}
        yield from (names.get(track.name) for track in rule.live_tracks)
        yield verdict(rule, names) if here else None


def verdict(rule: Rule, names: Mapping[str, Value]) -> Value:
    """Return the reference's verdict: that of the first condition that has one."""
    found = (evaluate(condition, names) for condition in rule.conditions)
    return next((answer for answer in found if answer is not None), None)


def timers(rule: Rule) -> list[str]:
    """Return the times that a rule remembers: see `v6.ruletools.signals.timer`."""
    names = ["since"] if rule.for_s else []
    names += ["missing"] if rule.on_missing is OnMissing.ESCALATE else []
    names += ["kept"] if rule.keep_s else []
    names += ["latched"] if rule.decides and rule.latches else []
    names += ["told"] if rule.alert is not None else []
    return [*names, *(["acted"] if rule.cooldown_s else [])]


def state_sql(wanted: Sequence[Rule], relation: str = "snapshots") -> str:
    """Return the replay query with the state after each row and the verdicts beside it, told from its own columns.

    The masks of a long series show a wrong state as soon as it matters; this shows it at once, and where it lies.
    """
    stages, chosen = replay_sql(wanted, relation, whole=True).rsplit("\nSELECT ", 1)
    chosen, last = chosen.rsplit(" FROM ", 1)
    rows = "OVER (PARTITION BY key ORDER BY t ROWS UNBOUNDED PRECEDING)"
    folds: dict[str, str] = {}
    for rule in wanted:
        for track in rule.live_tracks:
            folds.setdefault(track_meaning(track), f"fold{len(folds)}")
    columns: list[str] = []
    for bit, rule in enumerate(wanted):
        latest = {name: f"max(CASE WHEN {name}{bit} THEN t END) {rows}" for name in ("base", "acts", "tells", "ends")}
        acts = "tells" if rule.then.kind is ActionKind.ALERT else "acts"
        text = {
            "since": f"CASE WHEN coalesce(verdict{bit}, runs{bit}) THEN since{bit} END",
            "missing": f"CASE WHEN verdict{bit} IS NULL THEN missing{bit} END",
            "kept": latest["base"],
            "latched": f"CASE WHEN coalesce({latest['acts']} > {latest['ends']}, TRUE) THEN {latest['acts']} END",
            "told": f"CASE WHEN coalesce({latest['tells']} > {latest['ends']}, TRUE) THEN {latest['tells']} END",
            "acted": latest[acts],
        }
        here = "key = ''" if rule.scope is Scope.PORTFOLIO else "key <> ''"
        wants = [text[name] for name in timers(rule)] + [folds[track_meaning(track)] for track in rule.live_tracks]
        wants.append(f"verdict{bit}")
        columns += [f"CASE WHEN {here} THEN {column} END AS state{len(columns) + i}" for i, column in enumerate(wants)]
    return f"{stages}\nSELECT {', '.join([chosen, *columns])} FROM {last}"
