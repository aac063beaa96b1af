"""Small accounts whose figures can be worked out by hand."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

from v6.backtest.chain import Account, Day
from v6.backtest.record import STILL_OPEN, Trade
from v6.pricing.calendar import xnys

FIRST = date(2014, 3, 3)
DAYS = xnys().sessions(FIRST, date(2018, 12, 31))


def account(*pnl: float, cash: float = 1000.0, margin: float = 0.0, trades: tuple[Trade, ...] = ()) -> Account:
    days, equity = [], cash
    for day, change in zip(DAYS, pnl, strict=False):
        equity += change
        days.append(Day(day, equity, change, margin, int(margin > 0), 1.0, 2.0))
    return Account(cash, tuple(days), trades)


def trade(
    pnl: float | None, *, opened: date = FIRST, held: float = 10.0, exit: str = "take_profit", open_gain: float = 0.0
) -> Trade:
    start = datetime(opened.year, opened.month, opened.day, 15, tzinfo=UTC)
    return Trade(
        position_id=f"p{opened}{pnl}",
        legs="+1 90P -1 95P",
        expiry=opened + timedelta(days=45),
        units=1,
        opened=start,
        closed=None if pnl is None else start + timedelta(days=held),
        entry_price=-2.0,
        exit_price=None if pnl is None else -1.0,
        pnl=pnl,
        unrealized=open_gain if pnl is None else None,
        commission=5.0,
        slippage=7.0,
        max_loss=300.0,
        exit=STILL_OPEN if pnl is None else exit,
    )
