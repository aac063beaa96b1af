"""The check of the day's decisions at the close, and a whole daemon whose rules are edited in between."""

from __future__ import annotations

import asyncio
import threading
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.daemon import test_daemon as stage
from v6.daemon.daemon import Daemon
from v6.daemon.daycheck import DayCheck
from v6.daemon.settings import Settings
from v6.errors import StoreError
from v6.model import event as e
from v6.replay.selfcheck import daily, selfcheck

DAY = date(2024, 3, 4)


class Books:
    """What a check told, and how its tasks ended."""

    def __init__(self) -> None:
        self.told: list[tuple[str, str]] = []
        self.ended: list[BaseException | None] = []

    def find(self, code: str, text: str) -> None:
        self.told.append((code, text))

    def on_end(self, task: asyncio.Task[None]) -> None:
        self.ended.append(task.exception())


def told(check: object) -> Books:
    async def main() -> Books:
        books = Books()
        days = DayCheck(Path("store"), check, books.find, books.on_end)  # type: ignore[arg-type]
        days.start(DAY)
        await days.wait()
        await asyncio.sleep(0)
        return books

    return asyncio.run(main())


def test_what_a_check_finds_is_put_on_record() -> None:
    asked = []

    def check(store: Path, day: date) -> tuple[str, ...]:
        asked.append((store, day, threading.current_thread() is threading.main_thread()))
        return ("one", "two")

    assert told(check).told == [("self-check", "one"), ("self-check", "two")]
    assert asked == [(Path("store"), DAY, False)], "off the loop"


def test_a_check_that_cannot_be_done_is_a_finding_and_no_silence() -> None:
    def check(_: Path, __: date) -> tuple[str, ...]:
        raise StoreError("a table is missing")

    ((code, text),) = told(check).told
    assert (code, text) == ("self-check-failed", f"the decisions of {DAY} could not be made again: a table is missing")


def test_a_mistake_of_the_check_is_handed_on() -> None:
    def check(_: Path, __: date) -> tuple[str, ...]:
        raise KeyError("ours")

    assert [type(error) for error in told(check).ended] == [KeyError]


def test_without_a_check_nothing_is_done() -> None:
    books = told(None)
    assert (books.told, books.ended) == ([], [])


SLOW = """\
version: 1
id: slow
priority: 5
scope: position
title: Tell of a position that has been there for a while
params: {days_left: {value: 2, unit: days, min: 1, max: 90}}
track: {best: max(pnl_ratio)}
when: dte > days_left and best < 5
for: 40m
then: {action: alert}
alert: {severity: info, text: "best {best:.2f}"}
examples:
  - {given: {dte: 60, best: 0.1, pnl_ratio: 0.1}, fires: true}
  - {given: {dte: 1, best: 0.1, pnl_ratio: 0.1}, fires: false}
"""


def test_a_daemon_whose_rules_are_edited_under_open_positions_agrees_with_its_log(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = stage.desk

    def slow(folder: Path) -> Path:
        root = shipped(folder)
        for test in root.glob("rules/**/*.test.yaml"):
            test.unlink()
        (root / "rules/slow.yaml").write_text(SLOW)
        bundle = root / "rules/bundle.yaml"
        bundle.write_text(bundle.read_text().replace("rules:\n", "rules:\n  - slow.yaml\n", 1))
        return root

    def checked(*arguments: object, **more: object) -> Settings:
        return replace(Settings(*arguments, **more), self_check=daily)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "desk", slow)
    monkeypatch.setattr(stage, "Settings", checked)
    cycles = 0
    edits = {
        90: ("rules/slow.yaml", "for: 40m", "for: 2h"),
        100: ("rules/trailing_stop.yaml", "for: 1m", "for: 20m"),
        110: ("rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.30"),
        170: ("rules/slow.yaml", "best < 5", "best < 4"),
        200: ("rules/slow.yaml", "for: 2h", "for: 10m"),
        240: ("rules/trailing_stop.yaml", "for: 20m", "for: 5m"),
    }

    def hook(scene: stage.Scene, _: Daemon, __: datetime) -> None:
        nonlocal cycles
        cycles += 1
        if cycles in edits:
            name, before, after = edits[cycles]
            path = scene.settings.root / name
            assert before in path.read_text()
            path.write_text(path.read_text().replace(before, after))

    scene = stage.play(tmp_path, hook)
    reloads = [event for event in scene.seen if isinstance(event, e.RuleSetReloaded)]
    assert len(reloads) == len(edits), [x for x in scene.seen if isinstance(x, e.RuleSetRefused)]
    assert any(isinstance(event, e.RulesPinned) for event in scene.seen), "a loosening was kept from an open position"
    assert any(isinstance(event, e.AlertRaised) and event.rule_id == "slow" for event in scene.seen)
    assert not [event for event in scene.seen if isinstance(event, e.FindingRaised)], (
        "each day was checked at its close"
    )
    assert (scene.settings.store / "selfcheck/state.json").exists()
    found = selfcheck(scene.settings.store)
    assert (found.agree, found.disagree, found.unjudged) == (found.snapshots, 0, 0)
    assert found.snapshots > 300
    assert len(found.sets) > len(edits)
