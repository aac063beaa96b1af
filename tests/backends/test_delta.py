"""The same meaning on Delta Parquet: what the daemon's tables hold is what the rules saw, to the last bit."""

from __future__ import annotations

from random import Random

import pyarrow.parquet as pq
import pytest

from tests.backends.compare import decided, filtered, replayed, same, three_ways
from tests.backends.delta import ROW_GROUP, Store, sorted_rows
from tests.backends.draw import NUMBERS, SPAN, Author, draw_rules, draw_series, nasty_rows
from v6.lang.ast import Compare, CompareOp, Expr, Name, Number
from v6.model.catalogue import BY_NAME, FIELDS, Kind
from v6.model.snapshot import Row
from v6.store.delta import parquet_files

SYMBOLS = tuple(BY_NAME[name] for name in NUMBERS)
COMMITS = 4


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("tables"))


def test_the_tables_give_back_every_number_bit_for_bit(store: Store) -> None:
    rows = nasty_rows(300, seed=1)
    store.record_rows(rows, COMMITS)
    assert len(parquet_files(store.table())) == COMMITS
    with store.connect() as database:
        names = ", ".join(field.name for field in FIELDS)
        found = database.execute(f"SELECT {names} FROM loose_rows ORDER BY i").fetchall()
    kept = [Row.of("", row).values for row in rows]
    assert len(found) == len(kept)
    assert all(map(same, (x for row in found for x in row), (x for row in kept for x in row)))
    numbers = {repr(row[field.name]) for row in rows for field in FIELDS if field.kind is Kind.NUMBER}
    assert {"0.0", "-0.0", "5e-324", "-5e-324", "1000000000000000.0", "-1000000000000000.0", "None"} <= numbers


@pytest.mark.parametrize("seed", range(8))
def test_a_series_recorded_in_several_commits_is_replayed_as_it_was_decided(store: Store, seed: int) -> None:
    random = Random(f"delta {seed}")
    wanted, snapshots = draw_rules(random), draw_series(random, cycles=30, positions=4)
    store.record(snapshots, COMMITS)
    with store.connect() as database:
        assert replayed(wanted, database, states=True) == decided(wanted, snapshots, states=True)


@pytest.mark.parametrize("seed", range(3))
def test_conditions_mean_the_same_in_select_and_where_over_recorded_rows(store: Store, seed: int) -> None:
    random = Random(f"conditions {seed}")
    name = NUMBERS[seed % len(NUMBERS)]
    rows = sorted_rows(nasty_rows(400, seed), name)
    store.record_rows(rows, COMMITS)
    author = Author(random, SYMBOLS)
    wanted = [*bounds(name), *(author.condition() for _ in range(12))]
    with store.connect() as database:
        for expr in wanted:
            oracle, python, sql = three_ways(expr, rows, database, "loose_rows")
            assert python == oracle
            assert sql == oracle
            assert filtered(expr, database, "loose_rows", len(rows)) == oracle


def bounds(name: str) -> list[Expr]:
    """Comparisons that row groups can answer by their least and greatest values, also where both are a zero."""
    field = Name(BY_NAME[name], SPAN)
    return [Compare((op,), (field, Number(x, SPAN)), SPAN) for op in CompareOp for x in (0.0, 0.1, 3.0)]


def test_row_groups_differ_in_their_bounds_so_that_filters_can_go_by_them(store: Store) -> None:
    store.record_rows(sorted_rows(nasty_rows(600, seed=0), "pnl_ratio"), COMMITS)
    seen = set()
    for path in parquet_files(store.table()):
        parquet = pq.ParquetFile(path)
        column = parquet.schema_arrow.get_field_index("pnl_ratio")
        for group in range(parquet.num_row_groups):
            assert parquet.metadata.row_group(group).num_rows <= ROW_GROUP
            statistics = parquet.metadata.row_group(group).column(column).statistics
            seen.add((statistics.min, statistics.max) if statistics.has_min_max else None)
    assert len(seen) > 5
