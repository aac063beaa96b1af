"""The broker's average cost held against our own fills: pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from decimal import Decimal
from typing import Final

from v6.daemon.conflicts import Conflict, Kind, Resolution
from v6.execution.ledger import Ledger, OrderRecord
from v6.model.contract import Contract
from v6.model.order import Purpose
from v6.model.statement import Held

CENT: Final = Decimal("0.01")
UNKNOWN_FEE: Final = Decimal(3)
"""A commission per contract that nobody has told is at most about so much (IB, options in the US)."""


def cost_conflicts(ledger: Ledger, theirs: Mapping[int, Held]) -> Iterator[Conflict]:
    """Yield the contracts of which the broker says another average cost than our fills, where those alone make it.

    That is a contract which one order opened, nothing else of ours has traded, and both sides hold alike.
    """
    for holding in ledger.holdings.values():
        for leg in holding.position.structure.legs:
            contract = leg.contract
            held = theirs.get(contract.con_id)
            traded = [ledger.orders[ref] for ref in ledger.traders.get(contract.con_id, ())]
            if held is None or held.cost is None or len(traded) != 1 or traded[0].intent.purpose is not Purpose.OPEN:
                continue
            if held.quantity != sum(f.quantity for f in traded[0].fills if f.con_id == contract.con_id):
                continue
            paid, leeway = _cost(contract, traded[0])
            told = Decimal(repr(held.cost))
            if abs(told - paid) > leeway:
                text = f"{contract}: a contract cost us {paid:.2f} before commissions, the broker says {told:.2f}"
                yield Conflict(Kind.COST, Resolution.TELL, float(paid), held.cost, text, contract.con_id)


def _cost(contract: Contract, record: OrderRecord) -> tuple[Decimal, Decimal]:
    """Return the average cost of one contract without commissions, and how far the broker's may be from it."""
    own = [fill for fill in record.fills if fill.con_id == contract.con_id]
    count = sum(abs(fill.quantity) for fill in own)
    paid = sum((fill.price * abs(fill.quantity) for fill in own), Decimal(0)) / count * contract.multiplier
    known = [fill.commission for fill in own if fill.commission is not None]
    fee = sum(known, Decimal(0)) / count if len(known) == len(own) else UNKNOWN_FEE
    return paid, abs(fee) + CENT * contract.multiplier
