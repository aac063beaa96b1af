"""A sweep as a report, and as tables for the terminal."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from rich.style import Style
from rich.table import Column as TextColumn
from rich.table import Table as TextTable
from rich.text import Text

from v6.replay.sharpe import YEAR
from v6.replay.sweep import Point, Sweep
from v6.report import (
    Bar,
    Bars,
    Chart,
    Column,
    Figure,
    Heatmap,
    Line,
    Page,
    Prose,
    Section,
    Table,
    Tone,
    Unit,
    spoken,
)

_SHOWN = 20
_UP, _DOWN = (63, 176, 255), (255, 158, 61)


def sweep_page(found: Sweep, command: str, rules: str) -> Page:
    """Return the report: what each point made, how it held out of sample, and how much of it is luck."""
    best = found.points[found.best]
    sections: list[Section] = []
    if found.warnings:
        sections.append(Prose("What to know before choosing", found.warnings, tone=Tone.WARN, anchor="warnings"))
    sections += [
        *_pictures(found),
        *((_fold_table(found),) if found.folds else ()),
        Chart(
            "What the best point made",
            found.days,
            (Line("best point", _summed(best.changes)),),
            summary=f"{_worded(found, best.values)}: {spoken(best.pnl, Unit.USD)}.",
            anchor="best",
        ),
        _point_table(found),
    ]
    names = " and ".join(axis.name for axis in found.axes)
    subtitle = f"{found.days[0]} to {found.days[-1]}, {found.positions:,} positions, {len(found.points):,} points"
    return Page(f"Sweep of {names}", f"{subtitle}; {rules}", _figures(found), tuple(sections), (command,))


def _figures(found: Sweep) -> tuple[Figure, ...]:
    best = found.points[found.best]
    judged = found.deflated
    ratio = None if best.sharpe is None else best.sharpe * YEAR**0.5
    return (
        Figure("Best point", ", ".join(f"{value:g}" for value in best.values), ", ".join(a.name for a in found.axes)),
        Figure("It made", spoken(best.pnl, Unit.USD, signed=True), "after spread, commission"),
        Figure("Worst fall", spoken(best.drawdown, Unit.USD), "of its sum, at day's end"),
        Figure("Sharpe, yearly", spoken(ratio, decimals=2), "of daily P&L"),
        Figure("Trials", spoken(len(found.points), Unit.COUNT)),
        Figure(
            "Deflated Sharpe",
            spoken(None if judged is None else judged.probability, Unit.PERCENT, 0),
            "chance that it is no luck",
            Tone.WARN if judged is None or judged.probability < 0.95 else Tone.GOOD,
        ),
    )


def _worded(found: Sweep, values: Sequence[float]) -> str:
    return ", ".join(f"{axis.param} {value:g}" for axis, value in zip(found.axes, values, strict=True))


def _pictures(found: Sweep) -> tuple[Section, ...]:
    if len(found.axes) == 1:
        axis = found.axes[0]
        bars = tuple(Bar(f"{p.values[0]:g}", p.pnl, f"{p.cut} cut off" if p.cut else "") for p in found.points)
        return (Bars(f"P&L by {axis.name}", bars, anchor="grid"),)
    if len(found.axes) == 2:
        return (
            heatmap(found, "P&L", [p.pnl for p in found.points], Unit.USD, "grid"),
            heatmap(found, "Positions cut off by the record", [float(p.cut) for p in found.points], Unit.COUNT, "cut"),
        )
    return ()


def heatmap(found: Sweep, title: str, values: Sequence[float | None], unit: Unit, anchor: str) -> Heatmap:
    """Return one number of each point over two axes, the first downwards."""
    down, across = found.axes
    width = len(across.values)
    rows = tuple(tuple(values[i : i + width]) for i in range(0, len(values), width))
    return Heatmap(
        title,
        across.name,
        down.name,
        tuple(f"{v:g}" for v in across.values),
        tuple(f"{v:g}" for v in down.values),
        rows,
        unit,
        best=divmod(found.best, width),
        anchor=anchor,
    )


def _fold_table(found: Sweep) -> Table:
    columns = (
        Column("Learned on"),
        Column("Chosen"),
        Column("Made there", Unit.USD, toned=True),
        Column("Judged on"),
        Column("Made here", Unit.USD, toned=True),
        Column("Rank", Unit.COUNT, hint=f"among {len(found.points)} points on the stretch it was judged on"),
        Column("Best there was", Unit.USD, toned=True),
    )
    rows = tuple(
        (
            f"{f.learned[0]} to {f.learned[1]}",
            _worded(found, f.values),
            f.made_learning,
            f"{f.judged[0]} to {f.judged[1]}",
            f.made_judged,
            f.rank,
            f.best_judged,
        )
        for f in found.folds
    )
    made = sum(f.made_judged for f in found.folds)
    summary = f"Chosen on one stretch and used on the next, the values made {spoken(made, Unit.USD)} in all."
    return Table("Walk forward", columns, rows, summary, anchor="walk-forward")


def _point_table(found: Sweep) -> Table:
    columns = (
        *(Column(axis.name, Unit.PLAIN, 4) for axis in found.axes),
        Column("P&L", Unit.USD, toned=True),
        Column("Worst fall", Unit.USD),
        Column("Daily Sharpe", Unit.PLAIN, 3),
        Column("Closed by a rule", Unit.COUNT),
        Column("Cut off", Unit.COUNT, hint="held to where a recorded rule closed them"),
        Column("Unpriced", Unit.COUNT),
    )
    rows = tuple((*p.values, p.pnl, p.drawdown, p.sharpe, p.by_rule, p.cut, p.unpriced) for p in found.points)
    return Table("All points", columns, rows, anchor="points")


def _summed(changes: Sequence[float]) -> tuple[float, ...]:
    total, found = 0.0, []
    for change in changes:
        total += change
        found.append(total)
    return tuple(found)


# -- for the terminal -------------------------------------------------------------------------------------------------


def sweep_tables(found: Sweep) -> Iterator[TextTable]:
    """Yield the grid of two axes as coloured numbers, else the points that made most; then the walk forward."""
    yield _text_grid(found) if len(found.axes) == 2 else _text_points(found)
    if found.folds:
        table = TextTable("learned on", "chosen", "made", "judged on", "made", "rank", title="walk forward")
        for f in found.folds:
            made = (spoken(f.made_learning, Unit.USD), spoken(f.made_judged, Unit.USD))
            stretches = (f"{f.learned[0]} to {f.learned[1]}", f"{f.judged[0]} to {f.judged[1]}")
            table.add_row(stretches[0], _worded(found, f.values), made[0], stretches[1], made[1], f"{f.rank}")
        yield table


def _text_grid(found: Sweep) -> TextTable:
    down, across = found.axes
    width = len(across.values)
    size = max((abs(p.pnl) for p in found.points), default=0.0) or 1.0
    table = TextTable(
        f"{down.name} \\ {across.param}",
        *(TextColumn(f"{value:g}", justify="right", no_wrap=True) for value in across.values),
        title=f"P&L by {down.name} and {across.name}",
    )
    for row, value in enumerate(down.values):
        points = found.points[row * width : (row + 1) * width]
        cells = (_text_cell(p, size, best=row * width + i == found.best) for i, p in enumerate(points))
        table.add_row(f"{value:g}", *cells)
    return table


def _text_cell(point: Point, size: float, *, best: bool) -> Text:
    tone, share = (_UP if point.pnl >= 0 else _DOWN), 0.15 + 0.85 * abs(point.pnl) / size
    red, green, blue = (int(part * share) for part in tone)
    dark = share > 0.55
    style = Style(color="black" if dark else "white", bgcolor=f"rgb({red},{green},{blue})", bold=best, underline=best)
    return Text(spoken(point.pnl, Unit.USD) + ("*" if best else ""), style=style)


def _text_points(found: Sweep) -> TextTable:
    names = [axis.name for axis in found.axes]
    table = TextTable(*names, *(TextColumn(n, justify="right") for n in ("P&L", "worst fall", "closed", "cut off")))
    places = list(range(len(found.points)))
    if len(found.axes) > 1:
        places = sorted(places, key=lambda i: -found.points[i].pnl)[:_SHOWN]
    for place in places:
        p = found.points[place]
        mark = "*" if place == found.best else ""
        money = (spoken(p.pnl, Unit.USD, signed=True) + mark, spoken(p.drawdown, Unit.USD))
        table.add_row(*(f"{value:g}" for value in p.values), *money, f"{p.by_rule}", f"{p.cut}")
    return table
