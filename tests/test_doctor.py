from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.store.samples import AT, snapshot
from v6 import doctor
from v6.cli import app
from v6.doctor import check_clock, check_desk_files, check_packages
from v6.shipped import desk_root, init_desk
from v6.store import health
from v6.store.health import JOURNAL, Level
from v6.store.journal import Journal
from v6.store.outbox import Outbox
from v6.store.space import keep_reserve


@pytest.fixture(autouse=True)
def _small_reserve(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "keep_reserve", lambda path: keep_reserve(path, 2**20))
    monkeypatch.setattr(doctor, "clock_synchronised", lambda: True)


@pytest.fixture
def store(tmp_path: Path) -> Path:
    store = tmp_path / "store"
    with Journal(store / JOURNAL, durable=False) as journal:
        journal.append(snapshot(1), snapshot(2))
        Outbox(journal, store / "tables").flush()
    keep_reserve(store / JOURNAL, 2**20)
    return store


def run(*arguments: str | Path) -> tuple[int, str]:
    result = CliRunner().invoke(app, ["doctor", "--desk", str(desk_root()), *map(str, arguments)])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout


def test_a_sound_desk_exits_0_and_says_what_was_looked_at(store: Path) -> None:
    code, text = run("--store", store, "--deep", "--json")
    found = json.loads(text)
    assert (code, found["errors"]) == (0, 0)
    areas = [check["area"] for check in found["checks"]]
    assert list(dict.fromkeys(a.split()[0] for a in areas)) == [
        "journal",
        "table",
        "history",
        "disk",
        "clock",
        "packages",
        "desk",
    ]
    assert (found["repaired"], found["backup"]) == ([], None)
    code, text = run("--store", store)
    assert code == 0
    assert "table snapshots" in text


def test_damage_exits_1_and_a_repair_mends_it(store: Path) -> None:
    shutil.rmtree(store / "tables" / "snapshots" / "_delta_log")
    (store / "tables" / "snapshots" / "_delta_log").mkdir()
    assert run("--store", store)[0] == 1
    code, text = run("--store", store, "--repair", "--json")
    assert code == 0
    assert len(json.loads(text)["repaired"]) == 2
    assert run("--store", store, "--deep")[0] == 0


def test_a_backup_is_made_and_told_of(store: Path, tmp_path: Path) -> None:
    code, text = run("--store", store, "--backup", tmp_path / "b.sqlite", "--json")
    assert code == 0
    assert json.loads(text)["backup"] == {"file": str(tmp_path / "b.sqlite"), "last_seq": 2}
    assert (tmp_path / "b.sqlite").is_file()


def test_an_unknown_option_exits_2() -> None:
    assert run("--rapair")[0] == 2


def test_a_clock_behind_the_newest_event_is_an_error(store: Path) -> None:
    [late] = check_clock(store, AT - timedelta(days=1), lambda: True)
    assert late.level is Level.ERROR
    assert "newest event" in late.text
    assert [c.level for c in check_clock(store, AT + timedelta(days=1), lambda: True)] == [Level.OK]


@pytest.mark.parametrize(
    ("answer", "level", "says"),
    [
        (True, Level.OK, "follows a time server"),
        (None, Level.OK, "is not known"),
        (False, Level.WARNING, "does not follow a time server"),
    ],
)
def test_whether_the_clock_is_kept_is_told(tmp_path: Path, answer: bool | None, level: Level, says: str) -> None:
    [check] = check_clock(tmp_path, datetime.now(UTC), lambda: answer)
    assert check.level is level
    assert says in check.text


@pytest.mark.parametrize(
    ("version", "level"),
    [
        ("1.6.0", Level.OK),
        ("1.9.9rc1", Level.OK),
        ("1.5.9", Level.WARNING),
        ("2.0", Level.WARNING),
        (None, Level.ERROR),
    ],
)
def test_packages_are_held_to_their_ranges(version: str | None, level: Level) -> None:
    requires = ["deltalake<2,>=1.6", 'arch<9,>=8 ; extra == "history"']
    checks = check_packages(requires, lambda name: version)
    assert [check.level for check in checks] == [level]


def test_a_desk_that_would_not_start_is_an_error_and_one_git_does_not_know_a_warning(tmp_path: Path) -> None:
    init_desk(tmp_path / "desk")
    assert [c.level for c in check_desk_files(tmp_path / "desk")] == [Level.OK, Level.WARNING]
    rule = tmp_path / "desk" / "rules" / "time_exit.yaml"
    rule.write_text(rule.read_text().replace("when:", "wenn:"))
    [broken] = check_desk_files(tmp_path / "desk")
    assert broken.level is Level.ERROR
    assert "time_exit.yaml:" in broken.text
