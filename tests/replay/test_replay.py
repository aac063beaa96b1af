import shutil
import subprocess
from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from v6.demo import Report
from v6.errors import ConfigError, StoreError, V6Error
from v6.model import event as e
from v6.replay.replay import replay
from v6.replay.revision import load_revision
from v6.rules import load_desk
from v6.store.journal import Journal, JournalReader
from v6.store.outbox import Outbox


def edited_desk(folder: Path, before: str, after: str) -> Path:
    """Return a copy of the shipped desk whose take profit is edited."""
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name)
    rule = folder / "rules/take_profit.yaml"
    text = rule.read_text()
    assert before in text
    rule.write_text(text.replace(before, after))
    return folder


def test_every_snapshot_is_decided_as_the_daemon_decided_it(recorded: Run) -> None:
    assert isinstance(recorded.report, Report)
    result = replay(recorded.store / "tables", load_desk(ROOT).rules)
    assert result.snapshots == recorded.report.snapshots > 900
    assert (result.agree, result.disagree, result.differences) == (result.snapshots, 0, ())


def test_the_counts_are_those_of_the_run(recorded: Run) -> None:
    assert isinstance(recorded.report, Report)
    result = replay(recorded.store / "tables", load_desk(ROOT).rules)
    first = {rule: count.first for rule, count in result.rules.items() if count.first}
    assert first == recorded.report.rules_fired
    assert first, "a run in which no rule fires shows nothing"


def test_an_edited_rule_disagrees_and_says_where(recorded: Run, tmp_path: Path) -> None:
    desk = load_desk(edited_desk(tmp_path, "target: {value: 0.50", "target: {value: 0.10"))
    result = replay(recorded.store / "tables", desk.rules)
    assert result.disagree > 0
    assert result.agree + result.disagree == result.snapshots
    changed = result.differences[0]
    assert changed.recorded[0] != "take_profit"
    assert changed.replayed[0] == "take_profit"


def test_a_range_counts_only_its_own_snapshots_but_keeps_their_past(recorded: Run) -> None:
    rules = load_desk(ROOT).rules
    whole = replay(recorded.store / "tables", rules)
    middle = datetime(2014, 1, 10, tzinfo=UTC)
    early = replay(recorded.store / "tables", rules, last=middle)
    late = replay(recorded.store / "tables", rules, first=middle)
    assert early.snapshots + late.snapshots == whole.snapshots
    assert early.snapshots > 0
    assert late.disagree == 0, "folds and timers reach back before the range"


def test_what_came_in_after_a_moment_is_not_replayed(recorded: Run, tmp_path: Path) -> None:
    rules, tables = load_desk(ROOT).rules, tmp_path / "tables"
    events = [event for _, event in JournalReader(recorded.store / "journal.sqlite").events()]
    half = next(i for i, event in enumerate(events) if isinstance(event, e.SnapshotTaken) and i > len(events) // 2)
    written = []
    with Journal(tmp_path / "journal.sqlite", durable=False) as journal:
        for part in (events[:half], events[half:]):
            journal.append(*part)
            Outbox(journal, tables).flush()
            written.append(datetime.now(UTC))
    whole = replay(tables, rules)
    assert replay(tables, rules, as_of=datetime(2014, 1, 10, tzinfo=UTC)).snapshots == 0, "it was recorded later"
    early = replay(tables, rules, as_of=written[0])
    assert 0 < early.snapshots < whole.snapshots
    assert early.disagree == 0
    assert replay(tables, rules, as_of=written[1]).snapshots == whole.snapshots


def test_no_record_is_an_error_with_the_place(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="nowhere"):
        replay(tmp_path / "nowhere", load_desk(ROOT).rules)


def test_a_git_revision_of_the_desk_is_read_without_a_checkout(tmp_path: Path) -> None:
    desk = edited_desk(tmp_path, "target: {value: 0.50", "target: {value: 0.40")
    for command in (
        ("init", "-q"),
        ("add", "-A"),
        ("-c", "user.name=t", "-c", "user.email=t@example.org", "commit", "-qm", "one"),
    ):
        subprocess.run(["git", "-C", str(desk), *command], check=True)
    shutil.copy(ROOT / "rules/take_profit.yaml", desk / "rules/take_profit.yaml")
    committed, present = load_revision(desk, "HEAD"), load_revision(desk, None)
    assert present.fingerprint == load_desk(ROOT).fingerprint
    assert committed.fingerprint != present.fingerprint


def test_an_unknown_revision_is_a_clear_error(tmp_path: Path) -> None:
    subprocess.run(["git", "-C", str(tmp_path), "init", "-q"], check=True)
    with pytest.raises(V6Error, match="no folder and no git revision"):
        load_revision(tmp_path, "no-such-branch")


def test_a_bad_revision_gives_its_diagnostics(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"rules/take_profit\.yaml:\d+:\d+"):
        load_revision(ROOT, str(edited_desk(tmp_path, "target: {value: 0.50", "target: {value: [")))
