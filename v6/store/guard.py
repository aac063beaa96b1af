"""Only finite numbers enter the store: JSON makes NaN a missing value, Parquet statistics make it a wrong answer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import fields, is_dataclass
from decimal import Decimal
from math import isfinite

from v6.errors import StoreError
from v6.model.catalogue import FIELDS
from v6.model.event import DecisionsMade, Event, SnapshotTaken


def refuse_non_finite(event: Event) -> None:
    """Raise StoreError naming the field if the event holds NaN or an infinity."""
    if isinstance(event, SnapshotTaken):
        _check_rows(event)
        return
    for name, number in _numbers(event):
        if not isfinite(number):
            raise StoreError(f"{type(event).__name__}.{name} is {number}; a missing number is None")


def _check_rows(event: SnapshotTaken) -> None:
    for row in event.snapshot.rows:
        for value in row.values:
            if type(value) is float and not isfinite(value):
                name = FIELDS[row.values.index(value)].name
                raise StoreError(f"snapshot {event.snapshot.snapshot_id}, row {row.key!r}: {name} is {value}")


def _numbers(event: Event) -> Iterable[tuple[str, float | Decimal]]:
    if isinstance(event, DecisionsMade):  # thousands in one event, and this is their only number
        return [("fraction", d.action.fraction) for d in event.decisions if d.action and d.action.fraction is not None]
    return _inside(type(event).__name__, event)


def _inside(name: str, value: object) -> Iterator[tuple[str, float | Decimal]]:
    """Yield all numbers in a value with the names of the fields they are in, however deep."""
    if isinstance(value, float | Decimal):
        yield name, value
    elif isinstance(value, tuple):
        for item in value:
            yield from _inside(name, item)
    elif is_dataclass(value):
        for field in fields(value):
            yield from _inside(field.name, getattr(value, field.name))
