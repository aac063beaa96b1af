"""Folds over the rows of a key as DuckDB windows."""

from __future__ import annotations

from typing import Final, assert_never

from v6.backends.sql import finite, lower
from v6.lang.ast import Fold, Track

ROWS: Final = "PARTITION BY key ORDER BY t"


def fold_sql(track: Track) -> str:
    """Return a fold over the window `life` of the rows of a key as SQL; a first value is none of these."""
    inner = lower(track.expr, {})
    match track.fold:
        case Fold.MAX | Fold.MIN:
            return f"{track.fold}({inner}) OVER life"
        case Fold.FIRST:
            raise AssertionError("a first value comes from a grouping")
        case Fold.LAST_BEFORE:
            return _last_before(track)
        case Fold.CHANGE:
            return finite(f"{inner} - {_last_before(track)}")
        case Fold.MEAN:
            frame = f"({ROWS} RANGE BETWEEN {_window(track) - 1} PRECEDING AND CURRENT ROW)"
            known = f"list_filter(list({inner}) OVER {frame}, lambda x: x IS NOT NULL)"
            # Added in the order of the rows: a sum of one's own choosing may differ in the last bit.
            total = "CASE WHEN len(xs) > 0 THEN list_reduce(xs, lambda a, b: a + b) / len(xs) END"
            return finite(f"list_transform([{known}], lambda xs: {total})[1]")
        case _:
            assert_never(track.fold)


def _last_before(track: Track) -> str:
    frame = f"({ROWS} RANGE BETWEEN UNBOUNDED PRECEDING AND {_window(track)} PRECEDING)"
    return f"last_value({lower(track.expr, {})} IGNORE NULLS) OVER {frame}"


def _window(track: Track) -> int:
    assert track.window_s is not None
    return micro(track.window_s)


def micro(seconds: int) -> int:
    """Return seconds in microseconds, in which the query counts time."""
    return seconds * 1_000_000
