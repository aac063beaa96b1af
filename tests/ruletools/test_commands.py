"""The commands about rules as a person or a program calls them."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest
import yaml

from tests.conftest import ROOT, Run
from tests.test_cli import v6


@pytest.fixture
def desk(tmp_path: Path) -> Path:
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def edit(path: Path, before: str, after: str) -> None:
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_the_shipped_rule_tests_pass_and_cover_everything() -> None:
    done = v6("test", "--json", "--min-coverage", "100")
    found = json.loads(done.stdout)
    assert (done.returncode, found["failed"], found["coverage_percent"]) == (0, 0, 100.0)
    assert found["passed"] == len(found["tests"]) > 50
    assert all(seen["true"] and seen["false"] for seen in found["coverage"])
    assert set(found["coverage"][0]) == {"rule", "comparison", "true", "false", "unknown"}


def test_a_changed_threshold_fails_the_tests_of_its_rule(desk: Path) -> None:
    edit(desk / "rules/stop_loss.yaml", "stop: {value: 2.0", "stop: {value: 2.05")
    done = v6("test", "--junit", "out/junit.xml", cwd=desk)
    assert done.returncode == 1
    assert "rules/stop_loss.test.yaml:12:14: expectation: at 10m `fires` is false, expected true" in done.stdout
    assert "stop_loss.test.yaml" in (desk / "out/junit.xml").read_text()


def test_too_little_coverage_fails(desk: Path) -> None:
    (desk / "rules/time_exit.test.yaml").unlink()
    assert v6("test", cwd=desk).returncode == 0
    for name in ("bundle", "take_profit"):
        (desk / f"rules/{name}.test.yaml").unlink()
    done = v6("test", "--min-coverage", "100", cwd=desk)
    assert done.returncode == 1
    assert "is below 100 %" in done.stderr
    assert "never" in done.stdout


def test_some_of_the_tests_can_be_run_alone(desk: Path) -> None:
    found = json.loads(v6("test", "rules/time_exit.test.yaml", "--json", cwd=desk).stdout)
    assert {item["file"] for item in found["tests"]} == {"rules/time_exit.test.yaml"}
    assert {item["rule"] for item in found["coverage"]} == {"time_exit"}


def test_fmt_checks_writes_and_then_has_nothing_to_do(desk: Path) -> None:
    edit(desk / "rules/take_profit.yaml", "pnl_ratio >= target", "pnl_ratio>=target")
    before = (desk / "rules/take_profit.yaml").read_text()
    checked = v6("fmt", "--check", "rules/take_profit.yaml", cwd=desk)
    assert (checked.returncode, (desk / "rules/take_profit.yaml").read_text()) == (1, before)
    diff = v6("fmt", "--diff", "rules/take_profit.yaml", cwd=desk)
    assert "+when: structure != 'single' and pnl_ratio >= target\n" in diff.stdout
    fingerprint = json.loads(v6("rules", "list", "--json", cwd=desk).stdout)["fingerprint"]
    assert json.loads(v6("fmt", "--json", cwd=desk).stdout)["diagnostics"] == []
    assert v6("fmt", "--check", cwd=desk).returncode == 0
    assert json.loads(v6("rules", "list", "--json", cwd=desk).stdout)["fingerprint"] == fingerprint


def test_fmt_never_writes_into_the_shipped_desk_unasked(tmp_path: Path) -> None:
    done = v6("fmt", cwd=tmp_path)
    assert done.returncode == 1
    assert done.stderr.startswith("v6: there is no rules/bundle.yaml here")


def test_fmt_leaves_a_broken_file_alone_and_says_where(desk: Path) -> None:
    edit(desk / "rules/take_profit.yaml", "pnl_ratio >= target", "pnl_ration>=target")
    before = (desk / "rules/take_profit.yaml").read_text()
    done = v6("fmt", "rules/take_profit.yaml", cwd=desk)
    assert done.returncode == 1
    assert "did you mean `pnl_ratio`" in done.stdout
    assert (desk / "rules/take_profit.yaml").read_text() == before


def test_rules_are_listed_in_order_and_shown_in_words() -> None:
    listed = json.loads(v6("rules", "list", "--json").stdout)["rules"]
    assert [rule["id"] for rule in listed][:2] == ["catastrophe", "single_leg_exit"]
    assert [rule["priority"] for rule in listed] == sorted(rule["priority"] for rule in listed)
    assert "12 rules" in v6("rules").stdout
    shown = v6("rules", "show", "trailing_stop").stdout
    assert "close (high) once this has held for 1m:" in shown
    assert "max(pnl_ratio) >= 0.3" in shown
    assert "What is still unknown after 15m acts as if it held." in shown
    found = json.loads(v6("rules", "show", "vix_exit", "--json").stdout)
    assert found["params"]["ceiling"] == "35 points (15 to 100)"
    assert found["tracks"] == {"entry_vix": "first(vix) in points"}
    done = v6("rules", "show", "vix_exits")
    assert done.returncode == 1
    assert done.stderr.strip() == "v6: no rule `vix_exits` is active; did you mean `vix_exit`?"


def test_explain_shows_the_values_and_the_proof(recorded: Run) -> None:
    done = v6("explain", "--at", "2014-01-15T18:00", "--rule", "take_profit", "--store", str(recorded.store))
    assert done.returncode == 0, done.stderr
    assert "decided again: the same, bit for bit" in done.stdout
    assert "pnl_ratio >= target = false" in done.stdout
    assert "short of the threshold" in done.stdout
    found = json.loads(v6("explain", "--at", "2014-01-15T18:00", "--store", str(recorded.store), "--json").stdout)
    first = found["decisions"][0]
    assert (first["differences"], first["recorded"]["key"]) == ([], "")
    assert [rule["rule"] for rule in first["rules"]] == ["portfolio_limits"]


def test_explain_refuses_other_rules_until_they_are_named(recorded: Run, desk: Path) -> None:
    edit(desk / "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.11")
    call = ("explain", "--at", "2014-01-15T18:00", "--store", str(recorded.store))
    done = v6(*call, cwd=desk)
    assert done.returncode == 1
    assert "was made with the rules" in done.stderr
    assert "--rules" in done.stderr
    assert v6(*call, "--rules", str(ROOT), cwd=desk).returncode == 0
    other = v6(*call, "--rules", ".", cwd=desk)
    assert other.returncode == 1
    assert "decided by other rules" in other.stdout
    assert "bundle_fingerprint: recorded" in other.stdout


def test_explain_without_a_decision_or_a_store_is_a_message(tmp_path: Path) -> None:
    assert v6("explain").returncode == 2
    done = v6("explain", "x:p", "--store", str(tmp_path))
    assert done.returncode == 1
    assert done.stderr.startswith("v6: ")
    assert "Traceback" not in done.stderr


def test_the_pre_commit_hooks_call_commands_that_exist() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-hooks.yaml").read_text())
    assert [hook["id"] for hook in hooks] == ["v6-check", "v6-fmt", "v6-test"]
    for hook in hooks:
        program, command, *_ = hook["entry"].split()
        assert program == "v6"
        assert v6(command, "--help").returncode == 0
    looked_at = ("rules/a/b.yaml", "strategies/a.yaml", "events.yaml", "recording.yaml")
    assert all(re.search(hooks[0]["files"], name) for name in looked_at)
    assert not any(re.search(hooks[0]["files"], name) for name in ("docs/events.yaml", "other.yaml", "rules/a.md"))


def test_the_documented_rule_test_passes(desk: Path) -> None:
    page = (ROOT / "docs/commands.md").read_text()
    example = page.split("```yaml\n")[1].split("```")[0]
    (desk / "rules/trailing_stop.test.yaml").write_text(example)
    done = v6("test", "rules/trailing_stop.test.yaml", cwd=desk)
    assert done.returncode == 0, done.stdout
