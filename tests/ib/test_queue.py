"""Whose turn it is, without a broker."""

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from tests.paper.flat import FAR
from v6.errors import StoreError
from v6.ib.queue import SEEN_EVERY, STEP, PositionQueue
from v6.model.contract import Contract

NOW = datetime(2015, 3, 2, 15, 0, tzinfo=UTC)


def options(count: int, first: int = 100) -> list[Contract]:
    return [replace(FAR, con_id=first + n) for n in range(count)]


def ids(contracts: list[Contract]) -> list[int]:
    return [contract.con_id for contract in contracts]


def after(seconds: float) -> datetime:
    return NOW + timedelta(seconds=seconds)


def test_what_was_never_seen_comes_first_and_then_what_was_not_seen_for_longest() -> None:
    queue = PositionQueue()
    queue.hold([], options(4), NOW)
    for con_id, seconds in ((102, 1), (100, 2), (103, 3)):
        queue.saw(con_id, after(seconds))
    assert ids(queue.due(after(100), 10)) == [101, 102, 100, 103]


def test_the_desks_own_positions_go_before_any_others() -> None:
    queue = PositionQueue()
    queue.hold(options(1, 500), options(3), NOW)
    queue.saw(500, after(1))
    assert ids(queue.due(after(60), 2)) == [500, 100]


def test_nothing_is_due_that_will_be_young_enough_at_the_next_step() -> None:
    queue = PositionQueue()
    queue.hold([], options(1), NOW)
    queue.saw(100, NOW)
    early, late = SEEN_EVERY - STEP - timedelta(seconds=1), SEEN_EVERY - STEP + timedelta(seconds=1)
    assert queue.due(NOW + early, 10) == []
    assert ids(queue.due(NOW + late, 10)) == [100]


def test_a_long_queue_begins_its_round_earlier_for_its_last_to_be_in_time() -> None:
    queue = PositionQueue()
    queue.hold([], options(400), NOW)
    for contract in options(400):
        queue.saw(contract.con_id, NOW)
    assert len(queue.due(after(16), 1000)) == 400


def test_one_that_gives_no_answer_does_not_hold_up_the_others() -> None:
    queue = PositionQueue()
    queue.hold([], options(3), NOW)
    queue.missed(100, after(1))
    assert ids(queue.due(after(2), 3)) == [101, 102, 100]
    assert queue.oldest(after(2)) == timedelta(seconds=2), "it is still unseen"


def test_what_is_being_asked_is_not_asked_again() -> None:
    queue = PositionQueue()
    queue.hold([], options(3), NOW)
    assert ids(queue.due(after(1), 10, without=[101])) == [100, 102]


def test_a_position_that_is_gone_leaves_the_queue_and_its_late_answer_is_nothing() -> None:
    queue = PositionQueue()
    queue.hold([], options(2), NOW)
    queue.hold([], options(1), NOW)
    queue.saw(101, after(1))
    assert (len(queue), 101 in queue) == (1, False)


def test_after_a_restart_the_round_goes_on_with_those_that_were_not_seen() -> None:
    queue = PositionQueue()
    queue.hold([], options(10), NOW)
    for con_id in range(100, 106):
        queue.saw(con_id, after(con_id - 100))
    again = PositionQueue.from_json(queue.to_json())
    again.hold([], options(10), after(8))
    assert ids(again.due(after(60), 10)) == [106, 107, 108, 109, 100, 101, 102, 103, 104, 105]
    assert again.oldest(after(8)) == timedelta(seconds=8), "from when it was seen, before the restart"


@pytest.mark.parametrize("text", ["", "[]", '{"x": 1}', '{"1": "soon"}', '{"1": 1e30}'])
def test_a_saved_queue_that_says_nothing_is_an_error(text: str) -> None:
    with pytest.raises(StoreError, match="position queue"):
        PositionQueue.from_json(text)


def test_the_longest_wait_is_kept() -> None:
    queue = PositionQueue()
    queue.hold([], options(1), NOW)
    for seconds in (7, 40, 45):
        queue.saw(100, after(seconds))
    assert queue.longest == timedelta(seconds=33)
    assert PositionQueue().oldest(NOW) is None
