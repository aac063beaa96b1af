"""Open and create the Delta tables, and name the Parquet files of one version, with what makes that safe asserted."""

from __future__ import annotations

from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
from deltalake import DeltaTable, Schema
from deltalake.exceptions import DeltaError, TableNotFoundError

from v6.errors import StoreError

# delta-rs writes a checkpoint in the commit that reaches the interval. Its own clean-up of the log has deleted live
# files in the past and stays off: v6/store/upkeep.py does it. Statistics of all columns were most of the log, and
# nobody asks for others than those of the first three: seq, ts, date.
CONFIGURATION: Final = {
    "delta.checkpointInterval": "10",
    "delta.enableExpiredLogCleanup": "false",
    "delta.dataSkippingNumIndexedCols": "3",
}


def open_table(path: Path, version: int | None = None) -> DeltaTable:
    """Open a table whose Parquet files hold all that it says; StoreError if there is none or it is of another kind."""
    try:
        table = DeltaTable(path, version=version)
    except TableNotFoundError as error:
        raise StoreError(f"there is no table {path.name} in {path.parent}; the daemon's outbox creates it") from error
    except (DeltaError, OSError) as error:
        what = "" if version is None else f" at version {version}"
        raise StoreError(f"table {path}{what} cannot be opened: {error}") from error
    # Reader version 1 knows neither deletion vectors nor column mapping: the files are the rows, under their names.
    protocol = table.protocol()
    if protocol.min_reader_version != 1 or protocol.reader_features:
        raise StoreError(f"table {path} needs Delta reader version {protocol.min_reader_version}; V6 reads version 1")
    if table.metadata().partition_columns:
        raise StoreError(f"table {path} is partitioned by {table.metadata().partition_columns}; V6 reads plain files")
    return table


def create_or_open(path: Path, schema: pa.Schema) -> DeltaTable:
    """Return the table with all columns of the schema; columns that are new are added, empty in the old rows.

    A column of another type is a StoreError: rows already written do not change their meaning.
    """
    if not (path / "_delta_log").is_dir():
        path.mkdir(parents=True, exist_ok=True)
        DeltaTable.create(path, schema=schema, configuration=CONFIGURATION)
        return open_table(path)
    table = open_table(path)
    have = {field.name: field.type for field in columns(table)}
    for field in schema:
        if field.name in have and have[field.name] != field.type:
            raise StoreError(f"table {path}, column {field.name} is {have[field.name]}, V6 now writes {field.type}")
    new = [field for field in schema if field.name not in have]
    stale = {key: value for key, value in CONFIGURATION.items() if table.metadata().configuration.get(key) != value}
    if stale:
        table.alter.set_table_properties(stale)
    if new:
        table.alter.add_columns(list(Schema.from_arrow(pa.schema(new)).fields))
    return open_table(path) if new or stale else table


def columns(table: DeltaTable) -> pa.Schema:
    """Return the table's columns in Arrow's types."""
    return pa.schema(table.schema().to_arrow())


def fitted(table: DeltaTable, rows: pa.Table) -> pa.Table:
    """Return the rows with exactly the table's columns in its order; columns that rows no longer have are null."""
    schema = columns(table)
    have = set(rows.column_names)
    return pa.Table.from_arrays(
        [rows.column(f.name) if f.name in have else pa.nulls(rows.num_rows, f.type) for f in schema], schema=schema
    )


def table_folder(table: DeltaTable) -> Path:
    """Return the folder of a table, which delta-rs names by a percent-encoded file:// URI."""
    return Path(unquote(table.table_uri.removeprefix("file://")))


def parquet_files(table: DeltaTable) -> list[str]:
    """Return the paths of the live files, sorted; delta-rs gives them percent-encoded, or as file:// URIs."""
    return sorted(unquote(uri.removeprefix("file://")) for uri in table.file_uris())
