"""What `v6 check` and the reload read, and what both refuse."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

from tests.lang.desks import desk
from v6.errors import ConfigError
from v6.rules import check_desk, load_desk
from v6.rules.tree import MAX_DEPTH, read_tree, stamp_tree


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, desk())
    return tmp_path


def write(root: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)


def found(root: Path) -> list[str]:
    """Return what the check finds, after seeing that the desk does not load with it."""
    diagnostics = [str(d) for d in check_desk(root)]
    if diagnostics:
        with pytest.raises(ConfigError):
            load_desk(root)
    return diagnostics


def test_rules_strategies_and_tests_are_read_and_nothing_else(root: Path) -> None:
    write(root, {"rules/a.test.yaml": "x", "rules/extra/b.yaml": "y", "rules/notes.md": "z", "schemas/s.yaml": "s"})
    write(root, {"rules/.#a.yaml": "left by an editor", "rules/.cache/c.yaml": "hidden", "other.yaml": "o"})
    (root / "rules/.#b.yaml").symlink_to("user@host.1234")
    tree = read_tree(root)
    assert tree.texts == {**desk(), "rules/a.test.yaml": "x", "rules/extra/b.yaml": "y"}
    assert tree.diagnostics == ()


def test_a_byte_order_mark_is_no_text(root: Path) -> None:
    (root / "rules/a.yaml").write_bytes(b"\xef\xbb\xbfversion: 1\n")
    assert read_tree(root).texts["rules/a.yaml"] == "version: 1\n"


@pytest.mark.parametrize("target", ["b.yaml", "/etc/hostname", "nowhere", "a.yaml"])
def test_a_link_in_place_of_a_file_is_refused(root: Path, target: str) -> None:
    (root / "rules/b.yaml").write_text(desk()["rules/a.yaml"])
    (root / "rules/a.yaml").unlink()
    (root / "rules/a.yaml").symlink_to(target)
    assert found(root)[0].startswith("rules/a.yaml:1:1: symlink: ")


@pytest.mark.parametrize("name", ["rules", "strategies", "rules/extra", "rules/x.yaml"])
def test_a_link_to_a_folder_is_refused(root: Path, name: str) -> None:
    link = root / name
    if link.exists():
        link.rename(root / "elsewhere")
    else:
        (root / "elsewhere").mkdir()
    link.symlink_to(root / "elsewhere")
    assert [text.split(": ")[1] for text in found(root) if text.startswith(f"{name}:1:1")] == ["symlink"]


@pytest.mark.parametrize("suffix", [".yaml", ".test.yaml"])
def test_a_pipe_or_a_socket_is_refused_and_never_waited_for(root: Path, suffix: str) -> None:
    path = root / f"rules/p{suffix}"
    os.mkfifo(path)
    assert [str(d) for d in check_desk(root)] == [f"rules/p{suffix}:1:1: unreadable: not a regular file"]
    path.unlink()
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(os.path.relpath(path))
        assert [str(d) for d in check_desk(root)] == [f"rules/p{suffix}:1:1: unreadable: not a regular file"]


def test_a_file_that_becomes_a_pipe_between_two_looks_is_not_waited_for(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.lstat
    regular = look(root / "rules/a.yaml")
    (root / "rules/a.yaml").unlink()
    os.mkfifo(root / "rules/a.yaml")
    monkeypatch.setattr("v6.rules.tree.os.lstat", lambda p: regular if p.endswith("a.yaml") else look(p))
    assert [str(d) for d in read_tree(root).diagnostics] == ["rules/a.yaml:1:1: unreadable: not a regular file"]


def test_a_file_that_becomes_a_link_between_two_looks_is_not_followed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    look = os.lstat
    regular = look(root / "rules/a.yaml")
    (root / "rules/a.yaml").rename(root / "a.yaml")
    (root / "rules/a.yaml").symlink_to(root / "a.yaml")
    monkeypatch.setattr("v6.rules.tree.os.lstat", lambda p: regular if p.endswith("a.yaml") else look(p))
    assert "rules/a.yaml" not in read_tree(root).texts


def test_what_may_not_be_read_is_not_absent(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Planted, because root may read everything.
    refused = PermissionError(13, "Permission denied")
    opened, listed = os.open, os.listdir

    def fail(path: str, *rest: int) -> int:
        if path.endswith("a.yaml"):
            raise refused
        return opened(path, *rest)

    monkeypatch.setattr("v6.rules.tree.os.open", fail)
    assert found(root) == ["rules/a.yaml:1:1: unreadable: the file cannot be read: Permission denied"]
    monkeypatch.undo()

    def closed(path: str) -> list[str]:
        if path.endswith("rules"):
            raise refused
        return listed(path)

    monkeypatch.setattr("v6.rules.tree.os.listdir", closed)
    assert found(root) == ["rules:1:1: unreadable: the folder cannot be read: Permission denied"]


def test_a_file_in_place_of_a_folder_is_refused(root: Path) -> None:
    (root / "strategies/s.yaml").unlink()
    (root / "strategies").rmdir()
    (root / "strategies").write_text("x")
    assert found(root) == ["strategies:1:1: unreadable: not a folder"]


def test_folders_nested_without_end_meet_a_cap(root: Path) -> None:
    (root / "rules" / "/".join("abcdefgh")).mkdir(parents=True)
    assert found(root) == []
    (root / "rules" / "/".join("d" * 200)).mkdir(parents=True)
    (text,) = found(root)
    assert text.startswith("rules/d/d/")
    assert f"too-deep: folders are nested deeper than {MAX_DEPTH} levels" in text
    stamp_tree(root)


def test_a_tree_of_too_many_files_is_refused(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("v6.rules.tree.MAX_FILES", 6)
    assert found(root) == []
    (root / "rules/b.yaml").touch()
    assert found(root) == ["rules:1:1: too-large: a desk has at most 6 files and folders"]


def test_a_name_that_is_no_text_is_refused_and_shown(root: Path) -> None:
    (root / os.fsdecode(b"rules/\xff.yaml")).touch()
    (root / "rules/b\n.yaml").touch()
    names = [text.split(": ")[:2] for text in found(root)]
    assert names == [["rules/\\udcff.yaml:1:1", "bad-name"], ["rules/b\\n.yaml:1:1", "bad-name"]]


def test_the_stamp_changes_with_what_would_be_read(root: Path) -> None:
    before = stamp_tree(root)
    assert stamp_tree(root) == before
    (root / "rules/.#a.yaml").symlink_to("nowhere")
    (root / "rules/notes.md").touch()
    assert stamp_tree(root) == before
    (root / "elsewhere").mkdir()
    for change in (
        lambda: (root / "rules/link").symlink_to(root / "elsewhere"),
        lambda: (root / "rules/link").unlink(),
        lambda: (root / "rules/b.yaml").symlink_to("nowhere"),
        lambda: (root / "rules/c.yaml").touch(),
        lambda: (root / "rules/a.yaml").chmod(0),
        lambda: (root / "rules/a.yaml").rename(root / "rules/d.yaml"),
        lambda: (root / "strategies").rename(root / "s"),
    ):
        change()
        assert stamp_tree(root) != before
        before = stamp_tree(root)
