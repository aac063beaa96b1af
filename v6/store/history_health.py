"""Whether the history of the market is sound: its tables, and the spool that batches wait in; nothing is changed."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.parquet as pq

from v6.errors import StoreError
from v6.store.commits import commits, whole
from v6.store.health import JOURNAL, Check, Level, check_aside, check_size
from v6.store.history import FOLDER, SPOOL, TABLES
from v6.store.lock import holder
from v6.store.maintenance import problem_of

LONG_IN_SPOOL: Final = timedelta(minutes=10)
"""A batch leaves the spool with its commit, within seconds."""


def check_history(store: Path, now: datetime, *, deep: bool = False) -> list[Check]:
    """Return a check for each table of the history and one for its spool; `deep` reads every file to its end."""
    root = store / FOLDER
    if not root.is_dir():
        return [Check("history", Level.OK, f"there is none in {store}; recording.yaml says what is recorded")]
    tables = [_check_table(root / name, deep) for name in TABLES]
    return [*tables, _check_spool(store, now), *check_aside("history", root)]


def _check_table(path: Path, deep: bool) -> Check:
    area = f"history {path.name}"
    if not (path / "_delta_log").is_dir():
        return Check(area, Level.WARNING, "it is missing", "the next start of a desk that records begins it")
    try:
        # As with the other tables: what a running desk deletes while we look is no damage.
        problem = problem_of(path, thorough=deep) and problem_of(path, thorough=deep)
        if problem is None:
            return check_size(area, path, "batch", "; every file read" if deep else "")
    except StoreError as error:
        problem = str(error)
    return Check(area, Level.ERROR, problem, _mend(path))


def _mend(path: Path) -> str:
    log = commits(path)
    if log and not whole(log[-1]):
        return (
            "v6 doctor --repair sets the torn commit aside, and so does the next start; what is in the spool is kept"
        )
    return (
        f"copy {path} away first: what v6 doctor --repair or the next start cannot mend is set aside whole, "
        "and no journal has it"
    )


def _check_spool(store: Path, now: datetime) -> Check:
    area, waiting = "history spool", []
    for file in sorted((store / FOLDER / SPOOL).glob("*.parquet")):
        try:
            size, at = file.stat().st_size, datetime.fromtimestamp(file.stat().st_mtime, UTC)
            rows = pq.read_table(file).num_rows
        except FileNotFoundError:
            continue  # a running desk has just committed it
        except (OSError, pa.ArrowException) as error:
            text = f"{file.name} cannot be read: {' '.join(str(error).split())[:200]}"
            return Check(area, Level.ERROR, text, f"move it out of {file.parent}: until then nothing is recorded")
        waiting.append((at, size, rows))
    if not waiting:
        return Check(area, Level.OK, "no batch waits")
    age, size, rows = now - min(waiting)[0], sum(w[1] for w in waiting), sum(w[2] for w in waiting)
    text = f"{len(waiting)} batches of {rows} rows wait, {size / 1e6:.1f} MB, the oldest for {_words(age)}"
    if age <= LONG_IN_SPOOL:
        return Check(area, Level.OK, text)
    running = holder(store / JOURNAL) is not None
    hint = "the desk's findings say why" if running else "nothing is lost: the next start commits them"
    return Check(area, Level.WARNING, text, hint)


def _words(age: timedelta) -> str:
    minutes = max(0, int(age.total_seconds())) // 60
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.0f} h" if minutes < 2880 else f"{age.days} days"
