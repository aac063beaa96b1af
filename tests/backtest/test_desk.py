"""The desk that is tested: its rules from a folder or a revision, with one template alone."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from v6.backtest.desk import BUNDLE, trial_desk
from v6.errors import ConfigError, V6Error
from v6.rules import load_desk

TEMPLATE = ROOT / "strategies/iron_condor.yaml"


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    for words in (("init", "--quiet"), ("add", "."), ("commit", "--quiet", "--message", "First")):
        git(tmp_path, *words)
    return tmp_path


def git(folder: Path, *words: str) -> None:
    who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
    subprocess.run(["git", "-C", str(folder), *who, *words], check=True, capture_output=True)


def test_the_rules_are_those_of_the_desk_and_the_template_is_alone(tmp_path: Path) -> None:
    other = tmp_path / "narrow.yaml"
    other.write_text(TEMPLATE.read_text().replace("id: iron_condor", "id: narrow").replace("width: 50", "width: 25"))
    tested = trial_desk(ROOT, other, None)
    shipped = load_desk(ROOT)
    assert tested.desk.rules == shipped.rules
    assert tested.desk.limits == shipped.limits
    assert [s.id for s in tested.desk.strategies] == ["narrow"]
    assert tested.template.strikes.width == 25


def test_what_is_written_is_what_was_read(tmp_path: Path) -> None:
    tested = trial_desk(ROOT, TEMPLATE, None)
    tested.write(tmp_path)
    assert load_desk(tmp_path).fingerprint == tested.desk.fingerprint
    (tmp_path / BUNDLE).write_text(tested.bundle_without_templates)
    closing = load_desk(tmp_path)
    assert closing.strategies == ()
    assert closing.rules == tested.desk.rules


def test_rules_come_from_a_revision_or_a_folder(repository: Path) -> None:
    rule = repository / "rules/take_profit.yaml"
    before = trial_desk(repository, TEMPLATE, None).desk
    rule.write_text(rule.read_text().replace("target: {value: 0.50", "target: {value: 0.60"))
    edited = trial_desk(repository, TEMPLATE, None).desk
    assert edited.fingerprint != before.fingerprint
    assert trial_desk(repository, TEMPLATE, "HEAD").desk.fingerprint == before.fingerprint
    assert trial_desk(ROOT, TEMPLATE, str(repository)).desk.fingerprint == edited.fingerprint


def test_a_shadow_bundle_is_left_out(repository: Path) -> None:
    (repository / "rules/shadow.yaml").write_text("version: 1\nrules:\n  - stop_loss.yaml\n")
    tested = trial_desk(repository, TEMPLATE, None)
    assert tested.desk.shadow == ()
    assert "rules/shadow.yaml" not in tested.texts


def test_a_rule_that_is_not_there_cannot_be_chosen() -> None:
    with pytest.raises(ConfigError, match=r"nothing\.yaml"):
        trial_desk(ROOT, TEMPLATE, None).with_rules(["nothing.yaml"])


@pytest.mark.parametrize("rules", ["no-such-revision", "HEAD~99999"])
def test_an_unknown_revision_is_told(rules: str) -> None:
    with pytest.raises(V6Error, match="no folder and no git revision"):
        trial_desk(ROOT, TEMPLATE, rules)


def test_a_folder_without_rules_is_told(tmp_path: Path) -> None:
    with pytest.raises(V6Error):
        trial_desk(ROOT, TEMPLATE, str(tmp_path))
