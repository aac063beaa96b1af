"""Wire objects to ours and back; NaN, sentinels and empty strings end here."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import ib_async

from v6.errors import BrokerError
from v6.model.contract import Contract, Right, SecType
from v6.model.order import Fill
from v6.model.position import Structure
from v6.model.quote import Greeks, Quote, QuoteType
from v6.ports import BrokerStatus, CommissionReport, OrderReport, Ticket

UNSET: Final = 1e300
"""IB writes 1.7976931348623157E308 for "not available"; nothing of ours is ever this large."""

WORTHLESS_ASK: Final = 0.50
"""Under an ask of at most this, an explicit empty bid means that nobody bids for a nearly worthless option.

The bid is then known to be zero. Under a higher ask an empty bid is a hole in the data, and the mid is missing.
"""

_TYPES = {1: QuoteType.LIVE, 2: QuoteType.FROZEN, 3: QuoteType.DELAYED, 4: QuoteType.DELAYED_FROZEN}

_STATUS: Final = {
    "PreSubmitted": BrokerStatus.WORKING,
    "Submitted": BrokerStatus.WORKING,
    "Filled": BrokerStatus.FILLED,
    "Cancelled": BrokerStatus.CANCELLED,
    "ApiCancelled": BrokerStatus.CANCELLED,
    "Inactive": BrokerStatus.DOUBTFUL,
    "ValidationError": BrokerStatus.DOUBTFUL,
}

REJECTED_CODES: Final = frozenset({110, 201, 203})
"""Errors that refuse a new order for good: tick size, rejected, not allowed for the account."""

HELD_CODES: Final = frozenset({399})
"""Errors that only tell something about an order that lives on."""


def number(value: float | None) -> float | None:
    """Return a finite value that is no "unset" sentinel, else None."""
    if value is None or not math.isfinite(value) or abs(value) >= UNSET:
        return None
    return float(value)


def price(value: float | None) -> float | None:
    """Return a price of one contract; IB's -1 (nothing there) is missing."""
    found = number(value)
    return None if found is None or found < 0 else found


def to_ib(contract: Contract) -> ib_async.Contract:
    """Return the ib_async contract that names ours by con_id."""
    return ib_async.Contract(
        secType=contract.sec_type.value,
        conId=contract.con_id,
        symbol=contract.symbol,
        lastTradeDateOrContractMonth=f"{contract.expiry:%Y%m%d}" if contract.expiry else "",
        strike=float(contract.strike) if contract.strike is not None else 0.0,
        right=contract.right.value if contract.right else "",
        multiplier=str(contract.multiplier) if contract.sec_type is SecType.OPTION else "",
        exchange=contract.exchange,
        currency=contract.currency,
        tradingClass=contract.trading_class,
    )


def from_ib(contract: ib_async.Contract) -> Contract:
    """Return our contract; raise BrokerError for a kind that V6 does not trade or read."""
    try:
        sec_type = SecType(contract.secType)
    except ValueError:
        raise BrokerError(f"unknown security type {contract.secType!r} of {contract.symbol}") from None
    return Contract(
        con_id=contract.conId,
        symbol=contract.symbol,
        sec_type=sec_type,
        exchange=contract.exchange,
        currency=contract.currency,
        multiplier=int(contract.multiplier or 1),
        trading_class=contract.tradingClass,
        expiry=_day(contract.lastTradeDateOrContractMonth),
        strike=Decimal(repr(contract.strike)).normalize() if sec_type is SecType.OPTION else None,
        right=Right(contract.right[:1]) if sec_type is SecType.OPTION else None,
    )


def _day(text: str) -> date | None:
    """Return the day of `YYYYMMDD`, also when a time and a zone follow it."""
    return datetime.strptime(text[:8], "%Y%m%d").replace(tzinfo=UTC).date() if len(text) >= 8 else None


def quote_of(ticker: ib_async.Ticker, con_id: int, at: datetime) -> Quote:
    """Return what the ticker says, `at` being when its last tick came."""
    bid, ask = price(ticker.bid), price(ticker.ask)
    if bid is None and ticker.bid == -1 and ask is not None and ask <= WORTHLESS_ASK:
        bid = 0.0
    return Quote(
        con_id=con_id,
        at=at,
        bid=bid,
        ask=ask,
        last=price(ticker.last),
        close=price(ticker.close),
        greeks=_greeks(ticker.modelGreeks),
        type=_TYPES.get(ticker.marketDataType, QuoteType.DELAYED_FROZEN),
    )


def _greeks(model: ib_async.OptionComputation | None) -> Greeks | None:
    """Return the broker's model greeks, or None unless all of them are there.

    ib_async lets the sentinel -2 of vega and theta through (wrapper.tickOptionComputation); vega is never negative,
    and a theta of exactly -2 is given up with it.
    """
    if model is None:
        return None
    delta, gamma, iv = number(model.delta), number(model.gamma), number(model.impliedVol)
    vega, theta = number(model.vega), number(model.theta)
    if delta is None or gamma is None or iv is None or vega is None or theta is None:
        return None
    if vega < 0 or theta == -2 or not -1 <= delta <= 1 or iv <= 0:
        return None
    return Greeks(delta, gamma, theta, vega, iv)


def bag(structure: Structure) -> ib_async.Contract:
    """Return the structure as one guaranteed SMART combo: legs as we hold them, BUY for a positive ratio."""
    first = structure.legs[0].contract
    if len(structure.legs) == 1:
        return to_ib(first)
    legs = [
        ib_async.ComboLeg(
            conId=leg.contract.con_id,
            ratio=abs(leg.ratio),
            action="BUY" if leg.ratio > 0 else "SELL",
            exchange="SMART",
        )
        for leg in structure.legs
    ]
    return ib_async.Contract(
        secType="BAG", symbol=structure.symbol, exchange="SMART", currency=first.currency, comboLegs=legs
    )


def order_of(ticket: Ticket, account: str) -> ib_async.Order:
    """Return a DAY limit order; tif is always set, because IB cancels orders that get it from a preset (10349)."""
    return ib_async.Order(
        orderId=ticket.order_id,
        action=ticket.side.value,
        totalQuantity=ticket.quantity,
        orderType="LMT",
        lmtPrice=float(ticket.limit),
        tif="DAY",
        account=account,
        orderRef=ticket.order_ref,
    )


def fill_of(fill: ib_async.Fill) -> Fill | None:
    """Return a leg execution; None for the summary execution of a BAG, whose legs come by themselves."""
    if fill.contract.secType == "BAG":
        return None
    execution = fill.execution
    known = fill.commissionReport.execId and number(fill.commissionReport.commission) is not None
    return Fill(
        exec_id=execution.execId,
        order_ref=execution.orderRef,
        con_id=fill.contract.conId,
        quantity=int(execution.shares) * (1 if execution.side == "BOT" else -1),
        price=Decimal(repr(execution.price)),
        at=execution.time.astimezone(UTC),
        commission=Decimal(repr(fill.commissionReport.commission)) if known else None,
    )


def units_of(fill: ib_async.Fill, legs: int) -> int:
    """Return the units of the order that the execution stands for: a BAG's summary, or a single leg's own."""
    is_unit = fill.contract.secType == "BAG" or legs <= 1
    return int(fill.execution.shares) if is_unit else 0


def commission_of(report: ib_async.CommissionReport) -> CommissionReport | None:
    amount = number(report.commission)
    return None if amount is None else CommissionReport(report.execId, Decimal(repr(amount)))


def report_of(trade: ib_async.Trade, filled: int | None = None) -> OrderReport | None:
    """Return the broker's word on the order, None where the client library only repeats our own wish.

    A status that ib_async inferred from an error text is DOUBTFUL: it marks live orders cancelled for codes that it
    does not know (ib_async #191). Only a refusal of a new order is taken as final.
    """
    entry = trade.log[-1] if trade.log else None
    code = entry.errorCode if entry is not None else 0
    status = _STATUS.get(trade.orderStatus.status)
    perm_id = trade.order.permId or trade.orderStatus.permId
    text = entry.message if entry is not None else ""
    if code in HELD_CODES:
        status = BrokerStatus.WORKING
    elif code in REJECTED_CODES and not perm_id:
        status = BrokerStatus.REJECTED
    elif code and code != 202:
        status = BrokerStatus.DOUBTFUL
    if status is None or not trade.order.orderRef:
        return None
    units = int(trade.orderStatus.filled) if filled is None else filled
    return OrderReport(trade.order.orderRef, trade.order.orderId, perm_id, status, units, text)
