"""Tell a whole commit of a Delta log from one that a crash cut short, also where the cut left valid JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Final

from v6.store.travel import OFFSET

ORIGIN: Final = "v6-journal-hash"
"""Application id under which each commit of rows keeps 60 bits of the journal's hash at its offset."""

_COUNTS: Final = {"WRITE": ("num_added_files", "num_removed_files"), "OPTIMIZE": ("numFilesAdded", "numFilesRemoved")}


def commits(folder: Path) -> list[Path]:
    """Return the commits of a table's log, oldest first."""
    return sorted(file for file in (folder / "_delta_log").glob("*.json") if file.stem.isdigit())


def whole(commit: Path) -> bool:
    """Tell whether a commit holds all that was written to it.

    A log has no checksum, but delta-rs begins each commit with what it did. Cut off between two lines, a commit of
    rows would lack its journal offset, and its rows would be written again; a compaction would lack the new file.
    """
    try:
        actions = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()]
    except ValueError:
        return False
    if not actions or not all(isinstance(action, dict) for action in actions):
        return False
    try:
        return _complete(actions)
    except (KeyError, TypeError):
        return False


def _complete(actions: list[dict[str, Any]]) -> bool:
    done = next((action["commitInfo"] for action in actions if "commitInfo" in action), None)
    if done is None:
        return False
    operation = done["operation"]
    if operation in _COUNTS:
        wanted = tuple(done["operationMetrics"][name] for name in _COUNTS[operation])
        if wanted != (_count(actions, "add"), _count(actions, "remove")):
            return False
    if operation == "WRITE":
        return {action["txn"]["appId"] for action in actions if "txn" in action} == {OFFSET, ORIGIN}
    if operation == "CREATE TABLE":
        return _count(actions, "protocol") == _count(actions, "metaData") == 1
    if operation in {"ADD COLUMN", "SET TBLPROPERTIES"}:
        return _count(actions, "metaData") == 1
    return True


def _count(actions: list[dict[str, Any]], kind: str) -> int:
    return sum(kind in action for action in actions)
