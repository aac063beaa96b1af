"""Recorded decisions from the Delta tables, and the state before each, folded again from the recorded snapshots."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa

from v6.errors import V6Error
from v6.lang.desk import Desk
from v6.model.catalogue import FIELDS, Kind, Value
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState
from v6.ruletools.explain import Explanation, Recorded, explain_row
from v6.store.query import connect

_COLUMNS = (
    "decision_id, snapshot_id, key, ts, rule_id, action, urgency, fired, unknown, bundle_fingerprint, "
    "rule_fingerprint, coalesce(alerts, 0) AS alerts"
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which recorded decisions: one by its id, or those of the last snapshot until a time, perhaps of one key only."""

    decision_id: str | None = None
    at: datetime | None = None
    key: str | None = None


def recorded_rows(tables: Path) -> Iterator[Row]:
    """Yield every recorded row, in no order; raises StoreError if there is no record."""
    names = ", ".join(f'"{field.name}"' for field in FIELDS)
    found = connect(tables).execute(f"SELECT key, {names} FROM snapshots")
    while batch := found.fetchmany(10_000):
        for key, *values in batch:
            yield Row(key, tuple(values))


class Record:
    """The decisions and snapshots a store's tables hold, or held at a moment; raises StoreError if there are none."""

    def __init__(self, tables: Path, as_of: datetime | None = None) -> None:
        self._db: duckdb.DuckDBPyConnection = connect(tables, as_of=as_of)

    def find(self, wanted: Wanted) -> tuple[Recorded, ...]:
        """Return the decisions wanted, the portfolio's first; raises V6Error if there are none."""
        if wanted.decision_id is not None:
            found = self._recorded("decision_id = $id", {"id": wanted.decision_id})
            if not found:
                raise V6Error(f"no decision {wanted.decision_id} is recorded; --at TIME finds those of a moment")
            return found
        at = wanted.at or datetime.max.replace(tzinfo=UTC)
        newest = self._rows("SELECT max(seq) AS seq, min(ts) AS first FROM decisions WHERE ts <= $at", {"at": at})[0]
        if newest["seq"] is None:
            raise V6Error(f"nothing was decided until {at:%Y-%m-%d %H:%M:%S} UTC")
        found = self._recorded("seq = $seq", {"seq": newest["seq"]})
        if wanted.key is None:
            return found
        keys = [item.key for item in found]
        if wanted.key not in keys:
            listed = ", ".join(key or "'' (the portfolio)" for key in keys)
            raise V6Error(
                f"no position {wanted.key} was decided at {found[0].ts:%Y-%m-%d %H:%M:%S}; there were {listed}"
            )
        return tuple(item for item in found if item.key == wanted.key)

    def explain(self, recorded: Recorded, desk: Desk) -> Explanation:
        """Return why the decision fell, by the desk's rules; raises V6Error if its snapshot is not recorded."""
        rules = RuleSet.compile(desk)
        rows = self._history(recorded)
        if not rows or rows[-1]["snapshot_id"] != recorded.snapshot_id:
            raise V6Error(f"the snapshot {recorded.snapshot_id} of this decision is not recorded")
        state, foreign, previous = RuleState(), 0, None
        for row in rows[:-1]:
            if previous is not None and row["place"] != previous + 1:
                # The daemon forgets a key that a snapshot lacks.
                state = RuleState()
            previous = row["place"]
            _, state = rules.evaluate(_snapshot(row), state)
            foreign += row["bundle_fingerprint"] != rules.fingerprint
        last = rows[-1]
        if previous is not None and last["place"] != previous + 1:
            state = RuleState()
        return explain_row(rules, _snapshot(last), recorded.key, state, recorded, len(rows) - 1, foreign)

    def _recorded(self, where: str, values: dict[str, Any]) -> tuple[Recorded, ...]:
        rows = self._rows(f"SELECT {_COLUMNS} FROM decisions WHERE {where} ORDER BY key", values)
        return tuple(Recorded(**row) for row in rows)

    def _history(self, recorded: Recorded) -> list[dict[str, Any]]:
        """Return the key's rows up to the decision's snapshot; `place` numbers all snapshots there are."""
        query = """
            WITH places AS (
                SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM (SELECT DISTINCT seq FROM snapshots)
            )
            SELECT s.*, p.place, d.bundle_fingerprint
            FROM snapshots s JOIN places p USING (seq)
            LEFT JOIN decisions d ON d.snapshot_id = s.snapshot_id AND d.key = s.key
            WHERE s.key = $key
                AND s.seq <= (SELECT max(seq) FROM snapshots WHERE snapshot_id = $snapshot AND key = $key)
            ORDER BY s.seq
        """
        return self._rows(query, {"key": recorded.key, "snapshot": recorded.snapshot_id})

    def _rows(self, query: str, values: dict[str, Any]) -> list[dict[str, Any]]:
        table: pa.Table = self._db.sql(query, params=values).to_arrow_table()
        return list(table.to_pylist())


def _snapshot(row: dict[str, Any]) -> Snapshot:
    values: dict[str, Value] = {
        field.name: float(row[field.name])
        if field.kind is Kind.NUMBER and row[field.name] is not None
        else row[field.name]
        for field in FIELDS
    }
    return Snapshot(row["snapshot_id"], row["cycle"], row["ts"], (Row.of(row["key"], values),))
