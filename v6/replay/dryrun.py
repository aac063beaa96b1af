"""One rule set over one range of the record: what the daemon would have done, and what would have come of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from v6.backends.duckdb import replay_sql
from v6.errors import StoreError
from v6.lang.desk import Rule
from v6.replay.history import Blind, History, blind_rules, open_history, reading
from v6.replay.outcomes import Ending, Fees, Outcome, fees_of, outcomes, total
from v6.replay.replay import Replay, agreement
from v6.replay.tally import Curve, RuleTally, curve, tallies

Step = Callable[[str], None]
"""Is told what begins now, for a progress bar."""

STEPS = ("reading the record", "deciding every row", "ending positions", "counting")


@dataclass(frozen=True, slots=True)
class Ask:
    """What to replay: the tables, the range (inclusive), the moment of the record, dollars a contract costs."""

    tables: Path
    first: datetime | None = None
    last: datetime | None = None
    as_of: datetime | None = None
    commission: float | None = None


@dataclass(frozen=True, slots=True)
class DryRun:
    """The whole answer; `agreement` compares every row with what the daemon decided then."""

    first: datetime
    last: datetime
    fees: Fees
    outcomes: tuple[Outcome, ...]
    rules: tuple[RuleTally, ...]
    curve: Curve
    agreement: Replay
    blind: tuple[Blind, ...]
    warnings: tuple[str, ...]

    @property
    def pnl(self) -> float | None:
        return total(o.pnl for o in self.outcomes)

    @property
    def recorded_pnl(self) -> float | None:
        return total(o.recorded_pnl for o in self.outcomes)

    @property
    def difference(self) -> float | None:
        """Return the sum over positions of which both sides are known; None if there is no such position."""
        return total(o.difference for o in self.outcomes)

    @property
    def same_exits(self) -> tuple[int, float | None]:
        """Return how many exits fell by the same rule within the same day, and the mean of what they cost more there.

        That is how far the estimate is off where nothing was changed, in dollars per position; None for no such exit.
        """
        gaps = [
            -o.difference
            for o in self.outcomes
            if o.ending is Ending.RULE
            and o.difference is not None
            and o.rule == o.recorded_reason
            and o.recorded_at is not None
            and 0 <= (o.recorded_at - o.at).total_seconds() < 86_400
        ]
        return len(gaps), sum(gaps) / len(gaps) if gaps else None


def dry_run(ask: Ask, rules: Sequence[Rule], step: Step = lambda _: None) -> tuple[DryRun, History]:
    """Return the answer and the open record with its relations; raises StoreError or V6Error for bad input."""
    step(STEPS[0])
    history = open_history(ask.tables, ask.first, ask.last, ask.as_of)
    with reading(ask.tables):
        step(STEPS[1])
        history.db.execute("CREATE TEMP TABLE replayed AS SELECT 0 AS point, * FROM (" + replay_sql(rules) + ")")
        step(STEPS[2])
        fees = fees_of(history, ask.commission)
        found = outcomes(history, rules, fees)
        step(STEPS[3])
        blind = blind_rules(history, rules)
        answer = DryRun(
            history.first,
            history.last,
            fees,
            found,
            tallies(history, rules, found),
            curve(history, found),
            agreement(history.db, rules, ask.first, ask.last),
            blind,
            _warnings(history, found, blind),
        )
    return answer, history


def _warnings(history: History, found: Sequence[Outcome], blind: Sequence[Blind]) -> tuple[str, ...]:
    said = [
        f"no snapshot on the sessions {first} to {last}" if first != last else f"no snapshot on the session {first}"
        for first, last in history.gaps
    ]
    said += [str(item) for item in blind]
    cut = sum(o.cut for o in found)
    if cut:
        said.append(
            f"{cut} positions are held to where a recorded rule closed them: what these rules would have made of them "
            "after that is not in the record, so their recorded P&L is counted"
        )
    unpriced = sum(o.pnl is None for o in found)
    if unpriced:
        said.append(
            f"{unpriced} positions have no known mark at their end, or no recorded contracts; they are in no sum"
        )
    return tuple(said)


def write_decisions(history: History, path: Path) -> int:
    """Write every replayed row of the range as Parquet, with its marks, and return their number.

    `counts` is false for what comes after a position's end. Raises StoreError if the file cannot be written.
    """
    if not path.parent.is_dir():
        raise StoreError(f"{path} cannot be written: there is no folder {path.parent}")
    with reading(path):
        history.db.execute(_EXPORT, {"first": history.first, "last": history.last, "file": str(path)})
    row = history.db.execute(
        "SELECT count(*) FROM replayed WHERE ts BETWEEN $first AND $last",
        {"first": history.first, "last": history.last},
    ).fetchall()[0]
    return int(row[0])


_EXPORT = """
COPY (
    SELECT r.snapshot_id, r.key, r.ts, r.rule_id, r.fired, r.unknown, r.alerts, r.pending,
        c.snapshot_id IS NOT NULL AS counts, d.rule_id AS recorded_rule_id, s.mark, s.spread, s.pnl, s.quantity
    FROM replayed r
    JOIN snapshots s ON s.snapshot_id = r.snapshot_id AND s.key = r.key
    LEFT JOIN counted c ON c.snapshot_id = r.snapshot_id AND c.key = r.key
    LEFT JOIN decisions d ON d.snapshot_id = r.snapshot_id AND d.key = r.key
    WHERE r.ts BETWEEN $first AND $last ORDER BY r.ts, r.key
) TO $file (FORMAT parquet)
"""
