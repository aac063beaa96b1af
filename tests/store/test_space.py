from __future__ import annotations

import resource
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.samples import AT, intent, snapshot
from v6.errors import StoreError
from v6.model.event import FindingRaised, OrderIntended
from v6.store import journal as journal_module
from v6.store.backup import backup
from v6.store.journal import TAIL_CHECKED, Journal, JournalReader
from v6.store.space import Room, free_bytes, give_up_reserve, keep_reserve, reserve_of, room


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desk" / "journal.sqlite"


@pytest.fixture
def tiny_disk(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a disk on which the reserve, as long as it is there, leaves room for a few pages only."""
    opened = journal_module._open

    def _open(where: Path, durable: bool) -> sqlite3.Connection:
        db = opened(where, durable)
        if reserve_of(path).exists():
            pages = db.execute("PRAGMA page_count").fetchone()[0]
            db.execute(f"PRAGMA max_page_count = {pages + 3}")
        return db

    monkeypatch.setattr(journal_module, "_open", _open)


@pytest.mark.parametrize(
    ("mib", "level"),
    [(4096, Room.ENOUGH), (2048, Room.ENOUGH), (2047, Room.SCARCE), (499, Room.NO_TABLES), (99, Room.NO_OPENS)],
)
def test_what_is_left_tells_what_may_be_done(mib: int, level: Room) -> None:
    assert room(mib * 2**20) is level


def test_free_space_is_that_of_the_nearest_folder_there_is(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "not" / "yet") > 0


def test_the_reserve_takes_its_room_at_once_and_is_made_once(path: Path) -> None:
    assert keep_reserve(path, 2**20)
    assert reserve_of(path).stat().st_blocks * 512 >= 2**20
    assert not keep_reserve(path, 2**20)
    assert give_up_reserve(path)
    assert not give_up_reserve(path)


def test_a_reserve_that_does_not_fit_leaves_nothing_behind(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(descriptor: int, begin: int, size: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full)
    with pytest.raises(StoreError, match=r"no room for the reserve .*No space left"):
        keep_reserve(path, 2**20)
    assert not reserve_of(path).exists()


@pytest.mark.usefixtures("tiny_disk")
def test_a_full_disk_costs_the_reserve_and_no_event(path: Path) -> None:
    keep_reserve(path, 2**20)
    with Journal(path) as journal:
        for cycle in range(1, 30):
            assert journal.append(snapshot(cycle), state={"cycle": str(cycle)}) == cycle
        assert journal.reserve_spent
        assert journal.state("cycle") == "29"
        digest = journal.hash()
    assert not reserve_of(path).exists()
    with Journal(path) as journal:
        assert (journal.last_seq, journal.hash(), journal.verify()) == (29, digest, 29)
        assert not journal.reserve_spent


@pytest.mark.usefixtures("tiny_disk")
def test_an_intent_is_not_taken_for_a_duplicate_when_it_is_written_again(path: Path) -> None:
    keep_reserve(path, 2**20)
    with Journal(path) as journal:
        for number in range(40):
            journal.append(OrderIntended(AT, intent(f"i{number}")))
        assert journal.reserve_spent
        assert journal.last_seq == 40


def test_without_a_reserve_a_full_disk_stops_the_journal(path: Path) -> None:
    with Journal(path) as journal:
        journal.append(snapshot(1))
        journal._db.execute(f"PRAGMA max_page_count = {journal._db.execute('PRAGMA page_count').fetchone()[0]}")
        with pytest.raises(StoreError, match="database or disk is full; send nothing"):
            journal.append(*(snapshot(cycle) for cycle in range(2, 40)))
        with pytest.raises(StoreError, match="an earlier write failed"):
            journal.append(snapshot(2))
        assert not journal.reserve_spent


WRITER = """
import resource, signal, sys
from pathlib import Path
from tests.store.samples import snapshot
from v6.errors import StoreError
from v6.store.journal import Journal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # a write beyond the limit is then an error of the disk, EFBIG
resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), resource.RLIM_INFINITY))
journal = Journal(Path(sys.argv[1]))
for cycle in range(1, 1000):
    try:
        journal.append(snapshot(cycle))
    except StoreError as error:
        print("refused", error, flush=True)
        try:
            journal.append(snapshot(cycle))
        except StoreError as again:
            print("again", again, flush=True)
            sys.exit(7)
    print("acked", cycle, flush=True)
"""


@pytest.mark.skipif(not hasattr(resource, "RLIMIT_FSIZE"), reason="needs a limit on the size of files")
@pytest.mark.parametrize("limit", [70_000, 110_001, 200_500])
def test_after_an_error_of_the_disk_nothing_acknowledged_is_missing(path: Path, limit: int) -> None:
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", WRITER, str(path), str(limit)], capture_output=True, text=True, timeout=60, cwd=root
    )
    assert done.returncode == 7, done.stderr
    lines = done.stdout.splitlines()
    acked = sum(line.startswith("acked") for line in lines)
    assert acked > 0
    assert "writing failed" in lines[-2]
    assert "an earlier write failed" in lines[-1]
    with Journal(path) as journal:
        assert journal.last_seq in (acked, acked + 1)
        assert journal.verify() == journal.last_seq
        assert journal.append(snapshot(5000)) == journal.last_seq


@pytest.mark.parametrize("change", ["body = replace(body, 's3', 's4')", "chain = zeroblob(32)", "at = 'then'"])
def test_a_journal_whose_newest_events_were_changed_is_not_opened(path: Path, change: str) -> None:
    with Journal(path) as journal:
        journal.append(*(snapshot(cycle) for cycle in range(1, 5)))
    db = sqlite3.connect(path)
    db.execute(f"UPDATE log SET {change} WHERE seq = 3")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match=r"event [34] \(SnapshotTaken\) was changed"):
        Journal(path)


def test_opening_checks_only_the_newest_events(path: Path) -> None:
    with Journal(path, durable=False) as journal:
        journal.append(*(FindingRaised(AT, str(number), "") for number in range(TAIL_CHECKED + 10)))
    db = sqlite3.connect(path)
    db.execute("UPDATE log SET at = 'then' WHERE seq = 3")
    db.commit()
    db.close()
    with Journal(path) as journal, pytest.raises(StoreError, match=r"event 3 .* was changed"):
        journal.verify()


def test_a_backup_is_whole_while_the_journal_is_written(path: Path, tmp_path: Path) -> None:
    with Journal(path) as journal:
        journal.append(snapshot(1), state={"key": "value"})
        assert backup(path, tmp_path / "copies" / "one.sqlite") == 1
        digest = journal.hash()
        journal.append(snapshot(2))
    assert [p.name for p in (tmp_path / "copies").iterdir()] == ["one.sqlite"]
    copy = JournalReader(tmp_path / "copies" / "one.sqlite")
    assert (copy.last_seq, copy.hash(), copy.state("key")) == (1, digest, "value")
    with Journal(copy.path) as restored:
        assert restored.append(snapshot(2)) == 2


def test_a_backup_replaces_nothing_and_a_damaged_journal_gives_none(path: Path, tmp_path: Path) -> None:
    with Journal(path) as journal:
        journal.append(*(FindingRaised(AT, str(number), "") for number in range(TAIL_CHECKED + 10)))
    target = tmp_path / "copy.sqlite"
    target.write_text("mine")
    with pytest.raises(StoreError, match="never replaces"):
        backup(path, target)
    assert target.read_text() == "mine"
    db = sqlite3.connect(path)
    db.execute("UPDATE log SET at = 'then' WHERE seq = 3")
    db.commit()
    db.close()
    with pytest.raises(StoreError, match="damaged"):
        backup(path, tmp_path / "other.sqlite")
    assert sorted(p.name for p in tmp_path.iterdir() if p.is_file()) == ["copy.sqlite"]
    with pytest.raises(StoreError, match="there is no journal"):
        backup(tmp_path / "absent.sqlite", tmp_path / "third.sqlite")
