from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.store.samples import AT, decisions, one_of_each, snapshot
from v6.errors import StoreError
from v6.model.event import Event, FindingRaised, GreeksTaken, HealthMeasured, QueueListed
from v6.store import outbox as outbox_module
from v6.store.delta import open_table, parquet_files
from v6.store.journal import Journal, JournalReader
from v6.store.outbox import Outbox
from v6.store.tables import TABLES, arrow_table, rows_of
from v6.store.travel import OFFSET
from v6.store.upkeep import COMPACT_EVERY


def stored(root: Path, name: str) -> pa.Table:
    table = open_table(root / name).to_pyarrow_table()
    key = [(column, "ascending") for column in ("seq", "key", "decision_id", "con_id") if column in table.column_names]
    return table.sort_by(key)


def expected(journal: JournalReader, name: str) -> pa.Table:
    rows = [row for seq, event in journal.events() for table, row in rows_of(seq, event) if table == name]
    key = [(column, "ascending") for column in ("seq", "key", "decision_id", "con_id") if column in TABLES[name].names]
    return arrow_table(name, rows).sort_by(key)


def assert_tables_equal_journal(journal: JournalReader, root: Path) -> None:
    for name in TABLES:
        assert stored(root, name).equals(expected(journal, name)), name


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "my desk" / "tables"


@pytest.fixture
def journal(tmp_path: Path) -> Any:
    with Journal(tmp_path / "journal.db", durable=False) as journal:
        yield journal


def test_every_event_becomes_its_rows_once(journal: Journal, root: Path) -> None:
    journal.append(*one_of_each())
    outbox = Outbox(journal, root)
    assert outbox.flushed_to() == 0
    # 26 events; snapshot, decisions, queue and greeks have two rows each, the position two legs
    assert outbox.flush() == 32
    assert outbox.flush() == 0
    assert outbox.flushed_to() == journal.last_seq
    assert_tables_equal_journal(journal, root)
    assert Outbox(journal, root).flush() == 0
    assert_tables_equal_journal(journal, root)


def test_the_first_flush_makes_all_tables_even_without_an_event(journal: Journal, root: Path) -> None:
    assert Outbox(journal, root).flush() == 0
    assert {path.name for path in root.iterdir()} == set(TABLES)
    assert_tables_equal_journal(journal, root)


def test_only_tables_with_new_rows_get_a_commit(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    for cycle in range(1, 4):
        journal.append(snapshot(cycle), decisions(cycle))
        assert outbox.flush() == 4
    versions = {name: open_table(root / name).version() for name in TABLES}
    assert versions == dict.fromkeys(TABLES, 0) | {"snapshots": 3, "decisions": 3}
    assert open_table(root / "snapshots").transaction_version(OFFSET) == 6
    assert outbox.flushed_to() == 6


class Crash(Exception):
    pass


def crash_at(call: int, *, after_commit: bool) -> Callable[..., None]:
    """Return a write_deltalake that dies in its n-th call, before or after the commit."""
    calls = 0

    def write(*args: Any, **kwargs: Any) -> None:
        nonlocal calls
        calls += 1
        if calls == call and not after_commit:
            raise Crash
        write_deltalake(*args, **kwargs)
        if calls == call:
            raise Crash

    return write


@pytest.mark.parametrize("after_commit", [False, True])
@pytest.mark.parametrize("call", range(1, len(TABLES) + 1))
@pytest.mark.parametrize("reopen", [False, True])
def test_a_crash_at_any_commit_adds_nothing_twice_and_loses_nothing(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch, call: int, after_commit: bool, reopen: bool
) -> None:
    journal.append(*one_of_each())
    outbox = Outbox(journal, root)
    with monkeypatch.context() as patch:
        patch.setattr(outbox_module, "write_deltalake", crash_at(call, after_commit=after_commit))
        with pytest.raises(Crash):
            outbox.flush()
    journal.append(snapshot(2), decisions(2), FindingRaised(AT, "restarted", ""))
    if reopen:
        outbox = Outbox(journal, root)
    outbox.flush()
    assert_tables_equal_journal(journal, root)


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(["append", "flush", "reopen", "die before commit", "die after commit"]), max_size=12))
def test_any_interleaving_of_writing_flushing_and_dying_ends_exact(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch, steps: list[str]
) -> None:
    folder = tmp_path_factory.mktemp("interleaving")
    with Journal(folder / "journal.db", durable=False) as journal:
        outbox = Outbox(journal, folder / "tables")
        for cycle, step in enumerate([*steps, "append", "reopen", "flush"], 1):
            match step:
                case "append":
                    journal.append(snapshot(cycle), decisions(cycle), FindingRaised(AT, str(cycle), ""))
                case "flush":
                    outbox.flush()
                case "reopen":
                    outbox = Outbox(journal, folder / "tables")
                case _:
                    with monkeypatch.context() as patch:
                        write = crash_at(1 + cycle % 3, after_commit=step == "die after commit")
                        patch.setattr(outbox_module, "write_deltalake", write)
                        try:
                            outbox.flush()
                        except Crash:
                            outbox = Outbox(journal, folder / "tables")
        assert_tables_equal_journal(journal, folder / "tables")


def test_a_second_writer_with_an_old_handle_fails_instead_of_doubling(journal: Journal, root: Path) -> None:
    journal.append(snapshot(1))
    one, two = Outbox(journal, root), Outbox(journal, root)
    assert (one.flush(), two.flush()) == (2, 0)
    journal.append(snapshot(2))
    assert one.flush() == 2
    with pytest.raises(StoreError, match="Concurrent transaction failed"):
        two.flush()
    assert two.flush() == 0
    assert_tables_equal_journal(journal, root)


def test_a_long_backlog_is_committed_in_parts(journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(outbox_module, "_BATCH_ROWS", 4)
    journal.append(*(snapshot(cycle) for cycle in range(1, 6)))
    assert Outbox(journal, root).flush() == 10
    assert open_table(root / "snapshots").version() == 3
    assert_tables_equal_journal(journal, root)


def test_many_commits_are_checkpointed_and_compacted_and_still_exact(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    for cycle in range(1, 2 * COMPACT_EVERY + 3):
        journal.append(FindingRaised(AT, str(cycle), ""))
        outbox.flush()
    table = open_table(root / "findings")
    assert len(parquet_files(table)) <= 4
    assert (root / "findings" / "_delta_log" / f"{49:020}.checkpoint.parquet").exists()
    assert table.transaction_version(OFFSET) == journal.last_seq
    assert_tables_equal_journal(journal, root)
    assert Outbox(journal, root).flush() == 0


def test_tables_of_another_journal_are_refused(journal: Journal, root: Path, tmp_path: Path) -> None:
    journal.append(snapshot(1))
    Outbox(journal, root).flush()
    with Journal(tmp_path / "other.db") as other:
        other.append(FindingRaised(AT, "different", ""))
        with pytest.raises(StoreError, match=r"was not copied from the journal .*other\.db"):
            Outbox(other, root).flush()
        other.append(snapshot(1), snapshot(2))
        with pytest.raises(StoreError, match="differ at event 1"):
            Outbox(other, root).flush()


def test_tables_ahead_of_a_restored_journal_are_refused(tmp_path: Path, root: Path) -> None:
    path = tmp_path / "journal.db"
    with Journal(path) as journal:
        journal.append(snapshot(1))
    backup = path.read_bytes()
    with Journal(path) as journal:
        journal.append(snapshot(2))
        Outbox(journal, root).flush()
    path.write_bytes(backup)
    with Journal(path) as journal:
        journal.append(FindingRaised(AT, "x", ""))
        with pytest.raises(StoreError, match="differ at event 2"):
            Outbox(journal, root).flush()


def test_events_pruned_before_they_were_copied_are_missed_loudly(journal: Journal, root: Path) -> None:
    journal.append(snapshot(1), snapshot(2))
    outbox = Outbox(journal, root)
    outbox.flush()
    journal.append(snapshot(3))
    journal.prune(2)
    assert outbox.flush() == 2
    journal.append(snapshot(4), snapshot(5))
    journal.prune(4)
    with pytest.raises(StoreError, match="pruned up to 4"):
        outbox.flush()


@pytest.mark.parametrize("kind", [QueueListed, GreeksTaken, HealthMeasured])
def test_what_the_desk_tells_of_itself_is_missed_as_loudly(journal: Journal, root: Path, kind: type[Event]) -> None:
    (event,) = (event for event in one_of_each() if isinstance(event, kind))
    journal.append(event)
    journal.prune(1)
    with pytest.raises(StoreError, match="pruned up to 1"):
        Outbox(journal, root).flush()


def test_pruning_all_that_was_flushed_is_no_loss(journal: Journal, root: Path) -> None:
    journal.append(snapshot(1), FindingRaised(AT, "x", ""))
    outbox = Outbox(journal, root)
    outbox.flush()
    journal.prune(outbox.flushed_to())
    journal.append(snapshot(2))
    assert Outbox(journal, root).flush() == 2
    assert stored(root, "snapshots").num_rows == 4


@pytest.mark.parametrize(("late", "old"), [("text", ("old", None)), ("code", (None, "unseen"))])
def test_a_column_added_to_the_catalogue_is_added_to_the_table_wherever_it_stands(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch, late: str, old: tuple[str | None, str | None]
) -> None:
    schema = TABLES["findings"]
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "findings", schema.remove(schema.get_field_index(late)))
        journal.append(FindingRaised(AT, "old", "unseen"))
        Outbox(journal, root).flush()
    journal.append(FindingRaised(AT, "new", "seen"))
    Outbox(journal, root).flush()
    rows = stored(root, "findings").to_pylist()
    assert [(row["code"], row["text"]) for row in rows] == [old, ("new", "seen")]


def test_a_column_that_left_the_catalogue_stays_and_is_null_from_then_on(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    schema = TABLES["findings"]
    journal.append(FindingRaised(AT, "old", "seen"))
    Outbox(journal, root).flush()
    journal.append(FindingRaised(AT, "new", "dropped"))
    with monkeypatch.context() as patch:
        patch.setitem(TABLES, "findings", schema.remove(schema.get_field_index("text")))
        Outbox(journal, root).flush()
    assert stored(root, "findings").select(["code", "text"]).to_pylist() == [
        {"code": "old", "text": "seen"},
        {"code": "new", "text": None},
    ]


def test_a_column_of_another_type_is_refused(journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        schema = TABLES["findings"]
        index = schema.get_field_index("code")
        patch.setitem(TABLES, "findings", schema.set(index, pa.field("code", pa.int64())))
        Outbox(journal, root)._open("findings")
    journal.append(FindingRaised(AT, "x", ""))
    with pytest.raises(StoreError, match="column code is int64, V6 now writes string"):
        Outbox(journal, root).flush()


def test_a_folder_that_delta_cannot_name_is_refused_at_once(journal: Journal, tmp_path: Path) -> None:
    with pytest.raises(StoreError, match=r"its name holds \[ \]"):
        Outbox(journal, tmp_path / "a[b]")


FLUSHER = """
import sys
from pathlib import Path
from tests.store.samples import decisions, snapshot
from v6.store.journal import Journal
from v6.store.outbox import Outbox
folder = Path(sys.argv[1])
journal = Journal(folder / "journal.db")
outbox = Outbox(journal, folder / "tables")
print("ready", flush=True)
for cycle in range(1, 1_000_000):
    journal.append(snapshot(cycle), decisions(cycle))
    outbox.flush()
    print(cycle, flush=True)
"""


def test_a_killed_outbox_continues_exactly(tmp_path: Path) -> None:
    checkout = Path(__file__).parents[2]
    for kill_after in (1, 4, 9):
        flusher = subprocess.Popen(
            [sys.executable, "-c", FLUSHER, str(tmp_path)], stdout=subprocess.PIPE, text=True, cwd=checkout
        )
        assert flusher.stdout is not None
        for _ in range(kill_after):
            assert flusher.stdout.readline()
        flusher.send_signal(signal.SIGKILL)
        flusher.stdout.read()
        flusher.stdout.close()
        flusher.wait()
    with Journal(tmp_path / "journal.db") as journal:
        Outbox(journal, tmp_path / "tables").flush()
        assert_tables_equal_journal(journal, tmp_path / "tables")
        assert journal.last_seq > 10


def test_a_flush_in_a_thread_sees_only_whole_transactions(journal: Journal, root: Path) -> None:
    from concurrent.futures import ThreadPoolExecutor

    outbox = Outbox(JournalReader(journal.path), root)
    with ThreadPoolExecutor(1) as pool:
        for cycle in range(1, 30):
            running = pool.submit(outbox.flush)
            for _ in range(20):
                journal.append(snapshot(cycle), decisions(cycle))
            running.result()
        pool.submit(outbox.flush).result()
    assert_tables_equal_journal(journal, root)


def test_a_table_that_needs_a_newer_reader_is_refused(root: Path) -> None:
    path = root / "findings"
    DeltaTable.create(path, schema=TABLES["findings"], configuration={"delta.enableDeletionVectors": "true"})
    with pytest.raises(StoreError, match="needs Delta reader version 3"):
        open_table(path)


def test_a_partitioned_table_is_refused(root: Path) -> None:
    DeltaTable.create(root / "findings", schema=TABLES["findings"], partition_by=["date"])
    with pytest.raises(StoreError, match="partitioned by"):
        open_table(root / "findings")
