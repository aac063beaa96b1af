"""Diffs on record: which edit was looked at before it may run, one JSON line each, in a file beside the journal.

The journal itself belongs to the daemon's process; this file is appended to by `v6 diff` and read by the daemon.
"""

from __future__ import annotations

import fcntl
import os
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

import msgspec

from v6.errors import StoreError
from v6.store.disk import to_disk

FOLDER: Final = "diffs"
_FILE: Final = "diffs.jsonl"

Stamp: TypeAlias = tuple[int, int, int] | None
"""Size, modification time in ns and inode of the file, None while there is none."""


class DiffRecord(msgspec.Struct, frozen=True):
    """One diff that was shown: fingerprints, what it looked at (`first` to `last`), decisions that change, dollars.

    `usd` is None where no effect is known; `proven` tells that no row at all can be decided otherwise.
    """

    at: datetime
    old: str
    new: str
    snapshots: int
    first: datetime | None
    last: datetime | None
    changed: int
    positions: int
    usd: float | None
    proven: bool


def record_diff(store: Path, record: DiffRecord) -> None:
    """Append a diff and fsync it; raises StoreError if that cannot be done."""
    path = store / FOLDER / _FILE
    line = msgspec.json.encode(record) + b"\n"
    try:
        path.parent.mkdir(exist_ok=True)
        number = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)
        try:
            fcntl.flock(number, fcntl.LOCK_EX)
            size = os.fstat(number).st_size
            # A line that a power cut has torn must not swallow the next one.
            torn = size > 0 and os.pread(number, 1, size - 1) != b"\n"
            os.write(number, b"\n" + line if torn else line)
            os.fsync(number)
        finally:
            os.close(number)
        to_disk(path.parent)
    except OSError as error:
        raise StoreError(f"the diff cannot be recorded in {path}: {error.strerror}") from error


def recorded_diffs(store: Path) -> list[DiffRecord]:
    """Return the diffs on record, oldest first; a torn line is none. Raises StoreError if the file cannot be read."""
    path = store / FOLDER / _FILE
    try:
        lines = path.read_bytes().splitlines()
    except FileNotFoundError:
        return []
    except OSError as error:
        raise StoreError(f"{path} cannot be read: {error.strerror}") from error
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=DiffRecord))
        except (msgspec.MsgspecError, ValueError):
            continue  # whoever wrote it has not got to the end: to be run again
    return found


def diff_is_recorded(store: Path, old: str, new: str) -> bool:
    """Tell whether a diff of two desks, by their fingerprints, is on record."""
    return any(record.old == old and record.new == new for record in recorded_diffs(store))


def stamp_diffs(store: Path) -> Stamp:
    """Return a value that changes when a diff is recorded: one system call."""
    try:
        status = os.stat(store / FOLDER / _FILE)
    except OSError:
        return None
    return status.st_size, status.st_mtime_ns, status.st_ino
