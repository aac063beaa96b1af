"""What an order that has ended means for the positions: pure."""

from __future__ import annotations

from dataclasses import replace
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


def merged(earlier: OrderReport | None, later: OrderReport) -> OrderReport:
    """Return the final word of both: FILLED outranks the rest, and units once claimed are not taken back."""
    if earlier is None:
        return later
    chosen = earlier if earlier.status is BrokerStatus.FILLED else later
    return replace(chosen, filled=max(earlier.filled, later.filled))


def by_executions(record: OrderRecord) -> OrderReport | None:
    """Return the final word that the executions alone give: all units are filled, or some after the end."""
    units = record.units_filled()
    if units >= record.intent.quantity and not record.legged():
        status = BrokerStatus.FILLED
    elif record.state.terminal and record.loose().fills:
        status = BrokerStatus.CANCELLED
    else:
        return None
    return OrderReport(record.intent.order_ref, record.order_id, record.perm_id, status, units)


def complete(record: OrderRecord, report: OrderReport) -> bool:
    """Tell whether the executions account for all that the broker's final word claims."""
    claimed = record.intent.quantity if report.status is BrokerStatus.FILLED else report.filled
    return record.units_filled() >= claimed and not record.legged()


def ending(record: OrderRecord, report: OrderReport, ledger: Ledger, at: datetime) -> list[e.Event]:
    """Return the events that end the order and book the fills that are not booked yet.

    An order that has ended ends again when fills come late; each execution is booked once.
    """
    intent, loose = record.intent, record.loose()
    state = OrderState.FILLED if record.units_filled() >= intent.quantity else _ENDS[report.status]
    events: list[e.Event] = [e.OrderEnded(at, intent.order_ref, state, report.text)]
    price, units = loose.net_price(), loose.units_filled()
    if price is None:
        return events
    if intent.purpose is Purpose.OPEN:
        events.append(e.PositionOpened(at, _opened(loose, price, units, at)))
        if intent.roll_of is not None and not record.booked:
            events.append(e.RollEnded(at, intent.roll_of, intent.position_id, "replaced"))
    else:
        events.extend(_closed(loose, price, units, ledger, at))
    return events


def _opened(loose: OrderRecord, price: Decimal, units: int, at: datetime) -> Position:
    intent = loose.intent
    # The first booking may be partly closed by now, so units that come late are a position of their own.
    suffix = f"-late{len(loose.booked)}" if loose.booked else ""
    return Position(
        position_id=f"{intent.position_id}{suffix}",
        strategy=intent.strategy,
        structure=intent.structure,
        quantity=units,
        entry_price=price,
        opened_at=at,
        commission=loose.commission(),
    )


def _closed(loose: OrderRecord, price: Decimal, units: int, ledger: Ledger, at: datetime) -> list[e.Event]:
    intent = loose.intent
    holding = ledger.holdings.get(intent.position_id)
    held = 0 if holding is None else holding.units
    events: list[e.Event] = []
    if units > held:
        text = f"{intent.order_ref} closed {units} units of {intent.position_id}, of which {held} are held"
        events.append(e.FindingRaised(at, "closed-too-much", text))
    if holding is None:
        return events
    position, commission = holding.position, loose.commission()
    part = min(units, held)
    commission += ledger.commission_of(position) * part / position.quantity
    pnl = (price - position.entry_price) * position.structure.multiplier * part - commission
    reason = intent.rule_id or "manual"
    if part < held:
        return [*events, e.PositionReduced(at, position.position_id, part, price, pnl, commission, reason)]
    events.append(e.PositionClosed(at, position.position_id, price, pnl, commission, reason))
    if intent.rolls:
        events.append(e.RollStarted(at, position.position_id, position.strategy))
    return events
