"""What `v6 init` writes for git and for CI does what it says, run as git and a runner would run it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, Run
from v6.shipped import WORKFLOW, init_desk
from v6.store.diffs import recorded_diffs


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    """A shell in which `v6` is this checkout, and a commit has an author."""
    shim = tmp_path / "bin/v6"
    shim.parent.mkdir()
    shim.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m v6.cli "$@"\n')
    shim.chmod(0o755)
    kept = {k: v for k, v in os.environ.items() if not k.startswith(("GIT_", "V6_"))}
    author = {f"GIT_{who}_{what}": "t@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    return {**kept, **author, "PATH": f"{shim.parent}:{kept['PATH']}", "PYTHONPATH": str(ROOT), "COLUMNS": "200"}


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    init_desk(tmp_path / "desk")
    return tmp_path / "desk"


def sh(script: str, cwd: Path, environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    command = ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", script]
    return subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=240, check=False)


def loosen(desk: Path) -> None:
    rule = desk / "rules/trailing_stop.yaml"
    rule.write_text(rule.read_text().replace("arm: {value: 0.30", "arm: {value: 0.35"))
    for test in desk.glob("rules/*.test.yaml"):
        test.unlink()


def test_a_commit_shows_what_it_changes_on_the_record_and_is_made(
    desk: Path, environment: dict[str, str], recorded: Run
) -> None:
    first = sh("git add -A && git commit -qm one", desk, environment)
    assert first.returncode == 0, first.stderr
    assert "decision" not in first.stdout + first.stderr, "there is no record yet"
    shutil.copytree(recorded.store, desk / "var/desk")
    loosen(desk)
    second = sh("git add -A && git commit -qm two", desk, environment)
    assert second.returncode == 0, second.stdout + second.stderr
    told = second.stdout + second.stderr
    assert "trailing_stop.arm: 0.3 ratio -> 0.35 ratio" in told
    assert "may be looser: trailing_stop" in told
    assert "could not be told" not in told
    assert len(recorded_diffs(desk / "var/desk")) == 1


def test_a_commit_whose_rules_do_not_check_is_stopped(desk: Path, environment: dict[str, str]) -> None:
    (desk / "rules/take_profit.yaml").write_text("version: 1\n")
    done = sh("git add -A && git commit -qm one", desk, environment)
    assert done.returncode != 0
    assert "rules/take_profit.yaml:1:" in done.stdout + done.stderr


def workflow(desk: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((desk / WORKFLOW).read_text())
    return found


def test_the_workflow_is_one_that_github_takes(desk: Path) -> None:
    found = workflow(desk)
    # YAML 1.1 reads the key `on` as true; GitHub does not.
    assert found[True] == {"push": {"branches": ["main"]}, "pull_request": None}
    assert found["permissions"] == {"contents": "read"}
    (job,) = found["jobs"].values()
    steps = {step.get("name"): step for step in job["steps"]}
    assert (
        next(s for s in job["steps"] if s.get("uses", "").startswith("actions/checkout"))["with"]["fetch-depth"] == 0
    )
    assert steps["Diff"]["if"] == "github.event_name == 'pull_request'"
    # What a pull request may name must reach the shell as a variable, never as text of the script.
    assert all("${{" not in step["run"] for step in job["steps"] if "run" in step)


@pytest.mark.parametrize("sampled", [False, True])
def test_the_commands_of_the_workflow_run(
    desk: Path, environment: dict[str, str], recorded: Run, tmp_path: Path, sampled: bool
) -> None:
    assert sh("git add -A && git commit -qnm base", desk, environment).returncode == 0
    base = sh("git rev-parse HEAD", desk, environment).stdout.strip()
    loosen(desk)
    if sampled:
        shutil.copytree(recorded.store / "tables", desk / "sample/tables")
    summary = tmp_path / "summary.md"
    found = workflow(desk)
    runner = {**environment, **found["env"], "V6_BASE": base, "GITHUB_STEP_SUMMARY": str(summary)}
    for step in found["jobs"]["desk"]["steps"]:
        if "run" in step and step["name"] != "Install V6":
            done = sh(step["run"], desk, runner)
            assert done.returncode == 0, (step["name"], done.stdout, done.stderr)
    text = summary.read_text()
    assert text.startswith("### V6 diff: <code>")
    assert "may be looser" in text
    assert ("no record was looked at" in text) is not sampled
    assert ("snapshots, 2014-01-" in text) is sampled


def test_the_workflow_fails_where_the_diff_cannot_be_told(
    desk: Path, environment: dict[str, str], tmp_path: Path
) -> None:
    assert sh("git add -A && git commit -qnm base", desk, environment).returncode == 0
    found = workflow(desk)
    runner = {**environment, **found["env"], "V6_BASE": "0" * 40, "GITHUB_STEP_SUMMARY": str(tmp_path / "s.md")}
    (step,) = (step for step in found["jobs"]["desk"]["steps"] if step.get("name") == "Diff")
    done = sh(step["run"], desk, runner)
    assert done.returncode == 1
    assert "no folder and no git revision" in done.stderr


def test_the_workflow_says_what_it_needs_before_it_installs_anything(desk: Path, environment: dict[str, str]) -> None:
    (step,) = (step for step in workflow(desk)["jobs"]["desk"]["steps"] if step.get("name") == "Install V6")
    done = sh(step["run"], desk, {**environment, "V6_PACKAGE": ""})
    assert done.returncode == 1
    assert "::error::set the repository variable V6_PACKAGE" in done.stdout
