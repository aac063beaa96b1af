"""The page about the comparison of two sets of exits, in Markdown; every sentence follows from the figures."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt
from statistics import stdev
from typing import Final

from v6.backtest.chain import Account
from v6.backtest.outcome import Outcome
from v6.backtest.words import key_figures, money, number, percent
from v6.report.numbers import MISSING

BASIC, SHIPPED = "basic", "shipped"
UNFINISHED: Final = "The runs without costs are not finished; the same command goes on with them."
COSTS: Final = {True: "with costs", False: "without costs"}


@dataclass(frozen=True, slots=True)
class Swap:
    """The positions that the shipped rules opened, and what the estimator says the basic exits had made of them.

    Dollars per unit; `checked` and `bias` tell of the estimator on the basic exits' own positions: how many, and its
    mean less that of the loop.
    """

    count: int
    shipped: float
    basic: float
    checked: int
    bias: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """The outcome of each set of exits (`basic`, `shipped`) with (True) and without costs; pairs may be missing."""

    outcomes: dict[tuple[str, bool], Outcome]
    swaps: dict[bool, Swap] = field(default_factory=dict)

    @property
    def known(self) -> tuple[bool, ...]:
        """Return for which costs both sets of exits have been run, those with costs first."""
        return tuple(costs for costs in (True, False) if {(BASIC, costs), (SHIPPED, costs)} <= self.outcomes.keys())


@dataclass(frozen=True, slots=True)
class Paired:
    """What two accounts made of the positions that both opened on the same day with the same strikes.

    `mean` is the mean difference in dollars (the second less the first), `error` its standard error, None for fewer
    than two.
    """

    of_first: int
    of_second: int
    count: int
    first: float
    second: float
    better: int
    mean: float | None
    error: float | None


def paired(first: Account, second: Account) -> Paired:
    """Pair the closed trades of two accounts by day and legs; per unit, so that sizes do not matter."""
    ours = {(t.opened.date(), t.legs): t.pnl / t.units for t in first.trades if t.pnl is not None}
    theirs = {(t.opened.date(), t.legs): t.pnl / t.units for t in second.trades if t.pnl is not None}
    keys = [key for key in ours if key in theirs]
    gaps = [theirs[key] - ours[key] for key in keys]
    return Paired(
        len(first.trades),
        len(second.trades),
        len(keys),
        sum(ours[key] for key in keys),
        sum(theirs[key] for key in keys),
        sum(gap > 0 for gap in gaps),
        sum(gaps) / len(gaps) if gaps else None,
        stdev(gaps) / sqrt(len(gaps)) if len(gaps) > 1 else None,
    )


def page(comparison: Comparison, command: str) -> str:
    """Return the page of all pairs that are known; those with costs must be."""
    some = comparison.outcomes[BASIC, True]
    parts = [
        "# Results: basic exits against the shipped rules",
        f"Written by `{command}`; a change by hand is lost with the next run.",
        _question(some),
        "## What came out",
        *[_verdict(comparison, costs) for costs in comparison.known],
        "" if False in comparison.known else UNFINISHED,
        _figures(comparison),
        _sizes(some),
        "## The same positions",
        *[_pairs(comparison, costs) for costs in comparison.known],
        *[_swapped(swap, costs) for costs, swap in comparison.swaps.items()],
        "## By year",
        _years(comparison),
        "## By what closed them, with costs",
        *[_exits(comparison, name) for name in (BASIC, SHIPPED)],
        "## By the market's state at the opening, with costs",
        _regimes(comparison),
        "## What these figures must not be read without",
        "\n".join(f"- {caveat}" for caveat in some.caveats),
        "## The runs",
        _runs(comparison),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _question(some: Outcome) -> str:
    settings = some.settings
    return (
        f"The shipped iron condor (SPX, 45 days, 16 delta, 50 points wide) from {settings.first} to {settings.last}, "
        "held by two sets of exits on the same history: **basic exits**, the earlier system's take profit (80 % of "
        "the credit) and stop loss (200 % of it, 50 % in the last week), else to expiry; and the **shipped rules**, "
        "all twelve with their portfolio controls. Both open 14 days after they last opened, when the VIX, the time "
        "of day, the portfolio rule and the risk gate allow it. How a position ends decides little about when the "
        "next begins, but a roll or a halted day moves one account's openings by days from then on: the accounts "
        "sell the same thing equally often, not always on the same days. Those they share are compared below.\n\n"
        "No threshold was fitted to these years, and none to the years before either: those of the basic exits are "
        "the earlier system's, those of the twelve rules are as shipped. The daemon, its risk gate and the paper "
        "gateway are the real ones, in one piece from the first day to the last."
    )


def _verdict(comparison: Comparison, costs: bool) -> str:
    basic, shipped = (comparison.outcomes[name, costs].figures for name in (BASIC, SHIPPED))
    gap = shipped.pnl - basic.pnl
    made = "as much as" if gap == 0 else f"{money(abs(gap))} {'more' if gap > 0 else 'less'} than"
    return (
        f"**{COSTS[costs].capitalize()} the shipped rules made {made} the basic exits**: {money(shipped.pnl)} against "
        f"{money(basic.pnl)}. Sharpe ratio {number(shipped.sharpe)} against {number(basic.sharpe)}, largest drawdown "
        f"{percent(shipped.max_drawdown)} against {percent(basic.max_drawdown)}, worst trade "
        f"{money(_worst(comparison, SHIPPED, costs))} against {money(_worst(comparison, BASIC, costs))}."
    )


def _worst(comparison: Comparison, name: str, costs: bool) -> float | None:
    trades = comparison.outcomes[name, costs].account.trades
    return min((t.pnl for t in trades if t.pnl is not None), default=None)


def _sizes(some: Outcome) -> str:
    units = [t.units for t in some.account.trades]
    low, high = min(units, default=0), max(units, default=0)
    size = "one unit each" if low == high == 1 else f"{low} to {high} units each"
    return (
        f"The account began with {money(some.settings.cash)} and held positions of {size}; ratios are of the whole "
        f"account, of which {percent(some.figures.margin_use)} was margin on average."
    )


def _columns(comparison: Comparison) -> list[tuple[str, Outcome]]:
    found = []
    for costs in comparison.known:
        for name in (BASIC, SHIPPED):
            found.append((f"{name}, {COSTS[costs]}", comparison.outcomes[name, costs]))
    return found


def _figures(comparison: Comparison) -> str:
    columns = _columns(comparison)
    rows = [key_figures(outcome) for _, outcome in columns]
    body = [[cells[0][0], *(cell[1] for cell in cells), cells[0][2]] for cells in zip(*rows, strict=True)]
    return table(["", *(name for name, _ in columns), "S&P 500 held, price only"], body)


def _pairs(comparison: Comparison, costs: bool) -> str:
    basic, shipped = (comparison.outcomes[name, costs].account for name in (BASIC, SHIPPED))
    found = paired(basic, shipped)
    text = (
        f"{COSTS[costs].capitalize()}: of {found.of_first} positions of the basic exits and {found.of_second} of the "
        f"shipped rules {found.count} were opened on the same day with the same strikes"
    )
    if found.mean is None:
        return text + "."
    text += (
        f". Per unit they brought {money(found.first)} under the basic exits and {money(found.second)} under the "
        f"shipped rules; the shipped rules did better in {found.better} of them, by {money(found.mean)} a position on "
        "average"
    )
    if found.error is not None and found.error > 0:
        sure = abs(found.mean) > 2 * found.error
        text += f" (standard error {money(found.error)}: " + (
            "more than chance explains)" if sure else "chance explains it)"
        )
    return text + "."


def _swapped(swap: Swap, costs: bool) -> str:
    side = "above" if swap.bias > 0 else "below"
    return (
        f"{COSTS[costs].capitalize()}, on the same entries throughout: the {swap.count} positions that the shipped "
        f"rules opened brought {money(swap.shipped)} (per unit) under them; by the estimator (daily closes, "
        f"[backtest.md](backtest.md)) the basic exits would have made {money(swap.basic)} of the same positions. On "
        f"the {swap.checked} positions that the basic exits held in the loop its mean lies {money(abs(swap.bias))} a "
        f"position {side} the loop's; with that taken off it is {money(swap.basic - swap.count * swap.bias)}."
    )


def _years(comparison: Comparison) -> str:
    columns = _columns(comparison)
    years = sorted({year for _, outcome in columns for year in outcome.by_year})
    rows = []
    for year in years:
        cells = [str(year)]
        for _, outcome in columns:
            found = outcome.by_year.get(year)
            cells.append(MISSING if found is None else f"{money(found.pnl)} ({percent(found.max_drawdown)})")
        rows.append(cells)
    return table(["P&L (largest drawdown)", *(name for name, _ in columns)], rows)


def _exits(comparison: Comparison, name: str) -> str:
    groups = comparison.outcomes[name, True].by_exit
    rows = [
        [
            g.name,
            str(g.trades),
            *map(money, (g.pnl, g.average, g.worst)),
            percent(g.win_rate),
            number(g.average_days, 1),
        ]
        for g in groups
    ]
    return table([f"{name}: closed by", "trades", "P&L", "mean", "worst", "won", "days held"], rows)


def _regimes(comparison: Comparison) -> str:
    basic, shipped = (comparison.outcomes[name, True] for name in (BASIC, SHIPPED))
    rows = []
    for kind in ("by_vix", "by_trend"):
        theirs = {r.name: r for r in getattr(shipped, kind)}
        for ours in getattr(basic, kind):
            other = theirs.get(ours.name)
            rows.append(
                [ours.name, str(ours.trades.trades), money(ours.trades.pnl)]
                + ([str(other.trades.trades), money(other.trades.pnl)] if other else [MISSING, MISSING])
            )
    return table(["", "basic: trades", "P&L", "shipped: trades", "P&L"], rows)


def _runs(comparison: Comparison) -> str:
    columns = _columns(comparison)
    some = columns[0][1].settings
    rows = [
        [
            name,
            o.settings.bundle_fingerprint[:12],
            o.event_log_sha256[0][:12],
            str(len(o.findings)),
            str(o.halted_days),
        ]
        for name, o in columns
    ]
    return (
        f"History {some.history_sha256[:12]}, seed {some.seed}, a cycle of {some.cycle_s:g} s. The event logs are "
        "repeatable: the same inputs give the same hash.\n\n"
        + table(["", "bundle", "event log", "findings", "days on which a rule halted opening"], rows)
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table; the first column is left-aligned, the others right."""
    lines = [head, ["---", *["--:"] * (len(head) - 1)], *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)
