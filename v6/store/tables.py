"""The Delta tables: their columns, and the pure map from an event to rows.

The tables are for reading: prices and money are float64 in them; the exact decimals stay in the journal. Every row
carries `seq`, its event's place in the journal. `date` is a plain column, not a Hive partition, because DuckDB reads
the Parquet files themselves and would not see a partition's value.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC
from decimal import Decimal
from typing import Final, assert_never

import pyarrow as pa

from v6.model.catalogue import FIELDS, INDEX, Kind
from v6.model.event import (
    AlertRaised,
    CommissionReported,
    DecisionsMade,
    Event,
    FindingRaised,
    GreeksTaken,
    HealthMeasured,
    OrderDenied,
    OrderEnded,
    OrderFilled,
    OrderIntended,
    OrderRepriced,
    OrderSending,
    OrderSubmitted,
    OrderUnresolved,
    PositionClosed,
    PositionOpened,
    PositionReduced,
    QueueListed,
    ReductionDue,
    RollEnded,
    RollStarted,
    RuleSetRefused,
    RuleSetReloaded,
    RulesPinned,
    ShadowDiffered,
    SnapshotTaken,
)
from v6.model.order import OrderIntent, OrderState
from v6.model.position import Position, Structure
from v6.store import running
from v6.store.columns import DAY as _DAY
from v6.store.columns import INT as _INT
from v6.store.columns import REAL as _REAL
from v6.store.columns import TEXT as _TEXT
from v6.store.columns import Cell, TableRow, arrow_rows
from v6.store.columns import schema as _schema

_OF_KIND: Final = {Kind.NUMBER: _REAL, Kind.BOOL: pa.bool_(), Kind.ENUM: _TEXT}

TABLES: Final[dict[str, pa.Schema]] = {
    "snapshots": _schema(
        snapshot_id=_TEXT, cycle=_INT, key=_TEXT, **{field.name: _OF_KIND[field.kind] for field in FIELDS}
    ),
    "decisions": _schema(
        decision_id=_TEXT,
        snapshot_id=_TEXT,
        key=_TEXT,
        rule_id=_TEXT,
        action=_TEXT,
        urgency=_TEXT,
        fraction=_REAL,
        fired=_INT,
        unknown=_INT,
        alerts=_INT,
        bundle_fingerprint=_TEXT,
        rule_fingerprint=_TEXT,
    ),
    "orders": _schema(
        event=_TEXT,
        order_ref=_TEXT,
        state=_TEXT,
        intent_id=_TEXT,
        position_id=_TEXT,
        purpose=_TEXT,
        side=_TEXT,
        strategy=_TEXT,
        structure=_TEXT,
        symbol=_TEXT,
        legs=_TEXT,
        quantity=_INT,
        limit_price=_REAL,
        worst_price=_REAL,
        urgency=_TEXT,
        attempt=_INT,
        rolls=pa.bool_(),
        rule_id=_TEXT,
        decision_id=_TEXT,
        order_id=_INT,
        perm_id=_INT,
        reason=_TEXT,
    ),
    "executions": _schema(exec_id=_TEXT, order_ref=_TEXT, con_id=_INT, quantity=_INT, price=_REAL, commission=_REAL),
    "commissions": _schema(exec_id=_TEXT, commission=_REAL),
    "positions": _schema(
        event=_TEXT,
        position_id=_TEXT,
        strategy=_TEXT,
        structure=_TEXT,
        symbol=_TEXT,
        expiry=_DAY,
        legs=_TEXT,
        quantity=_INT,
        entry_price=_REAL,
        exit_price=_REAL,
        pnl=_REAL,
        commission=_REAL,
        reason=_TEXT,
        new_position_id=_TEXT,
    ),
    "legs": _schema(
        position_id=_TEXT,
        con_id=_INT,
        ratio=_INT,
        symbol=_TEXT,
        sec_type=_TEXT,
        exchange=_TEXT,
        currency=_TEXT,
        multiplier=_INT,
        trading_class=_TEXT,
        expiry=_DAY,
        strike=_REAL,
        right=_TEXT,
    ),
    "alerts": _schema(rule_id=_TEXT, key=_TEXT, severity=_TEXT, text=_TEXT, decision_id=_TEXT),
    "findings": _schema(code=_TEXT, text=_TEXT),
    "rulesets": _schema(event=_TEXT, fingerprint=_TEXT, revision=_TEXT, diagnostics=_TEXT),
    "shadow": _schema(
        decision_id=_TEXT, key=_TEXT, rule_id=_TEXT, action=_TEXT, shadow_rule_id=_TEXT, shadow_action=_TEXT
    ),
    **running.TABLES,
}

KINDS_OF: Final[dict[str, tuple[type[Event], ...]]] = {
    "snapshots": (SnapshotTaken,),
    "decisions": (DecisionsMade,),
    "orders": (
        OrderIntended,
        OrderDenied,
        OrderSending,
        OrderSubmitted,
        OrderRepriced,
        OrderUnresolved,
        OrderEnded,
    ),
    "executions": (OrderFilled,),
    "commissions": (CommissionReported,),
    "alerts": (AlertRaised,),
    "positions": (PositionOpened, ReductionDue, PositionReduced, PositionClosed, RollStarted, RollEnded),
    "legs": (PositionOpened,),
    "findings": (FindingRaised,),
    "rulesets": (RuleSetReloaded, RuleSetRefused, RulesPinned),
    "shadow": (ShadowDiffered,),
    "position_queue": (QueueListed,),
    "greeks": (GreeksTaken,),
    "health": (HealthMeasured,),
}
"""Which events become rows of which table; a position that opens becomes one of `positions` and its `legs`."""

ADDED_LATER: Final = frozenset({"legs", "alerts", "shadow", "position_queue", "greeks", "health"})
"""Tables that stores of the first version lack until a newer daemon has opened them."""

_TABLE_OF: Final = {kind: table for table, kinds in KINDS_OF.items() if table != "legs" for kind in kinds}


def rows_of(seq: int, event: Event) -> list[tuple[str, TableRow]]:
    """Return (table, row) for each row the event adds; columns that a row doesn't name are missing (None)."""
    at = event.at.astimezone(UTC)
    stamp: TableRow = {"seq": seq, "ts": at, "date": at.date()}
    table = _TABLE_OF[type(event)]
    rows = [(table, stamp | row) for row in _rows(event)]
    if isinstance(event, PositionOpened):
        rows += [("legs", stamp | row) for row in _leg_rows(event.position)]
    return rows


def arrow_table(name: str, rows: Iterable[Mapping[str, Cell]]) -> pa.Table:
    """Return the rows in the columns of the named table; StoreError names the column of a value that doesn't fit.

    NaN and infinities never pass: Parquet statistics would make them compare wrongly later.
    """
    return arrow_rows(name, TABLES[name], rows)


def _rows(event: Event) -> list[TableRow]:
    match event:
        case SnapshotTaken():
            return _snapshot_rows(event)
        case DecisionsMade():
            return _decision_rows(event)
        case OrderFilled(fill=fill):
            return [
                {
                    "exec_id": fill.exec_id,
                    "order_ref": fill.order_ref,
                    "con_id": fill.con_id,
                    "quantity": fill.quantity,
                    "price": float(fill.price),
                    "commission": _real(fill.commission),
                }
            ]
        case CommissionReported():
            return [{"exec_id": event.exec_id, "commission": float(event.commission)}]
        case AlertRaised():
            return [
                {
                    "rule_id": event.rule_id,
                    "key": event.key,
                    "severity": event.severity,
                    "text": event.text,
                    "decision_id": event.decision_id,
                }
            ]
        case PositionOpened() | ReductionDue() | PositionReduced() | PositionClosed() | RollStarted() | RollEnded():
            return [_position_row(event)]
        case FindingRaised():
            return [{"code": event.code, "text": event.text}]
        case RuleSetReloaded():
            return [{"event": "reloaded", "fingerprint": event.fingerprint, "revision": event.revision}]
        case RuleSetRefused():
            return [{"event": "refused", "diagnostics": "\n".join(event.diagnostics)}]
        case RulesPinned():
            return [{"event": "pinned", "fingerprint": event.fingerprint, "diagnostics": "\n".join(event.reasons)}]
        case ShadowDiffered():
            return [_shadow_row(event)]
        case QueueListed():
            return running.queue_rows(event)
        case GreeksTaken():
            return running.greeks_rows(event)
        case HealthMeasured():
            return [running.health_row(event)]
        case _:
            return [_order_row(event)]


def _shadow_row(event: ShadowDiffered) -> TableRow:
    return {
        "decision_id": event.decision_id,
        "key": event.key,
        "rule_id": event.rule_id,
        "action": None if event.action is None else str(event.action),
        "shadow_rule_id": event.shadow_rule_id,
        "shadow_action": None if event.shadow_action is None else str(event.shadow_action),
    }


def _snapshot_rows(event: SnapshotTaken) -> list[TableRow]:
    snapshot = event.snapshot
    head: TableRow = {"snapshot_id": snapshot.snapshot_id, "cycle": snapshot.cycle}
    return [head | {"key": row.key} | dict(zip(INDEX, row.values, strict=True)) for row in snapshot.rows]


def _decision_rows(event: DecisionsMade) -> list[TableRow]:
    return [
        {
            "decision_id": d.decision_id,
            "snapshot_id": d.snapshot_id,
            "key": d.key,
            "rule_id": d.rule_id,
            "action": None if d.action is None else d.action.kind,
            "urgency": None if d.action is None else d.action.urgency,
            "fraction": None if d.action is None else d.action.fraction,
            "fired": d.fired,
            "unknown": d.unknown,
            "alerts": d.alerts,
            "bundle_fingerprint": d.bundle_fingerprint,
            "rule_fingerprint": d.rule_fingerprint,
        }
        for d in event.decisions
    ]


def _order_row(
    event: OrderIntended | OrderDenied | OrderSending | OrderSubmitted | OrderRepriced | OrderUnresolved | OrderEnded,
) -> TableRow:
    match event:
        case OrderIntended():
            return {"event": "intended", "state": OrderState.INTENT} | _intent_cells(event.intent)
        case OrderDenied():
            reason = "; ".join(event.reasons)
            return {"event": "denied", "state": OrderState.DENIED, "reason": reason} | _intent_cells(event.intent)
        case OrderSending():
            ref, order_id = event.order_ref, event.order_id
            return {"event": "sending", "order_ref": ref, "state": OrderState.SENDING, "order_id": order_id}
        case OrderSubmitted():
            ref, perm_id = event.order_ref, event.perm_id
            return {"event": "submitted", "order_ref": ref, "state": OrderState.WORKING, "perm_id": perm_id}
        case OrderRepriced():
            return {"event": "repriced", "order_ref": event.order_ref, "limit_price": float(event.limit)}
        case OrderUnresolved():
            ref, reason = event.order_ref, event.reason
            return {"event": "unresolved", "order_ref": ref, "state": OrderState.UNKNOWN, "reason": reason}
        case OrderEnded():
            return {"event": "ended", "order_ref": event.order_ref, "state": event.state, "reason": event.reason}
        case _:
            assert_never(event)


def _intent_cells(intent: OrderIntent) -> TableRow:
    return {
        "order_ref": intent.order_ref,
        "intent_id": intent.intent_id,
        "position_id": intent.position_id,
        "purpose": intent.purpose,
        "side": intent.side,
        "strategy": intent.strategy,
        **_structure_cells(intent.structure),
        "quantity": intent.quantity,
        "limit_price": float(intent.limit),
        "worst_price": float(intent.worst),
        "urgency": intent.urgency,
        "attempt": intent.attempt,
        "rolls": intent.rolls,
        "rule_id": intent.rule_id,
        "decision_id": intent.decision_id,
    }


def _position_row(
    event: PositionOpened | ReductionDue | PositionReduced | PositionClosed | RollStarted | RollEnded,
) -> TableRow:
    match event:
        case PositionOpened(position=position):
            expiries = [leg.contract.expiry for leg in position.structure.legs]
            return {
                "event": "opened",
                "position_id": position.position_id,
                "strategy": position.strategy,
                **_structure_cells(position.structure),
                "expiry": min((day for day in expiries if day is not None), default=None),
                "quantity": position.quantity,
                "entry_price": float(position.entry_price),
                "commission": float(position.commission),
            }
        case ReductionDue():
            rule = event.decision.rule_id
            return {"event": "to_reduce", "position_id": event.position_id, "quantity": event.keep, "reason": rule}
        case PositionReduced() | PositionClosed():
            return {
                "event": "closed" if isinstance(event, PositionClosed) else "reduced",
                "position_id": event.position_id,
                "quantity": None if isinstance(event, PositionClosed) else event.units,
                "exit_price": float(event.exit_price),
                "pnl": float(event.pnl),
                "commission": float(event.commission),
                "reason": event.reason,
            }
        case RollStarted():
            return {"event": "roll_started", "position_id": event.position_id, "strategy": event.strategy}
        case RollEnded():
            return {
                "event": "roll_ended",
                "position_id": event.position_id,
                "new_position_id": event.new_position_id,
                "reason": event.reason,
            }
        case _:
            assert_never(event)


def _leg_rows(position: Position) -> list[TableRow]:
    return [
        {
            "position_id": position.position_id,
            "con_id": leg.contract.con_id,
            "ratio": leg.ratio,
            "symbol": leg.contract.symbol,
            "sec_type": leg.contract.sec_type,
            "exchange": leg.contract.exchange,
            "currency": leg.contract.currency,
            "multiplier": leg.contract.multiplier,
            "trading_class": leg.contract.trading_class,
            "expiry": leg.contract.expiry,
            "strike": _real(leg.contract.strike),
            "right": leg.contract.right,
        }
        for leg in position.structure.legs
    ]


def _structure_cells(structure: Structure) -> TableRow:
    legs = "; ".join(f"{leg.ratio:+d} {leg.contract}" for leg in structure.legs)
    return {"structure": structure.kind, "symbol": structure.symbol, "legs": legs}


def _real(number: Decimal | None) -> float | None:
    return None if number is None else float(number)
