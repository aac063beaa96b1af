"""The report of a backtest as a page: what came out, where it came from, and what it must not be read without."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from v6 import __version__
from v6.backtest.breakdown import Group, Regime
from v6.backtest.metrics import drawdowns
from v6.backtest.outcome import Outcome
from v6.backtest.record import Trade
from v6.backtest.words import key_figures
from v6.errors import V6Error
from v6.report import (
    Bar,
    Bars,
    Chart,
    Column,
    Figure,
    Histogram,
    Line,
    Page,
    Prose,
    Section,
    Table,
    Tone,
    Unit,
    counted,
    render,
    spoken,
)

WORST: Final = 10
BINS: Final = 24


def write_page(outcome: Outcome, path: Path) -> None:
    """Write the report; raises V6Error if the file cannot be written."""
    try:
        path.write_text(render(page_of(outcome)), encoding="utf-8")
    except OSError as error:
        raise V6Error(f"{path}: the report cannot be written: {error.strerror}") from error


def page_of(outcome: Outcome) -> Page:
    """Return the report as a page."""
    settings = outcome.settings
    costs = "with spreads and commissions" if settings.costs else "without any costs"
    return Page(
        title=f"Backtest of {settings.template}",
        subtitle=f"{settings.first} to {settings.last}, {outcome.figures.sessions} sessions, {costs}",
        figures=_strip(outcome),
        sections=_sections(outcome),
        foot=(
            f"V6 {__version__}, bundle {settings.bundle_fingerprint[:12]}, history {settings.history_sha256[:12]}, "
            f"seed {settings.seed}",
        ),
    )


def _sections(outcome: Outcome) -> tuple[Section, ...]:
    trades = outcome.account.trades
    closed = [t for t in trades if t.pnl is not None]
    worst = sorted(closed, key=lambda t: t.pnl or 0.0)[:WORST]
    sections: list[Section | None] = [
        _equity(outcome),
        _against_index(outcome),
        _key_table(outcome),
        _bars("P&L by year", ((str(year), f.pnl, f.trades) for year, f in outcome.by_year.items())),
        _years(outcome),
        _bars("P&L by what closed the position", ((g.name, g.pnl, g.trades) for g in outcome.by_exit)),
        _groups("By exit", "closed by", outcome.by_exit),
        _regimes("By the VIX at the close before", outcome.by_vix),
        _regimes("By the trend at the close before", outcome.by_trend),
        _histogram(closed),
        _trades("Worst trades", worst),
        Prose("What these figures must not be read without", outcome.caveats, tone=Tone.WARN, anchor="caveats"),
        _settings(outcome),
        _trades("All trades", trades),
    ]
    return tuple(section for section in sections if section is not None)


def _bars(title: str, rows: Iterable[tuple[str, float, int]]) -> Bars:
    return Bars(title, tuple(Bar(name, pnl, counted(trades, "trade")) for name, pnl, trades in rows))


def _strip(outcome: Outcome) -> tuple[Figure, ...]:
    f = outcome.figures
    paid = f.commission + f.slippage
    longest = f"under water for up to {counted(f.drawdown_sessions, 'session')}"
    return (
        Figure("Profit and loss", spoken(f.pnl, Unit.USD, signed=True), tone=_tone(f.pnl)),
        Figure("CAGR", spoken(f.cagr, Unit.PERCENT, 2, signed=True), tone=_tone(f.cagr)),
        Figure("Sharpe", spoken(f.sharpe), "yearly, no interest taken off"),
        Figure("Largest drawdown", spoken(f.max_drawdown, Unit.PERCENT), longest),
        Figure("Trades won", spoken(f.win_rate, Unit.PERCENT), f"of {f.trades} closed"),
        Figure("Profit factor", spoken(f.profit_factor), "won dollars over lost dollars"),
        Figure("Costs paid", spoken(paid, Unit.USD), "commissions, and slippage against theoretical value"),
    )


def _tone(value: float | None) -> Tone:
    return Tone.PLAIN if not value else Tone.UP if value > 0 else Tone.DOWN


def _equity(outcome: Outcome) -> Chart:
    account = outcome.account
    days = tuple(d.day for d in account.days)
    return Chart(
        "Equity of the account",
        days,
        (
            Line("account", tuple(d.equity for d in account.days)),
            Line("cash, without interest", tuple(account.cash for _ in days), benchmark=True),
        ),
        below=(Line("account", tuple(drawdowns(account))),),
        anchor="equity",
    )


def _against_index(outcome: Outcome) -> Chart:
    account = outcome.account
    peaks = np.maximum(np.maximum.accumulate(outcome.index), account.cash)
    fallen = tuple((np.array(outcome.index) / peaks - 1.0).tolist())
    return Chart(
        "Against the index",
        tuple(d.day for d in account.days),
        (
            Line("account", tuple(d.equity for d in account.days)),
            Line("S&P 500 bought and held, price only", outcome.index, benchmark=True),
        ),
        below=(Line("account", tuple(drawdowns(account))), Line("S&P 500", fallen, benchmark=True)),
        summary="The same cash in the index, bought at the close before the first session; dividends are left out.",
    )


def _key_table(outcome: Outcome) -> Table:
    return Table(
        "Key figures",
        (Column("figure"), Column("account"), Column("S&P 500, held")),
        tuple((name, ours, held) for name, ours, held in key_figures(outcome)),
        summary="A dash is a figure that cannot be worked out, such as a ratio over nothing.",
    )


def _years(outcome: Outcome) -> Table:
    columns = (
        Column("year"),
        Column("P&L", Unit.USD, toned=True),
        Column("return", Unit.PERCENT, 2, toned=True),
        Column("volatility", Unit.PERCENT),
        Column("Sharpe", Unit.PLAIN),
        Column("largest drawdown", Unit.PERCENT),
        Column("trades", Unit.COUNT),
        Column("won", Unit.PERCENT),
        Column("commissions", Unit.USD),
        Column("slippage", Unit.USD),
    )
    rows = tuple(
        (
            str(year), f.pnl, f.pnl / f.start_equity, f.volatility, f.sharpe, f.max_drawdown, f.trades, f.win_rate,
            f.commission, f.slippage,
        )
        for year, f in outcome.by_year.items()
    )  # fmt: skip
    return Table("By year", columns, rows, summary="A trade belongs to the year in which it was opened.")


_GROUP: Final = (
    Column("trades", Unit.COUNT),
    Column("P&L of trades", Unit.USD, toned=True),
    Column("mean", Unit.USD, toned=True),
    Column("worst", Unit.USD, toned=True),
    Column("won", Unit.PERCENT),
    Column("profit factor", Unit.PLAIN),
    Column("days held", Unit.PLAIN, 1),
)


def _cells(g: Group) -> tuple[float | None, ...]:
    return (g.trades, g.pnl, g.average, g.worst, g.win_rate, g.profit_factor, g.average_days)


def _groups(title: str, kind: str, groups: Sequence[Group]) -> Table:
    return Table(title, (Column(kind), *_GROUP), tuple((g.name, *_cells(g)) for g in groups))


def _regimes(title: str, regimes: Sequence[Regime]) -> Table:
    own = (Column("state"), Column("sessions", Unit.COUNT), Column("P&L of sessions", Unit.USD, toned=True))
    rows = tuple((r.name, r.sessions, r.pnl, *_cells(r.trades)) for r in regimes)
    note = "Sessions count by the state before they began, trades by the state in which they were opened."
    return Table(title, (*own, *_GROUP), rows, summary=note)


def _histogram(closed: Sequence[Trade]) -> Histogram | None:
    results = [t.pnl for t in closed if t.pnl is not None]
    if len(results) < 2 or min(results) == max(results):
        return None
    counts, edges = np.histogram(results, bins=BINS)
    return Histogram("P&L of closed trades", tuple(edges.tolist()), tuple(int(c) for c in counts))


def _trades(title: str, trades: Sequence[Trade]) -> Table:
    columns = (
        Column("opened"),
        Column("closed"),
        Column("legs"),
        Column("expiry"),
        Column("units", Unit.COUNT),
        Column("entry", Unit.PLAIN),
        Column("exit", Unit.PLAIN),
        Column("P&L", Unit.USD, toned=True, hint="after commissions; of an open position at theoretical value"),
        Column("slippage", Unit.USD),
        Column("closed by"),
    )
    rows = tuple(
        (
            t.opened, t.closed, t.legs, t.expiry, t.units, t.entry_price, t.exit_price,
            t.unrealized if t.pnl is None else t.pnl, t.slippage, t.exit,
        )
        for t in trades
    )  # fmt: skip
    return Table(title, columns, rows, empty="No position was opened.")


def _settings(outcome: Outcome) -> Prose:
    settings = outcome.settings
    lines = [
        f"template            {settings.template}",
        f"bundle fingerprint  {settings.bundle_fingerprint}",
        f"history SHA-256     {settings.history_sha256}",
        f"segments            {', '.join(settings.segments)}",
        f"seed                {settings.seed}",
        f"cycle               {settings.cycle_s:g} s",
        f"cash                {settings.cash:,.2f}",
        f"costs               {'yes' if settings.costs else 'no'}",
        f"event log SHA-256   {', '.join(outcome.event_log_sha256)}",
        f"denied by the gate  {outcome.denied}",
        f"days halted by rule {outcome.halted_days}",
        f"findings            {len(outcome.findings)}",
        *(f"  {finding}" for finding in outcome.findings),
    ]
    return Prose(
        "Settings", ("The same inputs give the same event log, byte for byte.",), "\n".join(lines), folded=True
    )
