from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from tests.store.samples import decisions, one_of_each, snapshot
from tests.store.test_outbox import assert_tables_equal_journal
from v6.store.delta import open_table, parquet_files
from v6.store.journal import Journal
from v6.store.maintenance import audit
from v6.store.outbox import Outbox


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    with Journal(tmp_path / "journal.db", durable=False) as journal:
        yield journal


@pytest.fixture
def root(tmp_path: Path, journal: Journal) -> Path:
    """Return the folder of tables with twelve commits in `snapshots` (so one checkpoint) and at least one in all."""
    root = tmp_path / "tables"
    outbox = Outbox(journal, root)
    journal.append(*one_of_each())
    outbox.flush()
    for cycle in range(2, 13):
        journal.append(snapshot(cycle), decisions(cycle))
        outbox.flush()
    assert open_table(root / "snapshots").version() == 12
    return root


def log(root: Path, version: int, kind: str = "json") -> Path:
    return root / "snapshots" / "_delta_log" / f"{version:020}.{kind}"


def halve(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def test_sound_tables_are_left_alone(journal: Journal, root: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in root.rglob("*")}
    assert audit(root) == []
    assert {p: p.stat().st_mtime_ns for p in root.rglob("*")} == before
    assert audit(root / "absent") == []


@pytest.mark.parametrize("damage", [halve, empty])
@pytest.mark.parametrize("commits", [1, 4])
def test_torn_newest_commits_are_set_aside_and_written_again(
    journal: Journal, root: Path, damage: Callable[[Path], None], commits: int
) -> None:
    for version in range(13 - commits, 13):
        damage(log(root, version))
    assert audit(root) == [f"snapshots: commit {v} was torn, set aside" for v in range(12, 12 - commits, -1)]
    assert open_table(root / "snapshots").version() == 12 - commits
    assert audit(root) == []
    assert Outbox(journal, root).flush() == 2 * commits
    assert_tables_equal_journal(journal, root)


@pytest.mark.parametrize("damage", [halve, empty])
def test_a_damaged_checkpoint_is_replaced_by_the_commits(
    journal: Journal, root: Path, damage: Callable[[Path], None]
) -> None:
    damage(log(root, 9, "checkpoint.parquet"))
    assert audit(root) == ["snapshots: checkpoints could not be read, set aside: 9"]
    assert audit(root) == []
    assert Outbox(journal, root).flush() == 0
    assert_tables_equal_journal(journal, root)


def test_a_pointer_to_a_checkpoint_that_was_torn_away_goes_too(journal: Journal, root: Path) -> None:
    for version in (9, 10, 11, 12):
        empty(log(root, version))
    halve(log(root, 9, "checkpoint.parquet"))
    assert len(audit(root)) == 4
    assert Outbox(journal, root).flush() == 8
    assert_tables_equal_journal(journal, root)


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda root: log(root, 5).unlink(), "commit 5 is missing"),
        (lambda root: empty(log(root, 5)), "commit 5 cannot be read or is cut short"),
        (lambda root: halve(Path(parquet_files(open_table(root / "snapshots"))[0])), "bytes, its commit says"),
        (lambda root: Path(parquet_files(open_table(root / "snapshots"))[0]).unlink(), "is missing"),
        (lambda root: [empty(log(root, v)) for v in range(13)], "no commit is left"),
    ],
)
def test_a_table_damaged_inside_is_set_aside_and_written_anew(
    journal: Journal, root: Path, harm: Callable[[Path], object], says: str
) -> None:
    harm(root)
    found = audit(root)
    assert says in found[-1]
    assert found[-1].endswith("to be written anew from the journal")
    assert (root / "_quarantine" / "snapshots.1").is_dir()
    assert Outbox(journal, root).flush() == 24
    assert_tables_equal_journal(journal, root)
    assert audit(root) == []


def test_a_checkpoint_that_decodes_but_lies_is_found_by_its_commits(journal: Journal, root: Path) -> None:
    checkpoint = log(root, 9, "checkpoint.parquet")
    rows = pq.read_table(checkpoint)
    kept = [row for row in rows.to_pylist() if row["add"] is None or row["add"]["path"] != first_added(root)]
    assert len(kept) == rows.num_rows - 1
    pq.write_table(pa.Table.from_pylist(kept, schema=rows.schema), checkpoint)
    assert audit(root) == ["snapshots: checkpoints could not be read, set aside: 9"]
    assert audit(root) == []
    assert Outbox(journal, root).flush() == 0
    assert_tables_equal_journal(journal, root)


def first_added(root: Path) -> str:
    actions = map(json.loads, log(root, 1).read_text().splitlines())
    return next(str(action["add"]["path"]) for action in actions if "add" in action)
