"""Sections as what the templates print: every number worded, every place in percent of the width."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from itertools import pairwise
from typing import Any, assert_never

from v6.report.numbers import Unit, spoken, spoken_time
from v6.report.page import (
    Bars,
    Cell,
    Chart,
    Column,
    Heatmap,
    Histogram,
    Line,
    Link,
    Prose,
    Section,
    Table,
    Timeline,
    Tone,
)

_DEEPEST = 0.55
"""Share of the colour in a heatmap's strongest cell; its number must stay readable on it."""

_THINNEST = 0.35
"""Least width of a bar or span in percent; what is there must be seen."""


@dataclass(frozen=True, slots=True)
class Drawn:
    """A section for its template: `kind` names the template, `body` is what that one prints."""

    kind: str
    anchor: str
    title: str
    summary: str
    body: Any


@dataclass(frozen=True, slots=True)
class DrawnCell:
    text: str
    order: str
    tone: Tone
    href: str = ""
    number: bool = False


@dataclass(frozen=True, slots=True)
class Placed:
    """A bar or a span: start and width in percent of the track, and what is written about it."""

    label: str
    start: float
    width: float
    text: str
    tone: Tone
    note: str = ""
    href: str = ""


def drawn(section: Section, place: int) -> Drawn:
    """Return a section worded and placed; `place` counts from 1 and gives the anchor where there is none."""
    anchor = section.anchor or f"section-{place}"
    match section:
        case Chart():
            body = _chart(section)
            return Drawn("chart", anchor, section.title, section.summary or _course(section), body)
        case Table():
            return Drawn("table", anchor, section.title, section.summary, _table(section))
        case Bars():
            return Drawn("bars", anchor, section.title, section.summary or _extremes(section), _bars(section))
        case Heatmap():
            body = _heatmap(section)
            return Drawn("heatmap", anchor, section.title, section.summary or _peak(section), body)
        case Histogram():
            body = _histogram(section)
            return Drawn("histogram", anchor, section.title, section.summary or _spread(section), body)
        case Timeline():
            return Drawn("timeline", anchor, section.title, section.summary or _lanes(section), _timeline(section))
        case Prose():
            return Drawn("prose", anchor, section.title, "", section)
        case _:
            assert_never(section)


# -- charts -----------------------------------------------------------------------------------------------------------


def _chart(chart: Chart) -> dict[str, Any]:
    _same_length(f"chart {chart.title}", len(chart.times), (*chart.lines, *chart.below))
    times = [_seconds(at) for at in chart.times]
    if any(a >= b for a, b in pairwise(times)):
        raise ValueError(f"chart {chart.title}: times must rise")
    marks = [{"at": _seconds(mark.at), "label": mark.label} for mark in chart.marks]
    panes = [_pane(chart.title, chart.unit, chart.lines, tall=True)]
    if chart.below:
        panes.append(_pane(chart.below_title, chart.below_unit, chart.below, tall=False))
    return {"times": times, "marks": marks, "panes": panes}


def _pane(title: str, unit: Unit, lines: Sequence[Line], *, tall: bool) -> dict[str, Any]:
    shown = [
        {"label": x.label, "values": [_finite(v, x.label) for v in x.values], "benchmark": x.benchmark} for x in lines
    ]
    return {"title": title, "unit": unit.value, "lines": shown, "tall": tall}


def _course(chart: Chart) -> str:
    """Return the first line's beginning, end, highest and lowest, and the deepest point below it, in words."""
    if not chart.lines:
        return ""
    words = [_line_course(chart.lines[0], chart.times, chart.unit)]
    if chart.below:
        low = min(_known(chart.below[0], chart.times), default=None)
        if low is not None:
            words.append(
                f"Lowest {chart.below_title.lower()} {spoken(low[0], chart.below_unit)} on {spoken_time(low[1])}."
            )
    return " ".join(words)


def _line_course(line: Line, times: Sequence[date], unit: Unit) -> str:
    known = _known(line, times)
    if not known:
        return f"{line.label}: nothing known."
    (first, begun), (last, ended) = known[0], known[-1]
    (high, at_high), (low, at_low) = max(known), min(known)
    return (
        f"{line.label}: from {spoken(first, unit)} on {spoken_time(begun)} to {spoken(last, unit)} on "
        f"{spoken_time(ended)}; highest {spoken(high, unit)} on {spoken_time(at_high)}, lowest {spoken(low, unit)} on "
        f"{spoken_time(at_low)}."
    )


def _known(line: Line, times: Sequence[date]) -> list[tuple[float, date]]:
    return [(value, at) for value, at in zip(line.values, times, strict=True) if value is not None]


def _same_length(what: str, length: int, lines: Iterable[Line]) -> None:
    for line in lines:
        if len(line.values) != length:
            raise ValueError(f"{what}: {line.label} has {len(line.values)} values for {length} times")


def _seconds(at: date) -> float:
    if isinstance(at, datetime):
        return at.timestamp()
    return datetime(at.year, at.month, at.day, tzinfo=UTC).timestamp()


def _finite(value: float | None, what: str) -> float | None:
    if value is not None and not math.isfinite(value):
        raise ValueError(f"{what}: {value} is no number for a report; a missing value is None")
    return value


# -- tables -----------------------------------------------------------------------------------------------------------


def _table(table: Table) -> dict[str, Any]:
    rows = [[_cell(c, v) for c, v in zip(table.columns, row, strict=True)] for row in table.rows]
    return {"columns": table.columns, "rows": rows, "empty": table.empty}


def _cell(column: Column, value: Cell) -> DrawnCell:
    number = column.unit is not None
    if isinstance(value, Link):
        return DrawnCell(value.text, value.text, Tone.PLAIN, value.href, number)
    if value is None:
        return DrawnCell(spoken(None), "", Tone.MUTED, number=number)
    if isinstance(value, date):
        return DrawnCell(spoken_time(value), value.isoformat(), Tone.PLAIN, number=number)
    if isinstance(value, str):
        return DrawnCell(value, value, Tone.PLAIN, number=number)
    text = spoken(value, column.unit or Unit.PLAIN, column.decimals, signed=column.toned)
    return DrawnCell(text, repr(float(value)), _tone(value) if column.toned else Tone.PLAIN, number=True)


def _tone(value: float) -> Tone:
    return Tone.UP if value > 0 else Tone.DOWN if value < 0 else Tone.PLAIN


# -- bars -------------------------------------------------------------------------------------------------------------


def _bars(bars: Bars) -> dict[str, Any]:
    known = [bar.value for bar in bars.bars if bar.value is not None]
    low, high = min([0.0, *known]), max([0.0, *known])
    size = (high - low) or 1.0
    zero = -low / size * 100
    placed = []
    for bar in bars.bars:
        text = spoken(bar.value, bars.unit, signed=low < 0)
        if bar.value is None:
            placed.append(Placed(bar.label, zero, 0, text, Tone.MUTED, bar.note))
            continue
        width = max(abs(bar.value) / size * 100, _THINNEST if bar.value else 0)
        start = zero - width if bar.value < 0 else zero
        placed.append(Placed(bar.label, start, width, text, _tone(bar.value), bar.note))
    return {"bars": placed, "zero": zero}


def _extremes(bars: Bars) -> str:
    known = [(bar.value, bar.label) for bar in bars.bars if bar.value is not None]
    if not known:
        return "Nothing known."
    total = sum(value for value, _ in known)
    (low, low_label), (high, high_label) = min(known), max(known)
    return (
        f"Sum {spoken(total, bars.unit)}; highest {high_label} ({spoken(high, bars.unit)}), "
        f"lowest {low_label} ({spoken(low, bars.unit)})."
    )


# -- grids and counts -------------------------------------------------------------------------------------------------


def _heatmap(grid: Heatmap) -> dict[str, Any]:
    if len(grid.values) != len(grid.ys) or any(len(row) != len(grid.xs) for row in grid.values):
        raise ValueError(f"heatmap {grid.title}: values must be {len(grid.ys)} rows of {len(grid.xs)}")
    known = [value for row in grid.values for value in row if value is not None]
    low, high = min(known, default=0.0), max(known, default=0.0)
    rows = [
        (name, [_heat(value, low, high, grid, (y, x)) for x, value in enumerate(row)])
        for y, (name, row) in enumerate(zip(grid.ys, grid.values, strict=True))
    ]
    return {"grid": grid, "rows": rows}


def _heat(value: float | None, low: float, high: float, grid: Heatmap, at: tuple[int, int]) -> dict[str, Any]:
    text = spoken(value, grid.unit, grid.decimals)
    if value is None:
        return {"text": text, "share": 0, "tone": Tone.MUTED, "best": False}
    share = abs(value) / max(high, -low) if low < 0 < high else (value - low) / ((high - low) or 1.0)
    tone = Tone.DOWN if value < 0 < high else Tone.UP
    return {"text": text, "share": round(share * _DEEPEST * 100, 1), "tone": tone, "best": at == grid.best}


def _peak(grid: Heatmap) -> str:
    known = [(v, y, x) for y, row in enumerate(grid.values) for x, v in enumerate(row) if v is not None]
    if not known:
        return "Nothing known."
    words = []
    # Of equals the first, as is usual where one is chosen.
    first = max(known, key=lambda cell: cell[0]), min(known, key=lambda cell: cell[0])
    for name, (value, y, x) in zip(("Highest", "lowest"), first, strict=True):
        number = spoken(value, grid.unit, grid.decimals)
        words.append(f"{name} {number} at {grid.x_title} {grid.xs[x]}, {grid.y_title} {grid.ys[y]}")
    return "; ".join(words) + "."


def _histogram(histogram: Histogram) -> dict[str, Any]:
    edges, counts = histogram.edges, histogram.counts
    if len(edges) != len(counts) + 1:
        raise ValueError(f"histogram {histogram.title}: {len(edges)} edges for {len(counts)} counts")
    most = max(counts, default=0) or 1
    columns = [
        {
            "height": round(count / most * 100, 2),
            "count": count,
            "range": f"{spoken(low, histogram.unit)} to {spoken(high, histogram.unit)}",
            "tone": Tone.DOWN if high <= 0 else Tone.UP if low >= 0 else Tone.MUTED,
        }
        for low, high, count in zip(edges[:-1], edges[1:], counts, strict=True)
    ]
    labels = [spoken(edge, histogram.unit) for edge in (edges[0], edges[len(edges) // 2], edges[-1])]
    return {"columns": columns, "labels": labels, "most": most}


def _spread(histogram: Histogram) -> str:
    total = sum(histogram.counts)
    if not total:
        return "Nothing counted."
    at = max(range(len(histogram.counts)), key=lambda i: histogram.counts[i])
    low, high = histogram.edges[at], histogram.edges[at + 1]
    return (
        f"{total:,} counted; most ({histogram.counts[at]:,}) between {spoken(low, histogram.unit)} and "
        f"{spoken(high, histogram.unit)}."
    )


# -- timeline ---------------------------------------------------------------------------------------------------------


def _timeline(timeline: Timeline) -> dict[str, Any]:
    spans = [span for lane in timeline.lanes for span in lane.spans]
    if not spans:
        return {"lanes": [], "ticks": []}
    first, last = min(_seconds(s.first) for s in spans), max(_seconds(s.last) for s in spans)
    size = (last - first) or 1.0
    lanes = []
    for lane in timeline.lanes:
        placed = []
        for span in lane.spans:
            start, end = _seconds(span.first), _seconds(span.last)
            width = max((end - start) / size * 100, _THINNEST)
            text = f"{span.label}: {spoken_time(span.first)} to {spoken_time(span.last)}"
            at = min((start - first) / size * 100, 100 - width)
            placed.append(Placed(span.label, at, width, text, span.tone, href=span.href))
        lanes.append((lane.label, placed))
    ticks = [f"{datetime.fromtimestamp(first + size * i / 4, UTC):%Y-%m-%d}" for i in range(5)]
    return {"lanes": lanes, "ticks": ticks}


def _lanes(timeline: Timeline) -> str:
    parts = [f"{lane.label} {len(lane.spans)}" for lane in timeline.lanes if lane.spans]
    return f"Counted: {', '.join(parts)}." if parts else "Nothing happened."
