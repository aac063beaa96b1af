"""What the broker says of the whole account, converted."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC

import ib_async

from v6.errors import BrokerError
from v6.ib import convert
from v6.model.contract import Contract
from v6.model.statement import Execution, Held, OpenOrder


def held(items: Iterable[ib_async.Position], account: str) -> dict[int, Held]:
    """Return the positions of the account; a change that comes amid the answer follows the older figure."""
    found: dict[int, Held] = {}
    for item in items:
        if item.account != account:
            continue
        found[item.contract.conId] = Held(
            int(item.position), _contract(item.contract), convert.number(float(item.avgCost))
        )
    return {con_id: position for con_id, position in found.items() if position.quantity}


def open_order(trade: ib_async.Trade) -> OpenOrder:
    """Return an open order in words: `SELL 2 SPX BAG LMT 2.5`."""
    order = trade.order
    contract = _contract(trade.contract) or f"{trade.contract.symbol} {trade.contract.secType}"
    limit = None if order.lmtPrice is None else convert.number(float(order.lmtPrice))
    parts = (order.action, f"{order.totalQuantity:g}", str(contract), order.orderType)
    text = " ".join(parts) + ("" if limit is None or order.orderType == "MKT" else f" {limit:g}")
    perm_id = order.permId or trade.orderStatus.permId
    return OpenOrder(perm_id, order.clientId, order.orderRef, text)


def executions(fills: Iterable[ib_async.Fill]) -> list[Execution]:
    """Return the executions of single contracts; the summary of a combo repeats what its legs say."""
    return [
        Execution(
            fill.execution.execId,
            fill.execution.clientId,
            fill.execution.orderRef,
            fill.contract.conId,
            int(fill.execution.shares) * (1 if fill.execution.side == "BOT" else -1),
            fill.execution.time.astimezone(UTC),
        )
        for fill in fills
        if fill.contract.secType != "BAG"
    ]


def _contract(wire: ib_async.Contract) -> Contract | None:
    try:
        return convert.from_ib(wire)
    except BrokerError:
        return None  # another kind than V6 reads, or a combo without its terms: its con_id names it
