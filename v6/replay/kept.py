"""What the self-check of a day leaves for that of the next: the rules' memory, by the check and not by the daemon."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Final

import msgspec

from v6.errors import StoreError
from v6.rules import RuleState
from v6.store.journal import JournalReader

_FILE: Final = Path("selfcheck") / "state.json"


class _Kept(msgspec.Struct, forbid_unknown_fields=True):
    """The memory after the snapshot at `seq`; `chain` is the journal's hash there, which ties it to this journal."""

    seq: int
    chain: str
    state: str


def keep(store: Path, reader: JournalReader, seq: int, state: RuleState) -> None:
    """Write the memory after the snapshot at `seq`, whole or not at all; raises StoreError."""
    path = store / _FILE
    chain = reader.chain_at(seq)
    if chain is None:
        raise StoreError(f"{reader.path} has no event {seq}, though the tables do")
    part = path.with_suffix(".part")
    try:
        path.parent.mkdir(exist_ok=True)
        with part.open("wb") as file:
            file.write(msgspec.json.encode(_Kept(seq, chain, state.to_json())))
            file.flush()
            os.fsync(file.fileno())
        part.replace(path)
    except OSError as error:
        raise StoreError(f"{path} cannot be written: {error.strerror}") from error


def read_kept(store: Path, reader: JournalReader, before: int) -> tuple[int, RuleState] | None:
    """Return the memory and its seq if it was left before the event `before` of this very journal, else None.

    None costs time only: the check then begins at the beginning of the record.
    """
    try:
        kept = msgspec.json.decode((store / _FILE).read_bytes(), type=_Kept)
        if kept.seq >= before or reader.chain_at(kept.seq) != kept.chain:
            return None
        return kept.seq, RuleState.from_json(kept.state)
    except (OSError, ValueError, msgspec.MsgspecError):
        return None
