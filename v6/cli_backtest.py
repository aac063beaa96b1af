"""`v6 backtest`: a template and a bundle on history, measured."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table

from v6.console import DeskOption, JsonOption, VerboseOption, desk_folder, err, out, print_json, start_logging
from v6.errors import V6Error

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from v6.backtest.breakdown import Group
    from v6.backtest.outcome import Outcome
    from v6.backtest.run import Backtest
    from v6.backtest.run import Progress as Done
    from v6.lang.desk import StrategyTemplate
    from v6.paper.market import DailyHistory

SHOWN: Final = 15

RulesOption = Annotated[
    str | None, typer.Option("--rules", metavar="DIR|REV", help="Desk folder or git revision; default the desk here.")
]
FirstOption = Annotated[datetime | None, typer.Option("--from", formats=["%Y-%m-%d"], help="First session.")]
LastOption = Annotated[datetime | None, typer.Option("--to", formats=["%Y-%m-%d"], help="Last session.")]
VixOption = Annotated[
    Path | None, typer.Option("--vix", metavar="CSV", help="VIX by day (date, close); default 2014-2018.")
]
SpxOption = Annotated[
    Path | None, typer.Option("--spx", metavar="CSV", help="S&P 500 by day (date, open, high, low, close).")
]


def backtest(
    template: Annotated[Path, typer.Argument(metavar="TEMPLATE", help="Strategy file, the only one that opens.")],
    rules: RulesOption = None,
    desk: DeskOption = None,
    first: FirstOption = None,
    last: LastOption = None,
    vix: VixOption = None,
    spx: SpxOption = None,
    fill_vix: Annotated[
        int, typer.Option(min=0, help="Sessions in a row without a VIX that may take the close before.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the paths within each day.")] = 1,
    cycle: Annotated[float, typer.Option(min=1.0, help="Seconds between two looks.")] = 300.0,
    cash: Annotated[float, typer.Option(min=1000.0, help="Dollars at the start.")] = 250_000.0,
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Processes side by side; default one for each core, at most 4.")
    ] = None,
    segments: Annotated[
        int | None, typer.Option(min=1, help="Pieces of the range; default as many as jobs, 1 is exact.")
    ] = None,
    no_costs: Annotated[bool, typer.Option("--no-costs", help="No spread and no commission.")] = False,
    store: Annotated[Path, typer.Option(help="Where finished segments are kept.")] = Path("var/backtest"),
    fast: Annotated[
        bool, typer.Option("--fast", help="Only estimate a grid of exits from daily closes: a search, no backtest.")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Run again what is kept.")] = False,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write the report as one HTML file.")] = None,
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Trade years of history with the real daemon against the paper gateway, and measure what came out."""
    from v6.backtest.desk import trial_desk
    from v6.backtest.history import Sources, choose_days, load_history
    from v6.backtest.outcome import outcome_of
    from v6.backtest.run import forget, plan_backtest, run_backtest
    from v6.backtest.segment import Conditions

    start_logging(verbose)
    if html is not None and not html.parent.is_dir():
        raise V6Error(f"{html.parent} is no folder to write {html.name} into")
    tested = trial_desk(desk_folder(desk), template, rules)
    begin, end = _day(first), _day(last)
    loaded = load_history(Sources(vix, spx, fill_vix), begin, end)
    chosen = choose_days(loaded.history, begin, end)
    if fast:
        _search(loaded.history, chosen.days, tested.template, no_costs, as_json)
        return
    workers = jobs or min(os.cpu_count() or 1, 4)
    conditions = Conditions(seed, cycle, cash, not no_costs)
    test = plan_backtest(tested, loaded, chosen.days, conditions, store, segments or workers)
    if fresh:
        forget(test)
    for note in (*loaded.notes, *chosen.notes):
        err.print(f"note: {note}", markup=False, highlight=False, soft_wrap=True)
    with progress_bar(test) as on_progress:
        results = run_backtest(test, workers, on_progress)
    outcome = outcome_of(test, results, chosen.notes)
    if html is not None:
        from v6.backtest.page import write_page

        write_page(outcome, html)
    if as_json:
        print_json(dataclasses.asdict(outcome))
    else:
        _print(outcome)
        if html is not None:
            out.print(f"report: {html}", highlight=False)


def _search(
    history: DailyHistory, days: Sequence[date], template: StrategyTemplate, no_costs: bool, as_json: bool
) -> None:
    from v6.backtest.estimate import search
    from v6.backtest.words import money, number, percent
    from v6.report.numbers import MISSING

    rows = search(history, days, template, costs=not no_costs)
    if as_json:
        print_json([dataclasses.asdict(row) for row in rows])
        return
    table = Table("target", "stop", "days left", "trades", "mean", "deviation", "worst", "won", "sessions")
    table.columns[5].header = "mean / deviation"
    for row in rows[:SHOWN]:
        exits = row.exits
        table.add_row(
            percent(exits.target, 0),
            percent(exits.stop, 0),
            MISSING if exits.days_left is None else str(exits.days_left),
            str(row.trades),
            money(row.mean),
            number(row.score, 3),
            money(row.worst),
            percent(row.won),
            number(row.sessions, 1),
        )
    out.print(table)
    out.print(
        f"The best {min(SHOWN, len(rows))} of {len(rows)} sets of exits, from daily closes and without the other "
        "rules: the best of so many is better than it will be. Judge it with a backtest of other years.",
        highlight=False,
    )


def _day(moment: datetime | None) -> date | None:
    return None if moment is None else moment.date()


@contextmanager
def progress_bar(test: Backtest) -> Iterator[Callable[[Done], None]]:
    """Yield what moves the bar, which is shown on a terminal; Ctrl-C becomes a V6Error that says what is kept."""
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("days"),
        TimeRemainingColumn(),
        console=err,
        transient=True,
        disable=not err.is_terminal,
    )
    name = f"{test.desk.template.id} {test.segments[0].days[0]} to {test.segments[-1].days[-1]}"
    task = bar.add_task(name, total=None)

    def on_progress(progress: Done) -> None:
        # What was kept already says nothing about the speed.
        bar.update(task, total=progress.total - progress.kept, completed=progress.done - progress.kept)

    with bar:
        try:
            yield on_progress
        except KeyboardInterrupt:
            raise V6Error(
                f"stopped; finished segments are kept in {test.folder}, and the same command goes on behind them"
            ) from None


# -- for the terminal


def _print(outcome: Outcome) -> None:
    from v6.backtest.words import key_figures, money, percent

    settings = outcome.settings
    table = Table(
        "figure", "account", "S&P 500, held", title=f"{settings.template}, {settings.first} to {settings.last}"
    )
    for name, ours, index in key_figures(outcome):
        table.add_row(name, escape(ours), escape(index))
    out.print(table)
    years = Table("year", "P&L", "return", "max drawdown", "trades", "won")
    for year, found in outcome.by_year.items():
        years.add_row(
            str(year),
            money(found.pnl),
            percent(found.pnl / found.start_equity),
            percent(found.max_drawdown),
            str(found.trades),
            percent(found.win_rate),
        )
    out.print(years)
    _print_groups("closed by", outcome.by_exit)
    for caveat in outcome.caveats:
        out.print(f"- {caveat}", markup=False, highlight=False)


def _print_groups(title: str, groups: list[Group]) -> None:
    from v6.backtest.words import money, number, percent

    table = Table(title, "trades", "P&L", "mean", "worst", "won", "days held")
    for g in groups:
        table.add_row(
            g.name,
            str(g.trades),
            money(g.pnl),
            money(g.average),
            money(g.worst),
            percent(g.win_rate),
            number(g.average_days, 1),
        )
    out.print(table)
