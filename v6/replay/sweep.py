"""Every point of a grid of parameters tried on the record in one query."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from v6.backends.duckdb import replay_sql
from v6.errors import V6Error
from v6.lang.ast import fields_of
from v6.lang.desk import Rule
from v6.replay.dryrun import Ask, Step
from v6.replay.grid import Axis, points_of, swept
from v6.replay.history import History, open_history, reading
from v6.replay.outcomes import Ending, Fees, Outcome, fees_of, outcomes
from v6.replay.sharpe import Deflated, deflated, sharpe
from v6.replay.tally import daily_changes, daily_values, days_of

MOST_ROWS = 20_000_000
"""Rows that are decided at once; a larger grid is taken in slices of points, the record being read once."""

STEPS = ("reading the record", "deciding every point", "ending positions", "judging")


@dataclass(frozen=True, slots=True)
class Point:
    """One combination of values: dollars made, worst fall of their sum, daily Sharpe ratio, how positions ended.

    `cut` counts those whose recorded end hides what these values would have made of them.
    """

    values: tuple[float, ...]
    pnl: float
    drawdown: float
    sharpe: float | None
    by_rule: int
    cut: int
    unpriced: int
    changes: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Fold:
    """Values chosen for the most dollars on one stretch, and what they and the rules as they are made on the next.

    `rank` is the chosen point's place among all on the next stretch, 1 being the best.
    """

    learned: tuple[date, date]
    judged: tuple[date, date]
    values: tuple[float, ...]
    made_learning: float
    made_judged: float
    rank: int
    best_judged: float


@dataclass(frozen=True, slots=True)
class Sweep:
    """The whole answer; `best` is the index of the point that made most, the first of equals."""

    axes: tuple[Axis, ...]
    days: tuple[date, ...]
    positions: int
    fees: Fees
    points: tuple[Point, ...]
    best: int
    deflated: Deflated | None
    folds: tuple[Fold, ...]
    warnings: tuple[str, ...]


def sweep(ask: Ask, rules: Sequence[Rule], axes: Sequence[Axis], folds: int = 0, step: Step = lambda _: None) -> Sweep:
    """Return what each point of the grid would have made; raises StoreError or V6Error for bad input."""
    grid = points_of(axes)
    step(STEPS[0])
    history = open_history(ask.tables, ask.first, ask.last, ask.as_of)
    with reading(ask.tables):
        step(STEPS[1])
        decide(history, rules, axes, grid)
        step(STEPS[2])
        fees = fees_of(history, ask.commission)
        found = outcomes(history, rules, fees, len(grid))
        step(STEPS[3])
        days, values = days_of(history), daily_values(history)
    if all(o.pnl is None for o in found):
        raise V6Error(
            "no position of the range has a mark at its end and recorded contracts: there is nothing to sweep"
        )
    by_point = {point: list(group) for point, group in groupby(found, key=lambda o: o.point)}
    points = tuple(
        _point(values_at, by_point.get(place, []), days, daily_changes(by_point.get(place, []), values, history.first))
        for place, values_at in enumerate(grid)
    )
    best = max(range(len(points)), key=lambda i: points[i].pnl)
    judged = deflated(points[best].changes, [p.sharpe for p in points if p.sharpe is not None])
    return Sweep(
        tuple(axes),
        tuple(days),
        len({o.position_id for o in found}),
        fees,
        points,
        best,
        judged,
        walk_forward(points, days, folds) if folds else (),
        _warnings(points, judged, history),
    )


def decide(history: History, rules: Sequence[Rule], axes: Sequence[Axis], grid: Sequence[tuple[float, ...]]) -> None:
    """Make the relation `replayed` of the deciding rows at every point of the grid.

    The record is read once, into the columns that the rules need; each point has each position under its own key.
    """
    db = history.db
    variants, carriers = swept(rules, axes)
    read = sorted({f.name for rule in variants for expr in rule.expressions for f in fields_of(expr)} - set(carriers))
    fields = "".join(f', "{name}"' for name in read)
    db.execute(
        f"CREATE TEMP TABLE narrow AS SELECT snapshot_id, key, ts{fields} FROM snapshots "
        "WHERE key <> '' AND ts <= $last",
        {"last": history.last},
    )
    rows = db.sql("SELECT count(*) FROM narrow").fetchall()[0][0]
    lent = "".join(f', g.p{place} AS "{name}"' for place, name in enumerate(carriers))
    db.execute(f"CREATE TEMP TABLE grid (point INTEGER{''.join(f', p{i} DOUBLE' for i in range(len(axes)))})")
    db.execute(
        f"CREATE TEMP VIEW spread_out AS SELECT n.snapshot_id, g.point || '/' || n.key AS key, n.ts"
        f"{''.join(f', n.{chr(34)}{name}{chr(34)}' for name in read)}{lent} FROM narrow n CROSS JOIN grid g"
    )
    db.execute(
        "CREATE TEMP TABLE replayed (point INTEGER, key VARCHAR, ts TIMESTAMPTZ, snapshot_id VARCHAR, rule_id VARCHAR)"
    )
    query = (
        "INSERT INTO replayed SELECT CAST(split_part(key, '/', 1) AS INTEGER), substr(key, strpos(key, '/') + 1), "
        f"ts, snapshot_id, rule_id FROM ({replay_sql(variants, 'spread_out')}) WHERE rule_id IS NOT NULL"
    )
    at_once = max(1, MOST_ROWS // max(1, rows))
    marks = ", ".join("?" for _ in range(len(axes) + 1))
    for begin in range(0, len(grid), at_once):
        part = [(begin + place, *values) for place, values in enumerate(grid[begin : begin + at_once])]
        db.execute("DELETE FROM grid")
        db.executemany(f"INSERT INTO grid VALUES ({marks})", part)
        db.execute(query)


def _point(
    values: tuple[float, ...], found: Sequence[Outcome], days: Sequence[date], changes: dict[date, float]
) -> Point:
    course = tuple(changes.get(day, 0.0) for day in days)
    total, high, fall = 0.0, 0.0, 0.0
    for change in course:
        total += change
        high = max(high, total)
        fall = min(fall, total - high)
    return Point(
        values,
        sum(o.pnl for o in found if o.pnl is not None),
        fall,
        sharpe(course),
        sum(o.ending is Ending.RULE for o in found),
        sum(o.cut for o in found),
        sum(o.pnl is None for o in found),
        course,
    )


def walk_forward(points: Sequence[Point], days: Sequence[date], folds: int) -> tuple[Fold, ...]:
    """Return for each fold what was best on the stretch before it and how it did; raises V6Error for few days."""
    if len(days) < 2 * (folds + 1):
        raise V6Error(f"--walk-forward {folds} needs at least {2 * (folds + 1)} days; the range has {len(days)}")
    cuts = [len(days) * i // (folds + 1) for i in range(folds + 2)]
    found = []
    for begin, middle, end in zip(cuts, cuts[1:], cuts[2:], strict=False):
        learned = [sum(point.changes[begin:middle]) for point in points]
        judged = [sum(point.changes[middle:end]) for point in points]
        chosen = learned.index(max(learned))
        found.append(
            Fold(
                (days[begin], days[middle - 1]),
                (days[middle], days[end - 1]),
                points[chosen].values,
                learned[chosen],
                judged[chosen],
                1 + sum(made > judged[chosen] for made in judged),
                max(judged),
            )
        )
    return tuple(found)


def _warnings(points: Sequence[Point], judged: Deflated | None, history: History) -> tuple[str, ...]:
    said = [f"no snapshot on the sessions {first} to {last}" for first, last in history.gaps]
    if len(points) > 1:
        text = f"the best of {len(points)} trials is the best in part by luck"
        if judged is None:
            said.append(f"{text}; there is too little here to say how much")
        else:
            said.append(
                f"{text}: the best of so many without any skill would show a daily Sharpe ratio of "
                f"{judged.expected:.3f}, this one has {judged.sharpe:.3f}; the probability that it is more "
                f"than luck (deflated Sharpe ratio) is {judged.probability:.0%}"
            )
    worst = max((point.cut for point in points), default=0)
    if worst:
        said.append(
            f"at some points up to {worst} positions are held to where a recorded rule closed them, and their "
            "recorded P&L is counted: values looser than those recorded cannot be told apart from here on"
        )
    unpriced = max((point.unpriced for point in points), default=0)
    if unpriced:
        said.append(f"at some points up to {unpriced} positions have no known mark at their end; they are in no sum")
    return tuple(said)
