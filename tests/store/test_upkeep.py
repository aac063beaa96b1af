from __future__ import annotations

import os
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.store.samples import AT, snapshot
from tests.store.test_outbox import assert_tables_equal_journal
from v6.errors import StoreError
from v6.model.event import FindingRaised
from v6.store import travel, upkeep
from v6.store.delta import create_or_open, open_table, parquet_files
from v6.store.journal import Journal
from v6.store.maintenance import audit
from v6.store.outbox import Outbox
from v6.store.tables import TABLES
from v6.store.travel import OFFSET, VERSIONS, Ending, ending, endings, offset_as_of, offset_at
from v6.store.upkeep import COMPACT_EVERY, trim_log


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db", durable=False) as journal:
        yield journal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "a desk" / "tables"


def grow(journal: Journal, outbox: Outbox, commits: int) -> None:
    for number in range(commits):
        journal.append(FindingRaised(AT, str(number), ""))
        outbox.flush()


def log_files(root: Path, ends: str) -> list[int]:
    names = os.listdir(root / "findings" / "_delta_log")
    return sorted(int(name.split(".")[0]) for name in names if name[0].isdigit() and name.endswith(ends))


def test_compaction_waits_for_its_turn_and_keeps_readers_of_older_versions_alive(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    grow(journal, outbox, COMPACT_EVERY - 1)
    old = parquet_files(open_table(root / "findings"))
    assert len(old) == COMPACT_EVERY - 1
    grow(journal, outbox, 1)
    assert len(parquet_files(open_table(root / "findings"))) == 1
    assert all(Path(file).is_file() for file in old)  # vacuum lets them be for seven days


def test_a_tier_is_merged_into_the_next_only_when_it_is_full(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    outbox = Outbox(journal, root)
    grow(journal, outbox, 1)
    size = Path(parquet_files(open_table(root / "findings"))[0]).stat().st_size
    # A compacted file is already of the second tier; the third takes over when four of them have gathered.
    monkeypatch.setattr(upkeep, "TIERS", (size + 1, 4 * size, 100 * size))
    monkeypatch.setattr(upkeep, "FULL_TIER", 4)
    counts = []
    for _ in range(6):
        grow(journal, outbox, COMPACT_EVERY - 1)
        counts.append(len(parquet_files(open_table(root / "findings"))))
    assert max(counts) < 2 * COMPACT_EVERY
    sizes = [Path(file).stat().st_size for file in parquet_files(open_table(root / "findings"))]
    assert max(sizes) > size
    assert_tables_equal_journal(journal, root)


def test_a_trimmed_log_opens_to_the_same_and_is_short(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    grow(journal, outbox, 130)
    table = open_table(root / "findings")
    rows, version = table.to_pyarrow_table(), table.version()
    assert trim_log(table, kept=20) > 100
    fresh = open_table(root / "findings")
    assert fresh.version() == version
    assert fresh.to_pyarrow_table().equals(rows)
    assert fresh.transaction_version(OFFSET) == journal.last_seq
    assert log_files(root, ".json")[0] <= version - 20
    assert len(log_files(root, ".json")) <= 31
    assert len(log_files(root, "checkpoint.parquet")) <= 5
    assert trim_log(fresh, kept=20) == 0
    assert audit(root) == []
    grow(journal, outbox, 60)
    assert_tables_equal_journal(journal, root)


def test_trimming_lets_a_log_be_that_does_not_open_to_what_was_written(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    grow(journal, outbox, 60)
    table = open_table(root / "findings")
    grow(journal, outbox, 1)
    before = log_files(root, "")
    with pytest.raises(StoreError, match="left as it is"):
        trim_log(table, kept=10)
    assert log_files(root, "") == before


def test_commits_stay_whose_checkpoint_cannot_stand_for_them(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    grow(journal, outbox, 60)
    table = open_table(root / "findings")
    start = max(v for v in log_files(root, "checkpoint.parquet") if v <= table.version() - 30)
    (root / "findings" / "_delta_log" / f"{start:020}.checkpoint.parquet").write_bytes(b"")
    commits = log_files(root, ".json")
    assert trim_log(table, kept=30) == 0
    assert log_files(root, ".json") == commits
    assert (root / "_quarantine" / f"findings-{start:020}.checkpoint.parquet.1").is_file()
    assert trim_log(table, kept=5) > 0  # by a later checkpoint
    assert_tables_equal_journal(journal, root)


def test_versions_trimmed_from_the_log_are_still_known(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    grow(journal, outbox, 60)
    folder = root / "findings"
    before = endings(folder)
    assert [e.offset for e in before] == list(range(1, 61))
    trim_log(open_table(folder), kept=20)
    assert ending(folder / "_delta_log" / f"{log_files(root, '.json')[-1]:020}.json") == before[-1]
    assert endings(folder) == before
    assert (offset_at(folder, 0), offset_at(folder, 7), offset_at(folder, 10_000)) == (0, 7, 60)
    assert offset_as_of([folder], before[30].at) >= 31
    assert offset_as_of([folder], before[-1].at) == 60
    assert offset_as_of([folder], AT) == 0


def test_an_event_has_come_in_when_the_last_table_has_it(
    journal: Journal, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at = [datetime.fromtimestamp(n, UTC) for n in range(10)]
    of = {"a": [Ending(1, 1000, 5), Ending(2, 3000, 9)], "b": [Ending(1, 2000, 5), Ending(2, 4000, 9)], "c": []}
    monkeypatch.setattr(travel, "endings", lambda folder: of[folder.name])
    found = [offset_as_of([Path("a"), Path("b"), Path("c")], moment) for moment in at[:6]]
    assert found == [0, 0, 5, 5, 9, 9]


def test_a_torn_line_in_the_list_of_versions_is_passed_over(journal: Journal, root: Path) -> None:
    outbox = Outbox(journal, root)
    grow(journal, outbox, 60)
    folder = root / "findings"
    before = endings(folder)
    with (folder / VERSIONS).open("a") as file:
        file.write("12,17")
    assert endings(folder) == before


def test_an_older_table_takes_the_newer_properties(journal: Journal, root: Path) -> None:
    from deltalake import DeltaTable

    path = root / "findings"
    path.mkdir(parents=True)
    DeltaTable.create(path, schema=TABLES["findings"], configuration={"delta.checkpointInterval": "100"})
    assert create_or_open(path, TABLES["findings"]).metadata().configuration["delta.checkpointInterval"] == "10"
    assert create_or_open(path, TABLES["findings"]).version() == 1
    journal.append(snapshot(1), FindingRaised(AT, "x", ""))
    Outbox(journal, root).flush()
    assert_tables_equal_journal(journal, root)
