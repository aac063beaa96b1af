"""`v6 paper`: the gateway alone, and what belongs to it."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from v6.console import JsonOption, VerboseOption, out, print_json, start_logging

if TYPE_CHECKING:
    from v6.paper.scenarios import Scenario

paper = typer.Typer(
    invoke_without_command=True,
    help="Serve the paper gateway: a TWS look-alike for V6 or any ib_async program.",
)
ScenarioOption = Annotated[
    str | None,
    typer.Option(metavar="NAME|FILE", help="Market scenario in place of history; see `v6 paper scenarios`."),
]
HostOption = Annotated[str, typer.Option(help="Address to listen on.")]


def scenario_of(name: str | None) -> Scenario | None:
    """Return the scenario, shipped or from a file; raises ScenarioError with its mistakes."""
    from v6.paper.scenarios import load_scenario

    return None if name is None else load_scenario(name)


@paper.callback()
def serve(
    context: typer.Context,
    port: Annotated[int, typer.Option(help="TCP port; 0 picks a free one.")] = 7497,
    host: HostOption = "127.0.0.1",
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 1,
    start: Annotated[
        datetime | None, typer.Option("--from", help="First day (default: start of the history).")
    ] = None,
    speed: Annotated[float, typer.Option(min=1.0, help="Market seconds per second; nights are skipped.")] = 1.0,
    step: Annotated[float, typer.Option(min=0.1, help="Market seconds between two ticks.")] = 1.0,
    scenario: ScenarioOption = None,
    faults: Annotated[Path | None, typer.Option(help="Fault script (YAML) to play on the wire.")] = None,
    verbose: VerboseOption = False,
) -> None:
    if context.invoked_subcommand is not None:
        return
    from v6.service import PaperPlan, serve_paper

    start_logging(verbose)
    first = start.date() if start else None
    serve_paper(PaperPlan(host, port, seed, first, speed, step, faults, scenario_of(scenario)), out)


@paper.command()
def scenarios(as_json: JsonOption = False) -> None:
    """List the scenarios that come with V6."""
    from v6.paper.scenarios import load_scenario, shipped_scenarios

    found = {name: load_scenario(name) for name in shipped_scenarios()}
    if as_json:
        print_json({name: {"doc": one.doc, "sessions": one.days} for name, one in found.items()})
        return
    table = Table("scenario", "sessions", "what happens")
    for name, one in found.items():
        table.add_row(name, str(one.days), one.doc)
    out.print(table)
