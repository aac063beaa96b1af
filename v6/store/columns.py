"""Rows to columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from operator import itemgetter
from typing import TypeVar

T = TypeVar("T")


def turned(names: Sequence[str], rows: Sequence[Mapping[str, T | None]]) -> Sequence[Sequence[T | None]]:
    """Return the cells of each named column, None where a row does not name it."""
    if len(names) < 2 or not rows or any(len(row) < len(names) for row in rows):
        return [[row.get(name) for row in rows] for name in names]
    try:
        # Rows that name every column, as snapshots do, are turned without a lookup for each cell in Python.
        return list(zip(*map(itemgetter(*names), rows), strict=True))
    except KeyError:
        return [[row.get(name) for row in rows] for name in names]
