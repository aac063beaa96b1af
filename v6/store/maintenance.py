"""Find and mend, at start-up, what a crash did to the Delta tables.

Delta does no fsync: a power cut may leave the newest commits empty or torn, or a file shorter than its commit says.
The journal is fsynced, so what the audit takes away the outbox writes again.
"""

from __future__ import annotations

import shutil
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import unquote

import pyarrow as pa
import pyarrow.parquet as pq
from deltalake.exceptions import DeltaError

from v6.errors import StoreError
from v6.store.commits import Content, actions_of, commits, content_of_checkpoint, whole
from v6.store.delta import open_table
from v6.store.tables import TABLES

QUARANTINE: Final = "_quarantine"
FROM_JOURNAL: Final = "to be written anew from the journal"
_FRESH_S: Final = 3600.0


def audit(root: Path) -> list[str]:
    """Mend the tables under root after a crash and return, in words, what was mended; nothing for sound tables.

    Torn newest commits are moved to `_quarantine`, and so is a whole table that is damaged in another way; a flush
    of the outbox then writes what is missing. Call it while holding the journal, before the first flush.
    """
    found: list[str] = []
    for name in TABLES:
        if (root / name).is_dir():
            found += audit_table(root / name)
    return found


def problem_of(path: Path, *, thorough: bool = False) -> str | None:
    """Return what makes a table unfit to be appended to or to be read, None if nothing does; nothing is changed.

    Files written in the last hour of the table's life are read to their end, of the others size and footer are
    looked at; with `thorough` all are read.
    """
    log = commits(path)
    if not log:
        return "no commit is left"
    try:
        content = _content_before(path, int(log[0].stem))
        for expected, commit in enumerate(log, int(log[0].stem)):
            if int(commit.stem) != expected:
                return f"commit {expected} is missing"
            actions = actions_of(commit)
            if actions is None:
                return f"commit {expected} cannot be read or is cut short"
            content.apply(actions)
        table = open_table(path)
        ids = {name: table.transaction_version(name) for name in content.ids}
        files = table.get_add_actions(flatten=True)
        sizes = zip(*(files.column(c).to_pylist() for c in ("path", "size_bytes", "num_records")), strict=True)
        named = [(unquote(name), size, rows) for name, size, rows in sizes]
    except (StoreError, DeltaError, OSError, pa.ArrowException) as error:
        return str(error)
    if table.version() != int(log[-1].stem):
        return f"it opens at version {table.version()}, its newest commit is {int(log[-1].stem)}"
    # A checkpoint has no checksum either: it may decode and yet not be what its commits say.
    if ids != content.ids or {name for name, _, _ in named} != content.files:
        return "its newest checkpoint is not what its commits say"
    return _problem_of_files([(path / name, size, rows) for name, size, rows in named], thorough)


def _content_before(path: Path, first: int) -> Content:
    """Return what the table held before the first commit in its log, by the checkpoint that a trimming left there."""
    if not first:
        return Content()
    return content_of_checkpoint(path / "_delta_log" / f"{first:020}.checkpoint.parquet")


def audit_table(path: Path, then: str = FROM_JOURNAL) -> list[str]:
    """Mend one table, as `audit` does, and return what was mended; `then` says what becomes of one set aside whole."""
    for left in path.glob("_v6_*/"):
        shutil.rmtree(left)  # where the trimming of the log was at work when the process died
    found = _drop_torn_commits(path)
    dropped = _drop_unreadable_checkpoints(path)
    problem = problem_of(path)
    if problem and _drop_pointer(path):
        problem = problem_of(path)
    # The newest checkpoints first: an older one and the commits after it hold all that a damaged one should.
    while problem and (version := _drop_newest_checkpoint(path)) is not None:
        dropped.append(version)
        problem = problem_of(path)
    if problem:
        set_aside(path)
        found.append(f"{path.name}: {problem}; set aside, {then}")
    elif dropped:
        listed = ", ".join(map(str, dropped))
        found.append(f"{path.name}: checkpoints could not be read, set aside: {listed}")
    return found


def _problem_of_files(files: list[tuple[Path, int, int | None]], thorough: bool) -> str | None:
    changed = {}
    for file, size, _ in files:
        try:
            status = file.stat()
        except (OSError, ValueError):  # a name that was damaged in a checkpoint may hold zeros
            return f"{file.name!r} is missing"
        if status.st_size != size:
            return f"{file.name} has {status.st_size} bytes, its commit says {size}"
        changed[file] = status.st_mtime
    newest = max(changed.values(), default=0.0)
    for file, _, rows in files:
        try:
            # A power cut may leave blocks of zeros in a file of the right size; only decoding finds those.
            if thorough or changed[file] > newest - _FRESH_S:
                have = pq.read_table(file).num_rows
            else:
                have = pq.read_metadata(file).num_rows
        except (OSError, pa.ArrowException) as error:
            return f"{file.name} cannot be read: {' '.join(str(error).split())[:200]}"
        if rows is not None and have != rows:
            return f"{file.name} has {have} rows, its commit says {rows}"
    return None


def _drop_torn_commits(path: Path) -> list[str]:
    found = []
    for commit in reversed(commits(path)):
        if whole(commit):
            break
        set_aside(commit)
        while (newest := _newest_checkpoint(path)) is not None and newest >= int(commit.stem):
            _drop_newest_checkpoint(path)
        found.append(f"{path.name}: commit {int(commit.stem)} was torn, set aside")
    return found


def _drop_unreadable_checkpoints(path: Path) -> list[int]:
    """Set checkpoints aside that are no Parquet files, also old ones: the log is cut off at one of them some day."""
    dropped = []
    for file in sorted((path / "_delta_log").glob("*.checkpoint*.parquet")):
        try:
            pq.read_table(file)
        except (OSError, pa.ArrowException):
            set_aside(file)
            _drop_pointer(path)
            dropped.append(int(file.name.split(".")[0]))
    return dropped


def _newest_checkpoint(path: Path) -> int | None:
    versions = (int(file.name.split(".")[0]) for file in (path / "_delta_log").glob("*.checkpoint*.parquet"))
    return max(versions, default=None)


def _drop_pointer(path: Path) -> bool:
    """Set aside the pointer to the newest checkpoint, which is found without it, and tell whether there was one."""
    pointer = path / "_delta_log" / "_last_checkpoint"
    there = pointer.is_file()
    if there:
        set_aside(pointer)
    return there


def _drop_newest_checkpoint(path: Path) -> int | None:
    """Set the newest checkpoint aside and return its version, None if there is none."""
    version = _newest_checkpoint(path)
    if version is not None:
        _drop_pointer(path)
        for file in (path / "_delta_log").glob(f"{version:020}.checkpoint*.parquet"):
            set_aside(file)
    return version


def set_aside(path: Path) -> None:
    """Move a table, or a file of a table's log, to `_quarantine` under a name that is free."""
    table = path if (path / "_delta_log").exists() or path.is_dir() else path.parent.parent
    folder = table.parent / QUARANTINE
    folder.mkdir(exist_ok=True)
    name = path.name if path == table else f"{table.name}-{path.name}"
    free = next(folder / f"{name}.{n}" for n in count(1) if not (folder / f"{name}.{n}").exists())
    path.rename(free)
