"""Time travel: where in the journal a version of a table ended, and how far all of them had come at a moment.

Tables only grow, so the rows of any version are those of the newest with `seq` up to the version's journal offset.
This holds after compaction, vacuum and trimming of the log, when Delta itself can no longer open the version.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from v6.errors import StoreError

OFFSET: Final = "v6-journal"
"""Application id under which each table keeps its journal offset (read it with `transaction_version`)."""

VERSIONS: Final = "_v6_versions.csv"
"""File in a table's folder that says of each version trimmed from the log when it was made and where it ended."""


@dataclass(frozen=True, slots=True)
class Ending:
    """One version of a table: when it was committed and the seq of the last event in it (0: no row yet)."""

    version: int
    timestamp_ms: int
    offset: int

    @property
    def at(self) -> datetime:
        """Return the moment of the commit in UTC."""
        return datetime.fromtimestamp(self.timestamp_ms / 1000, UTC)


def ending(commit: Path) -> Ending | None:
    """Return where a commit's version ended, None for one that wrote no rows (it ended where the last one did)."""
    stamp: int | None = None
    offset: int | None = None
    for line in commit.read_text(encoding="utf-8").splitlines():
        action = json.loads(line)
        if "txn" in action and action["txn"]["appId"] == OFFSET:
            offset = action["txn"]["version"]
        elif "commitInfo" in action:
            stamp = action["commitInfo"]["timestamp"]
    if offset is None:
        return None
    if stamp is None:
        raise StoreError(f"{commit} does not say when it was made")
    return Ending(int(commit.stem), stamp, offset)


def endings(folder: Path) -> list[Ending]:
    """Return the versions of a table that wrote rows, oldest first, as far back as the table reaches.

    Raises StoreError if the list of versions or a commit cannot be read.
    """
    known: dict[int, Ending] = {}
    listed = folder / VERSIONS
    try:
        for line in listed.read_text(encoding="utf-8").splitlines() if listed.is_file() else []:
            # A power cut may have torn the last line; its commits are then still in the log.
            if line.count(",") == 2 and all(part.isdigit() for part in line.split(",")):
                version, stamp, offset = map(int, line.split(","))
                known[version] = Ending(version, stamp, offset)
        for commit in (folder / "_delta_log").glob("*.json"):
            if commit.stem.isdigit() and (found := ending(commit)) is not None:
                known[found.version] = found
    except (OSError, ValueError, KeyError) as error:
        raise StoreError(f"the versions of {folder} cannot be read: {error}") from error
    return [known[version] for version in sorted(known)]


def offset_at(folder: Path, version: int) -> int:
    """Return the journal offset at which a version of a table ended, 0 if it held no rows."""
    return max((e.offset for e in endings(folder) if e.version <= version), default=0)


def offset_as_of(folders: Iterable[Path], moment: datetime) -> int:
    """Return the seq of the last event that all tables had taken in at a moment (timezone-aware), 0 if none.

    One flush commits to one table after another, each with the same offset: only when the last of them is done has
    the event come in, so that a decision never lacks its snapshot.
    """
    done: dict[int, datetime] = {}
    for folder in folders:
        for one in endings(folder):
            done[one.offset] = max(one.at, done.get(one.offset, one.at))
    return max((offset for offset, at in done.items() if at <= moment), default=0)
