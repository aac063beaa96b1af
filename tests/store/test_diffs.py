import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from v6.errors import StoreError
from v6.store.diffs import DiffRecord, diff_is_recorded, record_diff, recorded_diffs, stamp_diffs

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)


def record(old: str = "a", new: str = "b", usd: float | None = -12.5) -> DiffRecord:
    return DiffRecord(AT, old, new, 100, AT, AT, 3, 2, usd, False)


def test_a_diff_is_on_record_for_its_pair_in_its_direction(tmp_path: Path) -> None:
    assert not diff_is_recorded(tmp_path, "a", "b")
    record_diff(tmp_path, record())
    assert diff_is_recorded(tmp_path, "a", "b")
    assert not diff_is_recorded(tmp_path, "b", "a")
    record_diff(tmp_path, record("b", "c", None))
    assert recorded_diffs(tmp_path) == [record(), record("b", "c", None)]


def test_a_line_that_a_power_cut_tore_is_none_and_swallows_no_other(tmp_path: Path) -> None:
    record_diff(tmp_path, record("a", "b"))
    file = tmp_path / "diffs/diffs.jsonl"
    file.write_bytes(file.read_bytes() + file.read_bytes()[:40])
    record_diff(tmp_path, record("c", "d"))
    assert [(r.old, r.new) for r in recorded_diffs(tmp_path)] == [("a", "b"), ("c", "d")]


def test_the_stamp_changes_with_each_record(tmp_path: Path) -> None:
    seen = [stamp_diffs(tmp_path)]
    for _ in range(2):
        record_diff(tmp_path, record())
        seen.append(stamp_diffs(tmp_path))
    assert seen[0] is None
    assert len(set(seen)) == 3


def test_what_cannot_be_written_is_an_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "diffs").write_text("")
    with pytest.raises(StoreError, match=r"diffs\.jsonl"):
        record_diff(tmp_path, record())


def write_some(store: Path, name: str) -> None:
    for i in range(50):
        record_diff(store, record(name, str(i)))


def test_two_writers_lose_nothing(tmp_path: Path) -> None:
    context = multiprocessing.get_context("spawn")
    workers = [context.Process(target=write_some, args=(tmp_path, name)) for name in "ab"]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert len(recorded_diffs(tmp_path)) == 100
