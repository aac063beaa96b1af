"""A small share of the soak in every test run: `make soak-store` plants a thousand."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.soak import store as soak_store
from tests.store.samples import AT
from v6.model.event import FindingRaised
from v6.store import commits, maintenance
from v6.store.journal import Journal
from v6.store.maintenance import audit
from v6.store.outbox import Outbox

CASES = 12


def test_planted_damage_ends_in_the_journal_s_rows(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(soak_store, "SHAPES", {"young": 3, "compacted": 29})
    outcome = soak_store.soak(CASES, seed=20260101, folder=tmp_path)
    assert outcome.failures == []
    assert outcome.cases == CASES
    assert outcome.mended


def mutant(monkeypatch: pytest.MonkeyPatch, folder: Path, damage: str) -> list[str]:
    """Return how the soak fails when it plants only this damage, in a store that a compaction has gone over."""
    monkeypatch.setattr(soak_store, "DAMAGES", {damage: soak_store.DAMAGES[damage]})
    monkeypatch.setattr(soak_store, "SHAPES", {"compacted": 29})
    monkeypatch.setattr(soak_store, "VICTIMS", ("findings",))
    return soak_store.soak(6, seed=3, folder=folder).failures


def test_the_soak_fails_where_a_commit_that_is_json_passes_for_whole(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commits, "_complete", lambda actions: True)
    failures = mutant(monkeypatch, tmp_path, "newest commit cut between lines")
    assert any("rows, the journal says" in failure or "was not copied" in failure for failure in failures)


@pytest.mark.parametrize("damage", ["parquet zeros", "parquet missing"])
def test_the_soak_fails_where_files_are_not_looked_into(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damage: str
) -> None:
    monkeypatch.setattr(maintenance, "_problem_of_files", lambda files, thorough: None)
    assert mutant(monkeypatch, tmp_path, damage)


def build(folder: Path, commits_made: int) -> Path:
    with Journal(folder / "journal.sqlite", durable=False) as journal:
        outbox = Outbox(journal, folder / "tables")
        for number in range(commits_made):
            journal.append(FindingRaised(AT, str(number), ""))
            outbox.flush()
    return folder / "tables" / "findings"


@pytest.mark.parametrize("version", [0, 25, 26, 27])
def test_a_commit_is_whole_only_with_all_its_lines(tmp_path: Path, version: int) -> None:
    commit = build(tmp_path, 27) / "_delta_log" / f"{version:020}.json"
    lines = commit.read_text().splitlines()
    assert commits.whole(commit)
    for kept in range(len(lines)):
        commit.write_text("\n".join(lines[:kept]))
        assert not commits.whole(commit), lines[:kept]
    commit.write_text("\n".join(lines))
    assert commits.whole(commit)


@pytest.mark.parametrize("change", [lambda a: a["commitInfo"].pop("operation"), lambda a: a.update(commitInfo=1)])
def test_a_commit_that_does_not_say_what_it_did_is_not_whole(
    tmp_path: Path, change: Callable[[dict[str, object]], object]
) -> None:
    commit = build(tmp_path, 1) / "_delta_log" / f"{1:020}.json"
    first, *rest = commit.read_text().splitlines()
    action = json.loads(first)
    change(action)
    commit.write_text("\n".join([json.dumps(action), *rest]))
    assert not commits.whole(commit)
    assert audit(tmp_path / "tables") == ["findings: commit 1 was torn, set aside"]
