"""`v6 paper`: the gateway alone, and what belongs to it."""

from __future__ import annotations

import asyncio
import dataclasses
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape
from rich.table import Table

from v6.console import JsonOption, VerboseOption, out, print_json, start_logging
from v6.errors import V6Error

if TYPE_CHECKING:
    from v6.paper.recording import Comparison
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
        for name in context.params:
            source = context.get_parameter_source(name)
            if source is not None and source.name == "COMMANDLINE":
                raise V6Error(f"an option before `{context.invoked_subcommand}` has no effect: give it after it")
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


@paper.command()
def record(
    to: Annotated[Path, typer.Option("--out", help="New file to write.", metavar="FILE")],
    broker: Annotated[
        str, typer.Option(metavar="HOST:PORT", help="The gateway that clients are passed on to.")
    ] = "127.0.0.1:4002",
    port: Annotated[int, typer.Option(help="TCP port for clients; 0 picks a free one.")] = 7499,
    host: HostOption = "127.0.0.1",
    verbose: VerboseOption = False,
) -> None:
    """Stand between clients and a gateway and write down what passes, account ids masked."""
    from v6.paper.recording import Recorder
    from v6.service import address_of, until_signal

    start_logging(verbose)
    gateway = address_of(broker)
    try:
        file = to.open("x", encoding="utf-8", newline="\n")
    except OSError as trouble:
        raise V6Error(f"{to} cannot be begun: {trouble.strerror}") from trouble

    async def main() -> None:
        recorder = Recorder(*gateway, file, datetime.now(UTC))
        listening = await recorder.start(host, port)
        out.print(f"recording {broker} for clients of {host}:{listening} in {to}", highlight=False)
        await until_signal(asyncio.get_running_loop())
        await recorder.stop()

    with file:
        asyncio.run(main())


@paper.command()
def replay(
    file: Annotated[Path, typer.Argument(help="Recording of `v6 paper record`.")],
    port: Annotated[int, typer.Option(help="TCP port; 0 picks a free one.")] = 7497,
    host: HostOption = "127.0.0.1",
    speed: Annotated[float, typer.Option(min=0.01, help="Recorded seconds per second.")] = 1.0,
    verbose: VerboseOption = False,
) -> None:
    """Answer a client from a recording: the same questions get the same answers."""
    from v6.paper.recording import ReplayServer, load_recording
    from v6.service import until_signal

    start_logging(verbose)
    server = ReplayServer(load_recording(file), speed)

    async def main() -> None:
        listening = await server.start(host, port)
        out.print(f"{file} answers on {host}:{listening}", highlight=False)
        await until_signal(asyncio.get_running_loop())
        await server.stop()

    asyncio.run(main())
    for name, count in sorted(server.unanswered.items()):
        out.print(f"{count} x {name}: the recording has no answer", highlight=False)


@paper.command()
def compare(
    file: Annotated[Path, typer.Argument(help="Recording of `v6 paper record`.")], as_json: JsonOption = False
) -> None:
    """Compare a recording with our reading of the protocol; exit 1 where they differ."""
    from v6.paper.recording import compare as run
    from v6.paper.recording import load_recording

    result = run(load_recording(file))
    if as_json:
        print_json({**dataclasses.asdict(result), "clean": result.clean})
    else:
        _print_comparison(result, file)
    if not result.clean:
        raise typer.Exit(1)


def _print_comparison(result: Comparison, file: Path) -> None:
    table = Table("side", "message", "name", "count", "our codec")
    for row in result.rows:
        verdict = "unknown" if not row.known else "differs" if row.differences else "reads it"
        table.add_row(row.side, str(row.message), row.name, str(row.count), verdict)
    out.print(table)
    for row in result.rows:
        for said, count, line in row.differences:
            out.print(escape(f"{file}:{line}:1: {row.name}: {said} ({count} times)"), highlight=False, soft_wrap=True)
    known = sum(row.known and not row.differences for row in result.rows)
    versions = ", ".join(result.server_versions)
    out.print(f"server version {versions}: {known} of {len(result.rows)} kinds agree", highlight=False)
