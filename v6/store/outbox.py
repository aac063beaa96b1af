"""Copy the journal to the Delta tables, every event exactly once, however often it is interrupted.

Each commit carries a transaction id: the journal offset up to which its table is now complete. The offset is read
from the same table handle that commits, so a commit by anybody else in between makes ours fail instead of doubling
rows. A table that has no new rows gets no commit: its offset stays behind, the events after it are looked at again
after a restart, and as they hold no rows of that table, nothing can be added twice.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import pyarrow as pa
from deltalake import CommitProperties, DeltaTable, Transaction, write_deltalake
from deltalake.exceptions import DeltaError

from v6.errors import StoreError
from v6.store.columns import TableRow
from v6.store.commits import ORIGIN
from v6.store.delta import create_or_open, fitted
from v6.store.journal import BULK, JournalReader
from v6.store.tables import KINDS_OF, TABLES, arrow_table, rows_of
from v6.store.travel import OFFSET
from v6.store.upkeep import tidy

_BATCH_ROWS: Final = 50_000
_UNFIT: Final = frozenset("[]^|\\")  # delta-rs panics, or writes to another place, when a path holds one of these


class Outbox:
    """The one writer of the tables under `root`; `flush` may run in any one thread at a time."""

    def __init__(self, journal: JournalReader, root: Path) -> None:
        unfit = sorted(_UNFIT & set(str(root.absolute())))
        if unfit:
            raise StoreError(f"Delta tables cannot be in {root.absolute()}: its name holds {' '.join(unfit)}")
        self._journal = journal
        self._root = root
        self._tables: dict[str, DeltaTable] = {}
        self._seen: dict[str, int] = dict.fromkeys(TABLES, 0)

    def flush(self) -> int:
        """Bring every table up to the journal's end and return the number of rows added; the first makes the tables.

        Normally one commit for each table with new rows (a long backlog takes several). Raises StoreError if a
        table cannot be read or written; calling again goes on where it stopped.
        """
        upto = self._journal.last_seq
        behind: dict[int, list[str]] = {}
        for name in TABLES:
            if name not in self._tables:
                self._open(name)
            if self._seen[name] < upto or not upto:
                behind.setdefault(self._seen[name], []).append(name)
        # While the daemon runs all tables end at the same event and the journal is read once for all of them; after
        # a restart each goes on from its own last row, and only what it lacks is read.
        return sum(self._flush(names, after, upto) for after, names in behind.items())

    def flushed_to(self) -> int:
        """Return the largest seq such that all events up to it are known to be in their tables."""
        return min(self._seen.values())

    def versions(self) -> dict[str, int]:
        """Return the Delta version of each table that is open, after the last flush."""
        return {name: table.version() for name, table in self._tables.items()}

    def _flush(self, names: list[str], after: int, upto: int) -> int:
        try:
            for name in names:
                self._refuse_pruned(name, after)
            added = 0
            for last, rows in self._batches(names, after, upto):
                for name, new in rows.items():
                    with self._naming(name):
                        self._commit(name, self._tables[name], last, new)
                    added += len(new)
        except BaseException:
            for name in names:  # what these handles believe is no longer certain: read the tables anew
                self._tables.pop(name, None)
            raise
        self._seen.update(dict.fromkeys(names, upto))
        return added

    def _batches(self, names: list[str], after: int, upto: int) -> Iterator[tuple[int, dict[str, list[TableRow]]]]:
        """Yield (seq of the last event, rows by table) in journal order, whole events only, no empty lists."""
        kinds = None if len(names) == len(TABLES) else {kind for name in names for kind in KINDS_OF[name]}
        rows: dict[str, list[TableRow]] = {}
        last = count = 0
        for seq, event in self._journal.events(after, kinds):
            if seq > upto:
                break  # written since; what is counted as seen must be what was read
            for table, row in rows_of(seq, event):
                if table in names:
                    rows.setdefault(table, []).append(row)
                    count += 1
            last = seq
            if count >= _BATCH_ROWS:
                yield last, rows
                rows, count = {}, 0
        if rows:
            yield last, rows

    def _refuse_pruned(self, name: str, after: int) -> None:
        if not any(kind in BULK for kind in KINDS_OF[name]):
            return
        pruned = self._journal.pruned_to(KINDS_OF[name])
        if pruned > after:
            raise StoreError(
                f"table {self._root / name} ends at event {after}, but the journal is pruned up to {pruned}; "
                f"restore the table from a backup"
            )

    def _commit(self, name: str, table: DeltaTable, last: int, rows: list[TableRow]) -> None:
        offset = table.transaction_version(OFFSET) or 0
        if last <= offset:
            # delta-rs records transaction ids but does not refuse one that goes back: this line does.
            raise StoreError(f"table {self._root / name} already holds events up to {offset}, not only to {last}")
        ids = [Transaction(OFFSET, last), Transaction(ORIGIN, self._mark(last))]
        columns = fitted(table, arrow_table(name, rows))
        write_deltalake(table, columns, mode="append", commit_properties=CommitProperties(app_transactions=ids))
        tidy(table)

    def _open(self, name: str) -> None:
        path = self._root / name
        with self._naming(name):
            table = create_or_open(path, TABLES[name])
            offset = table.transaction_version(OFFSET) or 0
        if offset and table.transaction_version(ORIGIN) != self._mark(offset):
            raise StoreError(
                f"table {path} was not copied from the journal {self._journal.path} (they differ at event {offset}); "
                f"move {self._root} away and the tables are written anew from the journal"
            )
        self._tables[name] = table
        self._seen[name] = max(self._seen[name], offset)

    @contextmanager
    def _naming(self, name: str) -> Iterator[None]:
        try:
            yield
        except (DeltaError, OSError, pa.ArrowException) as error:
            raise StoreError(f"table {self._root / name}: {type(error).__name__}: {error}") from error

    def _mark(self, seq: int) -> int:
        """Return 60 bits of the journal's hash at an event, equal only for equal histories; -1 if it has no such."""
        digest = self._journal.chain_at(seq)
        return -1 if digest is None else int(digest[:15], 16)
