"""Room on the disk: how much there is, and a file that holds some of it for the journal's last words.

When the disk is full the desk still has to write down what its working orders do. The reserve is allocated beforehand
and given up at the first write that finds no room.
"""

from __future__ import annotations

import os
import shutil
from enum import IntEnum
from pathlib import Path
from typing import Final

from v6.errors import StoreError

RESERVE_BYTES: Final = 64 * 2**20


class Room(IntEnum):
    """What may still be done with the room that is left; each level allows less than the one above."""

    ENOUGH = 3
    SCARCE = 2
    NO_TABLES = 1
    NO_OPENS = 0


_LEAST: Final = {Room.ENOUGH: 2 * 2**30, Room.SCARCE: 500 * 2**20, Room.NO_TABLES: 100 * 2**20}


def room(free_bytes: int) -> Room:
    """Return what so much free space allows: below 2 GiB scarce, 500 MiB no tables, 100 MiB no opening orders."""
    return next((level for level, least in _LEAST.items() if free_bytes >= least), Room.NO_OPENS)


def free_bytes(folder: Path) -> int:
    """Return the free bytes of the disk that holds the folder or the nearest parent that exists."""
    return shutil.disk_usage(next(place for place in (folder, *folder.absolute().parents) if place.exists())).free


def reserve_of(journal: Path) -> Path:
    """Return where the reserve of a journal is."""
    return journal.with_name(journal.name + ".reserve")


def keep_reserve(journal: Path, size: int = RESERVE_BYTES) -> bool:
    """Allocate the reserve unless it is there, and tell whether it was made; raises StoreError where it won't fit."""
    path = reserve_of(journal)
    if path.is_file() and path.stat().st_size >= size:
        return False
    journal.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("wb") as file:
            if hasattr(os, "posix_fallocate"):
                os.posix_fallocate(file.fileno(), 0, size)
            else:  # macOS: only written bytes are allocated
                for _ in range(size // 2**20):
                    file.write(bytes(2**20))
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        path.unlink(missing_ok=True)
        raise StoreError(f"no room for the reserve {path}: {error.strerror}") from error
    return True


def give_up_reserve(journal: Path) -> bool:
    """Delete the reserve and tell whether there was one; its room is free for the next write."""
    try:
        reserve_of(journal).unlink()
    except FileNotFoundError:
        return False
    return True
