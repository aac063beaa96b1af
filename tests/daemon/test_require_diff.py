"""An edit that loosens what protects the desk waits until somebody has looked at what it does on the record."""

import json
import re
import shlex
import shutil
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.conftest import ROOT
from tests.daemon import test_daemon as stage
from tests.daemon.test_reload import SNAPSHOT, edit, settle
from v6.cli import app
from v6.daemon.daemon import Daemon
from v6.daemon.reload import LAST_GOOD, Accepted, Refusal, Reloader
from v6.daemon.settings import Settings
from v6.model import event as e
from v6.rules import RuleState
from v6.store.diffs import recorded_diffs
from v6.store.journal import Journal


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The shipped desk without its rule tests, which would not let thresholds be changed alone."""
    desk = tmp_path / "a desk"
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, desk / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    return desk


@pytest.fixture
def store(tmp_path: Path) -> Path:
    return tmp_path / "the store"


def running(root: Path, store: Path) -> tuple[Reloader, Accepted]:
    """Return the reloader of a daemon whose first set is in force and in its journal."""
    reloader = Reloader(root, store=store)
    accepted, refusal = reloader.start(None)
    assert refusal is None
    with Journal(store / "journal.sqlite", durable=False) as journal:
        journal.append(state={LAST_GOOD: accepted.texts_json})
    return reloader, accepted


def loosen(root: Path) -> None:
    edit(root, "rules/trailing_stop.yaml", "for: 1m", "for: 5m")


def command_in(refusal: Refusal) -> list[str]:
    found = re.search(r"with: v6 (diff .*); then it is taken", refusal.diagnostics[0])
    assert found is not None, refusal
    return shlex.split(found[1])


def test_a_loosening_is_refused_with_the_command_and_taken_by_itself_once_that_was_run(
    root: Path, store: Path
) -> None:
    reloader, before = running(root, store)
    loosen(root)
    refusal = settle(reloader)
    assert isinstance(refusal, Refusal)
    (told,) = refusal.diagnostics
    assert re.match(r"rules/trailing_stop\.yaml:\d+:\d+: loosening: `trailing_stop` is looser than what runs", told)
    assert settle(reloader) is None, "it is said once"
    done = CliRunner().invoke(app, command_in(refusal))
    assert done.exit_code in (0, 1), done.output
    accepted = settle(reloader)
    assert isinstance(accepted, Accepted)
    assert accepted.ruleset.fingerprint != before.ruleset.fingerprint
    assert settle(reloader) is None


def test_a_tightening_and_another_spelling_need_none(root: Path, store: Path) -> None:
    reloader, _ = running(root, store)
    edit(root, "rules/trailing_stop.yaml", "for: 1m", "for: 30s")
    assert isinstance(settle(reloader), Accepted)
    path = root / "rules/take_profit.yaml"
    text = path.read_text()
    path.write_text(
        text.replace("structure != 'single' and pnl_ratio >= target", "pnl_ratio >= target and structure != 'single'")
    )
    assert isinstance(settle(reloader), Accepted)


def test_a_diff_of_other_rules_is_none_for_these(root: Path, store: Path) -> None:
    reloader, _ = running(root, store)
    loosen(root)
    refusal = settle(reloader)
    assert isinstance(refusal, Refusal)
    CliRunner().invoke(app, command_in(refusal))
    edit(root, "rules/trailing_stop.yaml", "for: 5m", "for: 10m")
    assert isinstance(settle(reloader), Refusal)
    edit(root, "rules/trailing_stop.yaml", "for: 10m", "for: 5m")
    assert isinstance(settle(reloader), Accepted)


def test_the_limits_and_what_applies_to_open_positions_are_asked_for_too(root: Path, store: Path) -> None:
    reloader, _ = running(root, store)
    edit(root, "rules/limits.yaml", "max_open_positions: ", "max_open_positions: 1")
    refusal = settle(reloader)
    assert isinstance(refusal, Refusal)
    assert refusal.diagnostics[0].startswith("rules/limits.yaml:1:1: loosening: `limits`")
    edit(root, "rules/limits.yaml", "max_open_positions: 1", "max_open_positions: ")
    settle(reloader)
    loosen(root)
    edit(root, "rules/trailing_stop.yaml", "on_missing:", "apply_to_open: true\non_missing:")
    assert isinstance(settle(reloader), Refusal)


def test_a_restart_is_no_way_around_it(root: Path, store: Path) -> None:
    _, before = running(root, store)
    loosen(root)
    reloader = Reloader(root, store=store)
    accepted, refusal = reloader.start(before.texts_json)
    assert accepted.ruleset.fingerprint == before.ruleset.fingerprint
    assert refusal is not None
    assert settle(reloader) is None
    CliRunner().invoke(app, command_in(refusal))
    assert isinstance(settle(reloader), Accepted)


def test_without_a_store_nothing_is_asked_for(root: Path) -> None:
    reloader = Reloader(root)
    reloader.start(None)
    loosen(root)
    assert isinstance(reloader.poll(SNAPSHOT, RuleState()) or settle(reloader), Accepted)


def test_the_record_says_that_it_looked_at_nothing_where_nothing_was_recorded(root: Path, store: Path) -> None:
    running(root, store)
    loosen(root)
    done = CliRunner().invoke(app, ["diff", "live", str(root), "--store", str(store), "--json"])
    found = json.loads(done.stdout)
    assert done.exit_code == 0
    assert found["record"]["snapshots"] == 0
    (record,) = recorded_diffs(store)
    assert (record.snapshots, record.changed, record.usd, record.proven) == (0, 0, None, False)
    assert (record.old, record.new) == (found["old_fingerprint"], found["new_fingerprint"])


def test_a_whole_daemon_goes_on_with_its_rules_until_the_diff_was_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def asking(*arguments: object, **more: object) -> Settings:
        return replace(Settings(*arguments, **more), require_diff=True, flush_every=1)  # type: ignore[arg-type]

    monkeypatch.setattr(stage, "Settings", asking)
    cycles, marks, done = 0, list[str](), []

    def hook(scene: stage.Scene, daemon: Daemon, _: datetime) -> None:
        nonlocal cycles
        cycles += 1
        if cycles == 10:
            for test in scene.settings.root.glob("rules/**/*.test.yaml"):
                test.unlink()
            loosen(scene.settings.root)
        if cycles in (15, 25):
            marks.append(daemon.ruleset.fingerprint)
        if cycles == 15:
            (refused,) = (event for event in scene.seen if isinstance(event, e.RuleSetRefused))
            # The journal is this daemon's, and is read beside it.
            done.append(CliRunner().invoke(app, command_in(Refusal(refused.diagnostics))))
        if cycles == 25:
            daemon.request_stop()

    scene = stage.play(tmp_path, hook)
    assert done[0].exit_code in (0, 1), done[0].output
    assert "15 snapshots" in done[0].output
    reloads = [event for event in scene.seen if isinstance(event, e.RuleSetReloaded)]
    assert len(set(marks)) == 2
    assert reloads[-1].fingerprint == marks[1]
