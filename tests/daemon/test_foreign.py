import pytest

from v6.daemon.foreign import adopt, follow, from_json, to_json
from v6.errors import StoreError


def test_only_what_no_order_of_ours_touched_is_taken_as_foreign() -> None:
    assert adopt({1, 2}, {1: 5, 3: -2, 4: 1}) == {3: -2, 4: 1}


def test_the_owner_may_trade_in_what_is_foreign() -> None:
    assert follow({3: -2, 4: 1, 5: 7}, {1}, {3: -1, 5: 7}) == {3: -1, 5: 7}


def test_a_new_contract_is_not_foreign_because_it_is_new() -> None:
    assert follow({3: -2}, set(), {3: -2, 9: 1}) == {3: -2}


def test_a_foreign_contract_that_the_desk_came_to_trade_stays_as_it_was() -> None:
    assert follow({3: -2}, {3}, {3: -5}) == {3: -2}, "the difference is then one to halt for"


def test_foreign_positions_survive_a_restart() -> None:
    assert from_json(to_json({3: -2, 4: 1})) == {3: -2, 4: 1}
    with pytest.raises(StoreError, match="foreign"):
        from_json("[]")
