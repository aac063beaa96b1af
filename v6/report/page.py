"""What a report consists of, as values; text is plain text and is escaped where it is written."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from v6.report.numbers import Unit


class Tone(StrEnum):
    """What a colour says; BAD is for problems, an ordinary loss is DOWN."""

    PLAIN = "plain"
    UP = "up"
    DOWN = "down"
    GOOD = "good"
    WARN = "warn"
    BAD = "bad"
    MUTED = "muted"


@dataclass(frozen=True, slots=True)
class Figure:
    """A key figure of the strip at the top; value is text, made with `spoken`."""

    label: str
    value: str
    hint: str = ""
    tone: Tone = Tone.PLAIN


@dataclass(frozen=True, slots=True)
class Line:
    """One line of a chart; None is a gap. A benchmark is drawn thin and dashed."""

    label: str
    values: tuple[float | None, ...]
    benchmark: bool = False


@dataclass(frozen=True, slots=True)
class Mark:
    """A moment on a chart's time axis, such as where the record begins."""

    at: date
    label: str


@dataclass(frozen=True, slots=True)
class Chart:
    """Lines over one time axis, and a second chart under it on the same axis (drawdown) if `below` is given.

    `times` rise; a `date` is midnight UTC. `summary` is the text under the chart; empty gives the first line's course.
    """

    title: str
    times: tuple[date, ...]
    lines: tuple[Line, ...]
    unit: Unit = Unit.USD
    below: tuple[Line, ...] = ()
    below_title: str = "Drawdown"
    below_unit: Unit = Unit.PERCENT
    marks: tuple[Mark, ...] = ()
    summary: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Link:
    """Text that leads to an anchor of the same page (`#trace-1`)."""

    text: str
    href: str


Cell = str | int | float | date | Link | None


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table: with a unit its cells are numbers, right-aligned; `toned` colours them by their sign."""

    title: str
    unit: Unit | None = None
    decimals: int | None = None
    toned: bool = False
    hint: str = ""


@dataclass(frozen=True, slots=True)
class Table:
    """Rows of cells, each as long as `columns`; sortable by a click on a column's title."""

    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    summary: str = ""
    empty: str = "None."
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Bar:
    label: str
    value: float | None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Bars:
    """Horizontal bars from one zero line, such as P&L by rule or by year."""

    title: str
    bars: tuple[Bar, ...]
    unit: Unit = Unit.USD
    summary: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Heatmap:
    """A grid of coloured numbers: `values[row][column]`, rows named by `ys`, columns by `xs`.

    `best` is the (row, column) that is framed. Numbers of both signs are coloured by sign, of one sign by size.
    """

    title: str
    x_title: str
    y_title: str
    xs: tuple[str, ...]
    ys: tuple[str, ...]
    values: tuple[tuple[float | None, ...], ...]
    unit: Unit = Unit.USD
    decimals: int | None = None
    best: tuple[int, int] | None = None
    summary: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Histogram:
    """Counts between edges; there is one more edge than counts."""

    title: str
    edges: tuple[float, ...]
    counts: tuple[int, ...]
    unit: Unit = Unit.USD
    summary: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Span:
    """A stretch of time in a lane; `href` may lead to an anchor of the same page."""

    first: date
    last: date
    label: str
    tone: Tone = Tone.PLAIN
    href: str = ""


@dataclass(frozen=True, slots=True)
class Lane:
    label: str
    spans: tuple[Span, ...]


@dataclass(frozen=True, slots=True)
class Timeline:
    """Lanes of spans over one time axis."""

    title: str
    lanes: tuple[Lane, ...]
    summary: str = ""
    anchor: str = ""


@dataclass(frozen=True, slots=True)
class Prose:
    """Paragraphs, then lines of `code` as they are; `folded` shows the title only until it is opened."""

    title: str
    paragraphs: tuple[str, ...] = ()
    code: str = ""
    folded: bool = False
    tone: Tone = Tone.PLAIN
    anchor: str = ""


Section = Chart | Table | Bars | Heatmap | Histogram | Timeline | Prose


@dataclass(frozen=True, slots=True)
class Page:
    """A whole report; `foot` says what it was made of (versions, fingerprints, the command)."""

    title: str
    subtitle: str = ""
    figures: tuple[Figure, ...] = ()
    sections: tuple[Section, ...] = ()
    foot: tuple[str, ...] = ()
