"""`v6 diff` and `v6 selfcheck` as a person, a hook and a program call them."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from tests.test_cli import v6
from v6.store.diffs import recorded_diffs


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    """A desk in git whose working tree takes its profits earlier than what is committed."""
    folder = tmp_path / "desk"
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    author = ("-c", "user.name=t", "-c", "user.email=t@example.org")
    for command in (("init", "-q"), ("add", "-A"), (*author, "commit", "-qm", "one")):
        subprocess.run(["git", "-C", str(folder), *command], check=True)
    rule = folder / "rules/take_profit.yaml"
    rule.write_text(rule.read_text().replace("target: {value: 0.50", "target: {value: 0.30"))
    return folder


@pytest.fixture
def store(recorded: Run, tmp_path: Path) -> Path:
    shutil.copytree(recorded.store, tmp_path / "store")
    return tmp_path / "store"


def test_an_edit_that_changes_decisions_exits_one_and_is_put_on_record(desk: Path, store: Path) -> None:
    done = v6("diff", "HEAD", ".", "--store", str(store), "--json", cwd=desk)
    assert done.returncode == 1, done.stderr
    found = json.loads(done.stdout)
    assert found["decisions_change"] is True
    assert found["record"]["changed"] > 0
    assert found["record"]["queries"] == 1
    assert {change["new"] for change in found["record"]["changes"]} >= {"take_profit: close (normal)"}
    (record,) = recorded_diffs(store)
    assert (record.old, record.new) == (found["old_fingerprint"], found["new_fingerprint"])
    assert record.changed == found["record"]["changed"]


def test_it_is_shown_as_text_markdown_and_a_page(desk: Path, store: Path) -> None:
    done = v6("diff", "HEAD", ".", "--store", str(store), "--html", "out/diff.html", cwd=desk)
    assert done.returncode == 1
    assert "take_profit.target: 0.5 ratio -> 0.3 ratio" in done.stdout
    assert "take_profit: With structure=iron_condor, pnl_ratio=0.3: old false, new true." in done.stdout
    assert (desk / "out/diff.html").read_text().startswith("<!doctype html>")
    assert v6("diff", "HEAD", ".", "--store", str(store), "--markdown", cwd=desk).stdout.startswith("### V6 diff: ")


def test_the_same_rules_exit_zero_and_what_runs_is_called_live(desk: Path, store: Path) -> None:
    done = v6("diff", "HEAD", "live", "--store", str(store), cwd=desk)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.startswith("No decision changes (proven for all rows)")


def test_rules_alone_are_compared_by_proof(desk: Path) -> None:
    done = v6("diff", "HEAD", ".", "--rules-only", "--json", cwd=desk)
    assert done.returncode == 1
    assert json.loads(done.stdout)["record"] is None
    assert v6("diff", "HEAD", "HEAD", "--rules-only", cwd=desk).returncode == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("no-such-branch", "."), "no folder and no git revision"),
        (("HEAD", ".", "--store", "nowhere"), "there is no store at nowhere"),
        (("HEAD", ".", "--from", "2030-01-01"), "has no snapshots in that range; it holds 2014-01-"),
        (("HEAD", ".", "--from", "2014-02-01", "--to", "2014-01-01"), "is after --to"),
        (("HEAD", ".", "--as-of", "2001-01-01"), "as of 2001-01-01"),
        (("HEAD", "--store", "STORE"), "Missing argument"),
    ],
)
def test_what_cannot_be_told_is_a_message_and_exit_two(
    desk: Path, store: Path, arguments: tuple[str, ...], message: str
) -> None:
    shutil.copytree(store, desk / "var/desk")
    done = v6("diff", *arguments, cwd=desk)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr


def test_without_any_store_it_says_how_to_go_on(desk: Path) -> None:
    done = v6("diff", "HEAD", ".", cwd=desk)
    assert (done.returncode, done.stdout) == (2, "")
    assert "name one with --store, or use --rules-only" in done.stderr


def test_a_broken_side_gives_its_diagnostics(desk: Path, store: Path) -> None:
    (desk / "rules/limits.yaml").write_text("version: 1\n")
    done = v6("diff", "HEAD", ".", "--store", str(store), cwd=desk)
    assert done.returncode == 2
    assert "rules/limits.yaml:1:1: " in done.stderr


def test_a_table_that_is_no_table_any_more_is_a_message(desk: Path, store: Path) -> None:
    for file in (store / "tables/snapshots").glob("**/*.parquet"):
        file.write_bytes(b"nonsense")
    for command in (("diff", "HEAD", "."), ("selfcheck",)):
        done = v6(*command, "--store", str(store), cwd=desk)
        assert done.returncode == 2, done.stdout
        assert "Traceback" not in done.stderr


def test_a_self_check_of_a_run_agrees(store: Path) -> None:
    done = v6("selfcheck", "--store", str(store), "--json")
    found = json.loads(done.stdout)
    assert (done.returncode, found["disagree"], found["unjudged"]) == (0, 0, 0)
    assert found["agree"] == found["snapshots"] > 900
    done = v6("selfcheck", "--store", str(store), "--day", "2014-01-10")
    assert done.returncode == 0
    assert "78 snapshots: 78 agree, 0 disagree" in done.stdout


def test_a_self_check_of_nothing_is_a_message(store: Path) -> None:
    assert "there is no journal" in v6("selfcheck", "--store", "nowhere").stderr
    done = v6("selfcheck", "--store", str(store), "--day", "2001-01-01")
    assert (done.returncode, done.stdout) == (2, "")
    assert "has no snapshots on 2001-01-01" in done.stderr
