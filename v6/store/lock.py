"""Who may write a journal: one process, held by a lock file beside it."""

from __future__ import annotations

import fcntl
import os
from pathlib import Path

from v6.errors import StoreError


def holder(path: Path) -> str | None:
    """Return the id of the process that has the journal open for writing, None if none has."""
    try:
        descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDONLY)
    except FileNotFoundError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
    finally:
        os.close(descriptor)
    return None


def take_lock(path: Path) -> int:
    """Take the lock file beside the journal; the kernel lets go of it when the process ends, however it ends."""
    descriptor = os.open(path.with_name(path.name + ".lock"), os.O_RDWR | os.O_CREAT, 0o644)
    try:
        # flock, not lockf: the lock belongs to this opening, so a second Journal in the same process is refused too.
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        owner = os.read(descriptor, 32).decode(errors="replace").strip() or "unknown"
        os.close(descriptor)
        raise StoreError(f"{path} is in use by process {owner}; only one may write a journal") from error
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return descriptor
