"""One meaning, at length: random expressions and series through all evaluators, and planted bugs that must show.

`python -m tests.soak.lang [--comparisons N] [--seed S] [--no-mutants] [--only WORDS] [--json]`. A comparison is one
row judged by the reference, the generated Python and DuckDB, or one row of a series decided live and by the replay
query: the rule that decides, the masks, all that the rules remember after it, and with the reference's say on the
tracks and verdicts. A share of both is on Delta tables.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path
from random import Random
from typing import Final

import duckdb

from tests.backends.compare import as_snapshots, as_table, decided, filtered, replayed, three_ways
from tests.backends.delta import Store, some_commits, sorted_rows
from tests.backends.draw import NUMBERS, Author, draw_rules, draw_series, nasty_rows
from v6.lang.canonical import show
from v6.lang.desk import Rule
from v6.model.catalogue import BY_NAME
from v6.model.snapshot import Snapshot

SYMBOLS: Final = tuple(BY_NAME[name] for name in NUMBERS)
ROWS: Final = nasty_rows(120, seed=11)
EXPRESSIONS: Final = 4
"""Of a round, beside one series: cheap ones, so that a round is as much of the one as of the other."""

DELTA_EVERY: Final = 8
"""Rounds from one that is judged on Delta tables to the next."""


@dataclass
class Tally:
    """`compared_on_delta` is a part of `compared`; `first` tells of the first difference."""

    compared: int = 0
    compared_on_delta: int = 0
    different: int = 0
    first: str = ""

    def take(self, rows: int, wrong: int, case: str, *, delta: bool = False) -> None:
        self.compared += rows
        self.compared_on_delta += rows if delta else 0
        self.different += wrong
        if wrong and not self.first:
            self.first = case[:2000]

    def add(self, other: Tally) -> None:
        self.take(other.compared, other.different, other.first)
        self.compared_on_delta += other.compared_on_delta


class Campaign:
    """Rounds of cases, each repeatable from the seed and its number."""

    def __init__(self, database: duckdb.DuckDBPyConnection, folder: Path, seed: int) -> None:
        self.database = database
        self.folder = folder
        self.seed = seed
        self.tally = Tally()
        self._store: Store | None = None
        database.register("nasty", as_table(ROWS))
        database.execute("CREATE TABLE nasty_rows AS SELECT * FROM nasty")

    def round(self, number: int) -> None:
        random = Random(f"{self.seed}/{number}")
        if number % DELTA_EVERY == DELTA_EVERY - 1:
            self._series_on_delta(random, number)
            self._expressions_on_delta(random)
        else:
            self._series(random, number)
            for _ in range(EXPRESSIONS):
                self._expression(random)

    def _expression(self, random: Random) -> None:
        author = Author(random, SYMBOLS)
        expr = author.condition() if random.random() < 0.6 else author.number(4)
        oracle, python, sql = three_ways(expr, ROWS, self.database)
        self.tally.take(len(ROWS), _differ(oracle, python, sql), show(expr))

    def _expressions_on_delta(self, random: Random) -> None:
        rows = sorted_rows(nasty_rows(len(ROWS), random.getrandbits(32)), random.choice(NUMBERS))
        self._tables.record_rows(rows, some_commits(random))
        with self._tables.connect() as database:
            for _ in range(EXPRESSIONS):
                expr = Author(random, SYMBOLS).condition()
                oracle, python, sql = three_ways(expr, rows, database, "loose_rows")
                picked = filtered(expr, database, "loose_rows", len(rows))
                self.tally.take(len(rows), _differ(oracle, python, sql, picked), show(expr), delta=True)

    def _series(self, random: Random, number: int) -> None:
        # The first ones are short, so that a planted bug is not looked for at length.
        cycles, positions = (16, 3) if number < 40 else (40, 6)
        wanted, snapshots = draw_rules(random), draw_series(random, cycles, positions)
        self.database.register("snapshots", as_snapshots(snapshots))
        self._replay(wanted, snapshots, self.database, number)

    def _series_on_delta(self, random: Random, number: int) -> None:
        wanted, snapshots = draw_rules(random), draw_series(random, 40, 6)
        self._tables.record(snapshots, some_commits(random))
        with self._tables.connect() as database:
            self._replay(wanted, snapshots, database, number, delta=True)

    def _replay(
        self,
        wanted: Sequence[Rule],
        snapshots: Sequence[Snapshot],
        database: duckdb.DuckDBPyConnection,
        number: int,
        *,
        delta: bool = False,
    ) -> None:
        live, query = decided(wanted, snapshots, states=True), replayed(wanted, database, states=True)
        wrong = [key for key in live.keys() | query.keys() if live.get(key) != query.get(key)]
        case = f"round {number} of seed {self.seed}: {[(rule.id, show(rule.when)) for rule in wanted]}"
        for key in sorted(wrong)[:1]:
            case += f"; {key}: live {live.get(key)}, replayed {query.get(key)}"
        self.tally.take(len(live), len(wrong), case, delta=delta)

    @property
    def _tables(self) -> Store:
        self._store = self._store or Store(self.folder)
        return self._store


def _differ(*answers: Sequence[object]) -> int:
    return sum(any(other != first for other in others) for first, *others in zip(*answers, strict=True))


def campaign(wanted: int, seed: int, *, stop: bool = False) -> Tally:
    """Compare until `wanted` rows were compared, or with `stop` until a difference is seen."""
    with tempfile.TemporaryDirectory() as folder, duckdb.connect(config={"threads": 1}) as database:
        run, number = Campaign(database, Path(folder), seed), 0
        while run.tally.compared < wanted and not (stop and run.tally.different):
            run.round(number)
            number += 1
        return run.tally


def spread(wanted: int, seed: int) -> Tally:
    """Compare on every processor, each with a seed of its own."""
    workers = os.cpu_count() or 1
    total = Tally()
    with ProcessPoolExecutor(workers) as pool:
        for tally in pool.map(campaign, [-(-wanted // workers)] * workers, [seed * 1000 + i for i in range(workers)]):
            total.add(tally)
    return total


def main() -> None:
    from tests.soak.mutants import MUTANTS
    from tests.soak.plant import survivors

    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--comparisons", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-mutants", action="store_true")
    parser.add_argument("--only", help="plant only the bugs whose name has these words; 0 comparisons without")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    mutants = [m for m in MUTANTS if not options.no_mutants and (options.only or "") in m.name]
    tally = Tally() if options.only else spread(options.comparisons, options.seed)
    alive = survivors(mutants)
    found = {
        **{name: value for name, value in asdict(tally).items() if name != "first"},
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
