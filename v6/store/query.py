"""Read the tables with DuckDB, straight from the Parquet files of one Delta version (the fastest way measured)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
from deltalake import DeltaTable

from v6.errors import StoreError
from v6.store.delta import columns, open_table, parquet_files
from v6.store.tables import LATER, TABLES

_SQL_TYPE: Final = {
    pa.int64(): "BIGINT",
    pa.float64(): "DOUBLE",
    pa.string(): "VARCHAR",
    pa.bool_(): "BOOLEAN",
    pa.date32(): "DATE",
    pa.timestamp("us", "UTC"): "TIMESTAMPTZ",
}

# exec_id ends in .NN, the revision of one fill: a later one replaces the earlier.
_FILLS: Final = """
CREATE VIEW fills AS
SELECT e.* REPLACE (coalesce(e.commission, c.commission) AS commission)
FROM executions e
LEFT JOIN (SELECT exec_id, arg_max(commission, seq) AS commission FROM commissions GROUP BY exec_id) c USING (exec_id)
QUALIFY row_number() OVER (PARTITION BY regexp_replace(exec_id, '\\.[^.]*$', '') ORDER BY exec_id DESC, seq DESC) = 1
"""


def connect(root: Path, versions: Mapping[str, int] | None = None) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with one view for each table under root, and `fills`; times are UTC.

    The views stay on the versions that were newest now, or on those named; open again to see newer rows (the files
    of a version are kept seven days). `fills` is `executions` with corrections applied and commissions filled in.
    Rows have no order but `seq`'s. Fetch times through Arrow, `db.sql(query).to_arrow_table()`: DuckDB makes them
    Python objects only where pytz is installed. Raises StoreError if a table is missing or cannot be opened.
    """
    wanted = dict(versions or {})
    unknown = wanted.keys() - TABLES.keys()
    if unknown:
        raise StoreError(f"there is no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    tables = {name: open_table(root / name, wanted.get(name)) for name in TABLES if not _came_later(root, name)}
    db = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    db.execute("SET TimeZone = 'UTC'")
    for name, schema in TABLES.items():
        rows = _select(db, tables[name], schema) if name in tables else _nothing(schema)
        db.execute(f'CREATE VIEW "{name}" AS {rows}')
    db.execute(_FILLS)
    return db


def table_version(root: Path, name: str) -> int:
    """Return the newest Delta version of a table."""
    return open_table(root / name).version()


def latest_snapshot(db: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the rows of the newest snapshot, the portfolio's first, then by key; no rows if there is none."""
    query = "SELECT * FROM snapshots WHERE seq = (SELECT max(seq) FROM snapshots) ORDER BY key"
    return db.sql(query).to_arrow_table()


def _select(db: duckdb.DuckDBPyConnection, table: DeltaTable, wanted: pa.Schema) -> str:
    files = parquet_files(table)
    # A store that no newer daemon has opened lacks the columns that came since; all its rows miss them.
    have = columns(table)
    schema = [*have, *(field for field in wanted if field.name not in have.names)]
    if not files:
        return _nothing(schema)
    listed = ", ".join(_literal(_no_glob(path)) for path in files)
    source = f"read_parquet([{listed}], hive_partitioning = false, union_by_name = true)"
    present = {row[0] for row in db.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()}
    # A column added to the table later is in none of its files until the first row after that.
    chosen = ", ".join(
        f'"{field.name}"' if field.name in present else f'NULL::{_SQL_TYPE[field.type]} AS "{field.name}"'
        for field in schema
    )
    return f"SELECT {chosen} FROM {source}"


def _came_later(root: Path, name: str) -> bool:
    """Tell whether a whole store was written before there was such a table."""
    return name in LATER and not (root / name).exists() and (root / "snapshots").exists()


def _nothing(schema: Iterable[pa.Field]) -> str:
    columns = ", ".join(f'NULL::{_SQL_TYPE[field.type]} AS "{field.name}"' for field in schema)
    return f"SELECT {columns} WHERE false"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _no_glob(path: str) -> str:
    """Return the path so that DuckDB reads exactly it: brackets, stars and question marks are no patterns."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in path)
