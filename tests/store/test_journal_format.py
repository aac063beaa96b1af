"""Journals of the first format go on under this version, and those of a later one are refused."""

from __future__ import annotations

import re
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.store.samples import one_of_each, snapshot
from v6.errors import StoreError
from v6.model.event import Event, FindingRaised
from v6.store.journal import _RARE_INDEX, BULK, Journal, JournalReader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desk" / "journal.db"


def of_format_1(path: Path, events: list[Event]) -> None:
    """Write a journal as the versions before format 2 did; what differs is the index and the number."""
    with Journal(path) as journal:
        journal.append(*events, state={"k": "1"})
    with closing(sqlite3.connect(path)) as db:
        db.executescript(
            "BEGIN; DROP INDEX log_rare;"
            "CREATE INDEX log_rare ON log (kind, seq) WHERE kind NOT IN ('SnapshotTaken', 'DecisionsMade');"
            "PRAGMA user_version = 1; COMMIT;"
        )


def format_of(path: Path) -> tuple[int, str]:
    with closing(sqlite3.connect(path)) as db:
        (index,) = db.execute("SELECT sql FROM sqlite_schema WHERE name = 'log_rare'").fetchone()
        return db.execute("PRAGMA user_version").fetchone()[0], index


def test_a_journal_of_format_1_is_read_as_it_is_and_made_format_2_by_its_writer(path: Path) -> None:
    events = one_of_each()
    of_format_1(path, events)
    old = format_of(path)
    reader = JournalReader(path)
    assert [event for _, event in reader.events()] == events
    assert [seq for seq, _ in reader.events(kinds=[FindingRaised])] == [
        n for n, event in enumerate(events, 1) if isinstance(event, FindingRaised)
    ]
    before = reader.hash()
    assert (reader.verify(), format_of(path)) == (len(events), old)
    Journal(path.with_name("new")).close()
    with Journal(path) as journal:
        assert format_of(path) == format_of(path.with_name("new"))
        assert format_of(path)[0] == 2
        assert (journal.hash(), journal.state("k"), journal.verify()) == (before, "1", len(events))
        assert journal.prune(len(events)) == 5
        assert journal.append(snapshot(2)) == len(events) + 1
    assert JournalReader(path).verify() == len(events) + 1 - 5


def test_a_crash_while_the_format_changes_leaves_the_old_one(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    of_format_1(path, one_of_each())
    old = format_of(path)
    monkeypatch.setattr("v6.store.journal._RARE_INDEX", f"{_RARE_INDEX} SELECT * FROM no_such_table;")
    with pytest.raises(StoreError, match="no_such_table"):
        Journal(path)
    assert format_of(path) == old
    monkeypatch.undo()
    with Journal(path) as journal:
        assert journal.verify() == len(one_of_each())


def test_the_index_leaves_out_exactly_what_prune_drops(path: Path) -> None:
    Journal(path).close()
    named = re.findall(r"'(\w+)'", format_of(path)[1])
    assert named == [kind.__name__ for kind in BULK]


def test_another_format_version_is_refused_clearly(path: Path) -> None:
    Journal(path).close()
    db = sqlite3.connect(path)
    db.execute("PRAGMA user_version = 99")
    db.close()
    with pytest.raises(StoreError, match="journal format 99, this V6 writes format 2"):
        Journal(path)
    with pytest.raises(StoreError, match="journal format 99"):
        JournalReader(path)
