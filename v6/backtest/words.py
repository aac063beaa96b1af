"""The key figures in words, for the terminal and for pages."""

from __future__ import annotations

from v6.backtest.metrics import Figures
from v6.backtest.outcome import Outcome
from v6.report import Unit, counted, spoken


def money(value: float | None) -> str:
    """Return dollars without cents."""
    return spoken(value, Unit.USD)


def percent(value: float | None, decimals: int = 1) -> str:
    """Return a ratio as per cent."""
    return spoken(value, Unit.PERCENT, decimals)


def number(value: float | None, decimals: int = 2) -> str:
    """Return a plain number."""
    return spoken(value, Unit.PLAIN, decimals)


def key_figures(outcome: Outcome) -> list[tuple[str, str, str]]:
    """Return (name, of the account, of the index held) for each key figure."""
    ours, held = outcome.figures, outcome.buy_and_hold
    rows = [
        ("Profit and loss", money(ours.pnl), money(held.pnl)),
        ("CAGR", percent(ours.cagr, 2), percent(held.cagr, 2)),
        ("Volatility", percent(ours.volatility, 2), percent(held.volatility, 2)),
        ("Sharpe", number(ours.sharpe), number(held.sharpe)),
        ("Sortino", number(ours.sortino), number(held.sortino)),
        ("Largest drawdown", percent(ours.max_drawdown, 2), percent(held.max_drawdown, 2)),
        ("Longest time under water", _time(ours), _time(held)),
        ("CVaR 5 % of a day", percent(ours.cvar_5, 2), percent(held.cvar_5, 2)),
    ]
    trading = [
        ("Trades", f"{ours.trades}" + (f" and {ours.open_at_end} open" if ours.open_at_end else "")),
        ("Won", percent(ours.win_rate)),
        ("Profit factor", number(ours.profit_factor)),
        ("Mean trade", money(ours.average_trade)),
        ("Mean days held", number(ours.average_days_held, 1)),
        ("Sessions with a position", percent(ours.exposure)),
        ("Mean and most margin of equity", f"{percent(ours.margin_use)}, {percent(ours.most_margin)}"),
        ("Yearly return on mean margin", percent(ours.return_on_margin)),
        ("Commissions", money(ours.commission)),
        ("Slippage against theoretical value", money(ours.slippage)),
    ]
    band = outcome.drawdown_band
    if band is not None:
        text = f"{percent(band.best_5)} to {percent(band.worst_5)}"
        trading.append(("Largest drawdown, 90 % of resampled histories", text))
    return rows + [(name, value, "") for name, value in trading]


def _time(figures: Figures) -> str:
    return counted(figures.drawdown_sessions, "session") + (", still" if figures.under_water_at_end else "")
