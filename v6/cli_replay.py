"""The command `v6 replay`; v6/cli.py registers it."""

from __future__ import annotations

import dataclasses
import shlex
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Column, Table

from v6.console import AsOfOption, DeskOption, JsonOption, desk_folder, err, out, print_json
from v6.errors import V6Error

if TYPE_CHECKING:
    from v6.lang.desk import Desk
    from v6.replay.dryrun import Ask, DryRun, Step
    from v6.replay.history import History
    from v6.replay.replay import Replay

_WORST_SHOWN = 5


def replay(
    store: Annotated[Path, typer.Option(help="Store of a run or of a demo.")] = Path("var/demo"),
    rules: Annotated[
        str | None, typer.Option(metavar="DIR|REV", help="Desk folder or git revision; default the desk here.")
    ] = None,
    desk: DeskOption = None,
    first: Annotated[datetime | None, typer.Option("--from", help="First moment (UTC).")] = None,
    last: Annotated[datetime | None, typer.Option("--to", help="Last moment (UTC).")] = None,
    as_of: AsOfOption = None,
    commission: Annotated[
        float | None,
        typer.Option(min=0.0, metavar="USD", help="What a contract costs; default the average of the record's fills."),
    ] = None,
    parquet: Annotated[
        Path | None, typer.Option(metavar="FILE", help="Write every replayed decision as Parquet.")
    ] = None,
    html: Annotated[Path | None, typer.Option(metavar="FILE", help="Write a report that needs no network.")] = None,
    sweeps: Annotated[
        list[str] | None,
        typer.Option(
            "--sweep",
            metavar="RULE.PARAM=LOW:HIGH:STEP",
            help="Try these values of a parameter instead, or A,B,C; more than one --sweep tries all combinations.",
        ),
    ] = None,
    folds: Annotated[
        int,
        typer.Option("--walk-forward", min=0, help="With --sweep: choose on one stretch, judge on the next, N times."),
    ] = 0,
    as_json: JsonOption = False,
) -> None:
    """Run the rules over the recorded snapshots in DuckDB: what they would have done, and what would have come of it.

    Exit 1 if a row is decided otherwise than the daemon decided it then, if a rule cannot be judged at all, or if no
    position can be priced.
    """
    from v6.replay.dryrun import Ask, write_decisions
    from v6.replay.revision import load_revision

    chosen = load_revision(desk_folder(desk), rules)
    ask = Ask(store / "tables", _utc(first), _utc(last), _utc(as_of), commission)
    if sweeps:
        if parquet is not None:
            raise typer.BadParameter("--parquet is for one set of rules, not for a --sweep")
        _sweep(ask, chosen, sweeps, folds, html, as_json)
        return
    if folds:
        raise typer.BadParameter("--walk-forward needs a --sweep")
    run, history = _with_progress(ask, chosen, quiet=as_json)
    if parquet is not None:
        count = write_decisions(history, parquet)
        err.print(f"{count} decisions in {parquet}", markup=False, highlight=False, soft_wrap=True)
    if html is not None:
        _write_report(html, run, chosen, ask)
    if as_json:
        print_json(_fields(run))
    else:
        _print(run)
    if run.agreement.disagree or any(item.always for item in run.blind) or run.pnl is None:
        raise typer.Exit(1)


def _with_progress(ask: Ask, chosen: Desk, *, quiet: bool) -> tuple[DryRun, History]:
    from v6.replay.dryrun import STEPS, dry_run

    with _progress(STEPS, quiet) as step:
        return dry_run(ask, chosen.rules, step)


@contextmanager
def _progress(steps: Sequence[str], quiet: bool) -> Iterator[Step]:
    columns = (TextColumn("{task.description}"), BarColumn(), TimeElapsedColumn())
    with Progress(*columns, console=err, transient=True, disable=quiet or not err.is_terminal) as progress:
        task = progress.add_task("", total=len(steps))
        yield lambda text: progress.update(task, description=text, completed=steps.index(text))


def _sweep(ask: Ask, chosen: Desk, sweeps: list[str], folds: int, html: Path | None, as_json: bool) -> None:
    from v6.replay.grid import read_axis
    from v6.replay.sweep import STEPS, sweep
    from v6.replay.sweep_page import sweep_page, sweep_tables
    from v6.report import render

    axes = [read_axis(text, chosen.rules) for text in sweeps]
    with _progress(STEPS, as_json) as step:
        found = sweep(ask, chosen.rules, axes, folds, step)
    if html is not None:
        write_text(html, render(sweep_page(found, _command(), f"rules {chosen.fingerprint[:12]}")))
    if as_json:
        print_json(dataclasses.asdict(found))
        return
    for table in sweep_tables(found):
        out.print(table)
    for warning in found.warnings:
        out.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    out.print(f"{len(found.points)} points on {found.positions} positions, {len(found.days)} days", highlight=False)


def _command() -> str:
    return shlex.join(["v6", *sys.argv[1:]])


def _write_report(path: Path, run: DryRun, chosen: Desk, ask: Ask) -> None:
    from v6.replay.page import page_of, worst_of
    from v6.replay.traces import traces_of
    from v6.report import render

    traces = traces_of(ask.tables, chosen, worst_of(run), ask.as_of)
    write_text(path, render(page_of(run, traces, _command(), f"rules {chosen.fingerprint[:12]}")))


def write_text(path: Path, text: str) -> None:
    """Write a file that was asked for and say so; raises V6Error if it cannot be written."""
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise V6Error(f"{path} cannot be written: {error.strerror}") from error
    err.print(f"report in {path}", markup=False, highlight=False, soft_wrap=True)


def _fields(run: DryRun) -> dict[str, Any]:
    same, gap = run.same_exits
    return {
        **dataclasses.asdict(run.agreement),
        "first": run.first,
        "last": run.last,
        "fees": dataclasses.asdict(run.fees),
        "pnl": run.pnl,
        "recorded_pnl": run.recorded_pnl,
        "difference": run.difference,
        "same_exits": same,
        "fill_gap": gap,
        "warnings": list(run.warnings),
        "by_rule": [dataclasses.asdict(rule) for rule in run.rules],
        "positions": [
            {**dataclasses.asdict(o), "days_held": o.days_held, "difference": o.difference} for o in run.outcomes
        ],
        "equity": dataclasses.asdict(run.curve),
    }


def _print(run: DryRun) -> None:
    from v6.replay.page import worst_of
    from v6.report import Unit, spoken

    def usd(value: float | None) -> str:
        return spoken(value, Unit.USD, signed=True)

    names = ("fired", "unknown", "first", "closed", "P&L", "days", "missed")
    table = Table(
        Column("rule", no_wrap=True),
        *(Column(n, justify="right") for n in names),
        title="what each rule would have done",
    )
    for r in run.rules:
        closed = f"{r.closed}" + (f" +{r.reduced} parts" if r.reduced else "")
        counts = (f"{r.fired:,}", f"{r.unknown:,}", f"{r.first:,}", closed)
        money = usd(r.pnl) if r.closed or r.reduced else ""
        table.add_row(r.rule, *counts, money, spoken(r.days_held, decimals=1) if r.days_held else "", f"{r.missed}")
    out.print(table)
    worst = Table(
        Column("worst positions", no_wrap=True),
        "ended",
        "by",
        *(Column(n, justify="right") for n in ("P&L", "recorded")),
    )
    for o in worst_of(run)[:_WORST_SHOWN]:
        worst.add_row(o.position_id, f"{o.at:%Y-%m-%d}", o.rule or o.ending, usd(o.pnl), usd(o.recorded_pnl))
    if worst.row_count:
        out.print(worst)
    _print_agreement(run.agreement)
    for warning in run.warnings:
        out.print(f"warning: {warning}", markup=False, highlight=False, soft_wrap=True)
    same, gap = run.same_exits
    how = f"{spoken(run.fees.per_contract, Unit.USD, 2)} a contract ({run.fees.source})"
    out.print(
        f"{len(run.outcomes)} positions: would have made {usd(run.pnl)}, made {usd(run.recorded_pnl)}, difference "
        f"{usd(run.difference)}; closed at the mark less half the spread and {how}",
        highlight=False,
    )
    if gap is not None:
        out.print(f"on {same} exits that are the same, fills made {usd(gap)} a position beyond this", highlight=False)


def _print_agreement(found: Replay) -> None:
    for item in found.differences:
        out.print(
            f"{item.ts:%Y-%m-%d %H:%M:%S} {item.key or 'portfolio'}: then {item.recorded}, now {item.replayed}",
            markup=False,
            highlight=False,
        )
    out.print(f"{found.snapshots} snapshots: {found.agree} agree, {found.disagree} disagree", highlight=False)


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=moment.tzinfo or UTC)
