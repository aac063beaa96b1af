"""Turn decisions and proposals into intents: pure, and identical for a dry run."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime
from decimal import Decimal
from hashlib import sha256
from typing import Final

from v6.execution.walk import COMBO_TICK, to_tick
from v6.lang.desk import StrategyTemplate
from v6.model.contract import Side
from v6.model.decision import ActionKind, Decision, Urgency
from v6.model.order import OrderIntent, Purpose
from v6.model.position import Position, Structure
from v6.model.quote import Quote
from v6.strategy.build import Proposal
from v6.strategy.net import net_mid, net_natural

COLLAR_TICKS = 2
"""An immediate order may go this far beyond the far side, so that a market that moves away is still met."""


_CLOSING: Final = frozenset({ActionKind.CLOSE, ActionKind.ROLL, ActionKind.REDUCE})


def kept_units(units: int, fraction: float) -> int:
    """Return how many of the units stay when a fraction is given up; what is given up is rounded up to whole units."""
    # 0.1 + 0.2 of ten units are three, not four.
    return units - math.ceil(round(units * fraction, 9))


def intent_id(*parts: object) -> str:
    """Return the identity of an intent: the same cause gives the same id, and the journal takes an id once."""
    return sha256("\0".join(map(str, parts)).encode()).hexdigest()[:20]


def plan_close(
    decision: Decision, position: Position, units: int, quotes: Mapping[int, Quote], at: datetime, attempt: int
) -> OrderIntent | str:
    """Return the intent that closes `units` of the position, or why there is no price for it."""
    if decision.action is None or decision.action.kind not in _CLOSING:
        raise ValueError(f"{decision.decision_id} does not close")
    urgency = decision.action.urgency
    prices = _walk_ends(position.structure, quotes, Side.SELL, urgency)
    if prices is None:
        return f"{position.position_id}: a leg has no two-sided quote, so there is no price to close at"
    return OrderIntent(
        intent_id=intent_id("close", position.position_id, decision.decision_id, attempt),
        position_id=position.position_id,
        purpose=Purpose.CLOSE,
        side=Side.SELL,
        strategy=position.strategy,
        structure=position.structure,
        quantity=units,
        limit=prices[0],
        worst=prices[1],
        urgency=urgency,
        created_at=at,
        decision_id=decision.decision_id,
        rule_id=decision.rule_id,
        attempt=attempt,
        rolls=decision.action.kind is ActionKind.ROLL,
    )


def plan_open(
    template: StrategyTemplate, proposal: Proposal, snapshot_id: str, at: datetime, roll_of: str | None
) -> OrderIntent:
    """Return the intent that opens the proposal."""
    identity = intent_id("open", template.id, snapshot_id, roll_of or "")
    mid, natural = Decimal(repr(proposal.mid)), Decimal(repr(proposal.natural))
    # The walk ends at the least credit or most debit that the template accepts, however far away the far side is.
    bound = Decimal(repr(proposal.bound))
    worst = min(to_tick(natural, Side.BUY, concede=True), to_tick(bound, Side.BUY, concede=False))
    return OrderIntent(
        intent_id=identity,
        position_id=f"{template.id}-{at:%Y%m%d}-{identity[:6]}",
        purpose=Purpose.OPEN,
        side=Side.BUY,
        strategy=template.id,
        structure=proposal.structure,
        quantity=proposal.quantity,
        limit=to_tick(mid, Side.BUY, concede=False),
        worst=worst,
        urgency=template.price.urgency,
        created_at=at,
        roll_of=roll_of,
    )


def closing_limit(intent: OrderIntent, quotes: Mapping[int, Quote]) -> Decimal | None:
    """Return the limit at which a resting closing order would fill now, or None without a price."""
    prices = _walk_ends(intent.structure, quotes, intent.side, intent.urgency)
    return None if prices is None else prices[1]


def _walk_ends(
    structure: Structure, quotes: Mapping[int, Quote], side: Side, urgency: Urgency
) -> tuple[Decimal, Decimal] | None:
    mid, natural = net_mid(structure, quotes), net_natural(structure, quotes, side)
    if mid is None or natural is None:
        return None
    start = to_tick(Decimal(repr(mid)), side, concede=False)
    end = to_tick(Decimal(repr(natural)), side, concede=True)
    if urgency is Urgency.IMMEDIATE:
        end += side.sign * COLLAR_TICKS * COMBO_TICK
    # A net price that the structure can never be worth is never offered nor asked.
    low, high = structure.extremes()
    start, end = _within(start, low, high), _within(end, low, high)
    return (min(start, end) if side is Side.BUY else max(start, end)), end


def _within(price: Decimal, low: Decimal | None, high: Decimal | None) -> Decimal:
    price = price if high is None else min(price, high)
    return price if low is None else max(price, low)
