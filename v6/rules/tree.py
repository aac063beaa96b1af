"""The files of a desk as the only reader of them sees them: texts, and whatever must not be among rules.

`v6 check` and the daemon's reload read through here, so that what passes the one passes the other.
"""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from v6.errors import Diagnostic, Span
from v6.lang.source import MAX_BYTES

FOLDERS: Final = ("rules", "strategies")
TEST_SUFFIX: Final = ".test.yaml"

MAX_FILES: Final = 1000
MAX_DEPTH: Final = 8
"""Folders below rules/ or strategies/; like the number of files far above what anybody writes by hand."""

Stamp: TypeAlias = tuple[str, int, int, int, int, int]
"""Path, mode, modification and change time in ns, size, inode."""


@dataclass(frozen=True, slots=True)
class Tree:
    """Texts of the YAML files by name relative to the root, rule tests among them, and why others have none."""

    texts: dict[str, str]
    diagnostics: tuple[Diagnostic, ...]

    @property
    def complete(self) -> bool:
        """Tell whether each file is known by name at least, so that one that is not there is missing indeed."""
        return all(d.span.file.endswith(".yaml") for d in self.diagnostics)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file that may be read, or the reason why something is not."""

    path: str
    name: str
    status: os.stat_result | None
    wrong: Diagnostic | None = None


def read_tree(root: Path) -> Tree:
    """Return the files under rules/ and strategies/; hidden ones, which editors and file managers leave, are not read.

    Links, pipes, devices and what cannot be read are diagnostics. Never blocks and follows no link below the root.
    """
    texts: dict[str, str] = {}
    diagnostics: list[Diagnostic] = []
    for found in _walk(root):
        text = found.wrong or _read(found)
        if isinstance(text, Diagnostic):
            diagnostics.append(text)
        elif text is not None:
            texts[found.name] = text
    return Tree(texts, tuple(diagnostics))


def read_one(root: Path, name: str) -> str | Diagnostic | None:
    """Return the text of one file below the root, why there is none, or None if there is no such file."""
    found = _look(os.path.join(root, name), name)
    return None if found is None else found.wrong or _read(found)


def stamp_tree(root: Path) -> tuple[Stamp, ...]:
    """Return a value that changes when what `read_tree` returns may have: one system call for each file."""
    return tuple(_stamp(found) for found in _walk(root))


def _stamp(found: _Found) -> Stamp:
    status = found.status
    if status is None:
        return found.path, 0, 0, 0, 0, 0
    if stat.S_ISDIR(status.st_mode):
        # Its times change with every hidden file that an editor leaves there.
        return found.path, status.st_mode, 0, 0, 0, status.st_ino
    # The change time too: a file that is made readable, or copied with its time, has no new mtime.
    return found.path, status.st_mode, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino


def _at(name: str, code: str, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(Span(name, 1, 1), code, message, hint)


def _walk(root: Path) -> Iterator[_Found]:
    """Yield folders and files in the order of names; one that must not be there has `wrong` and is not entered."""
    # A stack and not recursion: nesting is somebody else's choice.
    pending = [(os.path.join(root, folder), folder, 0) for folder in reversed(FOLDERS)]
    count = 0
    while pending:
        path, name, depth = pending.pop()
        found = _look(path, name)
        if found is None:
            continue
        count += 1
        if count > MAX_FILES:
            message = f"a desk has at most {MAX_FILES} files and folders"
            yield _Found(path, name, None, _at(FOLDERS[0], "too-large", message))
            return
        yield found
        if found.wrong is not None or found.status is None or not stat.S_ISDIR(found.status.st_mode):
            continue
        if depth > MAX_DEPTH:
            message = f"folders are nested deeper than {MAX_DEPTH} levels"
            yield _Found(path, name, None, _at(_shown(name), "too-deep", message))
            continue
        try:
            inside = sorted(os.listdir(path), reverse=True)
        except OSError as error:
            message = f"the folder cannot be read: {error.strerror}"
            yield _Found(path, name, None, _at(_shown(name), "unreadable", message))
            continue
        pending += [(os.path.join(path, n), f"{name}/{n}", depth + 1) for n in inside if not n.startswith(".")]


def _look(path: str, name: str) -> _Found | None:
    """Return what lies at the path if it matters: YAML files, folders, and links that stand for one or the other."""
    yaml = name.endswith(".yaml")
    try:
        status = os.lstat(path)
    except FileNotFoundError:
        return None  # what is missing in the tree is said by those who need it
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else str(error)
        return _Found(path, name, None, _at(_shown(name), "unreadable", f"it cannot be looked at: {reason}"))
    mode = status.st_mode
    top = name in FOLDERS
    if stat.S_ISLNK(mode) and (yaml or top or os.path.isdir(path)):
        message = "a symbolic link leads out of the desk's repository"
        return _Found(path, name, status, _at(_shown(name), "symlink", message, "put the files themselves here"))
    if stat.S_ISDIR(mode):
        # A folder named like a file is what is left when somebody mistakes the one for the other.
        wrong = _at(_shown(name), "unreadable", "a folder, not a file") if yaml else None
        return _Found(path, name, status, wrong)
    if top:
        return _Found(path, name, status, _at(name, "unreadable", "not a folder"))
    if not yaml:
        return None
    if not stat.S_ISREG(mode):
        return _Found(path, name, status, _at(_shown(name), "unreadable", "not a regular file"))
    if not name.isprintable():
        message = "the file's name holds characters that cannot be shown"
        return _Found(path, name, status, _at(_shown(name), "bad-name", message, "rename it"))
    return _Found(path, name, status)


def _shown(name: str) -> str:
    """Return the name fit to be printed and written: bytes that are no UTF-8 come as lone surrogates."""
    return name if name.isprintable() else ascii(name)[1:-1]


def _read(found: _Found) -> str | Diagnostic | None:
    """Return a file's text, why there is none, or None for a folder."""
    if found.status is not None and stat.S_ISDIR(found.status.st_mode):
        return None
    try:
        # What was a file when it was looked at may be a pipe by now, and opening one waits for its other end.
        number = os.open(found.path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            if not stat.S_ISREG(os.fstat(number).st_mode):
                return _at(found.name, "unreadable", "not a regular file")
            with open(number, "rb", closefd=False) as stream:
                content = stream.read(MAX_BYTES + 1)
        finally:
            os.close(number)
    except OSError as error:
        return _at(found.name, "unreadable", f"the file cannot be read: {error.strerror}")
    return _decoded(found.name, content)


def _decoded(name: str, content: bytes) -> str | Diagnostic:
    if len(content) > MAX_BYTES:
        return _at(name, "too-large", f"the file is larger than {MAX_BYTES // 1024} kB")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        return Diagnostic(Span(name, line, 1), "encoding", "the file is not UTF-8")
