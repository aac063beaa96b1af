from __future__ import annotations

import shutil
import sqlite3
from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import CommitProperties, Transaction, write_deltalake

from tests.store.samples import AT, decisions, one_of_each, snapshot
from v6.errors import StoreError
from v6.model.event import FindingRaised
from v6.store import health
from v6.store.commits import ORIGIN
from v6.store.compare import difference
from v6.store.delta import open_table, parquet_files
from v6.store.health import JOURNAL, Check, Level, check_journal, check_room, check_tables, repair
from v6.store.journal import Journal, JournalReader
from v6.store.outbox import Outbox
from v6.store.space import keep_reserve
from v6.store.tables import TABLES
from v6.store.travel import OFFSET


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store with a few commits, whose desk is not running."""
    store = tmp_path / "var" / "desk"
    with Journal(store / JOURNAL, durable=False) as journal:
        outbox = Outbox(journal, store / "tables")
        journal.append(*one_of_each())
        outbox.flush()
        for cycle in range(2, 6):
            journal.append(snapshot(cycle), decisions(cycle))
            outbox.flush()
    keep_reserve(store / JOURNAL, 2**20)
    return store


@pytest.fixture(autouse=True)
def _small_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "keep_reserve", lambda path: keep_reserve(path, 2**20))


def worst(checks: list[Check]) -> list[Check]:
    return [check for check in checks if check.level is not Level.OK]


def content(store: Path) -> dict[Path, bytes]:
    """Return all files but those that SQLite keeps for readers of the write-ahead log."""
    return {p: p.read_bytes() for p in store.rglob("*") if p.is_file() and not p.name.endswith(("-shm", "-wal"))}


def test_a_sound_store_is_called_sound_and_left_as_it_is(store: Path) -> None:
    before = content(store)
    assert worst([*check_journal(store), *check_tables(store, deep=True)]) == []
    assert content(store) == before
    assert "34 events" in check_journal(store)[0].text
    assert "nobody writes it" in check_journal(store)[0].text
    assert [check.area for check in check_tables(store)] == [f"table {name}" for name in TABLES]


def test_a_store_that_is_not_there_yet_is_no_error(tmp_path: Path) -> None:
    assert worst([*check_journal(tmp_path / "x"), *check_tables(tmp_path / "x"), *check_room(tmp_path / "x")]) == []
    assert repair(tmp_path / "x") == []


def test_a_running_desk_is_looked_at_but_not_repaired(store: Path) -> None:
    with Journal(store / JOURNAL) as journal:
        journal.append(snapshot(9))
        assert "written by process" in check_journal(store)[0].text
        assert worst(check_tables(store)) == []
        with pytest.raises(StoreError, match="in use by process"):
            repair(store)


def test_a_changed_journal_is_an_error_that_only_a_backup_mends(store: Path) -> None:
    db = sqlite3.connect(store / JOURNAL)
    db.execute("UPDATE log SET at = 'then' WHERE seq = 3")
    db.commit()
    db.close()
    assert [check.level for check in check_journal(store)] == [Level.ERROR]
    with pytest.raises(StoreError, match="restore a backup"):
        repair(store)


def test_a_missing_reserve_is_a_warning_and_made_by_a_repair(store: Path) -> None:
    (store / f"{JOURNAL}.reserve").unlink()
    assert [check.level for check in worst(check_journal(store))] == [Level.WARNING]
    assert repair(store) == [f"allocated the reserve {JOURNAL}.reserve"]
    assert worst(check_journal(store)) == []


def test_a_damaged_table_is_an_error_until_it_is_repaired(store: Path) -> None:
    table = store / "tables" / "snapshots"
    Path(parquet_files(open_table(table))[0]).write_bytes(b"")
    shutil.rmtree(store / "tables" / "orders")
    found = worst(check_tables(store))
    assert [(check.area, check.level) for check in found] == [
        ("table snapshots", Level.ERROR),
        ("table orders", Level.WARNING),
    ]
    done = repair(store)
    assert "set aside" in done[0]
    assert done[1].endswith("to orders, snapshots")
    assert [check.text.split(":")[0] for check in worst(check_tables(store, deep=True))] == [
        "1 damaged files or tables were set aside in _quarantine"
    ]


def change_a_value(folder: Path) -> None:
    """Write other rows in a commit that looks like one of ours, so that only the journal knows."""
    table = open_table(folder)
    ids = [Transaction(name, table.transaction_version(name) or 0) for name in (OFFSET, ORIGIN)]
    rows = table.to_pyarrow_table().sort_by("seq")
    cycles = [99 if n == 3 else cycle for n, cycle in enumerate(rows.column("cycle").to_pylist())]
    changed = rows.set_column(rows.column_names.index("cycle"), "cycle", pa.array(cycles, pa.int64()))
    write_deltalake(table, changed, mode="overwrite", commit_properties=CommitProperties(app_transactions=ids))


def test_a_value_that_only_the_journal_knows_is_found_by_a_deep_look(store: Path) -> None:
    journal, root = JournalReader(store / JOURNAL), store / "tables"
    assert difference(journal, root, "snapshots") is None
    change_a_value(root / "snapshots")
    assert difference(journal, root, "snapshots") == "column cycle of event 27 is not what the journal says"
    assert worst(check_tables(store)) == []
    assert [check.level for check in worst(check_tables(store, deep=True))] == [Level.ERROR]
    assert any("set aside" in line for line in repair(store, deep=True))
    assert [check.area for check in worst(check_tables(store, deep=True))] == ["tables"]


def test_rows_that_are_missing_doubled_or_beyond_the_end_are_told_apart(store: Path) -> None:
    root = store / "tables"
    journal = JournalReader(store / JOURNAL)
    table = open_table(root / "findings")
    rows = table.to_pyarrow_table()
    write_deltalake(table, rows, mode="append")
    assert difference(journal, root, "findings") == "event 23 has 2 rows, the journal says 1"
    write_deltalake(table, rows.slice(0, 0), mode="overwrite")
    assert difference(journal, root, "findings") == "event 23 has 0 rows, the journal says 1"
    beyond = rows.set_column(0, "seq", pa.array([1000]))
    write_deltalake(table, pa.concat_tables([rows, beyond]), mode="overwrite")
    assert difference(journal, root, "findings") == (
        "it holds rows of events after 26, where its last commit says it ends"
    )
    foreign = rows.set_column(0, "seq", pa.array([22]))
    write_deltalake(table, pa.concat_tables([rows, foreign]), mode="overwrite")
    assert difference(journal, root, "findings") == "it holds rows of event 22, which has none in the journal"


@pytest.mark.parametrize(
    ("free", "level", "says"),
    [
        (3 * 2**30, Level.OK, "3.0 GiB free"),
        (2**30, Level.WARNING, "1.0 GiB"),
        (200 * 2**20, Level.ERROR, "not enough for the tables"),
        (50 * 2**20, Level.ERROR, "open no positions"),
    ],
)
def test_the_room_that_is_left_is_judged(
    store: Path, monkeypatch: pytest.MonkeyPatch, free: int, level: Level, says: str
) -> None:
    monkeypatch.setattr(health, "free_bytes", lambda folder: free)
    check = check_room(store)[0]
    assert check.level is level
    assert says in check.text


def test_a_slow_disk_is_a_warning_and_one_that_cannot_be_written_an_error(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(health, "_sync_time", lambda folder: 0.5)
    assert "after 500.0 ms" in worst(check_room(store))[0].text

    def refuse(folder: Path) -> float:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(health, "_sync_time", refuse)
    assert worst(check_room(store))[0].text.endswith("cannot be written: Read-only file system")


def test_events_not_yet_copied_are_copied_by_a_repair(store: Path) -> None:
    with Journal(store / JOURNAL) as journal:
        journal.append(FindingRaised(AT, "late", ""))
    assert repair(store) == ["copied 1 rows from the journal to findings"]
    assert repair(store) == []
