"""What each rule did in a replay, and the equity that came of it day by day."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

from v6.lang.desk import Rule
from v6.model.catalogue import Scope
from v6.replay.history import History
from v6.replay.outcomes import Ending, Outcome, total


@dataclass(frozen=True, slots=True)
class RuleTally:
    """One rule over the rows that count (none after a position's end).

    `fired`, `unknown` and `first` count rows; `pnl` sums dollars of positions closed and parts given up, `unpriced`
    counts those without a known mark, which are not in it; it is None if there are no others. `missed` counts
    positions that ended by something else while this rule was unknown on every one of their rows.
    """

    rule: str
    scope: str
    fired: int
    unknown: int
    first: int
    closed: int
    reduced: int
    pnl: float | None
    unpriced: int
    days_held: float | None
    missed: int


@dataclass(frozen=True, slots=True)
class Curve:
    """Equity at the end of each day (dollars): replayed and recorded, both from `base`, None if that is not known.

    `replayed` is None if no position could be priced.
    """

    base: float | None
    days: tuple[date, ...]
    replayed: tuple[float, ...] | None
    recorded: tuple[float, ...]


def tallies(history: History, rules: Sequence[Rule], found: Sequence[Outcome]) -> tuple[RuleTally, ...]:
    """Return what each rule did, in the rules' order."""
    params = {"first": history.first, "last": history.last}
    _mark_counted(history, found)
    counts = _counts(history, rules, params)
    first = dict(history.db.sql("SELECT rule_id, count(*) FROM counted GROUP BY 1").fetchall())
    missed = _missed(history, rules, found)
    return tuple(
        _tally(rule, counts[2 * bit], counts[2 * bit + 1], first.get(rule.id, 0), missed[rule.id], found)
        for bit, rule in enumerate(rules)
    )


def _mark_counted(history: History, found: Sequence[Outcome]) -> None:
    """Make the relation of rows that count: the portfolio's, and each position's up to its end."""
    db = history.db
    db.execute("CREATE OR REPLACE TEMP TABLE lives (key VARCHAR, until TIMESTAMPTZ)")
    lives = [(o.position_id, o.at if o.ending is Ending.RULE else history.last) for o in found]
    if lives:
        db.executemany("INSERT INTO lives VALUES ($1, $2)", lives)
    db.execute(
        "CREATE OR REPLACE TEMP TABLE counted AS SELECT r.* FROM replayed r LEFT JOIN lives l ON l.key = r.key "
        "WHERE r.ts BETWEEN $first AND $last AND (r.key = '' OR r.ts <= l.until)",
        {"first": history.first, "last": history.last},
    )


def _counts(history: History, rules: Sequence[Rule], params: Mapping[str, datetime]) -> tuple[int, ...]:
    columns = ", ".join(
        f"count(*) FILTER (fired >> {bit} & 1 = 1), count(*) FILTER (unknown >> {bit} & 1 = 1)"
        for bit in range(len(rules))
    )
    return tuple(history.db.sql(f"SELECT {columns} FROM counted").fetchall()[0]) if columns else ()


def _missed(history: History, rules: Sequence[Rule], found: Sequence[Outcome]) -> dict[str, int]:
    columns = ", ".join(f"bool_and(unknown >> {bit} & 1 = 1)" for bit in range(len(rules)))
    rows = history.db.sql(f"SELECT key, {columns} FROM counted WHERE key <> '' GROUP BY key").fetchall()
    never = {row[0]: row[1:] for row in rows}
    return {
        rule.id: sum(
            o.ending is not Ending.OPEN and o.rule != rule.id and never[o.position_id][bit]
            for o in found
            if o.position_id in never
        )
        if rule.scope is Scope.POSITION
        else 0
        for bit, rule in enumerate(rules)
    }


def _tally(rule: Rule, fired: int, unknown: int, first: int, missed: int, found: Sequence[Outcome]) -> RuleTally:
    parts = [part for o in found for part in o.parts if part.rule == rule.id]
    # What was given up before belongs to the rule that gave it up.
    closed = [o for o in found if o.rule == rule.id and o.ending is Ending.RULE]
    made = [part.pnl for part in parts]
    made += [None if (rest := rest_of(o)) is None else rest for o in closed]
    days = [o.days_held for o in closed]
    return RuleTally(
        rule.id,
        rule.scope.value,
        fired,
        unknown,
        first,
        len(closed),
        len(parts),
        total(made),
        sum(value is None for value in made),
        sum(days) / len(days) if days else None,
        missed,
    )


def rest_of(outcome: Outcome) -> float | None:
    """Return what the units that no `reduce` gave up made, in dollars."""
    if outcome.pnl is None:
        return None
    return outcome.pnl - sum(part.pnl for part in outcome.parts if part.pnl is not None)


def curve(history: History, found: Sequence[Outcome]) -> Curve:
    """Return the equity of outcomes of one point; positions without a known P&L add nothing."""
    days = days_of(history)
    base = history.db.execute(_BASE, _range(history)).fetchall()
    values, recorded = daily_values(history), recorded_parts(history)
    real: dict[date, float] = {}
    for outcome in found:
        if outcome.recorded_pnl is not None:
            course = values.get(outcome.position_id, [])
            _add(real, _recorded_course(outcome, course, recorded.get(outcome.position_id, [])), history.first)
    replayed = daily_changes(found, values, history.first)
    start = base[0][0] if base else None
    priced = total(o.pnl for o in found) is not None
    return Curve(start, tuple(days), _summed(start, days, replayed) if priced else None, _summed(start, days, real))


def daily_changes(found: Iterable[Outcome], values: Mapping[str, Course], first: datetime) -> dict[date, float]:
    """Return the dollars made or lost on each day from `first`'s on, as the replay ends the positions."""
    changes: dict[date, float] = {}
    for outcome in found:
        if outcome.pnl is not None:
            _add(changes, replayed_course(outcome, values.get(outcome.position_id, [])), first)
    return changes


Course = list[tuple[date, float]]
"""What a position has made in all by the end of each day, realised and not."""


def days_of(history: History) -> list[date]:
    """Return the days of the range that have a snapshot."""
    return [row[0] for row in history.db.execute(_DAYS, _range(history)).fetchall()]


def daily_values(history: History) -> dict[str, Course]:
    """Return what one unit is worth after costs at the end of each day, by position."""
    rows = history.db.sql(
        "SELECT key, date, arg_max(value, ts) FROM unit_values GROUP BY 1, 2 ORDER BY 1, 2"
    ).fetchall()
    found: dict[str, Course] = {}
    for key, day, value in rows:
        found.setdefault(key, []).append((day, value))
    return found


def recorded_parts(history: History) -> dict[str, list[tuple[date, int, float]]]:
    """Return day, units and dollars of each recorded reduction, by position."""
    rows = history.db.execute(
        "SELECT position_id, date, quantity, pnl FROM positions WHERE event = 'reduced' AND ts <= $last ORDER BY seq",
        {"last": history.last},
    ).fetchall()
    found: dict[str, list[tuple[date, int, float]]] = {}
    for key, day, units, pnl in rows:
        found.setdefault(key, []).append((day, units, pnl))
    return found


def replayed_course(outcome: Outcome, values: Course) -> Course:
    """Return the course of a position as the replay ends it."""
    parts = [(_day(part.at), part.units, part.pnl or 0.0) for part in outcome.parts]
    assert outcome.pnl is not None
    return _course(outcome.quantity, values, parts, _day(outcome.at), outcome.pnl)


def _recorded_course(outcome: Outcome, values: Course, parts: list[tuple[date, int, float]]) -> Course:
    assert outcome.recorded_pnl is not None
    until = outcome.recorded_at
    end = _day(until) if until is not None else values[-1][0] if values else _day(outcome.at)
    return _course(outcome.quantity, values, parts, end, outcome.recorded_pnl)


def _course(quantity: int, values: Course, parts: list[tuple[date, int, float]], end: date, total: float) -> Course:
    found: Course = []
    for day, value in values:
        if day >= end:
            break
        gone = [part for part in parts if part[0] <= day]
        held = quantity - sum(units for _, units, _ in gone)
        found.append((day, held * value + sum(pnl for _, _, pnl in gone)))
    return [*found, (end, total)]


def _add(changes: dict[date, float], course: Course, first: datetime) -> None:
    """Add what a course changes on each day of the range; what was made before it is in the base already."""
    begin, before = _day(first), 0.0
    for day, value in course:
        if day >= begin:
            changes[day] = changes.get(day, 0.0) + value - before
        before = value


def _summed(start: float | None, days: Iterable[date], changes: Mapping[date, float]) -> tuple[float, ...]:
    total, found = start or 0.0, []
    for day in days:
        total += changes.get(day, 0.0)
        found.append(total)
    return tuple(found)


def _day(at: datetime) -> date:
    return at.astimezone(UTC).date()


def _range(history: History) -> dict[str, Any]:
    return {"first": history.first, "last": history.last}


_DAYS = "SELECT DISTINCT date FROM snapshots WHERE ts BETWEEN $first AND $last ORDER BY 1"

_BASE = """
SELECT arg_min(net_liq, ts) FROM snapshots
WHERE ts BETWEEN $first AND $last AND net_liq IS NOT NULL HAVING count(*) > 0
"""
