"""Two rule sets over the same rows in one query: what they share is worked out once.

Masks are a matter of each rule alone, so one replay over the rules of both sides has all of them, and which rule of a
side decides is told from its bits. Only rules that stand aside for those below them (reductions, cooldowns) depend on
what else was decided; a pair of sets with such rules is replayed in two queries.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

import duckdb

from v6.backends.duckdb import replay_sql
from v6.lang.canonical import meaning
from v6.lang.desk import Rule
from v6.lang.schema import MAX_RULES
from v6.model.decision import Action, ActionKind

Told: TypeAlias = tuple[str, str, str]
"""Rule id, and SQL for whether its alert is due on the old and on the new side."""


@dataclass(frozen=True, slots=True)
class Decided:
    """The table `decided` (snapshot_id, key, ts, old, new: the deciding rules' ids), in no order, and how it was made.

    It has the rows on which a rule of either side fired or told something. `alerts` has (rule id, column of the rows
    on which only one side tells it).
    """

    alerts: tuple[tuple[str, str], ...]
    queries: int
    rules: int


def decide(db: duckdb.DuckDBPyConnection, old: Sequence[Rule], new: Sequence[Rule], last: str) -> Decided:
    """Create the table `decided` from the view `snapshots`; `last` is SQL for the last moment looked at."""
    shared = _union(old, new)
    if len(shared) <= MAX_RULES and not any(rule.stands_aside for rule in (*old, *new)):
        return _in_one(db, old, new, shared, last)
    return _in_two(db, old, new, last)


def _mask_meaning(rule: Rule) -> tuple[object, ...]:
    """Return all that decides the rule's bits; its id, priority and action do not."""
    pause = rule.cooldown_s if rule.then.kind is ActionKind.ALERT else 0
    timers = rule.for_s, rule.keep_s, rule.on_missing, rule.missing_for_s, pause, rule.alert is not None
    return rule.scope, tuple(meaning(condition) for condition in rule.conditions), timers


def _union(old: Sequence[Rule], new: Sequence[Rule]) -> dict[tuple[object, ...], Rule]:
    return {_mask_meaning(rule): rule for rule in (*old, *new)}


def _in_one(
    db: duckdb.DuckDBPyConnection,
    old: Sequence[Rule],
    new: Sequence[Rule],
    shared: dict[tuple[object, ...], Rule],
    last: str,
) -> Decided:
    bits = {mark: bit for bit, mark in enumerate(shared)}
    # What each would do is of no matter here, and deciding rules that never stand aside cost nothing.
    plain = [
        r if r.then.kind is ActionKind.ALERT else replace(r, then=Action(ActionKind.CLOSE)) for r in shared.values()
    ]
    columns = [f"{_first(side, bits)} AS {name}" for side, name in ((old, "old"), (new, "new"))]
    told = [(rule_id, f"({a}) <> ({b})") for rule_id, a, b in _told(old, new, bits)]
    columns += [f"{text} AS alert{i}" for i, (_, text) in enumerate(told)]
    db.execute(
        f"CREATE TEMP TABLE decided AS SELECT snapshot_id, key, ts, {', '.join(columns)} "
        f"FROM ({replay_sql(plain)}) WHERE (fired <> 0 OR alerts <> 0) AND ts <= {last}"
    )
    return Decided(tuple((rule_id, f"alert{i}") for i, (rule_id, _) in enumerate(told)), 1, len(shared))


def _is(mask: str, bit: int) -> str:
    return f"({mask} & {1 << bit}) <> 0"


def _first(side: Sequence[Rule], bits: dict[tuple[object, ...], int]) -> str:
    """Return SQL for the id of the rule that decides: the first that fires and is not kept back."""
    arms, waiting = [], 0
    for rule in side:
        bit = bits[_mask_meaning(rule)]
        test = _is("fired", bit)
        if not rule.then.kind.reduces_risk and waiting:
            test += f" AND (unknown & ~fired & {waiting}) = 0"
        if rule.decides:
            arms.append(f"WHEN {test} THEN '{rule.id}'")
        if rule.protective:
            waiting |= 1 << bit
    return f"CASE {' '.join(arms)} END" if arms else "CAST(NULL AS VARCHAR)"


def _told(old: Sequence[Rule], new: Sequence[Rule], bits: dict[tuple[object, ...], int]) -> list[Told]:
    """Return the rules whose alerts may differ, with tests for each side."""
    sides = [{rule.id: bits[_mask_meaning(rule)] for rule in side if rule.alert is not None} for side in (old, new)]
    found = []
    for rule_id in dict.fromkeys([*sides[0], *sides[1]]):
        places = [side.get(rule_id) for side in sides]
        if places[0] != places[1]:
            tests = ["FALSE" if bit is None else _is("alerts", bit) for bit in places]
            found.append((rule_id, tests[0], tests[1]))
    return found


def _in_two(db: duckdb.DuckDBPyConnection, old: Sequence[Rule], new: Sequence[Rule], last: str) -> Decided:
    for name, side in (("old", old), ("new", new)):
        db.execute(
            f"CREATE TEMP TABLE {name}_side AS SELECT snapshot_id, key, ts, rule_id, alerts "
            f"FROM ({replay_sql(side)}) WHERE (rule_id IS NOT NULL OR alerts <> 0) AND ts <= {last}"
        )
    places = [{rule.id: bit for bit, rule in enumerate(side) if rule.alert is not None} for side in (old, new)]
    told = list(dict.fromkeys([*places[0], *places[1]]))
    columns = []
    for i, rule_id in enumerate(told):
        tests = [
            f"coalesce({_is(f'{side}.alerts', at[rule_id])}, FALSE)" if rule_id in at else "FALSE"
            for side, at in zip("ab", places, strict=True)
        ]
        columns.append(f"({tests[0]}) <> ({tests[1]}) AS alert{i}")
    chosen = ", ".join(["a.rule_id AS old", "b.rule_id AS new", *columns])
    db.execute(
        f"CREATE TEMP TABLE decided AS SELECT coalesce(a.snapshot_id, b.snapshot_id) AS snapshot_id, "
        f"coalesce(a.key, b.key) AS key, coalesce(a.ts, b.ts) AS ts, {chosen} "
        f"FROM old_side a FULL JOIN new_side b ON a.key = b.key AND a.ts = b.ts"
    )
    return Decided(tuple((rule_id, f"alert{i}") for i, rule_id in enumerate(told)), 2, len(old) + len(new))
