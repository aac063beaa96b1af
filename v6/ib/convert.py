"""Wire objects to ours and back; NaN, sentinels and empty strings end here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Final

import ib_async

from v6.errors import BrokerError
from v6.model.contract import Contract, Right, SecType
from v6.model.order import Fill
from v6.model.position import Structure
from v6.model.quote import Greeks, Quote, QuoteType
from v6.model.upcoming import Dividend, NextDividend, NoDividend
from v6.ports import BrokerStatus, CommissionReport, OrderReport, Ticket

UNSET: Final = 1e300
"""IB writes 1.7976931348623157E308 for "not available"; nothing of ours is ever this large."""

CURRENCY: Final = "USD"
"""The currency of the account and of all that is traded; amounts in another one are not added up with it."""

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
    """Return a price of one contract; IB's -1 and 0 (nothing there) are missing."""
    found = number(value)
    return None if found is None or found <= 0 else found


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
    """Return our contract; raise BrokerError for a kind that V6 does not trade or read, or fields that say nothing."""
    try:
        sec_type = SecType(contract.secType)
    except ValueError:
        raise BrokerError(f"unknown security type {contract.secType!r} of {contract.symbol}") from None
    try:
        return _ours(contract, sec_type)
    except (ValueError, ArithmeticError) as error:
        raise BrokerError(f"unreadable contract {contract.conId} of {contract.symbol}: {error}") from error


def _ours(contract: ib_async.Contract, sec_type: SecType) -> Contract:
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
    return day(text) if len(text) >= 8 else None


def series(symbol: str, trading_class: str, expiry: date) -> ib_async.Option:
    """Return the pattern of all options of one class and expiry."""
    return ib_async.Option(symbol, f"{expiry:%Y%m%d}", exchange="SMART", currency=CURRENCY, tradingClass=trading_class)


def expiries(chains: Iterable[ib_async.OptionChain], trading_class: str) -> list[date]:
    """Return the expiries of the class in the answers to a chain's question, sorted; ValueError for no date."""
    found = {text for chain in chains if chain.tradingClass == trading_class for text in chain.expirations}
    return sorted(map(day, found))


def day(text: str) -> date:
    """Return the day of `YYYYMMDD`, also when a time and a zone follow it; raises ValueError."""
    return datetime.strptime(text[:8], "%Y%m%d").replace(tzinfo=UTC).date()


def quote_of(ticker: ib_async.Ticker, con_id: int, at: datetime) -> Quote:
    """Return what the ticker says, `at` being when its last tick came."""
    bid, ask = price(ticker.bid), price(ticker.ask)
    # NaN is a bid that never came; -1 and 0 are IB's words for none.
    if ticker.bid in {-1, 0} and ask is not None and ask <= WORTHLESS_ASK:
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
        halted=halted(ticker),
    )


def halted(ticker: ib_async.Ticker) -> bool | None:
    """Return whether tick 49 says that trading is halted (1 by the exchange, 2 by volatility), None if it never came.

    ib_async makes 0 of -1, "not known", which IB sends with frozen prices: those are not live anyway.
    """
    told = number(ticker.halted)
    return None if told is None else told > 0


def dividend_of(ticker: ib_async.Ticker) -> NextDividend:
    """Return what generic tick 456 told of the next dividend, None if it told nothing that can be relied on.

    IB's date is the ex-date (its own example is Microsoft's of 2013-02-19). Only a sum of exactly zero for the next
    twelve months says that there is none: an empty one says nothing.
    """
    told = ticker.dividends
    if told is None:
        return None
    amount, year = number(told.nextAmount), number(told.next12Months)
    if isinstance(told.nextDate, date) and amount is not None and amount > 0:
        when = told.nextDate
        return Dividend(when.date() if isinstance(when, datetime) else when, amount)
    return NoDividend() if year == 0 and told.nextDate is None and not amount else None


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
    if vega < 0 or gamma < 0 or theta == -2 or not -1 <= delta <= 1 or iv <= 0:
        return None
    return Greeks(delta, gamma, theta, vega, iv)


def bag(structure: Structure) -> ib_async.Contract:
    """Return the structure as one guaranteed SMART combo: legs as we hold them, BUY for a positive ratio.

    One leg goes as itself, see `order_of` for its sign; raises BrokerError if its ratio is not 1 or -1.
    """
    first = structure.legs[0].contract
    if len(structure.legs) == 1:
        if abs(structure.legs[0].ratio) != 1:
            raise BrokerError(f"{first} alone needs the ratio 1 or -1")
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
    # A structure of one short leg is bought by selling the leg.
    side = ticket.side if _sign(ticket.structure) > 0 else ticket.side.opposite
    return ib_async.Order(
        orderId=ticket.order_id,
        action=side.value,
        totalQuantity=ticket.quantity,
        orderType="LMT",
        lmtPrice=limit_of(ticket),
        tif="DAY",
        account=account,
        orderRef=ticket.order_ref,
    )


def limit_of(ticket: Ticket) -> float:
    """Return the limit as the broker takes it: net for a BAG, the leg's own price for a single leg."""
    return float(ticket.limit * _sign(ticket.structure))


def _sign(structure: Structure) -> int:
    """Return -1 for a structure that is one short leg; the legs of a BAG carry their signs themselves."""
    return -1 if len(structure.legs) == 1 and structure.legs[0].ratio < 0 else 1


def fill_of(fill: ib_async.Fill) -> Fill | None:
    """Return a leg execution; None for the summary execution of a BAG, whose legs come by themselves."""
    if fill.contract.secType == "BAG":
        return None
    execution = fill.execution
    report = commission_of(fill.commissionReport) if fill.commissionReport.execId else None
    return Fill(
        exec_id=execution.execId,
        order_ref=execution.orderRef,
        con_id=fill.contract.conId,
        quantity=int(execution.shares) * (1 if execution.side == "BOT" else -1),
        price=Decimal(repr(execution.price)),
        at=execution.time.astimezone(UTC),
        commission=None if report is None else report.commission,
    )


def units_of(order: ib_async.Contract, fills: Iterable[ib_async.Fill]) -> int:
    """Return the units that the executions of one order stand for.

    A BAG's summaries count units and its legs' executions do not; a correction replaces what it corrects.
    """
    latest: dict[str, ib_async.Fill] = {}
    for fill in sorted(fills, key=lambda f: f.execution.execId):
        if (fill.contract.secType == "BAG") == (order.secType == "BAG"):
            latest[fill.execution.execId.rpartition(".")[0] or fill.execution.execId] = fill
    return sum(int(fill.execution.shares) for fill in latest.values())


def commission_of(report: ib_async.CommissionReport) -> CommissionReport | None:
    """Return what is known of the commission; an amount in another currency than ours is not known."""
    amount = number(report.commission)
    if amount is None or report.currency not in {"", CURRENCY}:
        return None
    return CommissionReport(report.execId, Decimal(repr(amount)))


def last_word(trade: ib_async.Trade) -> ib_async.TradeLogEntry | None:
    """Return the entry that gave the trade its status; executions and our own changes only repeat it."""
    words = (w for w in reversed(trade.log) if w.message != "Modify" and not w.message.startswith("Fill "))
    return next(words, None)


def report_of(trade: ib_async.Trade, filled: int | None = None) -> OrderReport | None:
    """Return the broker's word on the order, None where the client library only repeats our own wish.

    A status that ib_async inferred from an error text is DOUBTFUL: it marks live orders cancelled for codes that it
    does not know (ib_async #191). Only a refusal of a new order is taken as final.
    """
    entry = last_word(trade)
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


def working(trade: ib_async.Trade, filled: int) -> OrderReport | None:
    """Return the report that the order works, None for an order that is not ours."""
    order = trade.order
    if not order.orderRef:
        return None
    perm_id = order.permId or trade.orderStatus.permId
    return OrderReport(order.orderRef, order.orderId, perm_id, BrokerStatus.WORKING, filled)
