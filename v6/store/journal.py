"""The journal: every event in order, in SQLite (WAL, fsync), and the only truth after a crash.

One process writes (an exclusive lock), any number may read. Each row carries the hash of the whole log up to it, so
two runs with the same events have the same hash, and a changed, lost or reordered event is found by `verify`.
"""

from __future__ import annotations

import hashlib
import os
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import TracebackType
from typing import Final

import msgspec

from v6.errors import StoreError
from v6.model.event import (
    EVENT_TYPES,
    DecisionsMade,
    Event,
    GreeksTaken,
    HealthMeasured,
    OrderIntended,
    QueueListed,
    SnapshotTaken,
)
from v6.store.guard import refuse_non_finite
from v6.store.lock import take_lock
from v6.store.space import give_up_reserve

SCHEMA_VERSION: Final = 2
"""Format 1 had snapshots and decisions only among what `prune` drops; a writer makes it format 2 when it opens it."""
TAIL_CHECKED: Final = 256
"""Events whose hashes are checked whenever a journal is opened for writing."""

_APPLICATION_ID: Final = 0x56364A4C  # "V6JL": tells our file from any other SQLite database
_GENESIS: Final = hashlib.sha256(b"v6 journal 1").digest()

# The bulk of the log and the only bodies that `prune` may drop. The literal is part of the partial index below and
# must stay the same text in queries, else SQLite does not see that the index applies.
BULK: Final = (SnapshotTaken, DecisionsMade, QueueListed, GreeksTaken, HealthMeasured)
_NOT_BULK: Final = "kind NOT IN ('SnapshotTaken', 'DecisionsMade', 'QueueListed', 'GreeksTaken', 'HealthMeasured')"

_RARE_INDEX: Final = f"CREATE INDEX log_rare ON log (kind, seq) WHERE {_NOT_BULK};"
_CREATE: Final = f"""
CREATE TABLE log (seq INTEGER PRIMARY KEY, at TEXT NOT NULL, kind TEXT NOT NULL, chain BLOB NOT NULL, body BLOB);
{_RARE_INDEX}
CREATE INDEX log_pruned ON log (kind, seq) WHERE body IS NULL;
CREATE TABLE intents (intent_id TEXT PRIMARY KEY, order_ref TEXT NOT NULL UNIQUE, seq INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE state (key TEXT PRIMARY KEY, body TEXT NOT NULL) WITHOUT ROWID;
"""

_ENCODER: Final = msgspec.json.Encoder()
_DECODERS: Final[dict[str, msgspec.json.Decoder[Event]]] = {
    name: msgspec.json.Decoder(kind) for name, kind in EVENT_TYPES.items()
}
_INSERT: Final = "INSERT INTO log (seq, at, kind, chain, body) VALUES (?, ?, ?, ?, ?)"
_UPSERT: Final = "INSERT INTO state VALUES (?, ?) ON CONFLICT (key) DO UPDATE SET body = excluded.body"


class DuplicateIntent(StoreError):
    """The intent was recorded before; sending it again could double an order."""


class _DiskFull(StoreError):
    """The write found no room; as after any failed write, only opening the file again tells whether it was done."""


class JournalReader:
    """Read a journal, also while another process writes it; every call sees whole transactions only."""

    def __init__(self, path: Path) -> None:
        self.path = path
        if not path.is_file():
            raise StoreError(f"there is no journal at {path}")
        with self._reading() as db:
            _check_identity(db, path)

    def events(self, after: int = 0, kinds: Collection[type[Event]] | None = None) -> Iterator[tuple[int, Event]]:
        """Yield (seq, event) with seq > after in order, only of the given kinds; pruned events are left out.

        It uses a connection of its own, so any thread may call it, and sees the log as it was at the first step.
        """
        where, names = _kind_filter(kinds)
        query = f"SELECT seq, kind, body FROM log WHERE seq > ? AND body IS NOT NULL{where} ORDER BY seq"
        with self._reading() as db:
            for seq, kind, body in db.execute(query, (after, *names)):
                yield seq, self._decode(seq, kind, body)

    def state(self, key: str) -> str | None:
        """Return what was last stored under the key, None if nothing was."""
        with self._reading() as db:
            row = db.execute("SELECT body FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    @property
    def last_seq(self) -> int:
        """Return the number of the newest event, 0 for an empty journal."""
        with self._reading() as db:
            return _tail(db)[0]

    def last_at(self) -> datetime | None:
        """Return the time of the newest event (UTC), None for an empty journal."""
        with self._reading() as db:
            row = db.execute("SELECT at FROM log ORDER BY seq DESC LIMIT 1").fetchone()
        return None if row is None else datetime.fromisoformat(row[0])

    def hash(self) -> str:
        """Return the SHA-256 chain over (kind, at, body) of all events, in hex."""
        with self._reading() as db:
            return _tail(db)[1].hex()

    def chain_at(self, seq: int) -> str | None:
        """Return the hash of the log up to and with event `seq`, None if there is no such event."""
        with self._reading() as db:
            row = db.execute("SELECT chain FROM log WHERE seq = ?", (seq,)).fetchone()
        return None if row is None else bytes(row[0]).hex()

    def pruned_to(self, kinds: Collection[type[Event]] = BULK) -> int:
        """Return the seq of the newest event of these kinds whose body was dropped, 0 if none was."""
        names = [kind.__name__ for kind in kinds]
        query = f"SELECT max(seq) FROM log WHERE body IS NULL AND kind IN ({', '.join('?' * len(names))})"
        with self._reading() as db:
            return db.execute(query, names).fetchone()[0] or 0

    def verify(self) -> int:
        """Return the number of events whose hashes were checked; raise StoreError at the first that is wrong.

        A pruned event has no body to check; its stored hash is the start for the next one.
        """
        checked, expected, chain = 0, 1, _GENESIS
        with self._reading() as db:
            problem = db.execute("PRAGMA quick_check(1)").fetchone()[0]
            if problem != "ok":
                raise StoreError(_damaged(self.path, problem))
            query = "SELECT seq, at, kind, chain, CAST(body AS BLOB) FROM log ORDER BY seq"
            for seq, at, kind, stored, body in db.execute(query):
                if seq != expected:
                    raise StoreError(_damaged(self.path, f"event {expected} is missing"))
                if body is not None:
                    checked += 1
                    if _link(chain, kind, at, body) != stored:
                        raise StoreError(_damaged(self.path, f"event {seq} ({kind}) was changed after it was written"))
                chain, expected = stored, expected + 1
        return checked

    def _decode(self, seq: int, kind: str, body: bytes) -> Event:
        decoder = _DECODERS.get(kind)
        if decoder is None:
            raise StoreError(f"{self.path}: event {seq} is a {kind}, which this version of V6 does not know")
        try:
            event = decoder.decode(body)
            # The catalogue only grows at its end, so what an old snapshot lacks are its newest fields.
            if not isinstance(event, SnapshotTaken):
                return event
            snapshot = event.snapshot.completed()
            return event if snapshot is event.snapshot else replace(event, snapshot=snapshot)
        except (msgspec.MsgspecError, ValueError) as error:
            raise StoreError(f"{self.path}: event {seq} ({kind}) cannot be read: {error}") from error

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(f"{self.path.absolute().as_uri()}?mode=ro", uri=True)) as db:
                yield db
        except sqlite3.DatabaseError as error:
            raise StoreError(_damaged(self.path, str(error))) from error


class Journal(JournalReader):
    """The one writer of a journal; `append`, `state` and `prune` belong to the thread that opened it.

    With durable=False nothing is fsynced: a crash of the machine may lose or tear the file. It is for simulations.
    """

    def __init__(self, path: Path, *, durable: bool = True) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._lock = take_lock(path)
        try:
            self._db = _open(path, durable)
            super().__init__(path)
            _verify_tail(self._db, path)
            self._seq, self._chain = _tail(self._db)
        except sqlite3.DatabaseError as error:
            os.close(self._lock)
            raise StoreError(_damaged(path, str(error))) from error
        except BaseException:
            os.close(self._lock)
            raise
        self._durable = durable
        self._broken: str | None = None
        self.reserve_spent = False
        """Whether the disk was full and the reserve (v6/store/space.py) given up: time to stop opening positions."""

    def append(self, *events: Event, state: Mapping[str, str] | None = None) -> int:
        """Write the events and state entries in one transaction and return the last seq; all or nothing.

        When it returns, all of it survives a power cut (if durable). Raises DuplicateIntent for an intent already
        recorded and StoreError for a number that is not finite: nothing is written then and the journal stays
        usable. A full disk costs the reserve and the write is done again, once. After another error of the disk the
        journal refuses everything until it is opened again, because nobody can tell what was written.
        """
        if self._broken is not None:
            raise StoreError(f"{self.path}: an earlier write failed ({self._broken}); open the journal again")
        seq, chain, rows, intents = self._seq, self._chain, [], []
        for event in events:
            refuse_non_finite(event)
            kind, at, body = type(event).__name__, event.at.astimezone(UTC).isoformat(), _ENCODER.encode(event)
            seq, chain = seq + 1, _link(chain, kind, at, body)
            rows.append((seq, at, kind, chain, body))
            if isinstance(event, OrderIntended):
                intents.append((event.intent.intent_id, event.intent.order_ref, seq))
        try:
            self._write(rows, intents, state or {})
        except _DiskFull:
            if not give_up_reserve(self.path):
                raise
            if self._reopen() != (seq, chain):
                self._write(rows, intents, state or {})
        self._seq, self._chain = seq, chain
        return seq

    def state(self, key: str) -> str | None:
        """Return what was last stored under the key, None if nothing was."""
        row = self._db.execute("SELECT body FROM state WHERE key = ?", (key,)).fetchone()
        return None if row is None else str(row[0])

    @property
    def last_seq(self) -> int:
        """Return the number of the newest event, 0 for an empty journal."""
        return self._seq

    def hash(self) -> str:
        """Return the SHA-256 chain over (kind, at, body) of all events, in hex; equal events give an equal hash."""
        return self._chain.hex()

    def prune(self, upto: int) -> int:
        """Drop the bodies of the BULK events with seq <= upto, keep their hashes; return how many.

        The caller must know that they are in the tables and that the tables are on the disk: Delta does no fsync.
        """
        query = f"UPDATE log SET body = NULL WHERE seq <= ? AND NOT {_NOT_BULK} AND body IS NOT NULL"
        if upto > self._seq:
            raise ValueError(f"the journal ends at {self._seq}, it cannot be pruned up to {upto}")
        with self._writing():
            return self._db.execute(query, (upto,)).rowcount

    def close(self) -> None:
        """Fold the WAL into the file and let another process open the journal."""
        self._db.close()
        os.close(self._lock)

    def __enter__(self) -> Journal:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _write(
        self,
        rows: list[tuple[int, str, str, bytes, bytes]],
        intents: list[tuple[str, str, int]],
        state: Mapping[str, str],
    ) -> None:
        with self._writing():
            for intent in intents:
                try:
                    self._db.execute("INSERT INTO intents VALUES (?, ?, ?)", intent)
                except sqlite3.IntegrityError as error:
                    raise DuplicateIntent(f"{self.path}: intent {intent[0]} is already recorded") from error
            self._db.executemany(_INSERT, rows)
            if state:
                self._db.executemany(_UPSERT, list(state.items()))

    def _reopen(self) -> tuple[int, bytes]:
        """Open the file again after a write that found no room; return the tail, which tells whether it was done."""
        try:
            self._db = _open(self.path, self._durable)
            tail = _tail(self._db)
        except sqlite3.DatabaseError as error:
            raise StoreError(_damaged(self.path, str(error))) from error
        self._broken, self.reserve_spent = None, True
        return tail

    @contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            self._db.execute("BEGIN IMMEDIATE")
            try:
                yield
            except BaseException:
                if self._db.in_transaction:
                    self._db.execute("ROLLBACK")
                raise
            self._db.execute("COMMIT")
        except sqlite3.ProgrammingError:
            raise  # a mistake of the caller (wrong thread, closed): the file is as it was
        except sqlite3.DatabaseError as error:
            # Closing rolls back what is open. A failed COMMIT may or may not be on the disk; opening again tells.
            self._broken = str(error)
            self._db.close()
            kind = _DiskFull if error.sqlite_errorcode == sqlite3.SQLITE_FULL else StoreError
            raise kind(f"{self.path}: writing failed: {error}; send nothing until it is open again") from error


def _link(chain: bytes, kind: str, at: str, body: bytes) -> bytes:
    # NUL occurs in none of the three (JSON escapes it), so the parts cannot run into each other.
    return hashlib.sha256(b"%b%b\0%b\0%b" % (chain, kind.encode(), at.encode(), body)).digest()


def _tail(db: sqlite3.Connection) -> tuple[int, bytes]:
    row = db.execute("SELECT seq, chain FROM log ORDER BY seq DESC LIMIT 1").fetchone()
    return (0, _GENESIS) if row is None else (row[0], bytes(row[1]))


def _verify_tail(db: sqlite3.Connection, path: Path) -> None:
    """Check the links of the newest events, those that a crash may have touched; `verify` checks all."""
    query = "SELECT seq, at, kind, chain, CAST(body AS BLOB) FROM log ORDER BY seq DESC LIMIT ?"
    rows = list(reversed(db.execute(query, (TAIL_CHECKED + 1,)).fetchall()))
    before = (0, _GENESIS) if rows and rows[0][0] == 1 else None
    for seq, at, kind, stored, body in rows:
        if before is not None:
            if seq != before[0] + 1:
                raise StoreError(_damaged(path, f"event {before[0] + 1} is missing"))
            if body is not None and _link(before[1], kind, at, body) != stored:
                raise StoreError(_damaged(path, f"event {seq} ({kind}) was changed after it was written"))
        before = (seq, bytes(stored))


def _kind_filter(kinds: Collection[type[Event]] | None) -> tuple[str, list[str]]:
    if kinds is None:
        return "", []
    names = sorted(kind.__name__ for kind in kinds)
    rare = "" if any(kind in BULK for kind in kinds) else f" AND {_NOT_BULK}"
    return f" AND kind IN ({', '.join('?' * len(names))}){rare}", names


def _open(path: Path, durable: bool) -> sqlite3.Connection:
    db = sqlite3.connect(path, isolation_level=None)
    try:
        db.execute("PRAGMA journal_mode = WAL")
        # FULL fsyncs the WAL in every commit; macOS needs fullfsync to get past the drive's cache.
        db.execute(f"PRAGMA synchronous = {'FULL' if durable else 'OFF'}")
        db.execute(f"PRAGMA fullfsync = {'ON' if durable else 'OFF'}")
        if db.execute("SELECT count(*) FROM sqlite_schema").fetchone()[0] == 0:
            db.executescript(
                f"BEGIN IMMEDIATE; {_CREATE} PRAGMA application_id = {_APPLICATION_ID}; "
                f"PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
        if _check_identity(db, path) == 1:
            # A version that knows only format 1 would not see that other tables can lack what was pruned: the number
            # keeps it out. The index is made anew in the same transaction, so a crash leaves the one or the other.
            db.executescript(
                f"BEGIN IMMEDIATE; DROP INDEX log_rare; {_RARE_INDEX} PRAGMA user_version = {SCHEMA_VERSION}; COMMIT;"
            )
    except BaseException:
        db.close()
        raise
    return db


def _check_identity(db: sqlite3.Connection, path: Path) -> int:
    """Return the format of the journal; of format 1 readers only miss the index, as queries name what it left out."""
    application = db.execute("PRAGMA application_id").fetchone()[0]
    if application != _APPLICATION_ID:
        raise StoreError(f"{path} is an SQLite database but not a V6 journal")
    version = db.execute("PRAGMA user_version").fetchone()[0]
    if version not in (1, SCHEMA_VERSION):
        raise StoreError(
            f"{path} has journal format {version}, this V6 writes format {SCHEMA_VERSION}; "
            f"use the version of V6 that wrote it, or start with a new journal"
        )
    return int(version)


def _damaged(path: Path, problem: str) -> str:
    return (
        f"{path} is damaged or cannot be read: {problem}. Stop trading, copy {path.name}, {path.name}-wal and "
        f"{path.name}-shm away, then restore a backup and start: reconciliation asks the broker for what is newer"
    )
