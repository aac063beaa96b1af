"""One meaning, at length: random expressions and series through all evaluators, and planted bugs that must show.

`python -m tests.soak.lang [--comparisons N] [--seed S] [--no-mutants | --stop] [--json]`. A comparison is one row
judged by the reference, the generated Python and DuckDB, or one row of a series decided live and by the replay query.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

import duckdb
import hypothesis
import pyarrow as pa
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from tests.backends.generate import conditions, nasty_rows, numbers, rules
from tests.backends.test_agreement import ARROW, SYMBOLS, decided, replayed, series
from tests.soak.mutants import MUTANTS, Mutant
from v6.backends.python import compile_condition
from v6.backends.reference import evaluate
from v6.backends.sql import condition_sql
from v6.lang.ast import Expr
from v6.lang.desk import Rule
from v6.model.catalogue import FIELDS
from v6.model.snapshot import Row, Snapshot

ROOT = Path(__file__).parents[2]
ROWS = nasty_rows(500, seed=11)
VALUES = [Row.of("p", row).values for row in ROWS]

BATCH = 100
"""Generated cases between two looks at the count."""

MUTANT_COMPARISONS = 400_000
MUTANT_TIMEOUT_S = 300


@dataclass
class Tally:
    compared: int = 0
    different: int = 0
    first: str = ""

    def take(self, rows: int, wrong: int, case: object) -> None:
        self.compared += rows
        self.different += wrong
        if wrong and not self.first:
            self.first = str(case)[:2000]


def nasty(connection: duckdb.DuckDBPyConnection) -> None:
    columns = {f.name: pa.array([row[f.name] for row in ROWS], type=ARROW[f.kind]) for f in FIELDS}
    connection.register("nasty", pa.table({"i": pa.array(range(len(ROWS))), **columns}))
    connection.execute("CREATE TABLE nasty_rows AS SELECT * FROM nasty")


def explore(strategy: st.SearchStrategy[Any], look: Callable[[object], None], seed: int, examples: int) -> None:
    """Generate cases without shrinking or stopping: every difference is counted."""
    quiet = [HealthCheck.too_slow, HealthCheck.data_too_large, HealthCheck.large_base_example]
    options = settings(
        max_examples=examples, database=None, deadline=None, phases=[Phase.generate], suppress_health_check=quiet
    )
    hypothesis.seed(seed)(options(given(strategy)(look)))()


def campaign(wanted: int, seed: int, *, stop: bool = False) -> Tally:
    """Compare until `wanted` rows were compared, or with `stop` until a difference is seen."""
    tally = Tally()
    with duckdb.connect(config={"threads": 1}) as connection:
        nasty(connection)

        def expression(case: object) -> None:
            expr = cast(Expr, case)
            condition = compile_condition(expr)
            query = f"SELECT {condition_sql(expr)} FROM nasty_rows ORDER BY i"
            sql = [answer for (answer,) in connection.execute(query).fetchall()]
            answers = zip((evaluate(expr, row) for row in ROWS), map(condition, VALUES), sql, strict=True)
            tally.take(len(ROWS), sum(not (a == b == c) for a, b, c in answers), expr)

        def story(case: object) -> None:
            wanted_rules, snapshots = cast(tuple[tuple[Rule, ...], list[Snapshot]], case)
            live, query = decided(wanted_rules, snapshots), replayed(wanted_rules, snapshots)
            wrong = sum(live.get(key) != query.get(key) for key in live.keys() | query.keys())
            tally.take(len(live), wrong, case)

        expressions: st.SearchStrategy[Expr] = conditions(SYMBOLS) | numbers(SYMBOLS)
        stories = st.tuples(st.tuples(*(rules(bit) for bit in range(4))), series())
        while tally.compared < wanted and not (stop and tally.different):
            explore(stories, story, seed, BATCH // 2)
            explore(expressions, expression, seed, BATCH)
            seed += 1
    return tally


def caught(mutant: Mutant) -> bool:
    """Plant the bug in a copy and tell whether a short campaign sees a difference (or fails over it)."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("v6", "tests", "rules", "strategies"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / mutant.file
        text = path.read_text()
        if text.count(mutant.before) < 1:
            raise SystemExit(f"{mutant.name}: {mutant.before!r} is no longer in {mutant.file}")
        path.write_text(text.replace(mutant.before, mutant.after, 1))
        command = [sys.executable, "-m", "tests.soak.lang", "--stop", "--comparisons", str(MUTANT_COMPARISONS)]
        done = subprocess.run(
            command,
            cwd=copy,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            timeout=MUTANT_TIMEOUT_S,
            check=False,
        )
        return done.returncode == 1


def survivors(mutants: Sequence[Mutant]) -> list[str]:
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        return [m.name for m, found in zip(mutants, pool.map(caught, mutants), strict=True) if not found]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-mutants", action="store_true")
    parser.add_argument("--stop", action="store_true", help="end at the first difference; implies --no-mutants")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    tally = campaign(options.comparisons, options.seed, stop=options.stop)
    mutants = () if options.no_mutants or options.stop else MUTANTS
    alive = survivors(mutants)
    found = {
        "compared": tally.compared,
        "different": tally.different,
        "seed": options.seed,
        "mutants": len(mutants),
        "mutants_caught": len(mutants) - len(alive),
    }
    print(json.dumps(found, indent=2) if options.json else "  ".join(f"{k} {v}" for k, v in found.items()))
    if tally.first:
        print(f"first difference: {tally.first}", file=sys.stderr)
    for name in alive:
        print(f"survived: {name}", file=sys.stderr)
    sys.exit(1 if tally.different or alive else 0)


if __name__ == "__main__":
    main()
