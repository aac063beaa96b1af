"""Rows in the daemon's Delta tables, written in several commits and read as V6 reads them."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from random import Random
from typing import Final

import duckdb
from deltalake import DeltaTable, WriterProperties, write_deltalake

from tests.backends.draw import START
from v6.model.catalogue import Value
from v6.model.event import SnapshotTaken
from v6.model.snapshot import Row, Snapshot
from v6.store.delta import create_or_open, fitted, open_table
from v6.store.query import connect
from v6.store.tables import TABLES, TableRow, arrow_table, rows_of

ROW_GROUP: Final = 32
"""Rows of a row group: so few that a filter can leave most of them out by their least and greatest values."""


class Store:
    """The tables under a folder; only `snapshots` gets rows."""

    def __init__(self, root: Path) -> None:
        self.root = root
        for name, schema in TABLES.items():
            create_or_open(root / name, schema)

    def record(self, snapshots: Sequence[Snapshot], commits: int) -> None:
        """Replace the recorded series by this one, its cycles spread over some commits."""
        shutil.rmtree(self.root / "snapshots")
        create_or_open(self.root / "snapshots", TABLES["snapshots"])
        share = -(-len(snapshots) // commits)
        for first in range(0, len(snapshots), share):
            events = enumerate(snapshots[first : first + share], first)
            self._commit([row for seq, s in events for _, row in rows_of(seq, SnapshotTaken(s.ts, s))])

    def record_rows(self, rows: Sequence[Mapping[str, Value]], commits: int) -> None:
        """Replace the recorded series by loose rows; view them with `loose_rows`."""
        self.record(
            [
                Snapshot(f"n{i}", i, START + i * timedelta(minutes=1), (Row.of(f"p{i}", row),))
                for i, row in enumerate(rows)
            ],
            commits,
        )

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Return a database with the tables as views, like any reader of V6's."""
        database = connect(self.root)
        database.execute("SET threads = 1")
        database.execute("CREATE TEMP VIEW loose_rows AS SELECT * EXCLUDE (cycle), cycle AS i FROM snapshots")
        return database

    def table(self) -> DeltaTable:
        return open_table(self.root / "snapshots")

    def _commit(self, rows: list[TableRow]) -> None:
        table = self.table()
        small = WriterProperties(max_row_group_size=ROW_GROUP)
        write_deltalake(table, fitted(table, arrow_table("snapshots", rows)), mode="append", writer_properties=small)


def sorted_rows(rows: Sequence[dict[str, Value]], name: str) -> list[dict[str, Value]]:
    """Return the rows in the order of one number, missing ones first, so that row groups differ in their bounds."""
    return sorted(rows, key=lambda row: (row[name] is not None, row[name] or 0.0))


def some_commits(random: Random) -> int:
    return random.randint(2, 5)
