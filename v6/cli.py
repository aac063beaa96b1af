"""The commands; each prints for people, or with `--json` for programs, and exits 0 ok, 1 findings, 2 usage."""

from __future__ import annotations

import dataclasses
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.markup import escape
from rich.table import Column, Table

from v6 import __version__, cli_backtest, cli_diff, cli_doctor, cli_paper, cli_replay, cli_rules, cli_strategy
from v6.console import (
    CheckFormat,
    DeskOption,
    JsonOption,
    VerboseOption,
    desk_folder,
    desk_of_paths,
    diagnostic_fields,
    diagnostic_line,
    err,
    out,
    print_json,
    start_logging,
)
from v6.errors import ConfigError, Diagnostic, Severity, V6Error

if TYPE_CHECKING:
    from v6.demo import Plan

app = typer.Typer(
    name="v6",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    help="YAML rules in git become an options desk at Interactive Brokers; paper by default.",
)
app.command("test")(cli_rules.run_rule_tests)
app.command("fmt")(cli_rules.fmt)
app.command("explain")(cli_rules.explain)
app.command("replay")(cli_replay.replay)
app.command("diff")(cli_diff.diff)
app.command("selfcheck")(cli_diff.selfcheck)
app.add_typer(cli_rules.rules, name="rules")
app.add_typer(cli_paper.paper, name="paper")
app.add_typer(cli_strategy.strategy, name="strategy")
app.command("doctor")(cli_doctor.doctor)
app.command("backtest")(cli_backtest.backtest)
app.command("quality")(cli_doctor.quality)


def main() -> None:
    """Run the command line; a V6Error is a message and exit 1, never a traceback."""
    try:
        app()
    except ConfigError as error:
        for diagnostic in error.diagnostics:
            err.print(str(diagnostic), markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)
    except V6Error as error:
        err.print(f"v6: {error}", markup=False, highlight=False, soft_wrap=True)
        sys.exit(1)


@app.callback(invoke_without_command=True)
def _root(version: Annotated[bool, typer.Option("--version", help="Print the version.")] = False) -> None:
    if version:
        typer.echo(f"v6 {__version__}")
        raise typer.Exit


@app.command()
def demo(
    days: Annotated[int | None, typer.Option(min=1, help="Sessions to trade; default 250 headless, else 60.")] = None,
    headless: Annotated[
        bool, typer.Option("--headless", help="Virtual time: as fast as it goes, then a report.")
    ] = False,
    contracts: Annotated[
        int, typer.Option(min=0, help="With --headless: watch two condors beside so many positions of another origin.")
    ] = 0,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 1,
    cycle: Annotated[float, typer.Option(min=1.0, help="Seconds of market time between two looks.")] = 300.0,
    speed: Annotated[float, typer.Option(min=1.0, help="Market seconds per second when watched.")] = 4000.0,
    scenario: cli_paper.ScenarioOption = None,
    desk: DeskOption = None,
    store: Annotated[Path, typer.Option(help="Where the run is recorded; made anew.")] = Path("var/demo"),
    as_json: JsonOption = False,
    verbose: VerboseOption = False,
) -> None:
    """Trade real history, or a scenario, on the embedded paper gateway; no account is needed."""
    from v6.demo import Plan, run_demo
    from v6.watching import headless_watcher, live_watcher

    start_logging(verbose)
    chosen = cli_paper.scenario_of(scenario)
    plan = Plan(
        root=desk_folder(desk),
        store=store,
        days=days or (chosen.days if chosen else 250 if headless else 60),
        seed=seed,
        cycle_s=cycle,
        speed=None if headless else speed,
        scenario=chosen,
    )
    if contracts:
        _crowd(plan, contracts, as_json)
        return
    with (headless_watcher if headless else live_watcher)(plan, err) as watcher:
        report = run_demo(plan, watcher)
    fields = dataclasses.asdict(report)
    if as_json:
        print_json(fields)
    else:
        _print_report(fields, store)
    if report.duplicate_orders or report.unmanaged_positions:
        raise typer.Exit(1)


def _crowd(plan: Plan, contracts: int, as_json: bool) -> None:
    from v6.crowd import run_crowd

    if plan.speed is not None:
        raise typer.BadParameter("--contracts needs --headless")
    report = run_crowd(plan, contracts)
    fields = dataclasses.asdict(report)
    if as_json:
        print_json(fields)
    else:
        for name, value in fields.items():
            out.print(f"{name}: {value}", highlight=False)
    if report.pacing_errors or report.contracts < contracts:
        raise typer.Exit(1)


@app.command()
def init(folder: Annotated[Path, typer.Argument(help="New or empty folder.")]) -> None:
    """Write a new desk: rules, strategies, schemas, a git repository whose commits are checked."""
    from v6.shipped import init_desk

    written = init_desk(folder)
    out.print(f"{len(written)} files in {folder}; next: cd {folder} && v6 check && v6 demo", highlight=False)


@app.command()
def check(
    paths: Annotated[list[Path] | None, typer.Argument(help="Desk folder, or rules/ and strategies/ in it.")] = None,
    as_json: JsonOption = False,
    form: Annotated[CheckFormat, typer.Option("--format", help="How findings are written.")] = CheckFormat.TEXT,
    store: Annotated[
        Path | None, typer.Option(help="Store of a run: tell also which inputs never changed in it.")
    ] = None,
) -> None:
    """Check schema, types, units, examples, rule tests and lint of a desk: file:line:col: code: message."""
    root, wanted = desk_of_paths(paths or [])
    found = [d for d in _findings(root, store) if not wanted or d.span.file.startswith(wanted)]
    errors = [d for d in found if d.severity is Severity.ERROR]
    if as_json:
        print_json({"diagnostics": [diagnostic_fields(d) for d in found], "errors": len(errors)})
    else:
        for diagnostic in found:
            out.print(diagnostic_line(diagnostic, form), markup=False, highlight=False, soft_wrap=True)
        err.print(f"{len(errors)} errors, {len(found) - len(errors)} warnings", highlight=False)
    if errors:
        raise typer.Exit(1)


def _findings(root: Path, store: Path | None = None) -> list[Diagnostic]:
    """Return what the checks find; what rule tests and lint find only in a desk that passes them."""
    from v6.rules import check_desk, load_desk, read_texts

    found = check_desk(root)
    if any(d.severity is Severity.ERROR for d in found):
        return found
    from v6.lint import Inputs, lint, observed
    from v6.ruletools.record import recorded_rows
    from v6.ruletools.suite import check_tests

    desk = load_desk(root)
    inputs = Inputs() if store is None else observed(recorded_rows(store / "tables"))
    found += [*check_tests(read_texts(root), desk), *lint(desk, inputs)]
    return sorted(found, key=lambda d: (d.span, d.message))


@app.command()
def run(
    broker: Annotated[
        str, typer.Option(metavar="paper|HOST:PORT", help="Embedded paper gateway, or where TWS listens.")
    ] = "paper",
    desk: DeskOption = None,
    store: Annotated[Path, typer.Option(help="Journal and tables.")] = Path("var/desk"),
    cycle: Annotated[float, typer.Option(min=1.0, help="Seconds between two looks.")] = 30.0,
    client: Annotated[int, typer.Option(help="API client id.")] = 1,
    speed: Annotated[
        float | None, typer.Option(min=1.0, help="Speed of the paper gateway; its clock is then used, not ours.")
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Take positions of another origin as yours: watched, never traded."),
    ] = False,
    require_diff: Annotated[
        bool,
        typer.Option(
            "--require-diff/--no-require-diff", help="Take an edit that loosens only when `v6 diff live` has seen it."
        ),
    ] = True,
    self_check: Annotated[
        bool, typer.Option("--self-check/--no-self-check", help="Make the day's decisions again at its close.")
    ] = True,
    verbose: VerboseOption = False,
) -> None:
    """Run the desk until it is stopped (Ctrl-C or SIGTERM); only paper accounts are traded."""
    from v6.service import RunPlan, run_desk

    start_logging(verbose)
    plan = RunPlan(broker, desk_folder(desk), store, cycle, client, speed, adopt, require_diff, self_check)
    run_desk(plan, out)


@app.command()
def status(
    store: Annotated[Path, typer.Option(help="Store to read; the daemon may be running.")] = Path("var/desk"),
    as_json: JsonOption = False,
) -> None:
    """Show positions and orders as the journal has them."""
    from v6.service import read_status

    found = read_status(store)
    if as_json:
        print_json(found)
        return
    table = Table("position", "units", "entry", "opened")
    for item in found["positions"]:
        table.add_row(item["position_id"], str(item["units"]), item["entry_price"], item["opened_at"])
    out.print(table)
    for item in found["orders"]:
        out.print(f"{item['order_ref']} {item['purpose']} {item['position_id']}: {item['state']}", highlight=False)


# -- helpers of the commands ---------------------------------------------------------------------------------------


def _print_report(fields: dict[str, Any], store: Path) -> None:
    table = Table("figure", Column("value", overflow="fold"), title="what the run did")
    for name, value in fields.items():
        if name == "rules_fired":
            value = ", ".join(f"{rule} {count}" for rule, count in value.items()) or "none"
        table.add_row(name, escape(f"{value:,.2f}" if isinstance(value, float) else str(value)))
    out.print(table)
    out.print(f"recorded in {store}; next: v6 replay --store {store}", highlight=False)


if __name__ == "__main__":
    main()
