"""A record opened for replay: its range is checked, and what it lacks is said before a number is shown."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from v6.errors import StoreError, V6Error
from v6.lang.ast import fields_of
from v6.lang.desk import Rule
from v6.model.catalogue import Scope
from v6.pricing.calendar import xnys
from v6.store.query import connect


@dataclass(frozen=True, slots=True)
class History:
    """An open record, the range asked for, cut to what is recorded (both ends inclusive), and its missing sessions."""

    db: duckdb.DuckDBPyConnection
    first: datetime
    last: datetime
    snapshots: int
    gaps: tuple[tuple[date, date], ...]


@dataclass(frozen=True, slots=True)
class Blind:
    """A rule that was unknown on every row of these days, on which a field that it reads was never known."""

    rule: str
    field: str
    days: int
    first: date
    last: date
    always: bool

    def __str__(self) -> str:
        if self.always:
            return f"{self.rule} cannot be judged: {self.field} is missing on all {self.days} days of the range"
        return f"{self.rule} was blind on {self.days} days ({self.first} to {self.last}): {self.field} was missing"


@contextmanager
def reading(tables: Path) -> Iterator[None]:
    """Turn what DuckDB says of files that cannot be read into a StoreError with the place."""
    try:
        yield
    except duckdb.Error as error:
        reason = str(error).splitlines()[0]
        raise StoreError(f"{tables} cannot be read ({reason}); `v6 doctor --deep` tells what is damaged") from error


def open_history(
    tables: Path, first: datetime | None = None, last: datetime | None = None, as_of: datetime | None = None
) -> History:
    """Return the record between two moments; raises StoreError where it cannot be read, V6Error for an empty range."""
    if first is not None and last is not None and first > last:
        raise V6Error(f"the range is empty: it begins at {_moment(first)}, after its end {_moment(last)}")
    with reading(tables):
        db = connect(tables, as_of=as_of)
        begun, ended = _ends(db, None, None)[:2]
        if begun is None or ended is None:
            then = "" if as_of is None else f" had been stored by {_moment(as_of)}"
            raise V6Error(f"no snapshot{then or ' is recorded'} in {tables}")
        low, high, count, days = _ends(db, first, last)
    if low is None or high is None:
        asked = f"from {_moment(first or begun)} to {_moment(last or ended)}"
        raise V6Error(f"no snapshot {asked}; the record has {_moment(begun)} to {_moment(ended)}")
    return History(db, low, high, count, _gaps(days))


def blind_rules(history: History, rules: Sequence[Rule]) -> tuple[Blind, ...]:
    """Return the rules that could not judge whole days for want of a field; `replayed` must be there (point 0)."""
    found: list[Blind] = []
    for bit, rule in enumerate(rules):
        names = sorted({field.name for expr in rule.expressions for field in fields_of(expr)})
        if not names:
            continue
        missing = ", ".join(f'count(s."{name}") = 0' for name in names)
        here = "s.key = ''" if rule.scope is Scope.PORTFOLIO else "s.key <> ''"
        rows = history.db.execute(
            f"SELECT s.date, bool_and(r.unknown >> {bit} & 1 = 1), {missing} FROM snapshots s "
            f"JOIN replayed r ON r.snapshot_id = s.snapshot_id AND r.key = s.key "
            f"WHERE {here} AND s.ts BETWEEN $first AND $last GROUP BY 1 ORDER BY 1",
            {"first": history.first, "last": history.last},
        ).fetchall()
        for place, name in enumerate(names):
            days = [row[0] for row in rows if row[1] and row[2 + place]]
            if days:
                found.append(Blind(rule.id, name, len(days), days[0], days[-1], len(days) == len(rows)))
    return tuple(found)


def _ends(
    db: duckdb.DuckDBPyConnection, first: datetime | None, last: datetime | None
) -> tuple[datetime | None, datetime | None, int, list[date]]:
    row = (
        db.sql(
            "SELECT min(ts) AS low, max(ts) AS high, count(DISTINCT snapshot_id) AS n, list(DISTINCT date) AS days "
            "FROM snapshots WHERE ($first IS NULL OR ts >= $first) AND ($last IS NULL OR ts <= $last)",
            params={"first": first, "last": last},
        )
        .to_arrow_table()
        .to_pylist()[0]
    )
    return row["low"], row["high"], row["n"], sorted(row["days"] or ())


def _gaps(days: Sequence[date]) -> tuple[tuple[date, date], ...]:
    """Return the runs of sessions between the first day and the last of which there is no snapshot at all."""
    calendar, seen = xnys(), set(days)
    runs: list[list[date]] = []
    follows = False
    for day in calendar.sessions(days[0], days[-1]):
        if day in seen:
            follows = False
            continue
        if follows:
            runs[-1][1] = day
        else:
            runs.append([day, day])
        follows = True
    return tuple((begin, end) for begin, end in runs)


def _moment(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
