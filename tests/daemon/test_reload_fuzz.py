"""A share of `make soak-reload`: edits of every kind, and a desk that neither stops nor forgets."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.soak.edits import EDITS, Scene, write
from tests.soak.reload import Desk, soak, trees
from v6.daemon.reload import Accepted, Refusal


@pytest.mark.parametrize("seed", [1, 2])
def test_no_edit_stops_the_desk_or_makes_it_forget(tmp_path: Path, seed: int) -> None:
    tally = soak(100, seed, tmp_path)
    assert tally.notes == []
    assert (tally.crashed, tally.state_lost) == (0, 0)
    assert tally.edits == tally.accepted + tally.refused + tally.unchanged == 100
    assert tally.refused > 60
    assert tally.accepted > 0


@pytest.mark.parametrize("edit", EDITS, ids=lambda edit: edit.__name__)
def test_each_kind_of_edit_leaves_a_desk_that_takes_the_next_good_tree(tmp_path: Path, edit: object) -> None:
    watched = Desk(tmp_path, 7)
    for _ in range(3):
        watched.edit(edit, Scene(tmp_path, watched.good, watched.other, watched.random))
    assert watched.tally.notes == []
    assert watched.tally.edits == 3


def test_what_was_remembered_before_a_hundred_edits_still_decides(tmp_path: Path) -> None:
    watched = Desk(tmp_path, 3)
    for edit in EDITS[:20]:
        watched.edit(edit, Scene(tmp_path, watched.good, watched.other, watched.random))
    (peak,) = [
        value
        for slot, value in zip(watched.state.keys["p"].slots, watched.state.keys["p"].values, strict=True)
        if slot.startswith("trailing_stop/track")
    ]
    assert peak == 0.9


def test_both_trees_of_the_soak_are_good_and_differ(tmp_path: Path) -> None:
    watched = Desk(tmp_path, 1)
    good, other = trees()
    before = watched.ruleset.fingerprint
    for texts, expected in ((other, Accepted), (good, Accepted), ({**good, "rules/a.yaml": b""}, Refusal)):
        write(tmp_path, texts)
        watched._touch()
        outcome = watched.settle("test")
        assert isinstance(outcome, expected)
        if texts is other:
            assert isinstance(outcome, Accepted)
            assert outcome.ruleset.fingerprint != before
