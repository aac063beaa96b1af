"""Hold the tables against the journal, row by row: the only check that finds what a file's format cannot show."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
from deltalake.exceptions import DeltaError

from v6.errors import StoreError
from v6.store.columns import TableRow
from v6.store.delta import fitted, open_table, parquet_files
from v6.store.journal import JournalReader
from v6.store.tables import KINDS_OF, TABLES, arrow_table, rows_of
from v6.store.travel import OFFSET

_WINDOW_ROWS: Final = 20_000
_SORTED_BY: Final = ("seq", "key", "con_id")


def difference(journal: JournalReader, root: Path, name: str) -> str | None:
    """Return in words where a table is not what the journal says it is, None if every row agrees.

    Compared are the events up to the table's offset whose bodies the journal still has. Raises StoreError if either
    cannot be read.
    """
    table = open_table(root / name)
    upto = table.transaction_version(OFFSET) or 0
    after = journal.pruned_to(KINDS_OF[name])
    # The windows go from one event to the next that has rows, so nothing can hide between two of them.
    try:
        source = ds.dataset(parquet_files(table), format="parquet") if parquet_files(table) else None
        for last, rows in _windows(journal, name, after, upto):
            wanted = _sorted(arrow_table(name, rows))
            inside = (ds.field("seq") > after) & (ds.field("seq") <= last)
            read = source.to_table(filter=inside) if source is not None else TABLES[name].empty_table()
            found = _sorted(fitted(table, read).select(TABLES[name].names).cast(TABLES[name]))
            if not found.equals(wanted):
                return _first(wanted, found)
            after = last
        if source is not None and source.count_rows(filter=ds.field("seq") > upto):
            return f"it holds rows of events after {upto}, where its last commit says it ends"
    except (DeltaError, OSError, pa.ArrowException) as error:
        raise StoreError(f"table {root / name} cannot be read: {error}") from error
    return None


def _windows(journal: JournalReader, name: str, after: int, upto: int) -> Iterator[tuple[int, list[TableRow]]]:
    rows: list[TableRow] = []
    for seq, event in journal.events(after, KINDS_OF[name]):
        if seq > upto:
            break
        rows += [row for table, row in rows_of(seq, event) if table == name]
        if len(rows) >= _WINDOW_ROWS:
            yield seq, rows
            rows = []
    yield upto, rows


def _sorted(table: pa.Table) -> pa.Table:
    return table.sort_by([(name, "ascending") for name in _SORTED_BY if name in table.column_names]).combine_chunks()


def _first(wanted: pa.Table, found: pa.Table) -> str:
    """Name the first event whose rows differ."""
    ours, theirs = (t.group_by("seq").aggregate([("seq", "count")]).to_pylist() for t in (wanted, found))
    counts = {row["seq"]: row["seq_count"] for row in theirs}
    for row in ours:
        have = counts.pop(row["seq"], 0)
        if have != row["seq_count"]:
            return f"event {row['seq']} has {have} rows, the journal says {row['seq_count']}"
    if counts:
        return f"it holds rows of event {min(counts)}, which has none in the journal"
    for name in wanted.column_names:
        same = pc.equal(wanted.column(name), found.column(name))
        both = pc.and_(pc.is_null(wanted.column(name)), pc.is_null(found.column(name)))
        where = pc.index(pc.fill_null(pc.or_(pc.fill_null(same, False), both), False), False).as_py()
        if where >= 0:
            return f"column {name} of event {wanted.column('seq')[where].as_py()} is not what the journal says"
    return "its rows are not what the journal says"
