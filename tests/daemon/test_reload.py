import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.conftest import ROOT
from tests.execution.fakes import NOON
from v6.daemon.reload import MAX_TOLD, PATIENCE, Accepted, Refusal, Reloader, revision
from v6.errors import ConfigError
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules import RuleSet, RuleState

SNAPSHOT = Snapshot("s", 1, NOON, (Row.of(PORTFOLIO_KEY, {"net_liq": 1.0}), Row.of("p", {"pnl_ratio": 0.6})))


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """The shipped desk without its rule tests, which would not let thresholds be changed alone."""
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=shutil.ignore_patterns("*.test.yaml"))
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


def refused(root: Path, reloader: Reloader) -> tuple[str, ...]:
    """Return the diagnostics of the refusal of what is in the folder, each with its place."""
    outcome = settle(reloader)
    assert isinstance(outcome, Refusal), outcome
    assert outcome.diagnostics
    for text in outcome.diagnostics:
        assert re.match(r"(rules|strategies)[^:]*:\d+:\d+: [\w-]+: ", text), text
    assert settle(reloader) is None
    return outcome.diagnostics


def test_a_rules_folder_that_becomes_a_link_is_refused(root: Path) -> None:
    reloader, _ = started(root)
    (root / "rules").rename(root / "elsewhere")
    (root / "rules").symlink_to(root / "elsewhere")
    assert "symlink" in refused(root, reloader)[0]
    (root / "rules").unlink()
    (root / "elsewhere").rename(root / "rules")
    assert isinstance(settle(reloader), Accepted)


@pytest.mark.parametrize("target", ["/etc/hostname", "nowhere", "."])
def test_a_file_that_becomes_a_link_is_refused(root: Path, target: str) -> None:
    reloader, _ = started(root)
    (root / "rules/take_profit.yaml").unlink()
    (root / "rules/take_profit.yaml").symlink_to(target)
    assert refused(root, reloader)[0].startswith("rules/take_profit.yaml:1:1: symlink")


def test_a_file_that_becomes_a_folder_or_a_pipe_is_refused(root: Path) -> None:
    reloader, _ = started(root)
    path = root / "rules/take_profit.yaml"
    path.unlink()
    path.mkdir()
    assert any(text.startswith("rules/take_profit.yaml:1:1") for text in refused(root, reloader))
    path.rmdir()
    os.mkfifo(path)
    assert "not a regular file" in refused(root, reloader)[0]


def test_a_folder_that_cannot_be_read_is_not_an_empty_one(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reloader, _ = started(root)
    listed = os.listdir

    def closed(path: str) -> list[str]:
        if Path(path) == root / "rules":
            raise PermissionError(13, "Permission denied")
        return listed(path)

    monkeypatch.setattr("v6.rules.tree.os.listdir", closed)
    (root / "rules/take_profit.yaml").touch()
    assert refused(root, reloader) == ("rules:1:1: unreadable: the folder cannot be read: Permission denied",)
    monkeypatch.undo()
    assert isinstance(settle(reloader), Accepted)


def test_files_that_vanish_while_they_are_read_are_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reloader, _ = started(root)

    def gone(*_: object) -> int:
        raise FileNotFoundError(2, "No such file or directory")

    monkeypatch.setattr("v6.rules.tree.os.open", gone)
    (root / "rules/take_profit.yaml").touch()
    assert "the file cannot be read: No such file" in refused(root, reloader)[0]


@pytest.mark.parametrize("where", ["v6.daemon.reload.stamp_tree", "v6.daemon.reload._git_lock"])
@pytest.mark.parametrize("error", [PermissionError(13, "Permission denied"), RecursionError("too deep")])
def test_nothing_that_a_folder_does_leaves_the_poll(
    root: Path, monkeypatch: pytest.MonkeyPatch, where: str, error: Exception
) -> None:
    reloader, _ = started(root)

    def fail(_: Path) -> object:
        raise error

    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    monkeypatch.setattr(where, fail)
    assert f"unusable: {type(error).__name__}" in refused(root, reloader)[0]
    monkeypatch.undo()
    assert isinstance(settle(reloader), Accepted)


def test_what_is_refused_can_be_written_to_the_journal(root: Path) -> None:
    reloader, _ = started(root)
    (root / "rules/take_profit.yaml").write_text('"\\ud800": 1\n')
    (root / os.fsdecode(b"rules/\xff\x07.yaml")).touch()
    for text in refused(root, reloader):
        text.encode()


def test_all_rules_deleted_is_no_desk_without_rules(root: Path) -> None:
    reloader, _ = started(root)
    for path in (root / "rules").rglob("*.yaml"):
        path.unlink()
    refused(root, reloader)
    shutil.rmtree(root / "rules")
    shutil.rmtree(root / "strategies")
    assert settle(reloader) is None, "the same is said once"


def test_a_set_that_cannot_decide_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reloader, _ = started(root)

    def fail(*_: object) -> object:
        raise ZeroDivisionError("division by zero")

    monkeypatch.setattr(RuleSet, "evaluate", fail)
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    assert refused(root, reloader) == ("rules/bundle.yaml:1:1: unusable: ZeroDivisionError: division by zero",)
    monkeypatch.undo()
    edit(root, "rules/take_profit.yaml", "target: {value: 0.60", "target: {value: 0.50")
    assert isinstance(settle(reloader), Accepted)


@pytest.mark.parametrize("kept", ["", "[]", '{"rules/bundle.yaml": 1}', '{"rules/bundle.yaml": "version: 9"}'])
def test_a_last_good_tree_that_is_none_leaves_the_folders_own_mistakes(root: Path, kept: str) -> None:
    (root / "rules/take_profit.yaml").write_text("broken: [")
    with pytest.raises(ConfigError, match=r"^rules/take_profit\.yaml"):
        Reloader(root).start(kept)


def test_the_same_refusal_is_not_repeated_after_the_start(root: Path) -> None:
    _, before = started(root)
    (root / "rules/take_profit.yaml").write_text("broken: [")
    reloader = Reloader(root)
    assert reloader.start(before.texts_json)[1] is not None
    (root / "rules/take_profit.yaml").touch()
    assert settle(reloader) is None


def test_a_restart_without_a_rules_folder_trades_the_last_good_one(root: Path) -> None:
    _, before = started(root)
    shutil.rmtree(root / "rules")
    accepted, refusal = Reloader(root).start(before.texts_json)
    assert accepted.ruleset.fingerprint == before.ruleset.fingerprint
    assert refusal is not None


def test_a_refusal_that_comes_back_is_said_again(root: Path) -> None:
    reloader, _ = started(root)
    path = root / "rules/take_profit.yaml"
    good = path.read_bytes()
    for _ in range(2):
        path.write_bytes(b"\xff")
        refused(root, reloader)
        path.write_bytes(good)
        assert isinstance(settle(reloader), Accepted), "that the running set is the folder's again is told"


def test_a_change_that_keeps_size_and_time_is_seen(root: Path) -> None:
    reloader, before = started(root)
    path = root / "rules/take_profit.yaml"
    status = path.stat()
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert path.stat().st_size == status.st_size
    after = settle(reloader)
    assert isinstance(after, Accepted)
    assert after.ruleset.fingerprint != before.ruleset.fingerprint


def test_a_half_written_tree_is_never_taken(root: Path) -> None:
    reloader, before = started(root)
    whole = (root / "rules/take_profit.yaml").read_bytes()
    taken = []
    for end in range(0, len(whole), 97):
        (root / "rules/take_profit.yaml").write_bytes(whole[:end])
        for _ in range(2):
            outcome = reloader.poll(SNAPSHOT, RuleState())
            if isinstance(outcome, Accepted):
                taken.append(end)
    assert taken == []
    (root / "rules/take_profit.yaml").write_bytes(whole)
    after = settle(reloader)
    assert isinstance(after, Accepted)
    assert after.ruleset.fingerprint == before.ruleset.fingerprint


@pytest.mark.parametrize("where", ["beside", "above", "worktree"])
def test_git_is_waited_for_wherever_its_folder_is(tmp_path: Path, where: str) -> None:
    root = tmp_path / "repository/desk"
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, root / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    git = root / ".git" if where == "beside" else root.parent / ".git"
    if where == "worktree":
        (root / ".git").write_text("gitdir: ../.git/worktrees/desk\n")
        git = root.parent / ".git/worktrees/desk"
    git.mkdir(parents=True)
    reloader, _ = started(root)
    (git / "index.lock").touch()
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    assert settle(reloader) is None
    (git / "index.lock").unlink()
    assert isinstance(settle(reloader), Accepted)


def test_a_lock_that_a_dead_git_left_is_told(root: Path) -> None:
    reloader, _ = started(root)
    (root / ".git").mkdir()
    (root / ".git/index.lock").touch()
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    told = [outcome for _ in range(3 * PATIENCE) if (outcome := reloader.poll(SNAPSHOT, RuleState())) is not None]
    (refusal,) = told
    assert isinstance(refusal, Refusal)
    assert "index.lock:1:1: locked" in refusal.diagnostics[0]
    (root / ".git/index.lock").unlink()
    assert isinstance(settle(reloader), Accepted)


def test_the_revision_is_the_desks_own_and_its_index_is_not_locked(
    root: Path, monkeypatch: pytest.MonkeyPatch, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert revision(root) == ""

    def git(*arguments: str) -> None:
        subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)

    git("init")
    git("add", ".")
    git("-c", "user.name=a", "-c", "user.email=a@b", "commit", "-m", "desk")
    clean = revision(root)
    assert re.fullmatch(r"[0-9a-f]{12}", clean)
    (root / "rules/take_profit.yaml").touch()
    index = (root / ".git/index").stat().st_mtime_ns
    monkeypatch.setenv("GIT_DIR", str(tmp_path_factory.mktemp("other")))
    assert revision(root) == clean
    assert (root / ".git/index").stat().st_mtime_ns == index
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    assert revision(root) == clean + "+"


def test_a_crowd_of_mistakes_does_not_fill_the_journal(root: Path) -> None:
    reloader, _ = started(root)
    path = root / "rules/take_profit.yaml"
    path.write_text(path.read_text() + "".join(f"exampl{i}: 1\n" for i in range(100)))
    found = refused(root, reloader)
    assert len(found) == MAX_TOLD + 1
    assert found[-1] == "rules/take_profit.yaml:1:1: more: and 50 more (v6 check tells all)"


def test_a_git_folder_that_cannot_be_looked_at_is_told(root: Path) -> None:
    reloader, _ = started(root)
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.60")
    (root / ".git").write_text("gitdir: " + "x" * 5000)
    outcome = settle(reloader)
    assert isinstance(outcome, Refusal)
    assert outcome.diagnostics[0].startswith(".git:1:1: unreadable: whether git is writing cannot be seen: ")
    (root / ".git").unlink()
    assert isinstance(settle(reloader), Accepted)


def started_with_tests(root: Path) -> tuple[Reloader, Accepted]:
    shutil.copytree(ROOT / "rules", root / "rules", dirs_exist_ok=True)
    return started(root)


def test_a_tree_whose_rule_tests_fail_is_refused_with_the_place_of_each_expectation(root: Path) -> None:
    reloader, before = started_with_tests(root)
    edit(root, "rules/take_profit.yaml", "target: {value: 0.50", "target: {value: 0.63")
    found = refused(root, reloader)
    assert all(re.match(r"rules/(take_profit|bundle)\.test\.yaml:\d+:\d+: expectation: at ", text) for text in found)
    accepted, refusal = Reloader(root).start(before.texts_json)
    assert accepted.ruleset.fingerprint == before.ruleset.fingerprint
    assert refusal is not None
    edit(root, "rules/take_profit.yaml", "target: {value: 0.63", "target: {value: 0.50")
    assert isinstance(settle(reloader), Accepted)


def test_a_rule_test_that_cannot_be_read_is_refused(root: Path) -> None:
    reloader, _ = started_with_tests(root)
    (root / "rules/take_profit.test.yaml").write_text("tests: [")
    assert refused(root, reloader)[0].startswith("rules/take_profit.test.yaml:1:")


def test_a_changed_rule_test_changes_no_meaning_but_is_kept(root: Path) -> None:
    reloader, before = started_with_tests(root)
    path = root / "rules/take_profit.test.yaml"
    path.write_text(path.read_text() + "# a thought\n")
    after = settle(reloader)
    assert isinstance(after, Accepted)
    assert after.ruleset.fingerprint == before.ruleset.fingerprint
    assert "# a thought" in after.texts_json
    assert "# a thought" not in before.texts_json
