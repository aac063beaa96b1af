"""Find and mend, at start-up, what a crash did to the Delta tables.

Delta does no fsync: a power cut may leave the newest commits empty or torn, or a file shorter than its commit says.
The journal is fsynced, so what the audit takes away the outbox writes again.
"""

from __future__ import annotations

import json
from itertools import count
from pathlib import Path
from typing import Final
from urllib.parse import unquote

from deltalake.exceptions import DeltaError

from v6.errors import StoreError
from v6.store.delta import open_table
from v6.store.tables import TABLES

QUARANTINE: Final = "_quarantine"


def audit(root: Path) -> list[str]:
    """Mend the tables under root after a crash and return, in words, what was mended; nothing for sound tables.

    Torn newest commits are moved to `_quarantine`, and so is a whole table that is damaged in another way; a flush
    of the outbox then writes what is missing. Call it while holding the journal, before the first flush.
    """
    found: list[str] = []
    for name in TABLES:
        if (root / name).is_dir():
            found += _audit_table(root / name)
    return found


def _audit_table(path: Path) -> list[str]:
    found = _drop_torn_commits(path)
    problem = _problem(path)
    if problem and _drop_checkpoints(path, from_version=0):
        found.append(f"{path.name}: checkpoints could not be read, set aside")
        problem = _problem(path)
    if problem:
        _set_aside(path)
        found.append(f"{path.name}: {problem}; set aside, to be written anew from the journal")
    return found


def _drop_torn_commits(path: Path) -> list[str]:
    found = []
    for commit in reversed(_commits(path)):
        if _readable(commit):
            break
        _set_aside(commit)
        _drop_checkpoints(path, from_version=int(commit.stem))
        found.append(f"{path.name}: commit {int(commit.stem)} was torn, set aside")
    return found


def _problem(path: Path) -> str | None:
    """Return what makes the table unfit to be appended to, None if nothing does."""
    commits = _commits(path)
    if not commits:
        return "no commit is left"
    for expected, commit in enumerate(commits, int(commits[0].stem)):
        if int(commit.stem) != expected:
            return f"commit {expected} is missing"
        if not _readable(commit):
            return f"commit {expected} cannot be read"
    try:
        table = open_table(path)
        files = table.get_add_actions(flatten=True)
        sizes = zip(files.column("path").to_pylist(), files.column("size_bytes").to_pylist(), strict=True)
    except (StoreError, DeltaError) as error:
        return str(error)
    if table.version() != int(commits[-1].stem):
        return f"it opens at version {table.version()}, its newest commit is {int(commits[-1].stem)}"
    for name, size in sizes:
        file = path / unquote(name)
        actual = file.stat().st_size if file.is_file() else None
        if actual != size:
            return f"{name} has {actual} bytes, its commit says {size}"
    return None


def _commits(path: Path) -> list[Path]:
    return sorted(file for file in (path / "_delta_log").glob("*.json") if file.stem.isdigit())


def _readable(commit: Path) -> bool:
    try:
        actions = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()]
    except ValueError:
        return False
    return bool(actions) and all(isinstance(action, dict) for action in actions)


def _drop_checkpoints(path: Path, *, from_version: int) -> bool:
    """Set aside checkpoints of these versions and the pointer to the last; the commits hold all they hold."""
    log = path / "_delta_log"
    dropped = False
    for file in log.glob("*.checkpoint*.parquet"):
        if int(file.name.split(".")[0]) >= from_version:
            _set_aside(file)
            dropped = True
    pointer = log / "_last_checkpoint"
    if pointer.is_file() and (dropped or from_version == 0):
        _set_aside(pointer)
        dropped = True
    return dropped


def _set_aside(path: Path) -> None:
    """Move a table, or a file of a table's log, to `_quarantine` under a name that is free."""
    table = path if (path / "_delta_log").exists() or path.is_dir() else path.parent.parent
    folder = table.parent / QUARANTINE
    folder.mkdir(exist_ok=True)
    name = path.name if path == table else f"{table.name}-{path.name}"
    free = next(folder / f"{name}.{n}" for n in count(1) if not (folder / f"{name}.{n}").exists())
    path.rename(free)
