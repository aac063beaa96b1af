"""Compare what we hold with what the broker holds: pure; IB wins on facts, ours on intent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal

from v6.execution.ledger import Holding, Ledger
from v6.model import event as e


@dataclass(frozen=True, slots=True)
class Comparison:
    """Events that book what was explained, and the differences that were not."""

    events: tuple[e.Event, ...]
    unexplained: tuple[str, ...]


def compare(
    ledger: Ledger, broker: Mapping[int, int], today: date, previous_close: float | None, at: datetime
) -> Comparison:
    """Return the comparison of signed contracts by con_id; a structure past its expiry that is gone has expired."""
    expected = ledger.expected_contracts()
    events: list[e.Event] = []
    for holding in list(ledger.holdings.values()):
        booked = _expired(holding, broker, today, previous_close, at)
        if booked is not None:
            events.append(booked)
            for leg in holding.position.structure.legs:
                con_id = leg.contract.con_id
                expected[con_id] = expected.get(con_id, 0) - leg.ratio * holding.units
    differences = [
        f"con_id {con_id}: we hold {expected.get(con_id, 0)}, the broker {broker.get(con_id, 0)}"
        for con_id in sorted(expected.keys() | broker.keys())
        if expected.get(con_id, 0) != broker.get(con_id, 0)
    ]
    return Comparison(tuple(events), tuple(differences))


def _expired(
    holding: Holding, broker: Mapping[int, int], today: date, previous_close: float | None, at: datetime
) -> e.PositionClosed | None:
    position = holding.now()
    structure = position.structure
    gone = not any(leg.contract.con_id in broker for leg in structure.legs)
    if structure.expiry >= today or not gone or previous_close is None:
        return None
    value = structure.payoff(Decimal(repr(previous_close)))
    share = position.commission * holding.units / holding.position.quantity
    pnl = (value - position.entry_price) * structure.multiplier * holding.units - share
    return e.PositionClosed(at, position.position_id, value, pnl, share, "expired")
