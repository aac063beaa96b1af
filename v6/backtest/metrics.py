"""Key figures of an account: pure. A ratio without a denominator is None, never 0."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from math import isfinite
from typing import Any, Final, TypeAlias

import numpy as np
import numpy.typing as npt

from v6.backtest.chain import Account
from v6.backtest.record import Trade

SESSIONS_PER_YEAR: Final = 252
BLOCK: Final = 21
"""Sessions that the bootstrap keeps together: about as long as a position's fortunes hang together."""

Array: TypeAlias = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Figures:
    """The key figures of an account or of a part of it.

    Ratios are of equity, and yearly where they are called so (252 sessions); `cvar_5` is the mean of the worst 5 % of
    daily returns; `drawdown_sessions` the longest time below an earlier peak, `under_water_at_end` if it goes on;
    `exposure` the share of sessions with a position; `margin_use` the mean margin over equity on sessions with one;
    `return_on_margin` the yearly profit over the mean margin of those sessions. Trades that are still open count in
    `open_at_end` and in nothing that is about trades.
    """

    sessions: int
    start_equity: float
    end_equity: float
    pnl: float
    cagr: float | None
    volatility: float | None
    sharpe: float | None
    sortino: float | None
    max_drawdown: float | None
    drawdown_sessions: int
    under_water_at_end: bool
    cvar_5: float | None
    trades: int
    open_at_end: int
    win_rate: float | None
    profit_factor: float | None
    average_trade: float | None
    average_days_held: float | None
    exposure: float | None
    margin_use: float | None
    most_margin: float | None
    return_on_margin: float | None
    commission: float
    slippage: float


def figures(account: Account) -> Figures:
    """Return the key figures; one with no session has none but zeros of money."""
    returns = np.array(account.returns)
    closed = [t for t in account.trades if t.pnl is not None]
    held = [_days_held(t) for t in closed]
    end = account.days[-1].equity if account.days else account.cash
    longest, under_water = _drawdown_time([account.cash, *(d.equity for d in account.days)])
    margins = [(d.margin, d.equity) for d in account.days if d.margin > 0]
    pnl = end - account.cash
    return Figures(
        sessions=len(account.days),
        start_equity=account.cash,
        end_equity=end,
        pnl=pnl,
        **_ratios(returns),
        max_drawdown=_of(returns, "max_drawdown"),
        drawdown_sessions=longest,
        under_water_at_end=under_water,
        trades=len(closed),
        open_at_end=len(account.trades) - len(closed),
        win_rate=win_rate(closed),
        profit_factor=profit_factor(closed),
        average_trade=mean([t.pnl for t in closed if t.pnl is not None]),
        average_days_held=mean([h for h in held if h is not None]),
        exposure=_exposure(account),
        margin_use=mean([margin / equity for margin, equity in margins if equity > 0]),
        most_margin=max((margin / equity for margin, equity in margins if equity > 0), default=None),
        return_on_margin=_return_on_margin(pnl, len(account.days), [margin for margin, _ in margins]),
        commission=sum(d.commission for d in account.days),
        slippage=sum(d.slippage for d in account.days),
    )


def _ratios(returns: Array) -> dict[str, Any]:
    # A day's deviation is unknown from one day, and a ratio over a deviation of nothing is none.
    moves = len(returns) > 1 and bool(np.ptp(returns) > 0)
    return {
        "cagr": _of(returns, "annual_return"),
        "volatility": _of(returns, "annual_volatility") if len(returns) > 1 else None,
        "sharpe": _of(returns, "sharpe_ratio") if moves else None,
        "sortino": _of(returns, "sortino_ratio") if moves and bool((returns < 0).any()) else None,
        "cvar_5": _of(returns, "conditional_value_at_risk"),
    }


def _of(returns: Array, name: str) -> float | None:
    """Return empyrical's figure, None where it has none."""
    if not len(returns):
        return None
    # Half a second of imports that only a report needs.
    import empyrical

    measure: Callable[[Array], float] = getattr(empyrical, name)
    value = float(measure(returns))
    return value if isfinite(value) else None


def mean(values: Sequence[float]) -> float | None:
    """Return the mean, None of nothing."""
    return sum(values) / len(values) if values else None


def win_rate(trades: Sequence[Trade]) -> float | None:
    """Return the share of closed trades that brought more than nothing, None without one."""
    results = [t.pnl for t in trades if t.pnl is not None]
    return sum(pnl > 0 for pnl in results) / len(results) if results else None


def profit_factor(trades: Sequence[Trade]) -> float | None:
    """Return what winners brought over what losers lost, None without a loser."""
    results = [t.pnl for t in trades if t.pnl is not None]
    lost = -sum(pnl for pnl in results if pnl < 0)
    return sum(pnl for pnl in results if pnl > 0) / lost if lost > 0 else None


def _days_held(trade: Trade) -> float | None:
    return None if trade.closed is None else (trade.closed - trade.opened).total_seconds() / 86_400.0


def _exposure(account: Account) -> float | None:
    if not account.days:
        return None
    spans = [(t.opened.date(), t.closed.date() if t.closed else date.max) for t in account.trades]
    held = {d.day for d in account.days if d.open_positions > 0}
    held |= {d.day for d in account.days if any(first <= d.day <= last for first, last in spans)}
    return len(held) / len(account.days)


def _return_on_margin(pnl: float, sessions: int, margins: Sequence[float]) -> float | None:
    average = mean(margins)
    return None if average is None or average <= 0 else pnl / (sessions / SESSIONS_PER_YEAR) / average


def _drawdown_time(equity: Sequence[float]) -> tuple[int, bool]:
    """Return the most sessions in a row below an earlier peak, and whether the last one is."""
    peak, run, longest = equity[0], 0, 0
    for value in equity[1:]:
        run = run + 1 if value < peak else 0
        peak, longest = max(peak, value), max(longest, run)
    return longest, run > 0


def drawdowns(account: Account) -> list[float]:
    """Return for each session how far equity lies below its peak so far, as a ratio (0 or negative)."""
    peak, found = account.cash, []
    for day in account.days:
        peak = max(peak, day.equity)
        found.append(day.equity / peak - 1.0)
    return found


@dataclass(frozen=True, slots=True)
class Band:
    """Quantiles of the largest drawdown (ratios, negative) over resampled histories."""

    worst_5: float
    median: float
    best_5: float
    samples: int


def drawdown_band(account: Account, seed: int, samples: int = 2000) -> Band | None:
    """Return the band of the largest drawdown by a circular block bootstrap; None for less than two blocks.

    It tells what the order of good and bad months may do, not what months that never happened would.
    """
    returns = np.array(account.returns)
    count = len(returns)
    if count < 2 * BLOCK:
        return None
    starts = np.random.default_rng(seed).integers(0, count, (samples, -(-count // BLOCK)))
    order = (starts[:, :, None] + np.arange(BLOCK)) % count
    paths = np.cumprod(1.0 + returns[order.reshape(samples, -1)[:, :count]], axis=1)
    peaks = np.maximum(np.maximum.accumulate(paths, axis=1), 1.0)
    worst, median, best = np.quantile((paths / peaks - 1.0).min(axis=1), (0.05, 0.5, 0.95))
    return Band(float(worst), float(median), float(best), samples)
