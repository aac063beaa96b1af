"""The desk's own history of the market: Delta tables that are appended to exactly once, apart from the journal's.

What was observed is no decision of the desk's, so it does not go through the journal. A batch is first a file in the
spool, on the disk under a number that is never used again; the commit to its table carries that number as a Delta
transaction id, and only when that is on the disk too does the file go. Whatever a crash leaves is finished by the
next start: a file whose number the table has is dropped, another is committed.
"""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError

from v6.errors import StoreError
from v6.model.contract import SecType
from v6.model.recording import Observation
from v6.store.columns import DAY, INT, MOMENT, REAL, TEXT, TableRow, arrow_rows, schema
from v6.store.commits import ORIGIN
from v6.store.delta import create_or_open, fitted, open_table, table_folder
from v6.store.disk import to_disk
from v6.store.maintenance import QUARANTINE, audit_table
from v6.store.query import view_of
from v6.store.running import greek_cells
from v6.store.travel import OFFSET
from v6.store.upkeep import tidy

FOLDER: Final = "history"
SPOOL: Final = "_spool"
_LEAST_FREE: Final = 500 * 2**20

_MARKET: Final = {"bid": REAL, "ask": REAL, "bid_size": REAL, "ask_size": REAL, "last": REAL, "close": REAL}
TABLES: Final[dict[str, pa.Schema]] = {
    "chain_quotes": schema(
        sweep=MOMENT, every_s=INT, symbol=TEXT, trading_class=TEXT, con_id=INT, expiry=DAY, strike=REAL, right=TEXT,
        **_MARKET, volume=REAL, open_interest=REAL, delta=REAL, gamma=REAL, theta=REAL, vega=REAL, iv=REAL,
        source=TEXT, quote_type=TEXT, spot=REAL, error=TEXT,
    ),
    "underlying_quotes": schema(
        sweep=MOMENT, every_s=INT, symbol=TEXT, sec_type=TEXT, con_id=INT, expiry=DAY,
        **_MARKET, volume=REAL, quote_type=TEXT, error=TEXT,
    ),
}  # fmt: skip
"""`sweep` is when the sweep was due, `ts` when the answer came; `error` says why a row has no quote."""


class History:
    """The one writer of the history under `root`; its methods block, and only one of them may run at a time."""

    def __init__(self, root: Path, every_s: int) -> None:
        self._root = root
        self._every_s = every_s
        self._spool = root / SPOOL
        self._spool.mkdir(parents=True, exist_ok=True)
        self.mended = audit_history(root)
        for left in self._spool.glob("*.part"):
            left.unlink()  # a batch that was not yet whole; its contracts are asked again
        for name, columns in TABLES.items():
            create_or_open(root / name, columns)
        self._last = max([*self._spooled_numbers(), *(self._offset(open_table(root / name)) for name in TABLES)])
        self.drain()

    def put(self, observations: Sequence[Observation]) -> int:
        """Add the observations and return how many rows; raises StoreError, and what is in the spool is not lost."""
        if shutil.disk_usage(self._root).free < _LEAST_FREE:
            raise StoreError(f"less than {_LEAST_FREE >> 20} MiB are free beside {self._root}; nothing is recorded")
        for name in TABLES:
            kind = [one for one in observations if _table_of(one) == name]
            if kind:
                self._write(name, kind)
        self.drain()
        return len(observations)

    def done(self, sweep: datetime) -> set[int]:
        """Return the con_ids that have a row of this sweep already."""
        db = connect(self._root)
        found: set[int] = set()
        for name in TABLES:
            query = f"SELECT con_id FROM {name} WHERE date >= ? AND sweep = ?"
            found |= {row[0] for row in db.execute(query, [sweep.astimezone(UTC).date(), sweep]).fetchall()}
        return found

    def drain(self) -> None:
        """Commit what is in the spool, in order; raises StoreError, and calling again goes on where it stopped."""
        for file in sorted(self._spool.glob("*.parquet")):
            number, name, _ = file.name.split(".")
            try:
                self._commit(file, int(number), name)
            except (DeltaError, OSError, pa.ArrowException) as error:
                raise StoreError(f"history {self._root / name}: {type(error).__name__}: {error}") from error

    def _write(self, name: str, observations: Sequence[Observation]) -> None:
        number = self._last + 1
        rows = arrow_rows(name, TABLES[name], (_row(number, self._every_s, one) for one in observations))
        part = self._spool / f"{number:012}.part"
        try:
            pq.write_table(rows, part)
            to_disk(part)
            part.rename(self._spool / f"{number:012}.{name}.parquet")
            to_disk(self._spool)
        except OSError as error:
            raise StoreError(f"history spool {part}: {error}") from error
        self._last = number

    def _commit(self, file: Path, number: int, name: str) -> None:
        table = open_table(self._root / name)
        if number > self._offset(table):
            mark = int(hashlib.sha256(file.read_bytes()).hexdigest()[:15], 16)
            ids = [Transaction(OFFSET, number), Transaction(ORIGIN, mark)]
            rows = fitted(table, pq.read_table(file, schema=TABLES[name]))
            before = set(table.file_uris())
            write_deltalake(table, rows, mode="append", commit_properties=CommitProperties(app_transactions=ids))
            _commit_to_disk(table, before)
            tidy(table)
        file.unlink()

    def _spooled_numbers(self) -> Iterable[int]:
        return (int(file.name.split(".")[0]) for file in self._spool.glob("*.parquet"))

    @staticmethod
    def _offset(table: DeltaTable) -> int:
        return table.transaction_version(OFFSET) or 0


def audit_history(root: Path) -> list[str]:
    """Mend the tables of a history after a crash and return, in words, what was mended; nobody may be writing it.

    A batch whose commit was torn is lost unless it is in the spool; a table damaged in another way begins anew.
    """
    then = f"and begins anew: what it held is in {QUARANTINE} only"
    return [text for name in TABLES if (root / name).is_dir() for text in audit_table(root / name, then)]


def connect(root: Path) -> duckdb.DuckDBPyConnection:
    """Return an in-memory DuckDB with the views `chain_quotes` and `underlying_quotes`; UTC, raises StoreError."""
    db = duckdb.connect(config={"autoinstall_known_extensions": "false"})
    db.execute("SET TimeZone = 'UTC'")
    for name, columns in TABLES.items():
        db.execute(f"CREATE VIEW {name} AS {view_of(db, open_table(root / name), columns)}")
    return db


def _table_of(one: Observation) -> str:
    return "chain_quotes" if one.contract.sec_type is SecType.OPTION else "underlying_quotes"


def _row(number: int, every_s: int, one: Observation) -> TableRow:
    contract, quote = one.contract, one.quote
    at = one.at.astimezone(UTC)
    row: TableRow = {
        "seq": number,
        "ts": at,
        "date": at.date(),
        "sweep": one.sweep,
        "every_s": every_s,
        "symbol": contract.symbol,
        "sec_type": contract.sec_type,
        "trading_class": contract.trading_class,
        "con_id": contract.con_id,
        "expiry": contract.expiry,
        "strike": None if contract.strike is None else float(contract.strike),
        "right": contract.right,
        "spot": one.spot,
        "error": one.error,
        "bid_size": one.bid_size,
        "ask_size": one.ask_size,
        "volume": one.volume,
        "open_interest": one.open_interest,
    }
    if quote is not None:
        row |= {"bid": quote.bid, "ask": quote.ask, "last": quote.last, "close": quote.close}
        row |= {"quote_type": quote.type, **greek_cells(quote.greeks)}
    return row


def _commit_to_disk(table: DeltaTable, before: set[str]) -> None:
    """Fsync what a commit wrote: Delta does not, and the spool's file goes next."""
    folder = table_folder(table)
    added = [folder / path for path in table.get_add_actions(flatten=True).column("path").to_pylist()]
    fresh = sorted(added, key=lambda file: file.stat().st_mtime_ns)[-max(1, len(added) - len(before)) :]
    log = folder / "_delta_log"
    to_disk(*fresh, folder, log / f"{table.version():020}.json", log)
