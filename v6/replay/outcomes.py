"""What would have come of every position under a rule set, held against what came of it.

The first closing decision of a position ends it; rows after it are counterfactual and count for nothing. It is
closed at the first mark known from then on, less half the recorded spread and the commission. `reduce` closes its
fraction of the units, rounded as the desk rounds it, at the mark; `roll` is a closing here: its replacement is another
position. A position that no rule closes is held to its recorded end, and if that was a rule's decision, nothing is
recorded that could tell what would have come after it.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

import duckdb

from v6.errors import V6Error
from v6.execution.plan import kept_units
from v6.lang.desk import Rule
from v6.model.catalogue import Scope
from v6.model.decision import ActionKind
from v6.replay.history import History

CLOSING = frozenset({ActionKind.CLOSE, ActionKind.ROLL})


class Ending(StrEnum):
    """How a position ends in the replay: by a RULE, at its RECORDED end, or it is OPEN at the range's end."""

    RULE = "rule"
    RECORDED = "recorded"
    OPEN = "open"


@dataclass(frozen=True, slots=True)
class Fees:
    """Dollars for one contract, and where the number comes from."""

    per_contract: float
    source: str


@dataclass(frozen=True, slots=True)
class Part:
    """Units given up by a `reduce`, and the dollars that made; None if no mark is known."""

    at: datetime
    rule: str
    units: int
    pnl: float | None


@dataclass(frozen=True, slots=True)
class Outcome:
    """One position: its end and P&L in the replay (parts included), and as recorded; None is not known.

    `cut` says that the record ends by a rule's decision before any of these rules closes it. `snapshot_id` is that of
    the closing decision. A position that is open in the record is valued at the last mark as if it were closed there.
    """

    point: int
    position_id: str
    strategy: str | None
    opened: datetime
    quantity: int
    ending: Ending
    rule: str | None
    at: datetime
    snapshot_id: str | None
    pnl: float | None
    parts: tuple[Part, ...]
    recorded_at: datetime | None
    recorded_reason: str | None
    recorded_pnl: float | None
    cut: bool

    @property
    def days_held(self) -> float:
        return (self.at - self.opened).total_seconds() / 86_400

    @property
    def difference(self) -> float | None:
        """Return by how many dollars the replay is better than what was recorded."""
        return None if self.pnl is None or self.recorded_pnl is None else self.pnl - self.recorded_pnl


def total(values: Iterable[float | None]) -> float | None:
    """Return the sum of what is known; None if there are values and none of them is known."""
    listed = list(values)
    known = [value for value in listed if value is not None]
    return None if listed and not known else sum(known)


def fees_of(history: History, given: float | None = None) -> Fees:
    """Return what a contract costs: as given, else the average of the record's fills; raises V6Error for neither."""
    if given is not None:
        return Fees(given, "as given")
    row = history.db.sql(
        "SELECT sum(commission) / sum(abs(quantity)), sum(abs(quantity)) FROM fills WHERE commission IS NOT NULL"
    ).fetchall()[0]
    if row[0] is None:
        raise V6Error("no commission is recorded; say by --commission what one contract costs in dollars")
    return Fees(float(row[0]), f"average of {int(row[1]):,} contracts filled in the record")


def outcomes(history: History, rules: Sequence[Rule], fees: Fees, points: int = 1) -> tuple[Outcome, ...]:
    """Return every position of the range, by point and opening.

    A relation `replayed` must be there with point (from 0), key, ts, snapshot_id and rule_id of the rows that a rule
    decides, with or without others.
    """
    db = history.db
    params = {"last": history.last}
    closing = _listed(rule.id for rule in rules if rule.scope is Scope.POSITION and rule.then.kind in CLOSING)
    reducing = {rule.id: rule for rule in rules if rule.then.kind is ActionKind.REDUCE}
    db.execute(_VALUES, {**params, "fee": fees.per_contract})
    db.execute(_ENDED.format(closing=closing), {**params, "points": points})
    parts = _parts(db, reducing, params) if reducing else {}
    found = []
    for row in _rows(db, _POSITIONS, {**params, "first": history.first}):
        found.append(_outcome(row, parts.get((row["point"], row["key"]), ())))
    return tuple(found)


def _listed(names: Any) -> str:
    return ", ".join(f"'{name}'" for name in names) or "NULL"


def _rows(db: duckdb.DuckDBPyConnection, query: str, params: dict[str, Any]) -> list[dict[str, Any]]:
    return list(db.sql(query, params=params).to_arrow_table().to_pylist())


def _parts(
    db: duckdb.DuckDBPyConnection, rules: dict[str, Rule], params: dict[str, Any]
) -> dict[tuple[int, str], tuple[Part, ...]]:
    """Return what the `reduce` decisions before each position's end give up, in order."""
    held: dict[tuple[int, str], int] = {}
    found: dict[tuple[int, str], list[Part]] = {}
    for row in _rows(db, _REDUCTIONS.format(reducing=_listed(rules)), params):
        where = (row["point"], row["key"])
        before = held.get(where, int(row["quantity"]))
        fraction = rules[row["rule_id"]].then.fraction
        assert fraction is not None
        keep = kept_units(before, fraction)
        if keep < before:
            gone, value = before - keep, row["value"]
            found.setdefault(where, []).append(
                Part(row["ts"], row["rule_id"], gone, None if value is None else gone * value)
            )
        held[where] = keep
    return {where: tuple(parts) for where, parts in found.items()}


def _outcome(row: dict[str, Any], parts: tuple[Part, ...]) -> Outcome:
    quantity = int(row["quantity"])
    left = quantity - sum(part.units for part in parts)
    closed = row["closed_at"] is not None
    recorded = _recorded(row, closed)
    if left == 0:
        ending, rule, at, unit = Ending.RULE, parts[-1].rule, parts[-1].at, 0.0
    elif row["ended"] is not None:
        ending, rule, at, unit = Ending.RULE, row["rule_id"], row["ended"], row["end_value"]
    elif closed:
        units = quantity - (row["reduced_units"] or 0)
        ending, rule, at, unit = Ending.RECORDED, None, row["closed_at"], row["closed_pnl"] / units
    else:
        ending, rule, at, unit = Ending.OPEN, None, row["seen"], row["last_value"]
    made = [part.pnl for part in parts] + [None if unit is None else unit * left]
    known = [value for value in made if value is not None]
    return Outcome(
        row["point"],
        row["key"],
        row["strategy"],
        row["opened_at"] or row["begun"],
        quantity,
        ending,
        rule,
        at,
        row["snapshot_id"] if ending is Ending.RULE else None,
        sum(known) if len(known) == len(made) else None,
        parts,
        row["closed_at"],
        row["reason"],
        recorded,
        ending is Ending.RECORDED and bool(row["by_rule"]),
    )


def _recorded(row: dict[str, Any], closed: bool) -> float | None:
    realised: float = row["reduced_pnl"] or 0.0
    if closed:
        return realised + float(row["closed_pnl"])
    if row["last_value"] is None:
        return None
    return realised + float(row["last_value"]) * (int(row["quantity"]) - (row["reduced_units"] or 0))


# What one unit of a position is worth when it is closed on a row: its profit after the costs of closing it. The
# multiplier and the contracts are those of its legs; a position whose legs are not recorded has no value, no guess.
_VALUES = """
CREATE OR REPLACE TEMP TABLE unit_values AS
SELECT s.key, s.ts, s.date, s.quantity,
    s.pnl / s.quantity - s.spread / 2 * l.multiplier - $fee * l.contracts AS value
FROM snapshots s
JOIN (SELECT position_id, any_value(multiplier) AS multiplier, sum(abs(ratio)) AS contracts FROM legs GROUP BY 1) l
    ON l.position_id = s.key
WHERE s.key <> '' AND s.ts <= $last AND s.pnl IS NOT NULL AND s.spread IS NOT NULL AND s.quantity > 0
ORDER BY s.key, s.ts
"""

_ENDED = """
CREATE OR REPLACE TEMP TABLE ended AS
WITH lives AS (
    SELECT key, min(ts) AS begun, max(ts) AS seen FROM snapshots WHERE key <> '' AND ts <= $last GROUP BY key
), closings AS (
    SELECT point, key, min(ts) AS ended, arg_min(rule_id, ts) AS rule_id, arg_min(snapshot_id, ts) AS snapshot_id
    FROM replayed WHERE rule_id IN ({closing}) AND key <> '' AND ts <= $last GROUP BY point, key
)
SELECT p.point, l.*, c.ended, c.rule_id, c.snapshot_id
FROM lives l CROSS JOIN (SELECT unnest(range($points)) AS point) p
LEFT JOIN closings c ON c.point = p.point AND c.key = l.key
"""

_REDUCTIONS = """
SELECT r.point, r.key, r.ts, r.rule_id, v.value,
    coalesce(o.quantity, (SELECT arg_min(s.quantity, s.ts) FROM snapshots s WHERE s.key = r.key)) AS quantity
FROM replayed r
JOIN ended e ON e.point = r.point AND e.key = r.key AND (e.ended IS NULL OR r.ts < e.ended)
LEFT JOIN (SELECT * FROM positions WHERE event = 'opened') o ON o.position_id = r.key
ASOF LEFT JOIN unit_values v ON v.key = r.key AND v.ts >= r.ts
WHERE r.rule_id IN ({reducing}) AND r.ts <= $last
ORDER BY r.point, r.key, r.ts
"""

_POSITIONS = """
WITH opened AS (
    SELECT position_id, arg_min(strategy, seq) AS strategy, min(ts) AS opened_at, arg_min(quantity, seq) AS quantity
    FROM positions WHERE event = 'opened' GROUP BY 1
), reduced AS (
    SELECT position_id, sum(quantity) AS reduced_units, sum(pnl) AS reduced_pnl
    FROM positions WHERE event = 'reduced' AND ts <= $last GROUP BY 1
), closed AS (
    SELECT position_id, arg_max(ts, seq) AS closed_at, arg_max(pnl, seq) AS closed_pnl, arg_max(reason, seq) AS reason
    FROM positions WHERE event = 'closed' AND ts <= $last GROUP BY 1
), sized AS (
    SELECT key, arg_min(quantity, ts) AS quantity FROM snapshots WHERE key <> '' GROUP BY 1
), latest AS (
    SELECT key, arg_max(value, ts) AS last_value FROM unit_values GROUP BY 1
), ruled AS (
    SELECT DISTINCT key, rule_id FROM decisions WHERE key <> '' AND rule_id IS NOT NULL
)
SELECT e.*, v.value AS end_value, l.last_value, o.strategy, o.opened_at, coalesce(o.quantity, z.quantity) AS quantity,
    r.reduced_units, r.reduced_pnl, c.closed_at, c.closed_pnl, c.reason, u.rule_id IS NOT NULL AS by_rule
FROM ended e
JOIN sized z ON z.key = e.key
LEFT JOIN opened o ON o.position_id = e.key
LEFT JOIN reduced r ON r.position_id = e.key
LEFT JOIN closed c ON c.position_id = e.key
LEFT JOIN latest l ON l.key = e.key
LEFT JOIN ruled u ON u.key = e.key AND u.rule_id = c.reason
ASOF LEFT JOIN unit_values v ON v.key = e.key AND v.ts >= e.ended
WHERE e.seen >= $first AND (e.ended IS NULL OR e.ended >= $first)
ORDER BY e.point, coalesce(o.opened_at, e.begun), e.key
"""
