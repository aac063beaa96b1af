"""What all tables have in common: their first columns, their types, and how rows become columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from operator import itemgetter
from typing import Final, TypeAlias, TypeVar

import pyarrow as pa
import pyarrow.compute as pc

from v6.errors import StoreError

Cell: TypeAlias = float | int | bool | str | date | datetime | None
TableRow: TypeAlias = dict[str, Cell]
T = TypeVar("T")

TEXT: Final = pa.string()
INT: Final = pa.int64()
REAL: Final = pa.float64()
FLAG: Final = pa.bool_()
DAY: Final = pa.date32()
MOMENT: Final = pa.timestamp("us", "UTC")


def schema(**columns: pa.DataType) -> pa.Schema:
    """Return the columns with `seq`, `ts` and `date` before them: those of which Delta's log keeps statistics."""
    return pa.schema([("seq", INT), ("ts", MOMENT), ("date", DAY), *columns.items()])


def arrow_rows(name: str, columns: pa.Schema, rows: Iterable[Mapping[str, Cell]]) -> pa.Table:
    """Return the rows in these columns; StoreError names the table and the column of a value that doesn't fit.

    NaN and infinities never pass: Parquet statistics would make them compare wrongly later.
    """
    made = []
    for field, cells in zip(columns, turned(columns.names, list(rows)), strict=True):
        try:
            column = pa.array(cells, type=field.type)
        except (pa.ArrowException, OverflowError, TypeError) as error:
            raise StoreError(f"table {name}, column {field.name}: {error}") from error
        if pa.types.is_floating(field.type) and pc.all(pc.is_finite(column)).as_py() is False:
            raise StoreError(f"table {name}, column {field.name}: NaN or infinity; a missing number is None")
        made.append(column)
    return pa.Table.from_arrays(made, schema=columns)


def turned(names: Sequence[str], rows: Sequence[Mapping[str, T | None]]) -> Sequence[Sequence[T | None]]:
    """Return the cells of each named column, None where a row does not name it."""
    if len(names) < 2 or not rows or any(len(row) < len(names) for row in rows):
        return [[row.get(name) for row in rows] for name in names]
    try:
        # Rows that name every column, as snapshots do, are turned without a lookup for each cell in Python.
        return list(zip(*map(itemgetter(*names), rows), strict=True))
    except KeyError:
        return [[row.get(name) for row in rows] for name in names]
