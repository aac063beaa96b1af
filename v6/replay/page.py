"""A dry run as a report."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import timedelta

from v6.replay.dryrun import DryRun
from v6.replay.outcomes import Ending, Outcome
from v6.replay.tally import Curve, RuleTally
from v6.report import (
    Bar,
    Bars,
    Chart,
    Column,
    Figure,
    Histogram,
    Lane,
    Line,
    Link,
    Page,
    Prose,
    Section,
    Span,
    Table,
    Timeline,
    Tone,
    Unit,
    spoken,
)

WORST = 12
"""Trades whose rule trace is in the report."""

_BINS = 24


def worst_of(run: DryRun) -> list[Outcome]:
    """Return the trades that lost most in the replay, the worst first."""
    known = [o for o in run.outcomes if o.pnl is not None]
    return sorted(known, key=lambda o: (o.pnl or 0.0, o.position_id))[:WORST]


def page_of(run: DryRun, traces: Mapping[str, str], command: str, rules: str) -> Page:
    """Return the report; `traces` has the rule trace of a position's closing decision as text, by position id."""
    sections: list[Section] = []
    if run.warnings:
        sections.append(Prose("What to know before reading on", run.warnings, tone=Tone.WARN, anchor="warnings"))
    sections += [
        *equity_charts(run.curve),
        _by_rule(run.rules),
        _rule_table(run),
        _by_year(run.outcomes),
        _timeline(run),
        *_spread(run.outcomes),
        _trades("Worst trades", worst_of(run), traces),
        _trades("All positions", run.outcomes, traces),
        Prose("How the numbers are made", _method(run), anchor="method"),
        *(
            Prose(f"Trace: {key}", code=text, folded=True, anchor=f"trace-{place}")
            for place, (key, text) in enumerate(traces.items(), 1)
        ),
    ]
    subtitle = f"{run.first:%Y-%m-%d} to {run.last:%Y-%m-%d}, {run.agreement.snapshots:,} snapshots; {rules}"
    return Page("Replay", subtitle, _figures(run), tuple(sections), (command,))


def _figures(run: DryRun) -> tuple[Figure, ...]:
    ended = sum(o.ending is Ending.RULE for o in run.outcomes)
    _, gap = run.same_exits
    fall = min(drawdown(run.curve.replayed or (), run.curve.base), default=None)
    unit = Unit.PERCENT if run.curve.base else Unit.USD
    return (
        Figure("Would have made", spoken(run.pnl, Unit.USD, signed=True), "after spread, commission", _tone(run.pnl)),
        Figure("Made", spoken(run.recorded_pnl, Unit.USD, signed=True), "as recorded", _tone(run.recorded_pnl)),
        Figure("Difference", spoken(run.difference, Unit.USD, signed=True), "replayed less recorded"),
        Figure("Worst drawdown", spoken(fall, unit), "replayed, at day's end"),
        Figure("Positions", spoken(len(run.outcomes), Unit.COUNT), f"{ended} closed by a rule"),
        Figure("Fill gap", spoken(gap, Unit.USD, 2, signed=True), "fill less estimate, same exit"),
    )


def drawdown(equity: Sequence[float], base: float | None) -> tuple[float, ...]:
    """Return the fall from the highest so far: as a ratio if the base is known, else in dollars; never positive."""
    high, found = base or 0.0, []
    for value in equity:
        high = max(high, value)
        found.append((value / high - 1 if high > 0 else 0.0) if base else value - high)
    return tuple(found)


def equity_charts(curve: Curve) -> tuple[Chart, ...]:
    """Return the equity chart with drawdown under it, replayed and recorded; none if nothing could be priced."""
    if curve.replayed is None:
        return ()
    unit = Unit.PERCENT if curve.base else Unit.USD
    chart = Chart(
        "Equity" if curve.base else "Profit so far",
        curve.days,
        (Line("replayed", curve.replayed), Line("recorded", curve.recorded, benchmark=True)),
        below=(
            Line("replayed", drawdown(curve.replayed, curve.base)),
            Line("recorded", drawdown(curve.recorded, curve.base), benchmark=True),
        ),
        below_unit=unit,
        anchor="equity",
    )
    return (chart,)


def _by_rule(rules: Sequence[RuleTally]) -> Bars:
    acting = [rule for rule in rules if rule.closed or rule.reduced]
    bars = tuple(Bar(rule.rule, rule.pnl, f"{rule.closed + rule.reduced} closed") for rule in acting)
    return Bars("P&L by rule", bars, anchor="by-rule")


def _by_year(found: Sequence[Outcome]) -> Bars:
    years: dict[int, float] = {}
    for outcome in found:
        if outcome.pnl is not None:
            years[outcome.at.year] = years.get(outcome.at.year, 0.0) + outcome.pnl
    return Bars(
        "P&L by year of the end", tuple(Bar(str(year), years[year]) for year in sorted(years)), anchor="by-year"
    )


def _rule_table(run: DryRun) -> Table:
    columns = (
        Column("Rule"),
        Column("Fired", Unit.COUNT, hint="rows on which it fired"),
        Column("Unknown", Unit.COUNT, hint="rows on which it was neither true nor false"),
        Column("First", Unit.COUNT, hint="rows that it decided"),
        Column("Closed", Unit.COUNT, hint="positions that it ended"),
        Column("Reduced", Unit.COUNT, hint="times it gave up a part"),
        Column("P&L", Unit.USD, toned=True),
        Column("Days held", Unit.DAYS, hint="mean of the positions that it ended"),
        Column("Missed", Unit.COUNT, hint="positions that ended otherwise while it was unknown on all their rows"),
    )
    rows = tuple(
        (r.rule, r.fired, r.unknown, r.first, r.closed, r.reduced, r.pnl, r.days_held, r.missed) for r in run.rules
    )
    return Table("Rules", columns, rows, anchor="rules")


def _timeline(run: DryRun) -> Timeline:
    lanes: dict[str, list[Span]] = {}
    for o in run.outcomes:
        name = o.rule or ("still open" if o.ending is Ending.OPEN else f"recorded end: {o.recorded_reason}")
        label = f"{o.position_id} {spoken(o.pnl, Unit.USD, signed=True)}"
        end = max(o.at, o.opened + timedelta(minutes=1))
        lanes.setdefault(name, []).append(Span(o.opened, end, label, _tone(o.pnl)))
    order = [rule.rule for rule in run.rules]
    names = sorted(lanes, key=lambda name: (order.index(name) if name in order else len(order), name))
    return Timeline("Positions, by what ended them", tuple(Lane(n, tuple(lanes[n])) for n in names), anchor="timeline")


def _spread(found: Sequence[Outcome]) -> tuple[Section, ...]:
    known = [o.pnl for o in found if o.pnl is not None]
    if len(known) < 2:
        return ()
    return (histogram("P&L of a position", known, "distribution"),)


def histogram(title: str, values: Sequence[float], anchor: str) -> Histogram:
    """Return the values counted between round edges, zero being one of them."""
    size = (max(values) - min(values)) / _BINS or 1.0
    power = 10 ** math.floor(math.log10(size))
    step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= size)
    low, high = math.floor(min(values) / step), math.floor(max(values) / step) + 1
    counts = [0] * (high - low)
    for value in values:
        counts[math.floor(value / step) - low] += 1
    return Histogram(title, tuple(i * step for i in range(low, high + 1)), tuple(counts), anchor=anchor)


def _trades(title: str, found: Sequence[Outcome], traces: Mapping[str, str]) -> Table:
    columns = (
        Column("Position"),
        Column("Opened"),
        Column("Ended"),
        Column("By"),
        Column("Held", Unit.DAYS),
        Column("P&L", Unit.USD, toned=True),
        Column("Recorded by"),
        Column("Recorded P&L", Unit.USD, toned=True),
        Column("Difference", Unit.USD, toned=True, hint="replayed less recorded"),
    )
    places = {key: f"#trace-{place}" for place, key in enumerate(traces, 1)}
    rows = tuple(
        (
            Link(o.position_id, places[o.position_id]) if o.position_id in places else o.position_id,
            o.opened,
            o.at,
            o.rule or ("open" if o.ending is Ending.OPEN else f"recorded: {o.recorded_reason}"),
            o.days_held,
            o.pnl,
            o.recorded_reason,
            o.recorded_pnl,
            o.difference,
        )
        for o in found
    )
    return Table(title, columns, rows, empty="No position in this range.", anchor=title.lower().replace(" ", "-"))


def _method(run: DryRun) -> tuple[str, ...]:
    same, _ = run.same_exits
    return (
        "Each position ends at its first closing decision; what its rows would have decided later is not counted. It "
        "is closed at the first mark known from that row on, less half the recorded spread and "
        f"{spoken(run.fees.per_contract, Unit.USD, 2)} for a contract ({run.fees.source}). A reduce gives up its "
        "fraction in whole units at the mark; a roll is a closing, its replacement is a position of its own.",
        "A position that no rule closes is held to its recorded end. Positions that were never opened in the record "
        "are not invented: a rule that closes earlier would have freed the desk to open others.",
        f"The fill gap is measured on {same} exits that fell by the same rule on the same day in the record: what "
        "the fills made beyond this estimate, in dollars a position.",
    )


def _tone(value: float | None) -> Tone:
    return Tone.PLAIN if not value else Tone.UP if value > 0 else Tone.DOWN
