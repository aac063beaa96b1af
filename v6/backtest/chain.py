"""Segments become one account: each day's profit and loss of all of them, added up from the cash at the start."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

from v6.backtest.record import SegmentResult, Trade


@dataclass(frozen=True, slots=True)
class Day:
    """One session of the chained account, in dollars; as `DayMark`, all segments together."""

    day: date
    equity: float
    pnl: float
    margin: float
    open_positions: int
    commission: float
    slippage: float


@dataclass(frozen=True, slots=True)
class Account:
    """The chained account: what it began with, its sessions, and all trades in the order of their opening."""

    cash: float
    days: tuple[Day, ...]
    trades: tuple[Trade, ...]

    @property
    def returns(self) -> list[float]:
        """Return each session's profit and loss over the equity before it."""
        before = [self.cash, *(d.equity for d in self.days)]
        return [d.pnl / b for d, b in zip(self.days, before, strict=False)]

    def between(self, first: date, last: date) -> Account:
        """Return the part from first to last: its sessions, and the trades that were opened in them."""
        inside = [i for i, d in enumerate(self.days) if first <= d.day <= last]
        cash = self.days[inside[0] - 1].equity if inside and inside[0] else self.cash
        trades = tuple(t for t in self.trades if first <= t.opened.date() <= last)
        return Account(cash, tuple(self.days[i] for i in inside), trades)


def chain(results: Sequence[SegmentResult]) -> Account:
    """Return the account of segments in order; they must have begun with the same cash.

    Dollars are added, not returns: each segment sized its positions by an account that began anew, so with one
    segment this is exactly what happened, and with more it is what the same dollars make together.
    """
    cash = results[0].cash
    if any(r.cash != cash for r in results):
        raise ValueError("segments of different accounts cannot be chained")
    marks = sorted((mark for r in results for mark in r.days), key=lambda mark: mark.day)
    days: list[Day] = []
    for mark in marks:
        if days and days[-1].day == mark.day:
            last = days.pop()
            days.append(
                Day(
                    mark.day,
                    last.equity + mark.pnl,
                    last.pnl + mark.pnl,
                    last.margin + mark.margin,
                    last.open_positions + mark.open_positions,
                    last.commission + mark.commission,
                    last.slippage + mark.slippage,
                )
            )
        else:
            equity = (days[-1].equity if days else cash) + mark.pnl
            days.append(
                Day(mark.day, equity, mark.pnl, mark.margin, mark.open_positions, mark.commission, mark.slippage)
            )
    trades = sorted((t for r in results for t in r.trades), key=lambda t: (t.opened, t.position_id))
    return Account(cash, tuple(days), tuple(trades))
