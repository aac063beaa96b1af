"""What an order that has ended means for the positions: pure."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from v6.execution.ledger import Ledger, OrderRecord
from v6.model import event as e
from v6.model.order import OrderState, Purpose
from v6.model.position import Position
from v6.ports import BrokerStatus, OrderReport

_ENDS = {
    BrokerStatus.FILLED: OrderState.FILLED,
    BrokerStatus.CANCELLED: OrderState.CANCELLED,
    BrokerStatus.REJECTED: OrderState.REJECTED,
}


def complete(record: OrderRecord, report: OrderReport) -> bool:
    """Tell whether the executions account for all that the broker's final word claims."""
    if report.status is BrokerStatus.FILLED:
        return record.units_filled() >= record.intent.quantity
    return record.units_filled() >= report.filled and not record.legged()


def ending(record: OrderRecord, report: OrderReport, ledger: Ledger, at: datetime) -> list[e.Event]:
    """Return the events that end the order and book its fills."""
    state = _ENDS[report.status]
    events: list[e.Event] = [e.OrderEnded(at, record.intent.order_ref, state, report.text)]
    price, units = record.net_price(), record.units_filled()
    if price is None:
        return events
    if record.intent.purpose is Purpose.OPEN:
        events.append(e.PositionOpened(at, _opened(record, price, units, at)))
        if record.intent.roll_of is not None:
            events.append(e.RollEnded(at, record.intent.roll_of, record.intent.position_id, "replaced"))
    else:
        events.extend(_closed(record, price, units, ledger, at))
    return events


def _opened(record: OrderRecord, price: Decimal, units: int, at: datetime) -> Position:
    intent = record.intent
    return Position(
        position_id=intent.position_id,
        strategy=intent.strategy,
        structure=intent.structure,
        quantity=units,
        entry_price=price,
        opened_at=at,
        commission=record.commission(),
    )


def _closed(record: OrderRecord, price: Decimal, units: int, ledger: Ledger, at: datetime) -> list[e.Event]:
    intent = record.intent
    holding = ledger.holdings.get(intent.position_id)
    if holding is None:
        text = f"{intent.order_ref} closed {units} units of {intent.position_id}, which is not held"
        return [e.FindingRaised(at, "close-without-position", text)]
    position = holding.position
    opening_share = ledger.commission_of(position) * units / position.quantity
    commission = record.commission() + opening_share
    pnl = (price - position.entry_price) * position.structure.multiplier * units - commission
    reason = intent.rule_id or "manual"
    if units < holding.units:
        return [e.PositionReduced(at, position.position_id, units, price, pnl, commission, reason)]
    events: list[e.Event] = [e.PositionClosed(at, position.position_id, price, pnl, commission, reason)]
    if intent.rolls:
        events.append(e.RollStarted(at, position.position_id, position.strategy))
    return events
