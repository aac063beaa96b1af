import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run


def v6(*arguments: str, cwd: Path = ROOT) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "v6.cli", *arguments], cwd=cwd, capture_output=True, text=True, timeout=120, check=False
    )


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def test_the_shipped_desk_checks_clean() -> None:
    done = v6("check", "rules", "strategies", "--json")
    assert done.returncode == 0
    assert json.loads(done.stdout) == {"diagnostics": [], "errors": 0}


def test_a_finding_has_its_place_and_exit_code_one(desk: Path) -> None:
    rule = desk / "rules/take_profit.yaml"
    rule.write_text(rule.read_text().replace("pnl_ratio >= target", "pnl_ration >= target"))
    done = v6("check", cwd=desk)
    assert done.returncode == 1
    line = done.stdout.splitlines()[0]
    assert line.startswith("rules/take_profit.yaml:")
    assert "pnl_ration" in line
    assert "did you mean `pnl_ratio`" in line
    found = json.loads(v6("check", "--json", cwd=desk).stdout)
    assert found["diagnostics"][0]["file"] == "rules/take_profit.yaml"
    assert found["diagnostics"][0]["column"] > 1
    github = v6("check", "--format", "github", cwd=desk).stdout
    assert github.startswith("::error file=rules/take_profit.yaml,line=")


def test_a_check_runs_the_rule_tests(desk: Path) -> None:
    rule = desk / "rules/take_profit.yaml"
    rule.write_text(rule.read_text().replace("target: {value: 0.50", "target: {value: 0.63"))
    done = v6("check", cwd=desk)
    assert done.returncode == 1
    assert ": expectation: at " in done.stdout
    assert all(".test.yaml:" in line for line in done.stdout.splitlines())


def test_a_check_refuses_what_the_reload_refuses_and_waits_for_no_pipe(desk: Path) -> None:
    os.mkfifo(desk / "rules/pipe.yaml")
    (desk / "rules/take_profit.yaml").rename(desk / "elsewhere.yaml")
    (desk / "rules/take_profit.yaml").symlink_to(desk / "elsewhere.yaml")
    done = v6("check", cwd=desk)
    assert done.returncode == 1
    assert [line.split(": ")[:2] for line in done.stdout.splitlines()] == [
        ["rules/pipe.yaml:1:1", "unreadable"],
        ["rules/take_profit.yaml:1:1", "symlink"],
    ]


def test_a_check_of_one_folder_leaves_out_the_findings_of_others(desk: Path) -> None:
    rule = desk / "rules/take_profit.yaml"
    rule.write_text(rule.read_text().replace("pnl_ratio >= target", "pnl_ration >= target"))
    assert v6("check", "strategies", cwd=desk).returncode == 0
    assert v6("check", "rules", cwd=desk).returncode == 1


def test_a_path_that_is_not_there_is_a_message_and_no_traceback(desk: Path) -> None:
    done = v6("check", "no-such-folder", cwd=desk)
    assert done.returncode == 1
    assert done.stderr == "v6: no-such-folder does not exist\n"


def test_a_wrong_option_is_a_usage_error() -> None:
    assert v6("check", "--no-such-option").returncode == 2
    assert v6("demo", "--days", "0").returncode == 2


def test_a_replay_of_a_recorded_run_agrees(recorded: Run) -> None:
    done = v6("replay", "--store", str(recorded.store), "--json")
    found = json.loads(done.stdout)
    assert done.returncode == 0
    assert found["disagree"] == 0
    assert found["agree"] == found["snapshots"] > 0


def test_a_replay_of_edited_rules_fails(recorded: Run, desk: Path) -> None:
    rule = desk / "rules/take_profit.yaml"
    rule.write_text(rule.read_text().replace("target: {value: 0.50", "target: {value: 0.10"))
    done = v6("replay", "--store", str(recorded.store), "--json", cwd=desk)
    assert done.returncode == 1
    assert json.loads(done.stdout)["disagree"] > 0


def test_a_replay_without_a_record_says_what_is_missing(desk: Path) -> None:
    done = v6("replay", "--store", "nowhere", cwd=desk)
    assert done.returncode == 1
    assert done.stderr.startswith("v6: ")
    assert "Traceback" not in done.stderr


def test_a_broken_desk_stops_a_demo_with_its_diagnostics(desk: Path) -> None:
    (desk / "rules/limits.yaml").write_text("version: 1\nmax_open_positions: many\n")
    done = v6("demo", "--headless", "--days", "1", "--store", "run", cwd=desk)
    assert done.returncode == 1
    assert "rules/limits.yaml:2:" in done.stderr
    assert "Traceback" not in done.stderr


def test_status_shows_what_is_held(recorded: Run) -> None:
    found = json.loads(v6("status", "--store", str(recorded.store), "--json").stdout)
    assert len(found["positions"]) == recorded.report.positions_open_at_end  # type: ignore[attr-defined]
    assert all(len(position["contracts"]) == 4 for position in found["positions"])
    assert v6("status", "--store", str(recorded.store)).returncode == 0


def test_init_writes_a_desk_that_checks(tmp_path: Path) -> None:
    done = v6("init", str(tmp_path / "mine"), cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert v6("check", cwd=tmp_path / "mine").returncode == 0


def test_nobody_at_the_brokers_address_is_a_message(desk: Path) -> None:
    done = v6("run", "--broker", "127.0.0.1:1", "--speed", "10", "--store", "s", cwd=desk)
    assert done.returncode == 1
    assert "cannot connect to 127.0.0.1:1" in done.stderr
    assert v6("run", "--broker", "somewhere", cwd=desk).returncode == 1


def test_every_command_explains_itself() -> None:
    overview = v6("--help").stdout
    for command in ("demo", "init", "check", "replay", "paper", "run", "status"):
        assert command in overview
        assert v6(command, "--help").returncode == 0


def test_check_tells_the_inputs_that_never_changed_in_a_record(recorded: Run) -> None:
    done = v6("check", "--store", str(recorded.store), "--json")
    found = {d["file"]: d for d in json.loads(done.stdout)["diagnostics"]}
    # Only condors are opened, so what is for single options has nothing to do.
    assert {d["code"] for d in found.values()} == {"constant-input"}
    assert "`single_leg_exit` can never fire" in found["rules/single_leg_exit.yaml"]["message"]
    assert done.returncode == 1
