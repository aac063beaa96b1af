"""Replay a rule set over the recorded snapshots and hold it against what the daemon decided then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb

from v6.backends.duckdb import replay_sql
from v6.lang.desk import Rule
from v6.store.query import connect

SHOWN_DIFFERENCES = 20

_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class RuleCount:
    """Rows on which a rule fired, was unknown, and was the first to fire."""

    fired: int
    unknown: int
    first: int


@dataclass(frozen=True, slots=True)
class Difference:
    """One row that was decided otherwise: rule_id and the masks fired, unknown, alerts, then and now.

    None stands for what is absent; stores of the first version did not record alerts.
    """

    ts: datetime
    snapshot_id: str
    key: str
    recorded: tuple[str | None, int | None, int | None, int | None]
    replayed: tuple[str | None, int | None, int | None, int | None]


@dataclass(frozen=True, slots=True)
class Replay:
    """Counts are of snapshots; a snapshot agrees when every one of its rows does."""

    snapshots: int
    agree: int
    disagree: int
    rules: dict[str, RuleCount]
    differences: tuple[Difference, ...]


def replay(
    tables: Path,
    rules: Sequence[Rule],
    first: datetime | None = None,
    last: datetime | None = None,
    as_of: datetime | None = None,
) -> Replay:
    """Return the replay between two moments (inclusive); state is folded from the beginning of the record.

    With `as_of` the record is what the tables held at that moment. Raises StoreError if there is no record.
    """
    db = connect(tables, as_of=as_of)
    db.execute("CREATE TEMP TABLE replayed AS " + replay_sql(rules))
    return agreement(db, rules, first, last)


def agreement(
    db: duckdb.DuckDBPyConnection, rules: Sequence[Rule], first: datetime | None, last: datetime | None
) -> Replay:
    """Return the comparison of a relation `replayed`, which the rules' query gave, with the recorded decisions."""
    db.execute("CREATE TEMP TABLE compared AS " + _COMPARED, {"first": first or _EARLIEST, "last": last or _LATEST})
    total, agree = db.sql(_AGREEMENT).fetchall()[0]
    return Replay(total, agree, total - agree, _counts(db, rules), _differences(db))


def _counts(db: duckdb.DuckDBPyConnection, rules: Sequence[Rule]) -> dict[str, RuleCount]:
    columns = ", ".join(
        f"count(*) FILTER (fired_now >> {bit} & 1 = 1), count(*) FILTER (unknown_now >> {bit} & 1 = 1)"
        for bit in range(len(rules))
    )
    row = db.sql(f"SELECT {columns} FROM compared").fetchall()[0]
    first = dict(db.sql("SELECT rule_now, count(*) FROM compared GROUP BY 1").fetchall())
    return {
        rule.id: RuleCount(row[2 * bit], row[2 * bit + 1], first.get(rule.id, 0)) for bit, rule in enumerate(rules)
    }


def _differences(db: duckdb.DuckDBPyConnection) -> tuple[Difference, ...]:
    query = f"SELECT * FROM compared WHERE NOT same ORDER BY ts, key LIMIT {SHOWN_DIFFERENCES}"
    return tuple(
        Difference(
            row["ts"],
            row["snapshot_id"],
            row["key"],
            (row["rule_then"], row["fired_then"], row["unknown_then"], row["alerts_then"]),
            (row["rule_now"], row["fired_now"], row["unknown_now"], row["alerts_now"]),
        )
        for row in db.sql(query).to_arrow_table().to_pylist()
    )


_COMPARED = """
SELECT coalesce(r.ts, d.ts) AS ts, coalesce(r.snapshot_id, d.snapshot_id) AS snapshot_id,
    coalesce(r.key, d.key) AS key,
    d.rule_id AS rule_then, d.fired AS fired_then, d.unknown AS unknown_then, d.alerts AS alerts_then,
    r.rule_id AS rule_now, r.fired AS fired_now, r.unknown AS unknown_now, r.alerts AS alerts_now,
    d.rule_id IS NOT DISTINCT FROM r.rule_id AND d.fired IS NOT DISTINCT FROM r.fired
        AND d.unknown IS NOT DISTINCT FROM r.unknown AND coalesce(d.alerts = r.alerts, d.alerts IS NULL) AS same
FROM replayed r FULL JOIN decisions d ON r.snapshot_id = d.snapshot_id AND r.key = d.key
WHERE coalesce(r.ts, d.ts) BETWEEN $first AND $last
"""

_AGREEMENT = """
SELECT count(*), count(*) FILTER (same) FROM (SELECT bool_and(same) AS same FROM compared GROUP BY snapshot_id)
"""
