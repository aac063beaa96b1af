"""How much longer than reading the record it takes to replay the shipped rules over it, all from one Delta table.

`python -m benchmarks.replay [--rows N] [--clustered] [--json]`. Each stage is a ratio to its decode floor: DuckDB
reads the same columns of the same files and sums them. Stages take turns, and the best turn of each counts.

- `first_match_ratio`: the rule that decides, told from the row alone: folds are columns, no durations, no alerts.
- `masks_ratio`: the same with the masks of what fired and of what is unknown.
- `state_ratio`: all that a replay means: folds over the rows, `for`, `missing_for`, alerts, pending.
- `ratio_to_hand_sql`: the worse of the last two beside SQL written by hand, the answers asserted equal.
- `times_simpleeval`: a row of the state stage beside one of a loop through pre-parsed simpleeval with the same state.

What a stage answers is summed up by rule, so that handing rows over is not part of it. The table is made anew, or kept
in `--folder` for the next run. `peak_gib` is the memory of the whole run. `by_cpu` has the ratios by the processor's
time of all threads, which other programs on the machine disturb less.
"""

from __future__ import annotations

import argparse
import json
import resource
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any, Final

import duckdb

from benchmarks.replay_hand import hand_masks, hand_state
from benchmarks.replay_loop import loop_seconds
from benchmarks.replay_table import write
from v6.backends.duckdb import replay_sql
from v6.lang.ast import Expr, Fold, Name, Track, fields_of
from v6.lang.desk import Rule
from v6.model.catalogue import Field
from v6.rules import load_desk
from v6.store.delta import open_table, parquet_files

MEMORY: Final = "3200MB"
LOOP_ROWS: Final = 20_000
_COLUMN: Final = {(Fold.FIRST, "iv"): "entry_iv", (Fold.FIRST, "vix"): "entry_vix", (Fold.MAX, "pnl_ratio"): "peak"}
Sums = list[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Stage:
    """A query whose answer is a few rows."""

    name: str
    text: str


def without_state(rule: Rule) -> Rule:
    """Return the rule as it judges one row: its folds are columns of that row, and it neither waits nor tells."""
    fallback = None if rule.fallback is None else _with_columns(rule.fallback)
    return replace(rule, when=_with_columns(rule.when), fallback=fallback, for_s=0, missing_for_s=None, alert=None)


def _with_columns(expr: Any) -> Any:
    if isinstance(expr, Name) and isinstance(expr.symbol, Track):
        track = expr.symbol
        assert isinstance(track.expr, Name)
        assert isinstance(track.expr.symbol, Field)
        column = _COLUMN[track.fold, track.expr.symbol.name]
        return replace(expr, symbol=replace(track.expr.symbol, name=column))
    if isinstance(expr, tuple):
        return tuple(_with_columns(part) for part in expr)
    if isinstance(expr, Expr) and is_dataclass(expr):
        return replace(expr, **{f.name: _with_columns(getattr(expr, f.name)) for f in fields(expr)})
    return expr


def floor(names: Sequence[str]) -> str:
    """Return the query that does no more than read these columns."""
    words = {"structure", "key"}
    sums = (f'max("{n}")' if n == "ts" else f'sum(strlen("{n}"))' if n in words else f'sum("{n}")' for n in names)
    return f"SELECT {', '.join(sums)} FROM snapshots"


def read_by(rules: Sequence[Rule]) -> list[str]:
    return sorted({field.name for rule in rules for expr in rule.expressions for field in fields_of(expr)})


def stages(rules: Sequence[Rule]) -> list[Stage]:
    """Return the floors, our stages and the ones written by hand."""
    plain = [without_state(rule) for rule in rules]
    first = "SELECT rule_id, count(*) AS rows FROM ({}) GROUP BY 1 ORDER BY 1"
    masks = "SELECT rule_id, count(*) AS rows, sum(fired), sum(unknown) FROM ({}) GROUP BY 1 ORDER BY 1"
    state = (
        "SELECT rule_id, count(*) AS rows, sum(fired), sum(unknown), sum(alerts), sum(pending) "
        "FROM ({}) GROUP BY 1 ORDER BY 1"
    )
    return [
        Stage("floor", floor([*read_by(plain), "key"])),
        Stage("floor_state", floor([*read_by(rules), "key", "ts"])),
        Stage("first_match", first.format(replay_sql(plain, first_only=True))),
        Stage("masks", masks.format(replay_sql(plain))),
        Stage("hand_masks", masks.format(hand_masks())),
        Stage("state", state.format(replay_sql(rules))),
        Stage("hand_state", state.format(hand_state())),
    ]


def connect(root: Path) -> duckdb.DuckDBPyConnection:
    """Return a database on two threads with the table, as `v6.store.query.connect` reads it, and its fold columns."""
    files = ", ".join(f"'{path}'" for path in parquet_files(open_table(root / "snapshots")))
    options = {"threads": 2, "memory_limit": MEMORY, "temp_directory": str(root / "spill")}
    db = duckdb.connect(config=options)
    db.execute("SET TimeZone = 'UTC'")
    db.execute(f"CREATE VIEW snapshots AS SELECT * FROM read_parquet([{files}], union_by_name = true)")
    return db


def seconds(
    db: duckdb.DuckDBPyConnection, wanted: Sequence[Stage], turns: int
) -> tuple[dict[str, float], dict[str, float], dict[str, Sums]]:
    """Return the best turn of each stage, by the clock and by the processor's time, and what it answered."""
    best = {stage.name: float("inf") for stage in wanted}
    busy = dict(best)
    answers: dict[str, Sums] = {}
    for _ in range(turns):
        for stage in wanted:
            begun, worked = time.perf_counter(), time.process_time()
            answers[stage.name] = db.execute(stage.text).fetchall()
            best[stage.name] = min(best[stage.name], time.perf_counter() - begun)
            busy[stage.name] = min(busy[stage.name], time.process_time() - worked)
    return best, busy, answers


def measure(root: Path, turns: int, only: Callable[[str], bool]) -> dict[str, Any]:
    """Return the figures; `only` picks the stages, and what cannot be told without the others is left out."""
    rules = load_desk(Path(__file__).parents[1]).rules
    with connect(root) as db:
        (rows,) = db.execute("SELECT count(*) FROM snapshots").fetchall()[0]
        spent, busy, answers = seconds(db, [stage for stage in stages(rules) if only(stage.name)], turns)
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
        for ours, hand in (("masks", "hand_masks"), ("state", "hand_state")):
            if ours in answers and hand in answers:
                assert answers[ours] == answers[hand], (ours, answers[ours], answers[hand])
        loop = loop_seconds(db, rules, LOOP_ROWS)
    found: dict[str, Any] = {"rows": rows, **_ratios(spent, rows, loop)}
    return found | {
        "peak_gib": round(peak, 2),
        "by_cpu": _ratios(busy, rows, loop),
        "seconds": {name: round(s, 3) for name, s in spent.items()},
        "first": {rule: count for rule, count, *_ in answers.get("state", ())},
    }


def _ratios(spent: Mapping[str, float], rows: int, loop: float) -> dict[str, float]:
    pairs = {
        "first_match_ratio": ("first_match", "floor"),
        "masks_ratio": ("masks", "floor"),
        "state_ratio": ("state", "floor_state"),
        "masks_to_hand_sql": ("masks", "hand_masks"),
        "state_to_hand_sql": ("state", "hand_state"),
    }
    found = {name: round(spent[a] / spent[b], 2) for name, (a, b) in pairs.items() if a in spent and b in spent}
    hand = [found[name] for name in ("masks_to_hand_sql", "state_to_hand_sql") if name in found]
    found |= {"ratio_to_hand_sql": max(hand)} if hand else {}
    return found | ({"times_simpleeval": round(loop / (spent["state"] / rows), 1)} if "state" in spent else {})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rows", type=int, default=10_000_000)
    parser.add_argument("--slots", type=int, default=15, help="positions at a time")
    parser.add_argument("--clustered", action="store_true", help="sort each file by key and time")
    parser.add_argument("--turns", type=int, default=3)
    parser.add_argument("--only", default="", help="stages whose name begins so, and the floors")
    parser.add_argument("--folder", type=Path, help="where the table is, or is made if it is not there, and stays")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    root = options.folder or Path(tempfile.mkdtemp(prefix="v6-replay-"))
    try:
        if not (root / "snapshots").exists():
            root.mkdir(parents=True, exist_ok=True)
            write(root, options.rows, options.slots, clustered=options.clustered)
        found = measure(root, options.turns, lambda name: name.startswith((options.only, "floor")))
    finally:
        if options.folder is None:
            shutil.rmtree(root)
    if options.json:
        print(json.dumps(found, indent=2))
        return
    for name, value in found.items():
        print(f"{name:20} {value}")


if __name__ == "__main__":
    main()
