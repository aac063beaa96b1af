"""What all tables have in common: their first columns, their types, and how rows become columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import date, datetime
from typing import Final, TypeAlias

import pyarrow as pa
import pyarrow.compute as pc

from v6.errors import StoreError

Cell: TypeAlias = float | int | bool | str | date | datetime | None
TableRow: TypeAlias = dict[str, Cell]

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
    listed = list(rows)
    made = []
    for field in columns:
        try:
            column = pa.array([row.get(field.name) for row in listed], type=field.type)
        except (pa.ArrowException, OverflowError, TypeError) as error:
            raise StoreError(f"table {name}, column {field.name}: {error}") from error
        if pa.types.is_floating(field.type) and pc.all(pc.is_finite(column)).as_py() is False:
            raise StoreError(f"table {name}, column {field.name}: NaN or infinity; a missing number is None")
        made.append(column)
    return pa.Table.from_arrays(made, schema=columns)
