from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from tests.store.samples import AT, POSITION, decisions, one_of_each, snapshot
from tests.store.test_outbox import expected
from v6.errors import StoreError
from v6.model.event import CommissionReported, FindingRaised, OrderFilled, PositionOpened
from v6.model.order import Fill
from v6.store.delta import open_table
from v6.store.journal import Journal
from v6.store.outbox import Outbox
from v6.store.query import connect, last_state, latest_snapshot, table_version
from v6.store.tables import ADDED_LATER, TABLES
from v6.store.upkeep import COMPACT_EVERY, trim_log


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db", durable=False) as journal:
        yield journal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "it's 100% a * desk?" / "tables"


def flush(journal: Journal, root: Path) -> None:
    Outbox(journal, root).flush()


def test_the_views_are_the_journal(journal: Journal, root: Path) -> None:
    journal.append(*one_of_each())
    flush(journal, root)
    journal.append(snapshot(2), decisions(2))
    flush(journal, root)
    db = connect(root)
    for name, schema in TABLES.items():
        order = next((column for column in ("key", "con_id") if column in schema.names), "seq")
        found = db.sql(f"SELECT * FROM {name} ORDER BY seq, {order}").to_arrow_table()
        assert found.cast(schema).equals(expected(journal, name)), name


def test_a_folder_named_like_a_pattern_matches_only_itself(journal: Journal, root: Path) -> None:
    journal.append(FindingRaised(AT, "x", ""))
    flush(journal, root)
    shutil.copytree(root, root.parent.with_name("it's 100% a copied desk!") / "tables")
    assert connect(root).execute("SELECT count(*) FROM findings").fetchall() == [(1,)]


def test_a_table_without_rows_is_an_empty_view_with_all_columns(journal: Journal, root: Path) -> None:
    flush(journal, root)
    journal.append(FindingRaised(AT, "x", ""))
    flush(journal, root)
    db = connect(root)
    for name, schema in TABLES.items():
        assert db.sql(f"SELECT * FROM {name}").to_arrow_table().cast(schema).num_rows == (name == "findings")
    assert latest_snapshot(db).num_rows == 0


def test_an_older_version_is_read_by_number(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    for cycle in (1, 2, 3):
        journal.append(snapshot(cycle))
        outbox.flush()
    assert table_version(root, "snapshots") == 3
    db = connect(root, versions={"snapshots": 2})
    assert db.execute("SELECT max(cycle) FROM snapshots").fetchall() == [(2,)]
    with pytest.raises(StoreError, match="snapshots has no version 9; its newest is 3"):
        connect(root, versions={"snapshots": 9})


def test_a_version_is_read_after_its_files_are_compacted_and_its_log_is_trimmed(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    seen = {}
    for cycle in range(1, 60):
        journal.append(snapshot(cycle))
        outbox.flush()
        table = open_table(root / "snapshots")
        seen[table.version()] = (cycle, datetime.now(UTC))
    assert trim_log(table, kept=10) > 0
    for version, (cycle, at) in list(seen.items())[::13]:
        for db in (connect(root, versions={"snapshots": version}), connect(root, as_of=at)):
            assert db.execute("SELECT count(*), max(cycle) FROM snapshots").fetchall() == [(2 * cycle, cycle)]
    assert connect(root, versions={"snapshots": 0}).execute("SELECT count(*) FROM snapshots").fetchall() == [(0,)]
    assert connect(root, as_of=AT).execute("SELECT count(*) FROM snapshots").fetchall() == [(0,)]


def test_the_last_state_is_the_latest_snapshot_whatever_was_compacted(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    outbox.flush()
    assert last_state(root).num_rows == 0
    for cycle in range(1, COMPACT_EVERY + 2):
        journal.append(snapshot(cycle))
        outbox.flush()
        assert last_state(root).equals(latest_snapshot(connect(root)).cast(last_state(root).schema)), cycle


def test_the_latest_snapshot_is_its_portfolio_row_and_positions(journal: Journal, root: Path) -> None:
    journal.append(snapshot(1), snapshot(2, pnl=None))
    flush(journal, root)
    latest = latest_snapshot(connect(root))
    assert latest.select(["cycle", "key", "pnl", "vix"]).to_pylist() == [
        {"cycle": 2, "key": "", "pnl": None, "vix": 14.25},
        {"cycle": 2, "key": "p1", "pnl": None, "vix": None},
    ]


def test_fills_take_the_last_correction_and_a_later_commission(journal: Journal, root: Path) -> None:
    first = Fill("0000e0d5.5b1f3a0c.01.01", "v6-i1", 11, 2, Decimal("2.35"), AT)
    other = replace(first, exec_id="0000e0d5.5b1f3a0c.02.01", con_id=12, commission=Decimal("1.10"))
    corrected = replace(first, exec_id="0000e0d5.5b1f3a0c.01.02", price=Decimal("2.30"))
    journal.append(
        OrderFilled(AT, first),
        OrderFilled(AT, other),
        CommissionReported(AT, first.exec_id, Decimal("1.30")),
        OrderFilled(AT, corrected),
        CommissionReported(AT, corrected.exec_id, Decimal("1.25")),
    )
    flush(journal, root)
    fills = connect(root).execute("SELECT con_id, price, commission FROM fills ORDER BY con_id").fetchall()
    assert fills == [(11, 2.30, 1.25), (12, 2.35, 1.10)]


def test_a_fill_delivered_twice_counts_once(journal: Journal, root: Path) -> None:
    fill = Fill("0000e0d5.5b1f3a0c.01.01", "v6-i1", 11, 2, Decimal("2.35"), AT)
    journal.append(OrderFilled(AT, fill), OrderFilled(AT, fill))
    flush(journal, root)
    assert connect(root).execute("SELECT sum(quantity) FROM fills").fetchall() == [(2,)]


def test_a_store_from_before_there_were_alerts_has_none(journal: Journal, root: Path) -> None:
    journal.append(*one_of_each())
    flush(journal, root)
    for name in ADDED_LATER:
        shutil.rmtree(root / name)
    db = connect(root)
    assert {name: db.execute(f"SELECT count(*) FROM {name}").fetchall() for name in ADDED_LATER} == {
        n: [(0,)] for n in ADDED_LATER
    }
    assert db.execute("SELECT count(*) FROM decisions").fetchall() == [(2,)]


def test_a_transaction_is_what_a_fill_moved_on_the_account(journal: Journal, root: Path) -> None:
    fill = Fill("0000e0d5.5b1f3a0c.01.01", "v6-i1", 11, 2, Decimal("2.35"), AT, Decimal("1.10"))
    sold = replace(fill, exec_id="0000e0d5.5b1f3a0c.02.01", con_id=12, quantity=-2)
    unpaid = replace(fill, exec_id="0000e0d5.5b1f3a0c.03.01", commission=None)
    foreign = replace(fill, exec_id="0000e0d5.5b1f3a0c.04.01", con_id=99)
    journal.append(PositionOpened(AT, POSITION), *(OrderFilled(AT, one) for one in (fill, sold, unpaid, foreign)))
    flush(journal, root)
    rows = connect(root).execute("SELECT con_id, multiplier, cash FROM transactions ORDER BY exec_id").fetchall()
    assert rows == [(11, 100, -471.1), (12, 100, 468.9), (11, 100, None), (99, None, None)]


def test_the_portfolio_has_its_own_fields_only(journal: Journal, root: Path) -> None:
    journal.append(snapshot(1))
    flush(journal, root)
    found = connect(root).sql("SELECT * FROM portfolio").to_arrow_table()
    assert found.column("net_liq").to_pylist() == [100000.0]
    assert {"snapshot_id", "cycle", "vix"} <= set(found.column_names)
    assert not {"key", "structure", "pnl"} & set(found.column_names)


def test_a_store_from_before_there_were_legs_is_read_without_them(journal: Journal, root: Path) -> None:
    journal.append(snapshot(1))
    flush(journal, root)
    shutil.rmtree(root / "legs")
    db = connect(root)
    assert db.execute("SELECT count(*) FROM snapshots").fetchall() == [(2,)]
    assert db.execute("SELECT count(*) FROM transactions").fetchall() == [(0,)]


def test_a_missing_table_is_named(root: Path) -> None:
    with pytest.raises(StoreError, match="there is no table snapshots"):
        connect(root)
    with pytest.raises(StoreError, match="there is no table orders"):
        table_version(root, "orders")
    with pytest.raises(StoreError, match="there is no table ghosts; there are snapshots"):
        connect(root, versions={"ghosts": 1})


def test_a_column_that_came_later_is_null_in_older_files(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = TABLES["findings"]
    journal.append(FindingRaised(AT, "old", "unseen"))
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "findings", schema.remove(schema.get_field_index("text")))
        flush(journal, root)
    Outbox(journal, root)._open("findings")
    query = "SELECT code, text FROM findings ORDER BY seq"
    assert connect(root).execute(query).fetchall() == [("old", None)]
    journal.append(FindingRaised(AT, "new", "seen"))
    flush(journal, root)
    assert connect(root).execute(query).fetchall() == [("old", None), ("new", "seen")]


def test_a_store_that_no_newer_daemon_has_opened_is_read_with_the_new_fields_missing(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = TABLES["snapshots"]
    old = pa.schema([f for f in schema if f.name not in ("short_exercise", "next_dividend")])
    journal.append(snapshot(1))
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "snapshots", old)
        flush(journal, root)
    query = "SELECT snapshot_id, structure, short_exercise, next_dividend FROM snapshots WHERE key = 'p1' ORDER BY seq"
    assert connect(root).execute(query).fetchall() == [("s1", "bull_put_spread", None, None)]
    assert connect(root).sql("SELECT next_dividend FROM snapshots").types == ["DOUBLE"]


def test_times_stay_aware_and_utc(journal: Journal, root: Path) -> None:
    journal.append(FindingRaised(AT, "x", ""))
    flush(journal, root)
    times = connect(root).sql("SELECT ts FROM findings").to_arrow_table()
    assert times.schema.field("ts").type == pa.timestamp("us", "UTC")
    assert times.column("ts").to_pylist() == [AT]
