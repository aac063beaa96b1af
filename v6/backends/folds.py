"""Aggregates that look back over a window, one row at a time; semantics.md is their contract."""

from __future__ import annotations

from collections.abc import Callable
from math import isfinite
from typing import Final, TypeAlias

from v6.lang.ast import Fold

History: TypeAlias = tuple[tuple[int, float], ...]
"""Known values with their times in microseconds, oldest first."""

Look: TypeAlias = tuple[History | None, float | None]
"""What is remembered after a row, and the aggregate's value on it."""


def mean(seen: History | None, now: int, value: float | None, window: int) -> Look:
    """Return the mean of the known values later than `now - window`, the row's own included."""
    kept = [item for item in seen or () if item[0] > now - window]
    if value is not None:
        kept.append((now, value))
    if not kept:
        return None, None
    # Added from the oldest on, as the query does: the order decides the last bit.
    total = kept[0][1]
    for _, number in kept[1:]:
        total += number
    result = total / len(kept)
    return tuple(kept), result if isfinite(result) else None


def last_before(seen: History | None, now: int, value: float | None, window: int) -> Look:
    """Return the latest known value that is at least `window` old."""
    found: tuple[int, float] | None = None
    later: list[tuple[int, float]] = []
    for item in seen or ():
        if item[0] <= now - window:
            found = item
        else:
            later.append(item)
    kept = later if found is None else [found, *later]
    # A value that goes on need not be remembered twice.
    if value is not None and (not kept or kept[-1][1] != value):
        kept.append((now, value))
    return tuple(kept) or None, None if found is None else found[1]


def change(seen: History | None, now: int, value: float | None, window: int) -> Look:
    """Return the value less the latest known one that is at least `window` old."""
    kept, before = last_before(seen, now, value, window)
    if value is None or before is None:
        return kept, None
    result = value - before
    return kept, result if isfinite(result) else None


WINDOWED: Final[dict[Fold, Callable[[History | None, int, float | None, int], Look]]] = {
    Fold.LAST_BEFORE: last_before,
    Fold.CHANGE: change,
    Fold.MEAN: mean,
}
