"""What a changed exit is worth: each side's first closing decision at the recorded mark, less the cost of closing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final

import duckdb

SHOWN_EFFECTS: Final = 10
"""Positions listed at either end."""

BINS: Final = 12
QUANTILES: Final = (0.05, 0.25, 0.50, 0.75, 0.95)


@dataclass(frozen=True, slots=True)
class Exit:
    """A side's way out of a position: by which rule and when, None for both if it holds to the end of the record.

    `pnl` is in dollars at the recorded mark, less half the spread and a commission as at the opening. Of a position
    that is held it is the last known one while the position is open, and the settlement if it expired. It is None
    where an input is missing, and where the desk had closed the position: nobody knows what came after.
    """

    rule_id: str | None
    ts: datetime | None
    pnl: float | None


@dataclass(frozen=True, slots=True)
class Effect:
    """One position that the two sides leave otherwise; `usd` is new less old, None where either is unknown."""

    key: str
    old: Exit
    new: Exit
    usd: float | None


@dataclass(frozen=True, slots=True)
class Distribution:
    """Dollar effects of the positions whose exit changes; of the `unknown` ones nothing is in the figures.

    Of the unknown, `cut_short` are held by a side for longer than the record follows them.
    """

    positions: int
    unknown: int
    cut_short: int
    total: float | None
    mean: float | None
    quantiles: dict[str, float]
    histogram: tuple[tuple[float, float, int], ...]
    worst: tuple[Effect, ...]
    best: tuple[Effect, ...]


NO_EFFECT: Final = Distribution(0, 0, 0, None, None, {}, (), (), ())


def exits(db: duckdb.DuckDBPyConnection, closing: tuple[Sequence[str], Sequence[str]]) -> None:
    """Create the table `exits` (key, and for each side rule and ts) from `decided`; `closing` has rules by side."""
    columns = []
    for side, rules in zip(("old", "new"), closing, strict=True):
        listed = ", ".join(f"'{rule}'" for rule in rules)
        closes = f"{side} IN ({listed})" if rules else "FALSE"
        columns.append(f"min(ts) FILTER (WHERE {closes}) AS {side}_exit")
        columns.append(f"arg_min({side}, ts) FILTER (WHERE {closes}) AS {side}_rule")
    db.execute(
        f"CREATE TEMP TABLE exits AS SELECT key, {', '.join(columns)} FROM decided WHERE key <> '' GROUP BY key"
    )


# `pnl` has the commissions of opening in it. Closing is taken to cost for each unit what opening did.
_VALUED: Final = """
CREATE TEMP TABLE effects AS
WITH moved AS (
    SELECT * FROM exits
    WHERE old_exit IS DISTINCT FROM new_exit
        AND (old_exit BETWEEN $first AND $last OR new_exit BETWEEN $first AND $last)
),
costs AS (
    SELECT position_id AS key, any_value(commission / quantity) AS commission
    FROM positions WHERE event = 'opened' GROUP BY 1
),
sizes AS (SELECT position_id AS key, any_value(multiplier) AS multiplier FROM legs GROUP BY 1),
expired AS (
    SELECT position_id AS key, any_value(pnl) AS pnl FROM positions
    WHERE event = 'closed' AND reason = 'expired' AND ts <= $last GROUP BY 1
),
rows AS (
    SELECT m.key, s.ts, s.pnl - s.quantity * (s.spread / 2 * z.multiplier + c.commission) AS worth,
        m.old_exit, m.new_exit
    FROM snapshots s JOIN moved m ON s.key = m.key
    LEFT JOIN costs c ON c.key = m.key LEFT JOIN sizes z ON z.key = m.key
    WHERE s.ts <= $last AND s.key <> ''
)
SELECT m.key, m.old_rule, m.old_exit, m.new_rule, m.new_exit,
    round(CASE WHEN m.old_exit IS NULL THEN r.at_end ELSE r.at_old END, 2) AS old_pnl,
    round(CASE WHEN m.new_exit IS NULL THEN r.at_end ELSE r.at_new END, 2) AS new_pnl,
    round(new_pnl - old_pnl, 2) AS usd
FROM moved m LEFT JOIN (
    SELECT r.key, any_value(r.worth) FILTER (WHERE r.ts = r.old_exit) AS at_old,
        any_value(r.worth) FILTER (WHERE r.ts = r.new_exit) AS at_new,
        CASE WHEN max(r.ts) = (SELECT max(ts) FROM snapshots WHERE ts <= $last) THEN arg_max(r.worth, r.ts)
            ELSE any_value(x.pnl) END AS at_end
    FROM rows r LEFT JOIN expired x ON x.key = r.key GROUP BY r.key
) r USING (key)
"""


def measure(db: duckdb.DuckDBPyConnection, first: datetime, last: datetime) -> Distribution:
    """Return the effects of the exits that differ within the range, from the tables `exits` and `effects`."""
    db.execute(_VALUED, {"first": first, "last": last})
    return distribution(db)


def distribution(db: duckdb.DuckDBPyConnection, where: str = "TRUE") -> Distribution:
    """Return the distribution over some of `effects`; `where` is our own SQL."""
    parts = ", ".join(f"quantile_cont(usd, {q})" for q in QUANTILES)
    held = "usd IS NULL AND (old_exit IS NULL AND old_pnl IS NULL OR new_exit IS NULL AND new_pnl IS NULL)"
    counts = f"count(*), count(*) FILTER (WHERE usd IS NULL), count(*) FILTER (WHERE {held})"
    row = db.execute(
        f"SELECT {counts}, round(fsum(usd), 2), favg(usd), {parts} FROM effects WHERE {where}"
    ).fetchall()[0]
    positions, unknown, cut_short, total, mean, *found = row
    quantiles = {f"{q:.2f}": value for q, value in zip(QUANTILES, found, strict=True) if value is not None}
    return Distribution(
        positions,
        unknown,
        cut_short,
        total,
        mean,
        quantiles,
        _histogram(db, where),
        _listed(db, where, "usd, key"),
        _listed(db, where, "usd DESC, key"),
    )


def _histogram(db: duckdb.DuckDBPyConnection, where: str) -> tuple[tuple[float, float, int], ...]:
    known = f"SELECT usd FROM effects WHERE usd IS NOT NULL AND {where}"
    low, high = db.execute(f"SELECT min(usd), max(usd) FROM ({known})").fetchall()[0]
    if low is None:
        return ()
    if low == high:
        return ((low, high, db.execute(f"SELECT count(*) FROM ({known})").fetchall()[0][0]),)
    width = (high - low) / BINS
    place = f"least(CAST(floor((usd - ({low!r})) / {width!r}) AS INTEGER), {BINS - 1})"
    counts = dict(db.execute(f"SELECT {place}, count(*) FROM ({known}) GROUP BY 1").fetchall())
    return tuple((low + i * width, low + (i + 1) * width, counts.get(i, 0)) for i in range(BINS))


def _listed(db: duckdb.DuckDBPyConnection, where: str, order: str) -> tuple[Effect, ...]:
    query = f"SELECT * FROM effects WHERE usd IS NOT NULL AND {where} ORDER BY {order} LIMIT {SHOWN_EFFECTS}"
    return tuple(_effect(row) for row in db.sql(query).to_arrow_table().to_pylist())


def _effect(row: dict[str, Any]) -> Effect:
    return Effect(
        row["key"],
        Exit(row["old_rule"], row["old_exit"], row["old_pnl"]),
        Exit(row["new_rule"], row["new_exit"], row["new_pnl"]),
        row["usd"],
    )
