"""The daemon's log held against itself: every recorded decision is made again by the rules that were in force."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Final

import duckdb

from v6.errors import V6Error
from v6.model.event import SnapshotTaken
from v6.replay.damage import told
from v6.replay.kept import keep, read_kept
from v6.replay.segments import Again, Fold, Outcome, by_query, constant_keys, differing
from v6.rules import RuleSet, RuleState
from v6.rules.recorded import RULE_STATE, recorded_set
from v6.store.journal import JournalReader
from v6.store.query import connect

SHOWN: Final = 20
"""Disagreements that are told one by one."""

_EARLIEST, _LATEST = datetime(1900, 1, 1, tzinfo=UTC), datetime(2200, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Disagreement:
    """One decision that is made otherwise now, or a row that lacks its other half, and in what way."""

    ts: datetime
    snapshot_id: str
    key: str
    ruleset: str | None
    why: str


@dataclass(frozen=True, slots=True)
class SelfCheck:
    """Snapshots agree when every one of their rows does; `unjudged` rows belong to sets that are not on record.

    `by_query` and `by_fold` count the decisions that were made again by each evaluator; `sets` the rows of each set.
    """

    day: date | None
    snapshots: int
    agree: int
    disagree: int
    unjudged: int
    rows: int
    by_query: int
    by_fold: int
    sets: dict[str, int]
    unrecorded: tuple[str, ...]
    disagreements: tuple[Disagreement, ...]


@dataclass
class _Tally:
    """What was found so far."""

    bad: dict[str, None] = field(default_factory=dict)
    found: list[Disagreement] = field(default_factory=list)
    queried: int = 0
    folded: int = 0
    unjudged: int = 0

    def add(self, items: Iterable[Disagreement]) -> None:
        for item in items:
            self.bad[item.snapshot_id] = None
            self.found.append(item)


def selfcheck(store: Path, day: date | None = None) -> SelfCheck:
    """Return whether the decisions of a UTC day, or of the whole record, are those that the rules in force make.

    Raises StoreError without a store and V6Error for a day without snapshots. The check of a day goes on from what the
    check of an earlier one left; without that it folds the record from its beginning.
    """
    reader = JournalReader(store / "journal.sqlite")
    with told(store / "tables"):
        return _checked(store, reader, connect(store / "tables"), day)


def _checked(store: Path, reader: JournalReader, db: duckdb.DuckDBPyConnection, day: date | None) -> SelfCheck:
    since = _EARLIEST if day is None else datetime.combine(day, time(), UTC)
    until = _LATEST if day is None else since + timedelta(days=1, microseconds=-1)
    db.execute("CREATE TEMP TABLE bounds AS SELECT $1::TIMESTAMPTZ AS since, $2::TIMESTAMPTZ AS until", [since, until])
    rows, snapshots, first, last = db.execute(_EXTENT).fetchall()[0]
    if not rows:
        raise V6Error(f"{store} has no snapshots{'' if day is None else f' on {day}'}")
    db.execute(_PLACES)
    sets = _Sets(db, reader)
    tally = _Tally()
    tally.add(_halves(db))
    tally.add(_not_in_force(db))
    _by_query(db, sets, tally, "TRUE" if day is None else "s.key <> '' AND s.key IN (FROM present)")
    if day is None:
        _by_fold(db, Fold(sets.of), tally, "SELECT key FROM lives WHERE NOT whole", (0, last), (since, until))
    else:
        _by_fold_of_day(db, reader, store, sets, tally, (first, last), (since, until))
    return SelfCheck(
        day,
        snapshots,
        snapshots - len(tally.bad),
        len(tally.bad),
        tally.unjudged,
        rows,
        tally.queried,
        tally.folded,
        sets.rows,
        sets.unrecorded,
        tuple(sorted(tally.found, key=lambda d: (d.ts, d.key))[:SHOWN]),
    )


def daily(store: Path, day: date) -> tuple[str, ...]:
    """Return what is wrong with the decisions of a UTC day, and of those before it that no check has seen.

    Raises V6Error. What a day before the first check was like is for `v6 selfcheck` to tell.
    """
    return tuple(text for one in (*_unseen(store, day), day) for text in _said(store, one))


def _unseen(store: Path, day: date) -> list[date]:
    """Return the days with snapshots after the last check and before this one, such as when the desk was stopped."""
    db = connect(store / "tables")
    kept = read_kept(store, JournalReader(store / "journal.sqlite"), 2**62)
    if kept is None:
        return []
    query = "SELECT DISTINCT date FROM snapshots WHERE seq > $1 AND date < $2 ORDER BY date"
    return [row[0] for row in db.execute(query, [kept[0], day]).fetchall()]


def _said(store: Path, day: date) -> Iterator[str]:
    found = selfcheck(store, day)
    if found.disagree:
        first = found.disagreements[0]
        yield (
            f"{found.disagree} of {found.snapshots} snapshots of {day} are decided otherwise when decided again; "
            f"first {first.ts:%H:%M:%S}, {first.key or 'the portfolio'}: {first.why}; "
            f"`v6 selfcheck --store {store} --day {day}` tells more"
        )
    if found.unjudged:
        yield f"{found.unjudged} decisions of {day} cannot be made again: {why_unjudged(found)}"


def why_unjudged(found: SelfCheck) -> str:
    """Return why rows could not be judged."""
    if not found.unrecorded:
        return "what the rules remembered before is not known, as earlier ones are not on record"
    return f"the rules {', '.join(mark[:12] for mark in found.unrecorded)} are not on record"


# -- the sets ------------------------------------------------------------------------------------------------------


class _Sets:
    """The rule sets by their fingerprints, as far as they are on record; `rows` counts what each decided."""

    def __init__(self, db: duckdb.DuckDBPyConnection, reader: JournalReader) -> None:
        self.rows: dict[str, int] = dict(db.execute(_MARKS).fetchall())
        self._reader = reader
        self._known: dict[str, RuleSet | None] = {}

    def of(self, mark: str) -> RuleSet | None:
        """Return the set of a fingerprint, None if it is not on record."""
        if mark not in self._known:
            self._known[mark] = recorded_set(mark, self._reader.state)
        return self._known[mark]

    @property
    def unrecorded(self) -> tuple[str, ...]:
        return tuple(sorted(mark for mark, rules in self._known.items() if rules is None))


def _by_query(db: duckdb.DuckDBPyConnection, sets: _Sets, tally: _Tally, where: str) -> None:
    constant_keys(db, where)
    for number, (mark,) in enumerate(db.execute("SELECT DISTINCT mark FROM lives WHERE whole ORDER BY 1").fetchall()):
        rules = sets.of(mark)
        if rules is None:
            # The fold counts what cannot be judged.
            db.execute("UPDATE lives SET whole = FALSE WHERE mark = $1", [mark])
            continue
        tally.queried += by_query(db, mark, rules, number)
        tally.add(_explained(found, rules) for found in differing(db, number))


def _by_fold(
    db: duckdb.DuckDBPyConnection,
    fold: Fold,
    tally: _Tally,
    keys: str,
    span: tuple[int, int],
    bounds: tuple[datetime, datetime],
) -> None:
    for found in fold.over(db, keys, *span):
        at = found if isinstance(found, datetime) else found.ts
        if not bounds[0] <= at <= bounds[1]:
            continue
        if isinstance(found, datetime):
            tally.unjudged += 1
            continue
        tally.folded += 1
        if not found.same:
            rules = fold.sets(found.mark)
            assert rules is not None
            tally.add([_explained(found, rules)])


def _by_fold_of_day(
    db: duckdb.DuckDBPyConnection,
    reader: JournalReader,
    store: Path,
    sets: _Sets,
    tally: _Tally,
    ends: tuple[int, int],
    bounds: tuple[datetime, datetime],
) -> None:
    kept = read_kept(store, reader, ends[0])
    fold, after, keys = Fold(sets.of), 0, "SELECT key FROM present"
    if kept is not None:
        after, keys = kept[0], f"SELECT DISTINCT key FROM snapshots WHERE seq > {kept[0]}"
        fold.states = dict(kept[1].keys)
        fold.places = dict.fromkeys(fold.states, _place(db, after))
    _by_fold(db, fold, tally, keys, (after, ends[1]), bounds)
    place = _place(db, ends[1])
    state = fold.present(place)
    if fold.lost:
        # Judged from tomorrow on, from what the daemon itself says that it remembers.
        theirs = _daemons_own(reader, ends[1])
        if theirs is None:
            return
        state = RuleState({**theirs.keys, **state.keys})
    keep(store, reader, ends[1], state)


def _place(db: duckdb.DuckDBPyConnection, seq: int) -> int:
    return int(db.execute(f"SELECT place FROM places WHERE seq = {seq}").fetchall()[0][0])


def _daemons_own(reader: JournalReader, seq: int) -> RuleState | None:
    """Return what the daemon remembers if it has decided nothing since the snapshot at `seq`."""
    text = reader.state(RULE_STATE)
    if text is None or next(reader.events(after=seq, kinds=(SnapshotTaken,)), None) is not None:
        return None
    return RuleState.from_json(text)


# -- what is told --------------------------------------------------------------------------------------------------


def _explained(found: Again, rules: RuleSet) -> Disagreement:
    names = [rule.id for rule in rules.rules]
    why = "; ".join(_reasons(found.recorded, found.replayed, names))
    return Disagreement(found.ts, found.snapshot_id, found.key, found.mark, why)


def _reasons(then: Outcome, now: Outcome, names: list[str]) -> Iterator[str]:
    if then[0] != now[0]:
        yield f"{then[0] or 'no rule'} decided, and {now[0] or 'no rule'} does when it is decided again"
    for word, was, is_now in zip(("fired", "unknown", "told of"), then[1:], now[1:], strict=True):
        if not isinstance(was, int) or not isinstance(is_now, int) or was == is_now:
            continue
        for text, bits in ((f"{word} then only", was & ~is_now), (f"{word} now only", is_now & ~was)):
            listed = [name for bit, name in enumerate(names) if bits >> bit & 1]
            if listed:
                yield f"{text}: {', '.join(listed)}"


def _halves(db: duckdb.DuckDBPyConnection) -> Iterator[Disagreement]:
    for t, snapshot_id, key, mark in db.execute(_HALVES).fetchall():
        why = "no decision is recorded for this row" if mark is None else "its snapshot is not recorded"
        yield Disagreement(_at(t), snapshot_id, key, mark, why)


def _not_in_force(db: duckdb.DuckDBPyConnection) -> Iterator[Disagreement]:
    for t, snapshot_id, mark, wanted in db.execute(_NOT_IN_FORCE).fetchall():
        in_force = "none" if wanted is None else wanted[:12]
        yield Disagreement(
            _at(t), snapshot_id, "", mark, f"decided by the rules {mark[:12]}, in force were {in_force}"
        )


def _at(micros: int) -> datetime:
    return datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=micros)


_INSIDE: Final = "ts BETWEEN (SELECT since FROM bounds) AND (SELECT until FROM bounds)"

_EXTENT: Final = f"SELECT count(*), count(DISTINCT seq), min(seq), max(seq) FROM snapshots WHERE {_INSIDE}"

_PLACES: Final = f"""
CREATE TEMP TABLE places AS
SELECT seq, row_number() OVER (ORDER BY seq) AS place FROM (SELECT DISTINCT seq FROM snapshots);
CREATE TEMP TABLE present AS SELECT DISTINCT key FROM snapshots WHERE {_INSIDE}
"""

_MARKS: Final = f"""
SELECT bundle_fingerprint, count(*) FROM decisions WHERE {_INSIDE} GROUP BY 1 ORDER BY 1
"""

_HALVES: Final = f"""
SELECT epoch_us(coalesce(s.ts, d.ts)), coalesce(s.snapshot_id, d.snapshot_id), coalesce(s.key, d.key),
    d.bundle_fingerprint
FROM (SELECT ts, snapshot_id, key FROM snapshots WHERE {_INSIDE}) s
FULL JOIN (SELECT ts, snapshot_id, key, bundle_fingerprint FROM decisions WHERE {_INSIDE}) d
    ON s.snapshot_id = d.snapshot_id AND s.key = d.key
WHERE s.key IS NULL OR d.key IS NULL
"""

# A position may be held under earlier rules; the portfolio is always under the desk's.
_NOT_IN_FORCE: Final = f"""
SELECT epoch_us(d.ts), d.snapshot_id, d.bundle_fingerprint, r.fingerprint
FROM (SELECT * FROM decisions WHERE key = '' AND {_INSIDE}) d
ASOF LEFT JOIN (SELECT seq, fingerprint FROM rulesets WHERE event = 'reloaded') r ON d.seq > r.seq
WHERE d.bundle_fingerprint IS DISTINCT FROM r.fingerprint
"""
