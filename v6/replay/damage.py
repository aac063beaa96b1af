"""What DuckDB says of damaged files, as an error of the store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from v6.errors import StoreError


@contextmanager
def told(tables: Path) -> Iterator[None]:
    """Raise StoreError, with the place and what to do, where a file of the tables cannot be read."""
    try:
        yield
    except (duckdb.IOException, duckdb.InvalidInputException) as error:
        reason = str(error).splitlines()[0]
        raise StoreError(
            f"{tables} cannot be read: {reason}; `v6 doctor --store {tables.parent}` looks closer"
        ) from error
