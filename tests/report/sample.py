"""A report with every kind of section, for the tests and for looking at."""

import math
from datetime import UTC, date, datetime, timedelta

from v6.report import (
    Bar,
    Bars,
    Chart,
    Column,
    Figure,
    Heatmap,
    Histogram,
    Lane,
    Line,
    Link,
    Mark,
    Page,
    Prose,
    Span,
    Table,
    Timeline,
    Tone,
    Unit,
    spoken,
)

BEGIN = date(2014, 1, 2)


def sample() -> Page:
    """Return three years of invented equity with all that can stand around it."""
    days = tuple(BEGIN + timedelta(days=i) for i in range(1000))
    equity = tuple(100_000 + 18 * i + 4000 * math.sin(i / 40) for i in range(1000))
    index = tuple(None if 300 < i < 340 else 100_000 + 12 * i + 2500 * math.cos(i / 55) for i in range(1000))
    peaks = [max(equity[: i + 1]) for i in range(1000)]
    drawdown = tuple(value / peak - 1 for value, peak in zip(equity, peaks, strict=True))
    chart = Chart(
        "Equity",
        days,
        (Line("desk", equity), Line("S&P 500", index, benchmark=True)),
        below=(Line("drawdown", drawdown),),
        marks=(Mark(days[500], "rules changed"),),
    )
    rules = ("catastrophe", "trailing_stop", "take_profit", "stop_loss", "time_exit")
    made = (-2100.0, 350.5, 8200.0, -3900.0, 120.0)
    trades = Table(
        "Worst trades",
        (Column("Position"), Column("Closed"), Column("P&L", Unit.USD, toned=True), Column("Held", Unit.DAYS)),
        (
            (Link("P1", "#trace-1"), datetime(2015, 8, 24, 14, 35, tzinfo=UTC), -2100.0, 12.5),
            ("P<2>", date(2015, 1, 6), -350.25, 3.0),
            ("P3", date(2016, 6, 24), 10.0, None),
        ),
    )
    sweep = Heatmap(
        "Sweep",
        "target",
        "stop",
        ("0.30", "0.50", "0.70"),
        ("1.0", "2.0"),
        ((-1200.0, 300.0, 4100.0), (-300.0, 2500.0, None)),
        best=(0, 2),
    )
    lanes = tuple(
        Lane(rule, tuple(Span(days[90 * i + 7 * n], days[90 * i + 7 * n + 20], f"P{i}", tone) for i in range(10)))
        for n, (rule, tone) in enumerate(zip(rules, (Tone.DOWN, Tone.UP, Tone.UP, Tone.DOWN, Tone.PLAIN), strict=True))
    )
    return Page(
        "Replay of the shipped desk",
        "2014-01-02 to 2016-09-27, 1,000 days",
        (
            Figure("Would have made", spoken(2670.5, Unit.USD, signed=True), "after costs", Tone.UP),
            Figure("Made", spoken(-1250.0, Unit.USD), "as recorded", Tone.DOWN),
            Figure("Worst drawdown", spoken(min(drawdown), Unit.PERCENT)),
            Figure("Positions", spoken(128, Unit.COUNT), "121 closed by a rule"),
            Figure("Sharpe", spoken(None)),
        ),
        (
            Prose("The record has a gap", ("No snapshot from 2014-05-01 to 2014-05-06.",), tone=Tone.WARN),
            chart,
            Bars("P&L by rule", tuple(Bar(r, v, "12 closed") for r, v in zip(rules, made, strict=True))),
            trades,
            sweep,
            Histogram(
                "Distribution",
                tuple(float(x) for x in range(-3000, 3001, 500)),
                (1, 0, 2, 5, 9, 20, 31, 28, 11, 4, 2, 1),
            ),
            Timeline("Timeline", lanes),
            Prose(
                "trace 1: P1 closed by stop_loss",
                code="stop_loss\n└ pnl_ratio <= -2.0\n",
                folded=True,
                anchor="trace-1",
            ),
        ),
        ("v6 replay --html report.html",),
    )
