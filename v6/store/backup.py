"""A copy of the journal that is whole, also while the desk runs."""

from __future__ import annotations

import os
import sqlite3
from contextlib import closing
from pathlib import Path

from v6.errors import StoreError
from v6.store.disk import to_disk
from v6.store.journal import JournalReader


def backup(journal: Path, to: Path) -> int:
    """Copy a journal to a file that is not there yet, verify the copy, and return the number of its last event.

    The copy is one moment of the journal. It appears under its name only when it is complete, checked and on the disk.
    To go back to it, stop the desk, put it in the journal's place, and move the tables away: they are written anew.
    """
    if to.exists():
        raise StoreError(f"{to} exists; a backup never replaces a file")
    JournalReader(journal)
    part = to.with_name(to.name + ".part")
    try:
        to.parent.mkdir(parents=True, exist_ok=True)
        part.unlink(missing_ok=True)
        with (
            closing(sqlite3.connect(f"{journal.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(part)) as target,
        ):
            source.backup(target)
            target.execute("PRAGMA journal_mode = DELETE")  # one file, with nothing beside it
        copy = JournalReader(part)
        copy.verify()
        last = copy.last_seq
        to_disk(part, part.parent)
        os.link(part, to)  # unlike a rename it never replaces what came there meanwhile
    except (sqlite3.DatabaseError, OSError) as error:
        raise StoreError(f"{journal} cannot be copied to {to}: {error}") from error
    finally:
        part.unlink(missing_ok=True)
    return last
