"""Compare what we hold with what the broker holds: pure; IB wins on facts, ours on intent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from typing import Final

from v6.execution.ledger import Holding, Ledger
from v6.model import event as e
from v6.model.position import Structure

PM_SETTLED: Final = frozenset({"SPXW"})
"""Trading classes known to settle at the S&P 500's close, which `compare` is given."""

NOTHING: Final[Mapping[int, int]] = {}


@dataclass(frozen=True, slots=True)
class Comparison:
    """Events that book what was explained, and the differences that were not."""

    events: tuple[e.Event, ...]
    unexplained: tuple[str, ...]


def compare(
    ledger: Ledger,
    broker: Mapping[int, int],
    today: date,
    closes: Mapping[date, float],
    at: datetime,
    foreign: Mapping[int, int] = NOTHING,
) -> Comparison:
    """Return the comparison of signed contracts by con_id; a structure past its expiry that is gone has expired.

    `foreign` are the contracts of another origin that are known to be held beside ours.
    It is booked at the underlying's close of its last day in `closes`, and left unexplained while that is not known.
    """
    expected = ledger.expected_contracts()
    for con_id, quantity in foreign.items():
        expected[con_id] = expected.get(con_id, 0) + quantity
    events: list[e.Event] = []
    for holding in list(ledger.holdings.values()):
        booked = _expired(ledger, holding, broker, today, closes, at)
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
    ledger: Ledger,
    holding: Holding,
    broker: Mapping[int, int],
    today: date,
    closes: Mapping[date, float],
    at: datetime,
) -> e.PositionClosed | None:
    structure = holding.position.structure
    gone = not any(leg.contract.con_id in broker for leg in structure.legs)
    close = closes.get(structure.expiry)
    if structure.expiry >= today or not gone or close is None or not _settles_at_close(structure):
        return None
    value = structure.payoff(Decimal(repr(close)))
    # As for a close by order: with the commissions that came after the position was booked.
    paid = ledger.commission_of(holding.position) * holding.units / holding.position.quantity
    pnl = (value - holding.position.entry_price) * structure.multiplier * holding.units - paid
    return e.PositionClosed(at, holding.position.position_id, value, pnl, paid, "expired")


def _settles_at_close(structure: Structure) -> bool:
    """Tell whether the legs settle together, at the close of their expiry; class SPX settles at the next opening."""
    legs = [leg.contract for leg in structure.legs]
    return all(c.trading_class in PM_SETTLED and c.expiry == structure.expiry for c in legs)
