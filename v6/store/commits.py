"""Tell a whole commit of a Delta log from one that a crash cut short, also where the cut left valid JSON."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from urllib.parse import unquote

import pyarrow.parquet as pq

from v6.store.travel import OFFSET

ORIGIN: Final = "v6-journal-hash"
"""Application id under which each commit of rows keeps 60 bits of the journal's hash at its offset."""

_COUNTS: Final = {"WRITE": ("num_added_files", "num_removed_files"), "OPTIMIZE": ("numFilesAdded", "numFilesRemoved")}


def commits(folder: Path) -> list[Path]:
    """Return the commits of a table's log, oldest first."""
    return sorted(file for file in (folder / "_delta_log").glob("*.json") if file.stem.isdigit())


def whole(commit: Path) -> bool:
    """Tell whether a commit holds all that was written to it."""
    return actions_of(commit) is not None


def actions_of(commit: Path) -> list[dict[str, Any]] | None:
    """Return the actions of a commit, None if it does not hold all that was written to it.

    A log has no checksum, but delta-rs begins each commit with what it did. Cut off between two lines, a commit of
    rows would lack its journal offset, and its rows would be written again; a compaction would lack the new file.
    """
    try:
        actions = [json.loads(line) for line in commit.read_text(encoding="utf-8").splitlines()]
        if actions and all(isinstance(action, dict) for action in actions) and _complete(actions):
            return actions
    except (ValueError, KeyError, TypeError):
        pass  # it is no JSON, or not of the kind that delta-rs writes
    return None


@dataclass
class Content:
    """What a table holds by its log: live files, and the journal offset and hash of its newest rows."""

    files: set[str] = field(default_factory=set)
    ids: dict[str, int] = field(default_factory=dict)

    def apply(self, actions: list[dict[str, Any]]) -> None:
        """Take in one commit."""
        for action in actions:
            if "add" in action:
                self.files.add(unquote(action["add"]["path"]))
            elif "remove" in action:
                self.files.discard(unquote(action["remove"]["path"]))
            elif "txn" in action:
                self.ids[action["txn"]["appId"]] = action["txn"]["version"]


def content_of_checkpoint(file: Path) -> Content:
    """Return what a checkpoint says; raises OSError or ArrowException if it is no Parquet file of that kind."""
    found = Content()
    found.apply([_present(row) for row in pq.read_table(file, columns=["add", "txn"]).to_pylist()])
    return found


def _present(row: dict[str, Any]) -> dict[str, Any]:
    return {kind: action for kind, action in row.items() if action is not None}


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
