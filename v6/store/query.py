"""Read the tables with DuckDB, straight from the Parquet files of one Delta version (the fastest way measured)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import duckdb
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from deltalake import DeltaTable

from v6.errors import StoreError
from v6.model.catalogue import FIELDS, Scope
from v6.store.delta import columns, fitted, open_table, parquet_files, table_folder
from v6.store.tables import ADDED_LATER, TABLES
from v6.store.travel import offset_as_of, offset_at

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


# Of the portfolio's rows only what is said of the portfolio; a position's fields are missing in them.
_PORTFOLIO: Final = (
    "CREATE VIEW portfolio AS SELECT seq, ts, date, snapshot_id, cycle, {} FROM snapshots WHERE key = ''"
)

# What a fill moved on the account. A contract's multiplier is known from the position it is a leg of; without one, and
# before the commission is reported, the cash is missing, not guessed.
_TRANSACTIONS: Final = """
CREATE VIEW transactions AS
SELECT f.*, l.symbol, l.multiplier, -f.quantity * f.price * l.multiplier - f.commission AS cash
FROM fills f
LEFT JOIN (SELECT con_id, any_value(symbol) AS symbol, any_value(multiplier) AS multiplier FROM legs GROUP BY con_id) l
    USING (con_id)
"""


def connect(
    root: Path, versions: Mapping[str, int] | None = None, as_of: datetime | None = None
) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with a view for each table under root, `fills`, `transactions`, `portfolio`; UTC.

    The views stay on what the tables hold now, on the versions named, or on what all tables had taken in at `as_of`;
    open again to see newer rows (the files of a version are kept seven days).
    `fills` is `executions` with corrections applied and commissions filled in. Tables that came
    since a store was last written are empty views. Rows have no order but `seq`'s. Fetch
    times through Arrow, `db.sql(query).to_arrow_table()`: DuckDB makes them Python objects only where pytz is
    installed. Raises StoreError if a table is missing or cannot be opened, or never had that version.
    """
    wanted = dict(versions or {})
    unknown = wanted.keys() - TABLES.keys()
    if unknown:
        raise StoreError(f"there is no table {', '.join(sorted(unknown))}; there are {', '.join(TABLES)}")
    there = [name for name in TABLES if name not in ADDED_LATER or (root / name).is_dir()]
    tables = {name: open_table(root / name) for name in there}
    cut = None if as_of is None else offset_as_of((root / name for name in there), as_of)
    db = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    db.execute("SET TimeZone = 'UTC'")
    for name, table in tables.items():
        upto = cut
        if name in wanted:
            if not 0 <= wanted[name] <= table.version():
                raise StoreError(f"table {name} has no version {wanted[name]}; its newest is {table.version()}")
            upto = offset_at(root / name, wanted[name])
        where = "" if upto is None else f" WHERE seq <= {upto}"
        db.execute(f'CREATE VIEW "{name}" AS SELECT * FROM ({view_of(db, table, TABLES[name])}){where}')
    for name in TABLES.keys() - tables.keys():
        db.execute(f'CREATE VIEW "{name}" AS {_nothing(TABLES[name])}')
    db.execute(_FILLS)
    said = ", ".join(f'"{field.name}"' for field in FIELDS if field.scope is not Scope.POSITION)
    db.execute(_PORTFOLIO.format(said))
    db.execute(_TRANSACTIONS)
    return db


def last_state(root: Path) -> pa.Table:
    """Return the rows of the newest snapshot, the portfolio's first, then by key; no rows if there is none.

    It opens one table and reads only the file that holds them, so the time it takes does not grow with the record.
    """
    table = open_table(root / "snapshots")
    schema = columns(table)
    rows = [pq.read_table(file) for file in _newest_files(table)]
    if not rows:
        return schema.empty_table()
    found = pa.concat_tables([fitted(table, part) for part in rows])
    newest = found.filter(pc.equal(found.column("seq"), pc.max(found.column("seq"))))
    return newest.sort_by("key")


def _newest_files(table: DeltaTable) -> list[str]:
    """Return the files that may hold the greatest seq, by the log's statistics; all of them where they are missing."""
    files = table.get_add_actions(flatten=True)
    ends = files.column("max.seq").to_pylist() if "max.seq" in files.column_names else [None] * files.num_rows
    folder = table_folder(table)
    named = [(folder / unquote(path), end) for path, end in zip(files.column("path").to_pylist(), ends, strict=True)]
    if any(end is None for _, end in named):
        return [str(path) for path, _ in named]
    newest = max((end for _, end in named), default=None)
    return [str(path) for path, end in named if end == newest]


def table_version(root: Path, name: str) -> int:
    """Return the newest Delta version of a table."""
    return open_table(root / name).version()


def latest_snapshot(db: duckdb.DuckDBPyConnection) -> pa.Table:
    """Return the rows of the newest snapshot, the portfolio's first, then by key; no rows if there is none."""
    query = "SELECT * FROM snapshots WHERE seq = (SELECT max(seq) FROM snapshots) ORDER BY key"
    return db.sql(query).to_arrow_table()


def view_of(db: duckdb.DuckDBPyConnection, table: DeltaTable, wanted: pa.Schema) -> str:
    """Return the query that reads the table's newest version; columns it lacks of those wanted are missing."""
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


def _nothing(schema: Iterable[pa.Field]) -> str:
    columns = ", ".join(f'NULL::{_SQL_TYPE[field.type]} AS "{field.name}"' for field in schema)
    return f"SELECT {columns} WHERE false"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _no_glob(path: str) -> str:
    """Return the path so that DuckDB reads exactly it: brackets, stars and question marks are no patterns."""
    return "".join(f"[{c}]" if c in "[*?" else c for c in path)
