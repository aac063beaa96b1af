"""What cannot be written is a finding that halts opening, and the desk goes on."""

import asyncio
from pathlib import Path

import pytest

from v6.daemon.storeroom import Storeroom
from v6.errors import StoreError
from v6.store.journal import Journal
from v6.store.outbox import Outbox
from v6.store.space import RESERVE_BYTES

MIB = 2**20


class Room:
    """A storeroom over a real journal whose outbox fails when told to, on a disk of any size."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.journal = Journal(folder / "journal.sqlite", durable=False)
        self.found: list[str] = []
        self.free = 10 * 2**30
        self.fails = False
        self.flushes = 0
        outbox = Outbox(self.journal, folder / "tables")

        def flush() -> int:
            self.flushes += 1
            if self.fails:
                raise StoreError("table snapshots: OSError: No space left on device")
            return 0

        monkeypatch.setattr(outbox, "flush", flush)
        self.room = Storeroom(outbox, self.journal, lambda code, _: self.found.append(code), lambda _: self.free)

    def cycle(self) -> list[str]:
        """Look and flush as a cycle does; return the reasons in force."""
        self.room.look()
        asyncio.run(self.room.flush())
        return list(self.room.reasons())


@pytest.fixture
def stage(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Room:
    return Room(tmp_path, monkeypatch)


def test_tables_that_cannot_be_written_halt_until_a_flush_succeeds(stage: Room) -> None:
    assert stage.cycle() == []
    stage.fails = True
    for _ in range(3):
        (reason,) = stage.cycle()
        assert "No space left" in reason
    assert stage.found == ["tables-not-written"], "told once"
    stage.fails = False
    assert stage.cycle() == []
    stage.fails = True
    stage.cycle()
    assert stage.found == ["tables-not-written"] * 2, "another trouble is told again"


def test_a_reserve_that_is_spent_halts_for_the_rest_of_this_life(stage: Room) -> None:
    stage.journal.reserve_spent = True
    assert list(stage.room.reasons()) == ["the journal lives on its reserve"], "also before the next look"
    stage.cycle()
    stage.cycle()
    assert stage.found == ["disk-reserve-spent"]


def test_each_level_of_the_disk_is_told_and_the_lower_two_halt(stage: Room) -> None:
    assert RESERVE_BYTES < 100 * MIB
    stage.free = 1000 * MIB
    assert stage.cycle() == []
    stage.free, before = 400 * MIB, stage.flushes
    assert stage.cycle() == ["the disk is nearly full"]
    assert stage.flushes == before, "what is left belongs to the journal"
    stage.free = 50 * MIB
    assert stage.cycle() == ["the disk is nearly full"]
    stage.free = 10 * 2**30
    assert stage.cycle() == []
    assert stage.flushes == before + 1
    assert stage.found == ["disk-scarce", "disk-full", "disk-full"]
