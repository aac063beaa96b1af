"""The process dies after any commit of an order's life; the next one finds out what is true."""

import asyncio
from pathlib import Path

import pytest

from tests.execution.fakes import (
    EXIT_PRICES,
    NOON,
    FakeBroker,
    MemoryJournal,
    Station,
    approved,
    close_intent,
    commissions,
    fills,
    open_intent,
    play,
    report,
    state_of,
)
from v6.execution.books import Books
from v6.execution.executor import Executor
from v6.execution.ledger import Ledger
from v6.model import event as e
from v6.model.order import OrderState
from v6.paper.vtime import VirtualClock, VirtualLoop, run_virtual
from v6.ports import BrokerEvent, BrokerStatus
from v6.store.journal import DuplicateIntent, Journal, JournalReader

ENTRY, EXIT = open_intent(), close_intent(rolls=True)
ENTRY_FILLS, EXIT_FILLS = fills(ENTRY, 2), fills(EXIT, 2, EXIT_PRICES)
OPEN = {1: 2, 2: -2, 3: -2, 4: 2}


async def life(station: Station) -> None:
    """Open, lose an acknowledgement's worth of time, close with a roll."""
    station.submit(ENTRY)
    await asyncio.sleep(1)
    station.broker.say(report(ENTRY, BrokerStatus.WORKING))
    await asyncio.sleep(6)
    station.broker.say(*ENTRY_FILLS, report(ENTRY, BrokerStatus.FILLED, 2), *commissions(ENTRY_FILLS))
    station.submit(EXIT)
    await asyncio.sleep(11)
    station.broker.say(report(EXIT, BrokerStatus.WORKING), *EXIT_FILLS[:3])
    await asyncio.sleep(6)
    station.broker.say(EXIT_FILLS[3], report(EXIT, BrokerStatus.FILLED, 2), *commissions(EXIT_FILLS))


WHOLE = play(life)


def sent(written: list[e.Event]) -> set[str]:
    return {event.order_ref for event in written if isinstance(event, e.OrderSending)}


def truth(refs: set[str]) -> list[BrokerEvent]:
    """Return what the broker knows if every order whose SENDING is on disk reached it and filled."""
    known: list[BrokerEvent] = []
    if ENTRY.order_ref in refs:
        known += [*ENTRY_FILLS, report(ENTRY, BrokerStatus.FILLED, 2)]
    if EXIT.order_ref in refs:
        known += [*EXIT_FILLS, report(EXIT, BrokerStatus.FILLED, 2)]
    return known


def survive(written: list[e.Event], known: list[BrokerEvent], held: dict[int, int]) -> Station:
    async def main(loop: VirtualLoop) -> Station:
        broker = FakeBroker([])
        broker.known, broker.held = known, held
        station = Station(VirtualClock(loop, NOON), broker, written)
        await station.executor.recover()
        await asyncio.sleep(120)
        await station.executor.close()
        return station

    return run_virtual(main)


def opened_and_closed(written: list[e.Event]) -> tuple[int, int]:
    opens = sum(isinstance(event, e.PositionOpened) for event in written)
    return opens, sum(isinstance(event, e.PositionClosed) for event in written)


@pytest.mark.parametrize("cut", WHOLE.journal.commits)
def test_after_any_commit_everything_sent_is_booked_once_and_nothing_is_sent_again(cut: int) -> None:
    before = WHOLE.journal.written[:cut]
    refs = sent(before)
    held = {} if len(refs) != 1 else OPEN
    station = survive(before, truth(refs), held)
    assert station.broker.placed == []
    assert not list(station.ledger.live_orders())
    assert opened_and_closed(station.journal.written) == (int(ENTRY.order_ref in refs), int(EXIT.order_ref in refs))
    assert station.ledger.expected_contracts() == held
    assert list(station.ledger.rolls) == (["condor-open1"] if EXIT.order_ref in refs else [])
    assert not any(isinstance(event, e.FindingRaised) for event in station.journal.written)


@pytest.mark.parametrize("cut", WHOLE.journal.commits)
def test_a_crash_during_the_recovery_changes_nothing_of_that(cut: int) -> None:
    refs = sent(WHOLE.journal.written[:cut])
    held = {} if len(refs) != 1 else OPEN
    first = survive(WHOLE.journal.written[:cut], truth(refs), held)
    for second in [c for c in first.journal.commits if c > cut]:
        station = survive(first.journal.written[:second], truth(refs), held)
        assert station.ledger.expected_contracts() == held
        assert not list(station.ledger.live_orders())
        assert max(opened_and_closed(station.journal.written)) <= 1


def test_an_order_whose_bytes_never_left_is_unsent_after_two_looks() -> None:
    cut = next(n for n, event in enumerate(WHOLE.journal.written, 1) if isinstance(event, e.OrderSending))
    station = survive(WHOLE.journal.written[:cut], [], {})
    assert state_of(station, ENTRY.order_ref) is OrderState.NOT_SENT
    assert station.broker.looks == 2
    assert station.broker.placed == []


def test_an_unknown_order_is_looked_for_again_after_a_restart() -> None:
    async def story(station: Station) -> None:
        station.submit(ENTRY)
        await asyncio.sleep(11)
        assert state_of(station, ENTRY.order_ref) is OrderState.UNKNOWN

    station = survive(play(story).journal.written, [], {})
    assert state_of(station, ENTRY.order_ref) is OrderState.NOT_SENT


def test_a_late_fill_cut_off_before_its_booking_is_booked_after_the_restart() -> None:
    async def story(station: Station) -> None:
        station.submit(ENTRY)
        station.broker.say(report(ENTRY, BrokerStatus.WORKING), report(ENTRY, BrokerStatus.CANCELLED))
        station.broker.say(*ENTRY_FILLS)

    station = survive(play(story).journal.written, [], OPEN)
    assert station.ledger.holdings["condor-open1"].units == 2


# -- with the journal on a disk --------------------------------------------------------------------------------------


class Witness(FakeBroker):
    """Reads the file at the moment an order is placed, as a process would that starts after a crash right there."""

    path: Path
    at_placing: list[list[str]]

    def place(self, ticket):  # type: ignore[no-untyped-def]
        self.at_placing.append(names(self.path))
        super().place(ticket)


def names(path: Path) -> list[str]:
    return [type(event).__name__ for _, event in JournalReader(path).events()]


def test_the_file_has_the_intent_and_the_sending_before_the_bytes(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"

    async def main(loop: VirtualLoop) -> Witness:
        broker = Witness([])
        broker.path, broker.at_placing = path, []
        with Journal(path) as journal:
            executor = Executor(broker, Books(journal, Ledger()), VirtualClock(loop, NOON))
            executor.submit(approved(ENTRY, Ledger()))
            await executor.close()
        return broker

    assert run_virtual(main).at_placing == [["OrderIntended", "OrderSending"]]


def test_the_journal_refuses_an_intent_the_second_time_and_no_byte_leaves(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"

    async def first(loop: VirtualLoop) -> None:
        with Journal(path) as journal:
            executor = Executor(FakeBroker([]), Books(journal, Ledger()), VirtualClock(loop, NOON))
            executor.submit(approved(ENTRY, Ledger()))
            await executor.close()

    async def second(loop: VirtualLoop) -> None:
        broker = FakeBroker([])
        with Journal(path) as journal:
            # Even with books that have forgotten everything.
            executor = Executor(broker, Books(journal, Ledger()), VirtualClock(loop, NOON))
            with pytest.raises(DuplicateIntent):
                executor.submit(approved(ENTRY, Ledger()))
        assert broker.placed == []

    run_virtual(first)
    run_virtual(second)


def test_a_life_read_back_from_the_file_is_the_same_ledger(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"
    with Journal(path, durable=False) as journal:
        for event in WHOLE.journal.written:
            journal.append(event)
        back = Ledger(event for _, event in journal.events())
    live = WHOLE.ledger
    assert (back.orders, back.holdings, back.rolls) == (live.orders, live.holdings, live.rolls)
    assert back.opened_on == live.opened_on
    assert back.attempts("condor-open1") == live.attempts("condor-open1") == 1


def test_a_process_that_finds_a_resting_exit_takes_it_over(tmp_path: Path) -> None:
    path = tmp_path / "journal.sqlite"

    async def first(loop: VirtualLoop) -> None:
        with Journal(path, durable=False) as journal:
            broker = FakeBroker([])
            books = Books(journal, Ledger())
            executor = Executor(broker, books, VirtualClock(loop, NOON))
            executor.submit(approved(ENTRY, books.ledger))
            broker.say(*ENTRY_FILLS, *commissions(ENTRY_FILLS))
            executor.submit(approved(EXIT, books.ledger))
            broker.say(report(EXIT, BrokerStatus.WORKING))
            await asyncio.sleep(60)
            await executor.close()

    async def second(loop: VirtualLoop) -> FakeBroker:
        broker = FakeBroker([])
        with Journal(path, durable=False) as journal:
            books = Books(journal, Ledger(event for _, event in journal.events()))
            executor = Executor(broker, books, VirtualClock(loop, NOON))
            broker.known, broker.held = [*ENTRY_FILLS, report(EXIT, BrokerStatus.WORKING)], OPEN
            await executor.recover()
            broker.say(*EXIT_FILLS, *commissions(EXIT_FILLS))
            assert books.ledger.holdings == {}
            assert list(books.ledger.rolls) == ["condor-open1"]
            await executor.close()
        return broker

    run_virtual(first)
    assert run_virtual(second).placed == []


def test_the_memory_journal_of_these_tests_keeps_the_order_of_the_real_one(tmp_path: Path) -> None:
    memory = MemoryJournal([])
    with Journal(tmp_path / "journal.sqlite", durable=False) as journal:
        for event in WHOLE.journal.written:
            assert journal.append(event) == memory.append(event)
        assert [event for _, event in journal.events()] == memory.written
