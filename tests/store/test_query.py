from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pytest

from tests.store.samples import AT, decisions, one_of_each, snapshot
from tests.store.test_outbox import expected
from v6.errors import StoreError
from v6.model.event import CommissionReported, FindingRaised, OrderFilled
from v6.model.order import Fill
from v6.store.journal import Journal
from v6.store.outbox import Outbox
from v6.store.query import connect, latest_snapshot, table_version
from v6.store.tables import LATER, TABLES


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
        order = "key" if "key" in schema.names else "seq"
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
    with pytest.raises(StoreError, match=r"snapshots at version 9 cannot be opened|version 9"):
        connect(root, versions={"snapshots": 9})


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
    for name in LATER:
        shutil.rmtree(root / name)
    db = connect(root)
    assert {name: db.execute(f"SELECT count(*) FROM {name}").fetchall() for name in LATER} == {
        n: [(0,)] for n in LATER
    }
    assert db.execute("SELECT count(*) FROM decisions").fetchall() == [(2,)]


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
