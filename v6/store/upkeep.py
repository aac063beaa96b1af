"""Keep a Delta table as quick to append to and to read at version 10,000 as at version 100.

Three things grow with every commit, and each has its bound here: the number of small files (compaction in tiers), the
files that no version needs any more (vacuum), and the log, which delta-rs lists whole in each commit (trimming).
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Final

from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from v6.errors import StoreError
from v6.store.delta import open_table, table_folder
from v6.store.disk import to_disk
from v6.store.maintenance import set_aside
from v6.store.travel import OFFSET, VERSIONS, ending

COMPACT_EVERY: Final = 25
RETENTION_HOURS: Final = 168

# Rewriting the whole table at every turn would cost more the larger it is. Each tier merges only files below its
# size, so a row is rewritten about once a tier in its life and no turn but a rare one moves more than half a MiB.
TIERS: Final = (512 * 2**10, 16 * 2**20, 128 * 2**20)
FULL_TIER: Final = 25

LOG_KEPT: Final = 500
"""Versions that stay in the log; an older one is still read, by its journal offset (v6/store/travel.py)."""

CHECKPOINT_STRIDE: Final = 250


def tidy(table: DeltaTable) -> None:
    """Do the upkeep whose turn it is at this version; at most versions none is.

    Vacuum leaves files that a version of the last seven days may still read, and files no commit knows yet
    (`full=True` would delete those under a writer).
    """
    turn = table.version() % COMPACT_EVERY if table.version() else None
    if turn == 0:
        table.optimize.compact(target_size=_target(table))
        table.vacuum(retention_hours=RETENTION_HOURS, dry_run=False)
    elif turn == COMPACT_EVERY // 2:  # apart from the compaction, so that no one commit has to wait for both
        trim_log(table)


def _target(table: DeltaTable) -> int:
    """Return the size of the highest tier whose turn it is: the one with enough files of the tier below."""
    sizes = table.get_add_actions(flatten=True).column("size_bytes").to_pylist()
    chosen = TIERS[0]
    for below, target in pairwise(TIERS):
        # Two files of more than half a tier don't fit into one of that tier: they are as large as they will get in it.
        if sum(below // 2 <= size < target for size in sizes) >= FULL_TIER:
            chosen = target
    return chosen


def trim_log(table: DeltaTable, kept: int = LOG_KEPT) -> int:
    """Delete what opening none of the newest `kept` versions needs from the log, and return how many files.

    The log must open to what the writer holds, else StoreError is raised and nothing deleted. The oldest checkpoint
    that stays must open by itself; one that does not is set aside, and another's turn comes later. Commits are
    first written to the list of versions.
    """
    folder = table_folder(table)
    log = folder / "_delta_log"
    names = [name for name in os.listdir(log) if name[0].isdigit() and name.split(".")[0].isdigit()]
    checkpoints = sorted({_version(name) for name in names if ".checkpoint" in name})
    start = max((version for version in checkpoints if version <= table.version() - kept), default=0)
    needed = _needed(checkpoints, start)
    old = [name for name in names if _version(name) < start and name.endswith(".json")]
    spare = [name for name in names if ".checkpoint" in name and _version(name) not in needed]
    if not old and not spare:
        return 0
    _refuse_unopenable(table, folder)
    if old and not _stands_alone(folder, start):
        for file in log.glob(f"{start:020}.checkpoint*"):
            set_aside(file)
        return 0
    if old:
        # Delta does no fsync. What stands for the deleted commits must be on the disk before they go.
        checkpoint = next(log / name for name in names if ".checkpoint" in name and _version(name) == start)
        to_disk(checkpoint, checkpoint.parent)
        _remember(folder, sorted(log / name for name in old))
    for name in [*spare, *sorted(old)]:
        (log / name).unlink()
    return len(old) + len(spare)


def _version(name: str) -> int:
    return int(name.split(".")[0])


def _needed(checkpoints: list[int], start: int) -> set[int]:
    """Return the oldest checkpoint, one for each stride of versions, and three newest, should one be damaged."""
    kept = {start, *checkpoints[-3:]}
    strides: dict[int, int] = {}
    for version in checkpoints:
        if version > start:
            strides.setdefault(version // CHECKPOINT_STRIDE, version)
    return kept | set(strides.values())


def _refuse_unopenable(table: DeltaTable, folder: Path) -> None:
    fresh = open_table(folder)
    if fresh.version() != table.version() or _files(fresh) != _files(table):
        raise StoreError(f"table {folder} opens to something else than was written; its log is left as it is")


def _stands_alone(folder: Path, version: int) -> bool:
    try:
        return _files_by_checkpoint(folder, version) == _files(open_table(folder, version))
    except (StoreError, DeltaError, OSError):
        return False


def _files_by_checkpoint(folder: Path, version: int) -> tuple[list[str], int | None]:
    """Read a version from its checkpoint, in a log without the older commits that would make up for a damaged one."""
    log = folder / "_delta_log"
    with tempfile.TemporaryDirectory(prefix="_v6_", dir=folder) as place:
        alone = Path(place) / "_delta_log"
        alone.mkdir()
        for file in [*log.glob(f"{version:020}.checkpoint*"), log / f"{version:020}.json"]:
            shutil.copyfile(file, alone / file.name)
        return _files(open_table(Path(place), version))


def _files(table: DeltaTable) -> tuple[list[str], int | None]:
    return sorted(table.get_add_actions(flatten=True).column("path").to_pylist()), table.transaction_version(OFFSET)


def _remember(folder: Path, commits: Iterable[Path]) -> None:
    lines = [ended for commit in commits if (ended := ending(commit)) is not None]
    with (folder / VERSIONS).open("a", encoding="utf-8") as file:
        file.writelines(f"{e.version},{e.timestamp_ms},{e.offset}\n" for e in lines)
        file.flush()
        os.fsync(file.fileno())
