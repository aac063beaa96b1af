"""What the two names of a diff stand for: a folder, a git revision, or the rules that a daemon has in force."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

from v6.errors import V6Error
from v6.lang.desk import Desk
from v6.replay.revision import load_revision
from v6.rules import load_texts
from v6.rules.recorded import LAST_GOOD
from v6.store.journal import JournalReader

LIVE: Final = "live"


def load_side(root: Path, name: str, store: Path | None) -> Desk:
    """Return the desk of a name; raises ConfigError for a bad desk and V6Error for a name that stands for none."""
    if name != LIVE:
        return load_revision(root, name)
    if store is None:
        raise V6Error("`live` is what the daemon of a store has in force; name the store with --store")
    kept = JournalReader(store / "journal.sqlite").state(LAST_GOOD)
    if kept is None:
        raise V6Error(f"no daemon has had rules in force in {store} yet, so there is nothing live")
    try:
        return load_texts(msgspec.json.decode(kept, type=dict[str, str]))
    except msgspec.MsgspecError as error:
        raise V6Error(f"the rules in force in {store} cannot be read: {error}") from error
