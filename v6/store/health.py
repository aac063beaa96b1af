"""Whether what the store holds is sound and has room to grow; looking changes nothing, `repair` mends."""

from __future__ import annotations

import os
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from tempfile import TemporaryFile
from typing import Final

from v6.errors import StoreError
from v6.store.commits import commits
from v6.store.compare import difference
from v6.store.delta import open_table, parquet_files
from v6.store.history import FOLDER, audit_history
from v6.store.journal import Journal, JournalReader
from v6.store.lock import holder
from v6.store.maintenance import FROM_JOURNAL, QUARANTINE, audit, problem_of, set_aside
from v6.store.outbox import Outbox
from v6.store.space import Room, free_bytes, keep_reserve, reserve_of, room
from v6.store.tables import TABLES
from v6.store.travel import OFFSET

JOURNAL: Final = "journal.sqlite"
MOST_FILES: Final = 2_000
SLOW_SYNC_S: Final = 0.1
LARGE_WAL: Final = 64 * 2**20


class Level(StrEnum):
    """How much a check matters: an error stops the desk or makes it wrong, a warning will."""

    OK = "ok"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at, what was found, and what to do about it (empty if nothing)."""

    area: str
    level: Level
    text: str
    hint: str = ""


def check_journal(store: Path) -> list[Check]:
    """Return what there is to say of the journal: every event's hash, its write-ahead log, its reserve."""
    path = store / JOURNAL
    if not path.exists():
        return [Check("journal", Level.OK, f"there is none in {store} yet; the first run makes it")]
    try:
        reader = JournalReader(path)
        reader.verify()
        last, at = reader.last_seq, reader.last_at()
    except StoreError as error:
        return [Check("journal", Level.ERROR, str(error), "docs/store.md says how to go back to a backup")]
    writer = holder(path)
    newest = "" if at is None else f", the newest of {at:%Y-%m-%d %H:%M:%S} UTC"
    used = "nobody writes it" if writer is None else f"written by process {writer}"
    found = [Check("journal", Level.OK, f"{last} events{newest}; all hashes right; {_size(path)}; {used}")]
    wal = path.with_name(path.name + "-wal")
    if wal.exists() and wal.stat().st_size > LARGE_WAL:
        hint = "a program that reads it for long keeps it from shrinking"
        found.append(Check("journal", Level.WARNING, f"the write-ahead log has {_size(wal)}", hint))
    if not reserve_of(path).is_file():
        text = "there is no reserve: a full disk would stop the journal at once"
        found.append(Check("journal", Level.WARNING, text, "v6 doctor --repair allocates it"))
    return found


def check_tables(store: Path, *, deep: bool = False) -> list[Check]:
    """Return a check for each table, and one for what was set aside earlier; `deep` holds every row to the journal."""
    root = store / "tables"
    if not root.is_dir():
        return [Check("tables", Level.OK, f"there are none in {store} yet; the first run makes them")]
    try:
        journal = JournalReader(store / JOURNAL)
    except StoreError as error:
        return [Check("tables", Level.ERROR, f"they cannot be held to the journal: {error}")]
    running = holder(store / JOURNAL) is not None
    found = [_check_table(root, name, journal, deep, running) for name in TABLES]
    return [*found, *check_aside("tables", root)]


def check_aside(area: str, root: Path) -> list[Check]:
    """Return a warning if there is something under root that an audit has set aside."""
    aside = sorted(file.name for file in (root / QUARANTINE).iterdir()) if (root / QUARANTINE).is_dir() else []
    if not aside:
        return []
    text = f"{len(aside)} damaged files or tables were set aside in {QUARANTINE}: {', '.join(aside[:5])}"
    return [Check(area, Level.WARNING, text, "look at them, then delete the folder")]


def check_room(store: Path) -> list[Check]:
    """Return a check of the free space, and one of how long the disk takes to say that a write is safe."""
    free = free_bytes(store)
    text = f"{free / 2**30:.1f} GiB free"
    match room(free):
        case Room.ENOUGH:
            found = [Check("disk", Level.OK, text)]
        case Room.SCARCE:
            found = [Check("disk", Level.WARNING, text, "make room before it is less than 500 MiB")]
        case Room.NO_TABLES:
            found = [Check("disk", Level.ERROR, f"{text}: not enough for the tables", "make room")]
        case Room.NO_OPENS:
            found = [Check("disk", Level.ERROR, f"{text}: open no positions", "make room; the journal needs it")]
    if not store.is_dir():
        return found
    try:
        took = _sync_time(store)
    except OSError as error:
        return [*found, Check("disk", Level.ERROR, f"{store} cannot be written: {error.strerror}")]
    level = Level.WARNING if took > SLOW_SYNC_S else Level.OK
    return [*found, Check("disk", level, f"a write is safe after {1000 * took:.1f} ms (fsync, middle of five)")]


def repair(store: Path, *, deep: bool = False) -> list[str]:
    """Mend the tables from the journal and the history by itself, and allocate the reserve; return what was done.

    Raises StoreError while the desk runs, and when the journal itself is damaged: that only a backup mends.
    """
    if not (store / JOURNAL).exists():
        return []
    root = store / "tables"
    done = []
    with Journal(store / JOURNAL) as journal:
        if keep_reserve(journal.path):
            done.append(f"allocated the reserve {reserve_of(journal.path).name}")
        done += audit(root)
        done += [f"{FOLDER}: {text}" for text in audit_history(store / FOLDER)]
        if deep:
            done += _set_aside_different(journal, root)
        behind = {name: _offset(root, name) for name in TABLES}
        outbox = Outbox(journal, root)
        added = outbox.flush()
        if added:
            names = sorted(name for name, offset in behind.items() if offset != _offset(root, name))
            done.append(f"copied {added} rows from the journal to {', '.join(names)}")
    return done


def _check_table(root: Path, name: str, journal: JournalReader, deep: bool, running: bool) -> Check:
    path, area = root / name, f"table {name}"
    if not (path / "_delta_log").is_dir():
        return Check(area, Level.WARNING, "it is missing", "the next start, or v6 doctor --repair, writes it anew")
    mend = "v6 doctor --repair writes it anew from the journal; so does the next start"
    try:
        # What a running desk deletes while we look (log files that are no longer needed) is no damage: look again.
        problem = problem_of(path, thorough=deep) and problem_of(path, thorough=deep)
        if problem is None and deep:
            problem, mend = difference(journal, root, name), "v6 doctor --deep --repair writes it anew"
        if problem is not None:
            return Check(area, Level.ERROR, problem, mend)
        return check_size(area, path, "event", "; every row is the journal's" if deep else "")
    except StoreError as error:
        return Check(area, Level.ERROR, str(error), mend)


def check_size(area: str, path: Path, ends_at: str, note: str = "") -> Check:
    """Return what there is to say of a sound table; `ends_at` names what its offset counts. Raises StoreError."""
    table = open_table(path)
    files, offset = parquet_files(table), table.transaction_version(OFFSET) or 0
    size = sum(Path(file).stat().st_size for file in files)
    text = f"version {table.version()}, to {ends_at} {offset}; {len(files)} files, {size / 1e6:.1f} MB"
    text += f"; {len(commits(path))} commits in the log{note}"
    if len(files) > MOST_FILES:
        return Check(area, Level.WARNING, f"{text}: too many files", "they are compacted as the desk runs")
    return Check(area, Level.OK, text)


def _set_aside_different(journal: Journal, root: Path) -> list[str]:
    done = []
    for name in TABLES:
        if (root / name).is_dir():
            try:
                problem = problem_of(root / name, thorough=True) or difference(journal, root, name)
            except StoreError as error:
                problem = str(error)
            if problem:
                set_aside(root / name)
                done.append(f"{name}: {problem}; set aside, {FROM_JOURNAL}")
    return done


def _offset(root: Path, name: str) -> int:
    if not (root / name / "_delta_log").is_dir():
        return -1
    return open_table(root / name).transaction_version(OFFSET) or 0


def _sync_time(folder: Path) -> float:
    took = []
    with TemporaryFile(dir=folder) as file:
        for _ in range(5):
            begun = time.perf_counter()
            file.write(bytes(4096))
            file.flush()
            os.fsync(file.fileno())
            took.append(time.perf_counter() - begun)
    return sorted(took)[2]


def _size(path: Path) -> str:
    return f"{path.stat().st_size / 1e6:.1f} MB"
