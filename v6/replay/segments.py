"""Recorded decisions made again, each by the set that made it: what every key met, in order, across edits and pins.

A key that one set decided for all its life goes through DuckDB, by another implementation than the daemon's. Where
sets changed under a key its memory changed hands, and only a fold over its rows tells what the next set found.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeAlias

import duckdb

from v6.backends.duckdb import replay_sql
from v6.model.catalogue import FIELDS
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState
from v6.rules.state import KeyState

Outcome: TypeAlias = tuple[str | None, int, int, int | None]
"""Deciding rule, fired, unknown, alerts; stores of the first version did not record alerts."""

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_BATCH: Final = 20_000


@dataclass(frozen=True, slots=True)
class Again:
    """A recorded decision and what its own set makes of it now; `how` names the evaluator."""

    ts: datetime
    snapshot_id: str
    key: str
    mark: str
    recorded: Outcome
    replayed: Outcome
    how: str

    @property
    def same(self) -> bool:
        """Tell whether they are equal; alerts count where they were recorded."""
        told = self.recorded[3]
        return self.recorded[:3] == self.replayed[:3] and told in (None, self.replayed[3])


@dataclass
class Fold:
    """Memory of each key, folded from the record; `lost` has keys whose memory an unrecorded set has been at."""

    sets: Callable[[str], RuleSet | None]
    states: dict[str, KeyState] = field(default_factory=dict)
    places: dict[str, int] = field(default_factory=dict)
    marks: dict[str, str] = field(default_factory=dict)
    lost: set[str] = field(default_factory=set)

    def over(self, db: duckdb.DuckDBPyConnection, keys: str, after: int, until: int) -> Iterator[Again | datetime]:
        """Yield each decision of rows with after < seq <= until and a key that the query `keys` gives, in order.

        A bare time stands for a row that cannot be judged. Needs the table `places` (seq, place).
        """
        names = ", ".join(f's."{f.name}"' for f in FIELDS)
        query = f"""
            SELECT p.place, epoch_us(s.ts), s.snapshot_id, s.key, d.bundle_fingerprint,
                d.rule_id, d.fired, d.unknown, d.alerts, {names}
            FROM snapshots s JOIN places p USING (seq)
            LEFT JOIN decisions d ON d.snapshot_id = s.snapshot_id AND d.key = s.key
            WHERE s.seq > {after} AND s.seq <= {until} AND s.key IN ({keys}) ORDER BY s.seq, s.key
        """
        rows = db.execute(query)
        while batch := rows.fetchmany(_BATCH):
            for row in batch:
                found = self._step(row)
                if found is not None:
                    yield found

    def _step(self, row: tuple[Any, ...]) -> Again | datetime | None:
        place, t, snapshot_id, key, mark = row[:5]
        ts = _EPOCH + timedelta(microseconds=t)
        if self.places.get(key, place) not in (place - 1, place):
            # The daemon forgets a key that a snapshot lacks.
            self.states.pop(key, None)
            self.lost.discard(key)
        self.places[key] = place
        # A row whose decision is not on record is told elsewhere; what it left behind is folded on.
        meant = mark or self.marks.get(key)
        rules = None if meant is None else self.sets(meant)
        if mark is not None:
            self.marks[key] = mark
        if rules is None:
            self.lost.add(key)
        if rules is None or key in self.lost:
            return ts
        before = {key: self.states[key]} if key in self.states else {}
        snapshot = Snapshot(snapshot_id, 0, ts, (Row(key, row[9:]),))
        (decision,), after = rules.evaluate(snapshot, RuleState(before))
        self.states[key] = after.keys[key]
        if mark is None:
            return None
        now = decision.rule_id, decision.fired, decision.unknown, decision.alerts
        return Again(ts, snapshot_id, key, mark, row[5:9], now, "fold")

    def present(self, place: int) -> RuleState:
        """Return the memory of the keys that were there at a place."""
        return RuleState({key: state for key, state in self.states.items() if self.places.get(key) == place})


def constant_keys(db: duckdb.DuckDBPyConnection, where: str) -> None:
    """Create the table `lives` (key, mark, whole) of all keys that fulfil `where`.

    `whole` tells that one set, `mark`, decided the key on every row and that no snapshot lacked it in between.
    """
    db.execute(
        f"""
        CREATE TEMP TABLE lives AS
        SELECT s.key, any_value(d.bundle_fingerprint) AS mark,
            count(DISTINCT d.bundle_fingerprint) = 1 AND count(d.key) = count(*)
                AND max(p.place) - min(p.place) + 1 = count(*) AS whole
        FROM snapshots s JOIN places p USING (seq)
        LEFT JOIN decisions d ON d.snapshot_id = s.snapshot_id AND d.key = s.key
        WHERE {where} GROUP BY s.key
        """
    )


def by_query(db: duckdb.DuckDBPyConnection, mark: str, rules: RuleSet, number: int) -> int:
    """Create the table `again{number}` of the decisions that differ where `rules` decided whole lives; count all."""
    db.execute(
        f"CREATE TEMP VIEW part{number} AS SELECT s.* FROM snapshots s "
        f"SEMI JOIN (SELECT key FROM lives WHERE whole AND mark = '{mark}') l ON s.key = l.key"
    )
    db.execute(
        f"""
        CREATE TEMP TABLE again{number} AS
        SELECT epoch_us(d.ts) AS t, d.snapshot_id, d.key, d.bundle_fingerprint AS mark,
            d.rule_id AS rule_then, d.fired AS fired_then, d.unknown AS unknown_then, d.alerts AS alerts_then,
            r.rule_id, r.fired, r.unknown, r.alerts
        FROM ({replay_sql(rules.rules, f"part{number}")}) r
        JOIN decisions d ON d.snapshot_id = r.snapshot_id AND d.key = r.key
        WHERE d.ts BETWEEN (SELECT since FROM bounds) AND (SELECT until FROM bounds)
        """
    )
    return int(db.execute(f"SELECT count(*) FROM again{number}").fetchall()[0][0])


def differing(db: duckdb.DuckDBPyConnection, number: int) -> Iterator[Again]:
    """Yield what differs in a table that `by_query` made, in the order of time."""
    query = f"""
        SELECT * FROM again{number}
        WHERE rule_then IS DISTINCT FROM rule_id OR fired_then IS DISTINCT FROM fired
            OR unknown_then IS DISTINCT FROM unknown OR alerts_then <> alerts
        ORDER BY t, key
    """
    for t, snapshot_id, key, mark, *rest in db.execute(query).fetchall():
        ts = _EPOCH + timedelta(microseconds=t)
        then, now = (rest[0], rest[1], rest[2], rest[3]), (rest[4], rest[5], rest[6], rest[7])
        yield Again(ts, snapshot_id, key, mark, then, now, "query")
