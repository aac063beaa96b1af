"""`v6 doctor` looks at the history of the market as at the other tables, and mends what needs no journal."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.store.test_history import SLOT, con_ids, index, seen
from v6.errors import StoreError
from v6.store import health
from v6.store.delta import open_table, parquet_files
from v6.store.health import JOURNAL, Check, Level, repair
from v6.store.history import FOLDER, SPOOL, History
from v6.store.history_health import check_history
from v6.store.journal import Journal
from v6.store.space import keep_reserve

NOW = datetime(2026, 5, 4, 15, 0, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _small_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "keep_reserve", lambda path: keep_reserve(path, 2**20))


@pytest.fixture
def store(tmp_path: Path) -> Path:
    """Return a store with three batches of options and one of an index, whose desk is not running."""
    store = tmp_path / "desk"
    Journal(store / JOURNAL, durable=False).close()
    history = History(store / FOLDER, 3600)
    history.put([index(), seen(11)])
    history.put([seen(12)])
    history.put([seen(13)])
    repair(store)
    return store


def content(folder: Path) -> dict[Path, bytes]:
    return {p: p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def worst(checks: list[Check]) -> list[tuple[str, Level, str]]:
    return [(check.area, check.level, check.text) for check in checks if check.level is not Level.OK]


def newest_commit(store: Path) -> Path:
    return max((store / FOLDER / "chain_quotes" / "_delta_log").glob("*.json"))


def spooled(store: Path, monkeypatch: pytest.MonkeyPatch, at: datetime) -> Path:
    """Leave a batch in the spool as a process does that ends before the commit."""
    with monkeypatch.context() as patch:
        patch.setattr(History, "drain", lambda self: None)
        History(store / FOLDER, 3600).put([seen(14), seen(15)])
    (file,) = (store / FOLDER / SPOOL).glob("*.parquet")
    os.utime(file, (at.timestamp(), at.timestamp()))
    return file


def test_a_desk_that_records_nothing_is_sound(tmp_path: Path) -> None:
    (check,) = check_history(tmp_path, NOW)
    assert (check.area, check.level) == ("history", Level.OK)


def test_a_sound_history_is_called_sound_and_left_as_it_is(store: Path) -> None:
    before = content(store / FOLDER)
    quotes, underlyings, spool = check_history(store, NOW, deep=True)
    assert worst([quotes, underlyings, spool]) == []
    assert (quotes.area, underlyings.area, spool.area) == (
        "history chain_quotes", "history underlying_quotes", "history spool",
    )  # fmt: skip
    assert quotes.text.startswith("version 3, to batch 4; 3 files, ")
    assert quotes.text.endswith("; 4 commits in the log; every file read")
    assert spool.text == "no batch waits"
    assert content(store / FOLDER) == before
    assert repair(store) == []
    assert content(store / FOLDER) == before


def test_a_torn_commit_is_an_error_until_a_repair_sets_it_aside(store: Path) -> None:
    torn = newest_commit(store)
    torn.write_bytes(torn.read_bytes()[:100])
    found = check_history(store, NOW)
    text = "commit 3 cannot be read or is cut short"
    assert worst(found) == [("history chain_quotes", Level.ERROR, text)]
    assert found[0].hint.startswith("v6 doctor --repair sets the torn commit aside")
    assert repair(store) == ["history: chain_quotes: commit 3 was torn, set aside"]
    assert [(area, level) for area, level, _ in worst(check_history(store, NOW))] == [("history", Level.WARNING)]
    assert con_ids(store / FOLDER) == [11, 12]


def test_a_batch_whose_commit_was_torn_is_committed_again_from_the_spool(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = spooled(store, monkeypatch, NOW)
    rows = file.read_bytes()
    History(store / FOLDER, 3600)
    assert con_ids(store / FOLDER) == [11, 12, 13, 14, 15]
    file.write_bytes(rows)
    newest_commit(store).write_bytes(b"")
    assert repair(store) == ["history: chain_quotes: commit 4 was torn, set aside"]
    History(store / FOLDER, 3600)
    assert con_ids(store / FOLDER) == [11, 12, 13, 14, 15]


def test_a_lost_file_is_an_error_whose_hint_asks_for_a_copy_first(store: Path) -> None:
    folder = store / FOLDER / "chain_quotes"
    Path(parquet_files(open_table(folder))[0]).unlink()
    (check,) = [check for check in check_history(store, NOW) if check.level is not Level.OK]
    assert (check.area, check.level) == ("history chain_quotes", Level.ERROR)
    assert check.text.endswith("is missing")
    assert check.hint.startswith(f"copy {folder} away first")
    (done,) = repair(store)
    assert done.endswith("set aside, and begins anew: what it held is in _quarantine only")
    assert [area for area, _, _ in worst(check_history(store, NOW))] == ["history chain_quotes", "history"]


def test_bytes_changed_in_an_old_file_are_found_by_a_deep_look(store: Path) -> None:
    files = [Path(file) for file in parquet_files(open_table(store / FOLDER / "chain_quotes"))]
    old = (SLOT - timedelta(days=1)).timestamp()
    first = min(files, key=lambda file: file.stat().st_mtime_ns)
    body = first.read_bytes()
    first.write_bytes(body[:4] + bytes(len(body) // 4) + body[4 + len(body) // 4 :])
    os.utime(first, (old, old))
    assert worst(check_history(store, NOW)) == []
    ((area, level, text),) = worst(check_history(store, NOW, deep=True))
    assert (area, level) == ("history chain_quotes", Level.ERROR)
    assert text.startswith(f"{first.name} ")


@pytest.mark.parametrize(
    ("waited", "level", "says"),
    [
        (timedelta(minutes=2), Level.OK, "the oldest for 2 min"),
        (timedelta(minutes=11), Level.WARNING, "the oldest for 11 min"),
        (timedelta(hours=5), Level.WARNING, "the oldest for 5 h"),
        (timedelta(days=3), Level.WARNING, "the oldest for 3 days"),
        (-timedelta(hours=5), Level.OK, "the oldest for 0 min"),  # the clock was set back
    ],
)
def test_a_batch_that_waits_for_long_is_a_warning(
    store: Path, monkeypatch: pytest.MonkeyPatch, waited: timedelta, level: Level, says: str
) -> None:
    spooled(store, monkeypatch, NOW - waited)
    spool = check_history(store, NOW)[2]
    assert (spool.area, spool.level) == ("history spool", level)
    assert spool.text.startswith("1 batches of 2 rows wait")
    assert spool.text.endswith(says)


def test_who_commits_what_waits_depends_on_whether_the_desk_runs(store: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spooled(store, monkeypatch, NOW - timedelta(hours=1))
    assert check_history(store, NOW)[2].hint == "nothing is lost: the next start commits them"
    with Journal(store / JOURNAL):
        assert check_history(store, NOW)[2].hint == "the desk's findings say why"
        with pytest.raises(StoreError, match="in use by process"):
            repair(store)


def test_a_batch_that_cannot_be_read_is_an_error_as_nothing_after_it_is_recorded(
    store: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = spooled(store, monkeypatch, NOW)
    body = file.read_bytes()
    file.write_bytes(body[: len(body) // 2])
    spool = check_history(store, NOW)[2]
    assert spool.level is Level.ERROR
    assert spool.text.startswith(f"{file.name} cannot be read")
    with pytest.raises(StoreError, match="Parquet"):
        History(store / FOLDER, 3600)
    file.unlink()
    assert worst(check_history(store, NOW)) == []


def test_a_table_that_is_not_there_is_a_warning(store: Path) -> None:
    (store / FOLDER / "underlying_quotes").rename(store / "gone")
    assert worst(check_history(store, NOW)) == [("history underlying_quotes", Level.WARNING, "it is missing")]
