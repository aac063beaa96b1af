"""Two revisions of a desk over the same recorded snapshots: every decision that changes, and what it is worth."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any, Final

import duckdb

from v6.errors import V6Error
from v6.lang.ast import fields_of
from v6.lang.desk import Desk, Rule
from v6.model.catalogue import Scope
from v6.model.decision import ActionKind
from v6.replay.damage import told
from v6.replay.diff_edits import Edits, edits
from v6.replay.diff_effect import NO_EFFECT, Distribution, distribution, exits, measure
from v6.replay.diff_sql import decide
from v6.store.diffs import DiffRecord, record_diff
from v6.store.query import connect

_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)
_CLOSING: Final = frozenset({ActionKind.CLOSE, ActionKind.ROLL})


@dataclass(frozen=True, slots=True)
class Change:
    """Decisions of one position (key '' is the portfolio) on one UTC day that fall otherwise, from `first` to `last`.

    `old` and `new` are the rule with its action; None is no decision, also because the side had closed by then.
    """

    old: str | None
    new: str | None
    key: str
    day: date
    rows: int
    first: datetime
    last: datetime


@dataclass(frozen=True, slots=True)
class RuleEffect:
    """What changes where the rule decides on either side: decisions it makes no more (`fewer`) or now (`more`)."""

    rule_id: str
    rows: int
    positions: int
    days: int
    fewer: int
    more: int
    effect: Distribution


@dataclass(frozen=True, slots=True)
class Lacking:
    """A field that an edited rule reads, and UTC days on which the record has it on no row; `days` counts them."""

    field: str
    rules: tuple[str, ...]
    days: int
    first: date
    last: date


@dataclass(frozen=True, slots=True)
class OnRecord:
    """The diff over recorded snapshots; state is folded from the beginning of the record.

    After a side's first closing decision of a position that side decides nothing more about it.
    """

    snapshots: int
    rows: int
    first: datetime | None
    last: datetime | None
    changed: int
    positions: int
    changes: tuple[Change, ...]
    rules: tuple[RuleEffect, ...]
    alerts: dict[str, int]
    effect: Distribution
    reductions: bool
    lacking: tuple[Lacking, ...]
    queries: int
    rules_computed: int


@dataclass(frozen=True, slots=True)
class Diff:
    """`record` is None where only the meanings were compared."""

    old: str
    new: str
    old_fingerprint: str
    new_fingerprint: str
    edits: Edits
    record: OnRecord | None

    @property
    def changed(self) -> bool:
        """Tell whether decisions change: on the record, or, without one, unless they are proven not to."""
        return not self.edits.same if self.record is None else self.record.changed > 0


@dataclass(frozen=True, slots=True)
class Range:
    """Which part of a record: between two moments (inclusive), as it was stored at a third; None is no bound."""

    first: datetime | None = None
    last: datetime | None = None
    as_of: datetime | None = None


def on_record(tables: Path, old: Desk, new: Desk, part: Range) -> OnRecord:
    """Return the decisions that differ; raises StoreError without a record and V6Error for an empty range.

    A store in which nothing was recorded yet has no differences, and says so by its zero snapshots.
    """
    if not (tables / "snapshots").is_dir() and (tables.parent / "journal.sqlite").is_file() and part == Range():
        return _NOTHING
    db = connect(tables, as_of=part.as_of)
    first, last = part.first or _EARLIEST, part.last or _LATEST
    bounds = {"first": first, "last": last}
    rows, snapshots, since, until = _table(db, _EXTENT, bounds)[0].values()
    if not rows and part != Range():
        raise V6Error(_empty(db, tables, part))
    made = decide(db, old.rules, new.rules, f"TIMESTAMPTZ '{last.isoformat()}'")
    closing = tuple([r.id for r in desk.rules if r.then.kind in _CLOSING] for desk in (old, new))
    exits(db, (closing[0], closing[1]))
    db.execute(_CHANGED.format(_classes("old", old), _classes("new", new)), bounds)
    effect = measure(db, first, last)
    total, positions = db.sql("SELECT count(*), count(DISTINCT key) FILTER (WHERE key <> '') FROM changed").fetchall()[
        0
    ]
    alerts = {name: _count(db, f"SELECT count(*) FROM decided WHERE {column} AND ts BETWEEN $first AND $last", bounds)
            for name, column in made.alerts}  # fmt: skip
    return OnRecord(
        snapshots,
        rows,
        since,
        until,
        total,
        positions,
        tuple(Change(**row) for row in _table(db, _GROUPS)),
        _by_rule(db),
        {name: count for name, count in alerts.items() if count},
        effect,
        any(rule.then.kind is ActionKind.REDUCE for desk in (old, new) for rule in desk.rules),
        tuple(_lacking(db, edited(old.rules, new.rules), bounds)),
        made.queries,
        made.rules,
    )


def compare_desks(names: tuple[str, str], old: Desk, new: Desk, tables: Path | None, part: Range) -> Diff:
    """Return the whole diff of two desks by their names; without `tables` only the meanings are compared."""
    record = None
    if tables is not None:
        with told(tables):
            record = on_record(tables, old, new, part)
    return Diff(*names, old.fingerprint, new.fingerprint, edits(old, new), record)


def _empty(db: duckdb.DuckDBPyConnection, tables: Path, part: Range) -> str:
    _, _, since, until = _table(db, _EXTENT, {"first": _EARLIEST, "last": _LATEST})[0].values()
    there = (
        "it holds none at all" if since is None else f"it holds {since:%Y-%m-%d %H:%M} to {until:%Y-%m-%d %H:%M} UTC"
    )
    if part.as_of is not None:
        there += f" as of {part.as_of:%Y-%m-%d %H:%M}"
    return f"{tables.parent} has no snapshots in that range; {there}"


def _classes(side: str, desk: Desk) -> str:
    """Return SQL for what a side decides, as a text that is equal where rule and action are."""
    arms = " ".join(f"WHEN '{rule.id}' THEN '{rule.id}: {rule.then}'" for rule in desk.rules)
    alive = f"CASE WHEN {side}_exit IS NULL OR ts <= {side}_exit THEN {side} END"
    return f"CASE {alive} {arms} END" if arms else "CAST(NULL AS VARCHAR)"


def edited(old: Sequence[Rule], new: Sequence[Rule]) -> list[Rule]:
    """Return the rules of either side that the other has not, or not with this meaning."""
    marks = [{rule.fingerprint for rule in side} for side in (old, new)]
    return [r for r in old if r.fingerprint not in marks[1]] + [r for r in new if r.fingerprint not in marks[0]]


def _lacking(db: duckdb.DuckDBPyConnection, rules: Sequence[Rule], bounds: dict[str, Any]) -> Iterator[Lacking]:
    read: dict[str, dict[str, None]] = {}
    for rule in rules:
        for field in (f for expr in rule.expressions for f in fields_of(expr)):
            here = "=" if rule.scope is Scope.PORTFOLIO else "<>"
            read.setdefault(f"{field.name} {here}", {})[rule.id] = None
    columns = []
    for i, name in enumerate(read):
        column, here = name.split()
        where = f"FILTER (WHERE key {here} '')"
        columns.append(f'count(*) {where} > 0 AND count("{column}") {where} = 0 AS lacks{i}')
    if not columns:
        return
    query = f"SELECT date AS day, {', '.join(columns)} FROM snapshots"
    days = _table(db, f"{query} WHERE ts BETWEEN $first AND $last GROUP BY 1 ORDER BY 1", bounds)
    for i, (name, ids) in enumerate(read.items()):
        bare = [row["day"] for row in days if row[f"lacks{i}"]]
        if bare:
            yield Lacking(name.split()[0], tuple(ids), len(bare), bare[0], bare[-1])


def put_on_record(store: Path, diff: Diff, at: datetime) -> None:
    """Write down that the diff was made, so that a daemon may take the edit; raises StoreError."""
    found = diff.record
    if found is None:
        raise ValueError("a diff of meanings alone is no diff on record")
    record = DiffRecord(
        at,
        diff.old_fingerprint,
        diff.new_fingerprint,
        found.snapshots,
        found.first,
        found.last,
        found.changed,
        found.positions,
        found.effect.total,
        diff.edits.same,
    )
    record_diff(store, record)


def _by_rule(db: duckdb.DuckDBPyConnection) -> tuple[RuleEffect, ...]:
    return tuple(
        RuleEffect(**row, effect=distribution(db, f"'{row['rule_id']}' IN (old_rule, new_rule)"))
        for row in _table(db, _RULES)
    )


def _table(db: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any] | None = None) -> list[dict[str, Any]]:
    found = db.sql(query, params=values) if values else db.sql(query)
    return list(found.to_arrow_table().to_pylist())


def _count(db: duckdb.DuckDBPyConnection, query: str, values: dict[str, Any]) -> int:
    return int(db.execute(query, values).fetchall()[0][0])


_NOTHING: Final = OnRecord(0, 0, None, None, 0, 0, (), (), {}, NO_EFFECT, False, (), 0, 0)

_EXTENT: Final = """
SELECT count(*) AS rows, count(*) FILTER (WHERE key = '') AS snapshots, min(ts) AS first, max(ts) AS last
FROM snapshots WHERE ts BETWEEN $first AND $last
"""

_CHANGED: Final = """
CREATE TEMP TABLE changed AS
SELECT * FROM (
    SELECT d.snapshot_id, d.key, d.ts, {} AS old, {} AS new FROM decided d LEFT JOIN exits USING (key)
) WHERE old IS DISTINCT FROM new AND ts BETWEEN $first AND $last
"""

_GROUPS: Final = """
SELECT old, new, key, CAST(ts AS DATE) AS day, count(*) AS rows, min(ts) AS first, max(ts) AS last
FROM changed GROUP BY 1, 2, 3, 4 ORDER BY first, key, old, new
"""

_RULES: Final = """
SELECT rule_id, count(*) AS rows, count(DISTINCT key) FILTER (WHERE key <> '') AS positions,
    count(DISTINCT CAST(ts AS DATE)) AS days,
    count(*) FILTER (WHERE gone) AS fewer, count(*) FILTER (WHERE NOT gone) AS more
FROM (
    SELECT split_part(old, ':', 1) AS rule_id, key, ts, TRUE AS gone FROM changed WHERE old IS NOT NULL
    UNION ALL
    SELECT split_part(new, ':', 1), key, ts, FALSE FROM changed
    WHERE new IS NOT NULL AND (old IS NULL OR split_part(old, ':', 1) <> split_part(new, ':', 1))
) GROUP BY 1 ORDER BY rows DESC, rule_id
"""
