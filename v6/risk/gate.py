"""Review an intent against the limits, with the state as it would be after the fill."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, final

from v6.lang.desk import Limits
from v6.model.contract import Side
from v6.model.order import OrderIntent, Purpose
from v6.model.snapshot import Row

HARD_CONTRACT_CAP: Final = 100
"""No file can raise the units of one order above this (control C3)."""

_SEAL: Final = object()


@final
class Approved:
    """An intent that may be sent. Only `review` can make one, and the executor takes nothing else."""

    __slots__ = ("_intent",)

    def __init__(self, intent: OrderIntent, seal: object) -> None:
        if seal is not _SEAL:
            raise TypeError("only the risk gate approves")
        self._intent = intent

    @property
    def intent(self) -> OrderIntent:
        """Return what was approved; it cannot be exchanged for another."""
        return self._intent


@dataclass(frozen=True, slots=True)
class Denied:
    """An intent that is not sent; each reason starts with its code."""

    intent: OrderIntent
    reasons: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Book:
    """Our own side of the account at the moment of review.

    `held` maps position_id to units still open, `live` holds the position_ids with an order that has not ended,
    `opening_loss` is the max loss of opening orders still live, `halts` are reasons why nothing may open.
    """

    held: Mapping[str, int]
    live: frozenset[str]
    opening: int
    opening_loss: Decimal
    opened_today: int
    halts: tuple[str, ...] = ()


def review(intent: OrderIntent, portfolio: Row, limits: Limits, book: Book) -> Approved | Denied:
    """Return the verdict; an input that is missing denies an opening order and never a closing one."""
    reasons = [*_sane(intent, limits, book)]
    reasons += _opening(intent, portfolio, limits, book) if intent.purpose is Purpose.OPEN else _closing(intent, book)
    return Denied(intent, tuple(reasons)) if reasons else Approved(intent, _SEAL)


def _sane(intent: OrderIntent, limits: Limits, book: Book) -> list[str]:
    reasons = []
    if intent.quantity < 1:
        reasons.append(f"quantity: {intent.quantity} units")
    cap = min(limits.max_contracts_per_order, HARD_CONTRACT_CAP)
    if intent.purpose is Purpose.OPEN and intent.quantity > cap:
        reasons.append(f"max-contracts: {intent.quantity} units, limit {cap}")
    if intent.side is not (Side.BUY if intent.purpose is Purpose.OPEN else Side.SELL):
        reasons.append(f"side: {intent.side} does not {intent.purpose} a position")
    if intent.position_id in book.live:
        reasons.append(f"live-sibling: an order for {intent.position_id} has not ended")
    if (intent.worst - intent.limit) * intent.side.sign < 0:
        reasons.append(f"price: the walk from {intent.limit} to {intent.worst} improves instead of conceding")
    low, high = intent.structure.extremes()
    for price in (intent.limit, intent.worst):
        # Control C2: no net price outside what the structure can ever be worth.
        if (low is not None and price < low) or (high is not None and price > high):
            reasons.append(f"price: {price} is outside the payoff {low}..{high}")
    return reasons


def _closing(intent: OrderIntent, book: Book) -> list[str]:
    held = book.held.get(intent.position_id, 0)
    if intent.quantity > held:
        return [f"no-flip: closing {intent.quantity} units of {held} held"]
    return []


def _opening(intent: OrderIntent, portfolio: Row, limits: Limits, book: Book) -> list[str]:
    reasons = [f"halted: {halt}" for halt in book.halts]
    positions = len(book.held) + book.opening + 1
    if positions > limits.max_open_positions:
        reasons.append(f"max-positions: would be {positions}, limit {limits.max_open_positions}")
    if book.opened_today + 1 > limits.max_new_orders_per_day:
        reasons.append(f"orders-per-day: {book.opened_today} sent, limit {limits.max_new_orders_per_day}")
    to_close = _number(portfolio, "minutes_to_close")
    if to_close is None or to_close < limits.min_minutes_to_close:
        reasons.append(f"session: {to_close} minutes to the close, at least {limits.min_minutes_to_close} needed")
    return reasons + _loss_limits(intent, portfolio, limits, book)


def _loss_limits(intent: OrderIntent, portfolio: Row, limits: Limits, book: Book) -> list[str]:
    net_liq = _number(portfolio, "net_liq")
    day = _number(portfolio, "day_pnl_ratio")
    total = _number(portfolio, "max_loss_ratio")
    margin = _number(portfolio, "margin_ratio")
    if net_liq is None or net_liq <= 0 or day is None or total is None or margin is None:
        return ["unknown-account: net_liq, day_pnl_ratio, max_loss_ratio or margin_ratio is missing"]
    low, _ = intent.structure.extremes()
    if low is None:
        return ["undefined-risk: the loss at expiry is not bounded"]
    loss = float((intent.worst - low) * intent.structure.multiplier * intent.quantity) / net_liq
    pending = float(book.opening_loss) / net_liq
    checks = (
        ("max-loss-per-order", loss, limits.max_loss_per_order_ratio),
        ("max-total-loss", total + pending + loss, limits.max_total_loss_ratio),
        # For defined risk the margin of a new structure is its max loss (Reg T), so the state after the fill is known.
        ("max-margin", margin + pending + loss, limits.max_margin_ratio),
        ("day-loss", -day, limits.max_day_loss_ratio),
    )
    return [f"{code}: {value:.2%} of net_liq, limit {limit:.2%}" for code, value, limit in checks if value > limit]


def _number(row: Row, name: str) -> float | None:
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, float | int) or not math.isfinite(value):
        return None
    return value
