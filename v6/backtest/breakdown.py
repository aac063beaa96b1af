"""Where the profit came from: by year, by exit, by the market's state. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Final

from v6.backtest.chain import Account
from v6.backtest.metrics import Figures, figures, mean, profit_factor, win_rate
from v6.backtest.record import STILL_OPEN, Trade
from v6.paper.market import DailyHistory
from v6.pricing.calendar import new_york_date

TREND_SESSIONS: Final = 200
BANDS: Final = ((15.0, "VIX below 15"), (20.0, "VIX 15 to 20"), (30.0, "VIX 20 to 30"))
ABOVE: Final = "VIX above 30"
UNKNOWN: Final = "not known"


@dataclass(frozen=True, slots=True)
class Group:
    """The trades of one kind; dollars, ratios None where there is nothing to divide by."""

    name: str
    trades: int
    pnl: float
    win_rate: float | None
    profit_factor: float | None
    average: float | None
    average_days: float | None
    worst: float | None


@dataclass(frozen=True, slots=True)
class Regime:
    """A state of the market: the sessions that began in it, and the trades that were opened in it."""

    name: str
    sessions: int
    pnl: float
    trades: Group


def by_year(account: Account) -> dict[int, Figures]:
    """Return the figures of each calendar year; a trade belongs to the year of its opening."""
    years = sorted({d.day.year for d in account.days})
    return {year: figures(account.between(date(year, 1, 1), date(year, 12, 31))) for year in years}


def by_exit(trades: Iterable[Trade]) -> list[Group]:
    """Return the trades by what closed them, the most frequent first; those still open come last."""
    kinds: dict[str, list[Trade]] = {}
    for trade in trades:
        kinds.setdefault(trade.exit, []).append(trade)
    groups = [group(name, chosen) for name, chosen in kinds.items()]
    return sorted(groups, key=lambda g: (g.name == STILL_OPEN, -g.trades, g.name))


def group(name: str, trades: Sequence[Trade]) -> Group:
    """Return what the trades brought; open ones count with what they would bring."""
    results = [r for t in trades if (r := t.unrealized if t.pnl is None else t.pnl) is not None]
    days = [(t.closed - t.opened).total_seconds() / 86_400.0 for t in trades if t.closed is not None]
    return Group(
        name, len(trades), sum(results), win_rate(trades), profit_factor(trades), mean(results), mean(days),
        min(results, default=None),
    )  # fmt: skip


def by_vix(account: Account, history: DailyHistory) -> list[Regime]:
    """Return the account by the VIX at the close before each session."""
    names = [name for _, name in BANDS] + [ABOVE]
    return _regimes(account, names, _at_close(history, lambda i: _band(history.sessions[i].vix)))


def by_trend(account: Account, history: DailyHistory) -> list[Regime]:
    """Return the account by whether the close before each session lay above the mean of the last 200."""
    names = ["index above its 200-session mean", "index below its 200-session mean"]
    closes = [s.close for s in history.sessions]

    def name(i: int) -> str:
        if i + 1 < TREND_SESSIONS:
            return UNKNOWN
        return names[closes[i] < sum(closes[i + 1 - TREND_SESSIONS : i + 1]) / TREND_SESSIONS]

    return _regimes(account, [*names, UNKNOWN], _at_close(history, name))


def _band(vix: float) -> str:
    return next((name for edge, name in BANDS if vix < edge), ABOVE)


def _at_close(history: DailyHistory, name: Callable[[int], str]) -> Callable[[date], str]:
    days = [s.day for s in history.sessions]
    known: dict[int, str] = {}

    def before(day: date) -> str:
        i = bisect_left(days, day) - 1
        if i < 0:
            return UNKNOWN
        return known.setdefault(i, name(i))

    return before


def _regimes(account: Account, names: Sequence[str], of: Callable[[date], str]) -> list[Regime]:
    found = []
    for name in names:
        days = [d for d in account.days if of(d.day) == name]
        trades = [t for t in account.trades if of(new_york_date(t.opened)) == name]
        if days or trades:
            found.append(Regime(name, len(days), sum(d.pnl for d in days), group(name, trades)))
    return found
