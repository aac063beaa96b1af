import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.execution.fakes import NOON
from v6.daemon.reload import Accepted, Refusal, Reloader
from v6.errors import ConfigError
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules import RuleState

SNAPSHOT = Snapshot("s", 1, NOON, (Row.of(PORTFOLIO_KEY, {"net_liq": 1.0}), Row.of("p", {"pnl_ratio": 0.6})))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, tmp_path / name)
    return tmp_path


def started(root: Path) -> tuple[Reloader, Accepted]:
    reloader = Reloader(root)
    accepted, refusal = reloader.start(None)
    assert refusal is None
    return reloader, accepted


def settle(reloader: Reloader) -> Accepted | Refusal | None:
    """Poll until a change that was seen is quiet."""
    for _ in range(4):
        outcome = reloader.poll(SNAPSHOT, RuleState())
        if outcome is not None:
            return outcome
    return None


def edit(root: Path, name: str, before: str, after: str) -> None:
    path = root / name
    text = path.read_text()
    assert before in text
    path.write_text(text.replace(before, after))


def test_nothing_changed_is_nothing(root: Path) -> None:
    reloader, _ = started(root)
    assert settle(reloader) is None


def test_a_changed_threshold_is_taken(root: Path) -> None:
    reloader, before = started(root)
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    after = settle(reloader)
    assert isinstance(after, Accepted)
    assert after.ruleset.fingerprint != before.ruleset.fingerprint
    assert settle(reloader) is None


def test_a_tree_is_taken_only_when_two_readings_are_alike(root: Path) -> None:
    reloader, _ = started(root)
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    assert reloader.poll(SNAPSHOT, RuleState()) is None
    edit(root, "rules/take_profit.yaml", "target: {value: 0.60", "target: {value: 0.70")
    assert reloader.poll(SNAPSHOT, RuleState()) is None
    assert isinstance(reloader.poll(SNAPSHOT, RuleState()), Accepted)


def test_a_comment_changes_no_meaning(root: Path) -> None:
    reloader, before = started(root)
    path = root / "rules/take_profit.yaml"
    path.write_text(path.read_text() + "# a thought\n")
    after = settle(reloader)
    assert isinstance(after, Accepted)
    assert after.ruleset.fingerprint == before.ruleset.fingerprint


def test_nothing_is_read_while_git_writes(root: Path) -> None:
    reloader, _ = started(root)
    (root / ".git").mkdir()
    lock = root / ".git/index.lock"
    lock.touch()
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    assert settle(reloader) is None
    lock.unlink()
    assert isinstance(settle(reloader), Accepted)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("rules/take_profit.yaml", b"version: 1\n  broken: ["),
        ("rules/take_profit.yaml", b""),
        ("rules/take_profit.yaml", b"\xff\xfe\x00"),
        ("rules/bundle.yaml", b"version: 1\nrules: []\nstrategies: []\n"),
        ("rules/limits.yaml", b"version: 1\n"),
        ("strategies/iron_condor.yaml", b"- 1\n"),
    ],
)
def test_a_bad_file_is_refused_once_and_its_mending_taken(root: Path, name: str, content: bytes) -> None:
    reloader, before = started(root)
    good = (root / name).read_bytes()
    (root / name).write_bytes(content)
    refusal = settle(reloader)
    assert isinstance(refusal, Refusal)
    assert all(text.startswith(("rules/", "strategies/")) for text in refusal.diagnostics)
    assert settle(reloader) is None, "the same refusal is said once"
    (root / name).write_bytes(good)
    mended = settle(reloader)
    assert mended is None or (
        isinstance(mended, Accepted) and mended.ruleset.fingerprint == before.ruleset.fingerprint
    )


def test_a_deleted_file_and_a_deleted_folder_are_refused(root: Path) -> None:
    reloader, _ = started(root)
    (root / "rules/stop_loss.yaml").unlink()
    assert isinstance(settle(reloader), Refusal)
    shutil.rmtree(root / "rules")
    refusal = settle(reloader)
    assert isinstance(refusal, Refusal)
    assert any("bundle" in text for text in refusal.diagnostics)


def test_a_restart_on_a_broken_tree_trades_the_last_good_one(root: Path) -> None:
    _, before = started(root)
    (root / "rules/take_profit.yaml").write_text("broken: [")
    accepted, refusal = Reloader(root).start(before.texts_json)
    assert accepted.ruleset.fingerprint == before.ruleset.fingerprint
    assert refusal is not None
    assert refusal.diagnostics[0].startswith("rules/take_profit.yaml:")


def test_a_broken_tree_without_a_last_good_one_does_not_start(root: Path) -> None:
    (root / "rules/take_profit.yaml").write_text("broken: [")
    with pytest.raises(ConfigError):
        Reloader(root).start(None)


def test_a_restart_on_a_broken_tree_takes_the_mended_one(root: Path) -> None:
    _, before = started(root)
    good = (root / "rules/take_profit.yaml").read_text()
    (root / "rules/take_profit.yaml").write_text("broken: [")
    reloader = Reloader(root)
    reloader.start(before.texts_json)
    (root / "rules/take_profit.yaml").write_text(good.replace("value: 0.50", "value: 0.60"))
    assert isinstance(settle(reloader), Accepted)
