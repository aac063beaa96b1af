"""Only finite numbers enter the store: JSON makes NaN a missing value, Parquet statistics make it a wrong answer."""

from __future__ import annotations

from collections.abc import Iterable
from decimal import Decimal
from math import isfinite

from v6.errors import StoreError
from v6.model.catalogue import FIELDS
from v6.model.event import (
    CommissionReported,
    DecisionsMade,
    Event,
    OrderDenied,
    OrderFilled,
    OrderIntended,
    OrderRepriced,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    SnapshotTaken,
)


def refuse_non_finite(event: Event) -> None:
    """Raise StoreError naming the field if the event holds NaN or an infinity."""
    if isinstance(event, SnapshotTaken):
        _check_rows(event)
        return
    for name, number in _numbers(event):
        if number is not None and not isfinite(number):
            raise StoreError(f"{type(event).__name__}.{name} is {number}; a missing number is None")


def _check_rows(event: SnapshotTaken) -> None:
    for row in event.snapshot.rows:
        for value in row.values:
            if type(value) is float and not isfinite(value):
                name = FIELDS[row.values.index(value)].name
                raise StoreError(f"snapshot {event.snapshot.snapshot_id}, row {row.key!r}: {name} is {value}")


def _numbers(event: Event) -> Iterable[tuple[str, float | Decimal | None]]:
    match event:
        case OrderIntended(intent=intent) | OrderDenied(intent=intent):
            return [("limit", intent.limit), ("worst", intent.worst)]
        case OrderRepriced(limit=limit):
            return [("limit", limit)]
        case OrderFilled(fill=fill):
            return [("price", fill.price), ("commission", fill.commission)]
        case CommissionReported(commission=commission):
            return [("commission", commission)]
        case PositionOpened(position=position):
            return [("entry_price", position.entry_price), ("commission", position.commission)]
        case PositionReduced() | PositionClosed():
            return [("exit_price", event.exit_price), ("pnl", event.pnl), ("commission", event.commission)]
        case DecisionsMade(decisions=decisions):
            return [("fraction", d.action.fraction) for d in decisions if d.action is not None]
    return []
