from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path

import pytest

from tests.store.samples import AT, POSITION, STRUCTURE, decisions, intent, one_of_each, snapshot
from v6.errors import StoreError
from v6.model.decision import Action, ActionKind
from v6.model.event import (
    EVENT_TYPES,
    DecisionsMade,
    FindingRaised,
    GreeksTaken,
    HealthMeasured,
    OrderIntended,
    OrderRepriced,
    OrderSending,
    PositionOpened,
    QueueListed,
    ReductionDue,
    ShadowDiffered,
    SnapshotTaken,
)
from v6.store.journal import DuplicateIntent, Journal, JournalReader


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "desk" / "journal.db"


def test_every_kind_of_event_comes_back_equal(path: Path) -> None:
    events = one_of_each()
    assert {type(e).__name__ for e in events} == set(EVENT_TYPES)
    with Journal(path) as journal:
        assert journal.append(*events) == len(events)
        assert [event for _, event in journal.events()] == events
    with Journal(path) as journal:
        assert list(journal.events()) == list(enumerate(events, 1))


def test_a_snapshot_from_before_a_field_was_appended_misses_it(path: Path) -> None:
    taken = snapshot()
    old = replace(taken.snapshot, rows=tuple(replace(row, values=row.values[:36]) for row in taken.snapshot.rows))
    with Journal(path) as journal:
        journal.append(replace(taken, snapshot=old))
        ((_, read),) = journal.events()
    assert read == taken
    assert isinstance(read, SnapshotTaken)
    assert read.snapshot.row("p1")["short_exercise"] is None
    assert read.snapshot.row("p1")["structure"] == "bull_put_spread"
    assert Journal(path).verify() == 1, "what is in the journal stays as it was written"


def test_a_snapshot_of_a_newer_version_is_refused_and_not_cut(path: Path) -> None:
    taken = snapshot()
    longer = replace(
        taken.snapshot, rows=tuple(replace(row, values=(*row.values, 1.0)) for row in taken.snapshot.rows)
    )
    with Journal(path) as journal:
        journal.append(replace(taken, snapshot=longer))
        with pytest.raises(StoreError, match=r"event 1 \(SnapshotTaken\) cannot be read: a row of"):
            list(journal.events())


def test_events_are_read_after_an_offset_and_by_kind(path: Path) -> None:
    with Journal(path) as journal:
        journal.append(snapshot(1), OrderSending(AT, "v6-a", 1), snapshot(2), OrderSending(AT, "v6-b", 2))
        assert [seq for seq, _ in journal.events(after=2)] == [3, 4]
        assert [seq for seq, _ in journal.events(kinds=[OrderSending])] == [2, 4]
        assert [seq for seq, _ in journal.events(after=1, kinds=[SnapshotTaken, OrderSending])] == [2, 3, 4]
        assert list(journal.events(kinds=[])) == []


def test_rare_events_are_found_by_index(path: Path) -> None:
    with Journal(path) as journal:
        query = "EXPLAIN QUERY PLAN SELECT seq, kind, body FROM log WHERE seq > ? AND body IS NOT NULL"
        from v6.store.journal import _kind_filter

        where, names = _kind_filter([OrderSending, FindingRaised])
        plan = journal._db.execute(f"{query}{where} ORDER BY seq", (0, *names)).fetchall()
        assert any("log_rare" in row[3] for row in plan), plan


def test_a_duplicate_intent_is_refused_and_nothing_of_the_batch_is_written(path: Path) -> None:
    with Journal(path) as journal:
        journal.append(OrderIntended(AT, intent("a")), state={"k": "1"})
        before = journal.hash()
        with pytest.raises(DuplicateIntent, match="intent a is already recorded"):
            journal.append(FindingRaised(AT, "x", "y"), OrderIntended(AT, intent("a")), state={"k": "2"})
        assert (journal.last_seq, journal.hash(), journal.state("k")) == (1, before, "1")
        assert journal.append(OrderIntended(AT, intent("b"))) == 2
    with Journal(path) as journal, pytest.raises(DuplicateIntent):
        journal.append(OrderIntended(AT, intent("b")))


def test_the_same_intent_twice_in_one_batch_is_refused(path: Path) -> None:
    with Journal(path) as journal, pytest.raises(DuplicateIntent):
        journal.append(OrderIntended(AT, intent("a")), OrderIntended(AT, intent("a")))
    assert JournalReader(path).last_seq == 0


def test_state_is_kept_with_its_events(path: Path) -> None:
    with Journal(path) as journal:
        assert journal.state("signals") is None
        journal.append(snapshot(1), state={"signals": '{"peak": 0.5}', "halt": "no"})
        journal.append(state={"signals": '{"peak": 0.6}'})
    with Journal(path) as journal:
        assert (journal.last_seq, journal.state("signals"), journal.state("halt")) == (1, '{"peak": 0.6}', "no")


def test_equal_events_give_an_equal_hash_whatever_the_batches(tmp_path: Path) -> None:
    events = one_of_each()
    with Journal(tmp_path / "a") as one, Journal(tmp_path / "b", durable=False) as two:
        one.append(*events)
        for event in events:
            two.append(event, state={"irrelevant": event.at.isoformat()})
        assert one.hash() == two.hash() == JournalReader(tmp_path / "a").hash()


def test_the_hash_survives_reopening_and_depends_on_content_and_order(tmp_path: Path) -> None:
    def hash_of(name: str, *events: object) -> str:
        for event in events:
            with Journal(tmp_path / name) as journal:
                journal.append(event)  # type: ignore[arg-type]
        return JournalReader(tmp_path / name).hash()

    a, b = FindingRaised(AT, "a", ""), FindingRaised(AT, "b", "")
    later = replace(b, at=AT + timedelta(microseconds=1))
    assert len({hash_of("1", a, b), hash_of("2", b, a), hash_of("3", a), hash_of("4", a, later)}) == 4


def test_one_moment_has_one_hash_in_any_time_zone(tmp_path: Path) -> None:
    ours = datetime(2014, 3, 3, 10, tzinfo=timezone(timedelta(hours=-5)))
    with Journal(tmp_path / "a") as one, Journal(tmp_path / "b") as two:
        one.append(FindingRaised(ours, "a", ""))
        two.append(FindingRaised(ours.astimezone(UTC), "a", ""))
        rows = [j._db.execute("SELECT at FROM log").fetchone() for j in (one, two)]
        assert rows[0] == rows[1]


def test_a_second_journal_is_refused_and_told_who_holds_it(path: Path) -> None:
    with Journal(path), pytest.raises(StoreError, match=f"in use by process {os.getpid()}"):
        Journal(path)
    Journal(path).close()


def test_a_reader_sees_each_commit_while_the_writer_is_open(path: Path) -> None:
    with Journal(path) as journal:
        reader = JournalReader(path)
        journal.append(snapshot(1), state={"k": "v"})
        assert (reader.last_seq, reader.state("k"), reader.hash()) == (1, "v", journal.hash())
        events = reader.events()
        assert next(events)[0] == 1
        journal.append(snapshot(2))
        assert list(events) == []


def test_reading_a_journal_that_is_not_there_is_an_error(path: Path) -> None:
    with pytest.raises(StoreError, match="there is no journal"):
        JournalReader(path)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_number_that_is_not_finite_is_refused_by_name(path: Path, bad: float) -> None:
    with Journal(path) as journal:
        with pytest.raises(StoreError, match=r"snapshot s1, row 'p1': pnl is (nan|inf)"):
            journal.append(snapshot(1, pnl=bad))
        with pytest.raises(StoreError, match=r"OrderRepriced\.limit"):
            journal.append(OrderRepriced(AT, "v6-i1", Decimal(bad)))
        assert journal.append(snapshot(1)) == 1


def test_every_decimal_and_float_of_an_event_is_guarded() -> None:
    from v6.store.guard import refuse_non_finite

    def poison(value: object) -> list[object]:
        """Return copies of a value, each with one of its decimals turned into NaN."""
        if isinstance(value, Decimal):
            return [Decimal("NaN")]
        names = getattr(type(value), "__dataclass_fields__", {})
        return [replace(value, **{n: bad}) for n in names for bad in poison(getattr(value, n))]  # type: ignore[type-var]

    copies = [bad for event in one_of_each() for bad in poison(event)]
    assert len(copies) == 16  # the decimals outside of tuples
    made = decisions()
    action = Action(ActionKind.REDUCE, fraction=float("nan"))
    copies.append(replace(made, decisions=(replace(made.decisions[0], action=action),)))
    copies.append(ReductionDue(AT, "p1", 1, replace(made.decisions[1], action=action)))
    copies.append(ShadowDiffered(AT, "d1.1", "p1", "a", None, "b", action))
    strike = replace(STRUCTURE.legs[0].contract, strike=Decimal("NaN"))
    legs = (replace(STRUCTURE.legs[0], contract=strike), STRUCTURE.legs[1])
    copies.append(PositionOpened(AT, replace(POSITION, structure=replace(STRUCTURE, legs=legs))))
    for bad in copies:
        with pytest.raises(StoreError):
            refuse_non_finite(bad)  # type: ignore[arg-type]


def test_a_changed_lost_or_swapped_event_is_found(path: Path) -> None:
    with Journal(path) as journal:
        journal.append(snapshot(1), OrderSending(AT, "v6-a", 1), OrderSending(AT, "v6-b", 2))
        assert journal.verify() == 3

    def damaged(statement: str) -> str:
        copy = path.with_name("copy.db")
        copy.write_bytes(path.read_bytes())
        db = sqlite3.connect(copy)
        with db:
            db.execute(statement)
        db.close()
        with pytest.raises(StoreError) as caught:
            JournalReader(copy).verify()
        return str(caught.value)

    changed = "event 2 (OrderSending) was changed"
    assert changed in damaged("UPDATE log SET body = replace(body, 'v6-a', 'v6-c') WHERE seq = 2")
    assert changed in damaged("UPDATE log SET at = '2014-03-03T15:30:01+00:00' WHERE seq = 2")
    assert changed in damaged("UPDATE log SET chain = zeroblob(32) WHERE seq = 2")
    assert "event 2 is missing" in damaged("DELETE FROM log WHERE seq = 2")
    assert changed in damaged("UPDATE log SET body = (SELECT body FROM log WHERE seq = 3) WHERE seq = 2")


def test_pruning_drops_bulk_bodies_but_keeps_orders_hash_and_chain(path: Path) -> None:
    events = one_of_each()
    with Journal(path) as journal:
        journal.append(*events)
        journal.append(snapshot(2))
        before = journal.hash()
        assert journal.prune(len(events)) == 5
        assert (journal.hash(), journal.pruned_to()) == (before, len(events))
        kept = [event for _, event in journal.events()]
        bulk = SnapshotTaken | DecisionsMade | QueueListed | GreeksTaken | HealthMeasured
        assert kept == [e for e in events if not isinstance(e, bulk)] + [snapshot(2)]
        assert journal.verify() == len(events) + 1 - 5
    with Journal(path) as journal:
        assert journal.append(snapshot(3)) == len(events) + 2
        assert journal.verify() == len(events) + 2 - 5


def test_pruning_what_is_not_yet_written_is_a_mistake(path: Path) -> None:
    with Journal(path) as journal, pytest.raises(ValueError, match="ends at 0"):
        journal.prune(1)


def test_a_foreign_database_is_refused(path: Path) -> None:
    path.parent.mkdir()
    db = sqlite3.connect(path)
    db.execute("CREATE TABLE t (x)")
    db.close()
    with pytest.raises(StoreError, match="not a V6 journal"):
        Journal(path)


def test_a_damaged_file_is_refused_with_what_to_do(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(b"this is no database" * 1000)
    with pytest.raises(StoreError, match=r"damaged.*restore a backup"):
        Journal(path)
    path.unlink()
    Journal(path).close()  # the failed opening left no lock behind


def test_an_event_of_a_newer_version_is_named(path: Path) -> None:
    with Journal(path) as journal:
        journal.append(snapshot(1))
        journal._db.execute("UPDATE log SET kind = 'OrderTeleported'")
        with pytest.raises(StoreError, match="event 1 is a OrderTeleported"):
            list(journal.events())


def test_after_a_failed_write_the_journal_refuses_until_it_is_opened_again(path: Path) -> None:
    journal = Journal(path)
    journal.append(snapshot(1))
    pages = journal._db.execute("PRAGMA page_count").fetchone()[0]
    journal._db.execute(f"PRAGMA max_page_count = {pages}")  # a full disk, as SQLite sees it
    with pytest.raises(StoreError, match="writing failed: database or disk is full"):
        journal.append(*(snapshot(i) for i in range(2, 200)))
    with pytest.raises(StoreError, match="an earlier write failed"):
        journal.append(snapshot(2))
    journal.close()
    with Journal(path) as journal:
        assert journal.last_seq == 1
        assert journal.append(snapshot(2)) == 2
        assert journal.verify() == 2


def test_a_state_value_of_the_wrong_type_writes_nothing_and_leaves_it_usable(path: Path) -> None:
    with Journal(path) as journal:
        with pytest.raises(sqlite3.ProgrammingError):
            journal.append(snapshot(1), state={"k": object()})  # type: ignore[dict-item]
        assert journal.append(snapshot(1)) == 1


WRITER = """
import sys
from pathlib import Path
from tests.store.samples import snapshot
from v6.store.journal import Journal
journal = Journal(Path(sys.argv[1]))
for cycle in range(1, 1_000_000):
    seq = journal.append(snapshot(cycle), state={"cycle": str(cycle)})
    print(seq, flush=True)
"""


def test_a_killed_writer_loses_nothing_that_it_was_told_is_written(path: Path) -> None:
    root = Path(__file__).parents[2]
    for _ in range(3):
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True, cwd=root
        )
        assert writer.stdout is not None
        confirmed = [int(writer.stdout.readline()) for _ in range(40)]
        writer.send_signal(signal.SIGKILL)
        confirmed += [int(line) for line in writer.stdout.read().splitlines(keepends=True) if line.endswith("\n")]
        writer.stdout.close()
        writer.wait()
        with Journal(path) as journal:
            assert journal.last_seq >= confirmed[-1]
            assert journal.verify() == journal.last_seq
            _, newest = next(journal.events(after=journal.last_seq - 1))
            assert isinstance(newest, SnapshotTaken)
            assert journal.state("cycle") == str(newest.snapshot.cycle)
