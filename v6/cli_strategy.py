"""`v6 strategy`: the templates, and what each would open; v6/cli.py registers it."""

from __future__ import annotations

import dataclasses
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Column, Table

from v6 import cli_paper
from v6.console import JsonOption, err, out, print_json
from v6.errors import V6Error

if TYPE_CHECKING:
    from v6.preview import Preview
    from v6.strategy.payoff import Curve

strategy = typer.Typer(no_args_is_help=True, help="Templates of what to open.")

HEIGHT = 18


@strategy.command()
def preview(
    file: Annotated[Path, typer.Argument(help="Template, such as strategies/iron_condor.yaml; active or not.")],
    day: Annotated[
        datetime | None, typer.Option("--on", metavar="DATE", help="Session of the history; default its last.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Seed of the simulated market.")] = 1,
    scenario: cli_paper.ScenarioOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build what the template would open, on the paper market, and show its payoff; nothing is sent.

    The entry condition is not judged. Exit 1 if nothing could be built, with the reasons.
    """
    from v6.lang.load import read_strategy
    from v6.preview import preview as build
    from v6.strategy import Refused

    try:
        text = file.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise V6Error(f"{file} cannot be read: {error}") from error
    found = build(read_strategy(str(file), text), day.date() if day else None, seed, cli_paper.scenario_of(scenario))
    if isinstance(found, Refused):
        if as_json:
            print_json({"reasons": found.reasons})
        for reason in found.reasons:
            err.print(f"not now: {reason}", markup=False, highlight=False)
        raise typer.Exit(1)
    if as_json:
        print_json(dataclasses.asdict(found))
    else:
        _show(found)


def _show(found: Preview) -> None:
    out.print(
        f"{found.strategy} on {found.at:%Y-%m-%d %H:%M} UTC: underlying {found.underlying:,.2f}, "
        f"expiry {found.expiry} in {found.days} days",
        highlight=False,
    )
    legs = Table("leg", *(Column(name, justify="right") for name in ("bid", "ask", "delta", "IV")))
    for leg in found.legs:
        name = f"{leg.ratio * found.units:+d} {leg.strike:g}{leg.right}"
        legs.add_row(name, _number(leg.bid), _number(leg.ask), _number(leg.delta), _percent(leg.iv))
    out.print(legs)
    figures = Table("figure", Column("value", justify="right"))
    word = "credit" if found.mid < 0 else "debit"
    for title, value in (
        ("units", f"{found.units}"),
        (f"{word} at mid, at the far side", f"{abs(found.mid):.2f}, {abs(found.natural):.2f}"),
        ("most it earns at expiry", f"{found.max_profit:,.0f}"),
        ("most it loses", f"{found.max_loss:,.0f}"),
        ("earned over lost", _percent(found.max_profit / found.max_loss if found.max_loss else None)),
        ("breakevens", ", ".join(f"{b:,.2f} ({b / found.underlying - 1:+.1%})" for b in found.breakevens)),
        ("chance of profit (risk-neutral)", _percent(found.probability_of_profit)),
        ("margin (Reg T)", f"{found.margin:,.0f}"),
        ("delta, theta a day, vega a point", ", ".join(map(_money, (found.delta, found.theta, found.vega)))),
    ):
        figures.add_row(title, value)
    out.print(figures)
    if found.curve is not None:
        typer.echo(_plot(found.curve, found.units, found.underlying))


def _plot(drawn: Curve, units: int, spot: float) -> str:
    """Return the profit or loss over the underlying as text."""
    import plotext

    plotext.clear_figure()
    plotext.theme("clear")
    plotext.plotsize(min(out.width, 100), HEIGHT)
    plotext.plot(drawn.spots, [units * v for v in drawn.at_expiry], label="at expiry", marker="braille")
    plotext.plot(drawn.spots, [units * v for v in drawn.today], label="today", marker="dot")
    plotext.hline(0)
    plotext.vline(spot)
    plotext.xlabel("underlying (the line is now)")
    return str(plotext.build())


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _percent(value: float | None) -> str:
    return "-" if value is None else f"{value:.1%}"


def _money(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f}"
