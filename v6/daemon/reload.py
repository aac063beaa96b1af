"""Hot reload: the whole tree or nothing, and the last good set keeps trading.

The watcher is only a hint; content decides. A tree is taken when two readings of it are alike, no git operation is
under way, and it loads, checks, passes its examples and decides on the latest snapshot without failing.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from v6.errors import ConfigError, Severity, V6Error
from v6.lang.desk import Desk
from v6.model.snapshot import Snapshot
from v6.rules import RuleSet, RuleState, load_texts, read_texts

LAST_GOOD: Final = "last_good_desk"
"""Journal state key under which the texts of the last accepted tree are kept."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """A tree that may replace the running one; `texts_json` goes into the journal with the swap."""

    ruleset: RuleSet
    revision: str
    texts_json: str


@dataclass(frozen=True, slots=True)
class Refusal:
    """Why a tree was not taken; each text starts with `file:line:col`."""

    diagnostics: tuple[str, ...]


class Reloader:
    """Watch one desk folder; `poll` is cheap while nothing changes.

    With `lint`, errors of the lint refuse a tree too. It holds the caller up for some tenths of a second, so it is off
    unless asked for; `v6 check` in the desk's pre-commit hook has run it by then.
    """

    def __init__(self, root: Path, *, lint: bool = False) -> None:
        self.root = root
        self.lint = lint
        self._hint: object = None
        self._pending: Mapping[str, str] | None = None
        self._seen: Mapping[str, str] | None = None
        self._refused: tuple[str, ...] = ()

    def start(self, last_good: str | None) -> tuple[Accepted, Refusal | None]:
        """Return the tree to start with: the folder's, or the last good one with the reason why not the folder's.

        Raises ConfigError when the folder is bad and there is no last good tree.
        """
        self._hint = self._stamp()
        try:
            texts = read_texts(self.root)
            self._seen = texts
            return self._accept(texts, None, RuleState()), None
        except ConfigError as error:
            if last_good is None:
                raise
            kept: dict[str, str] = msgspec.json.decode(last_good, type=dict[str, str])
            accepted = Accepted(RuleSet.compile(load_texts(kept)), "last-good", last_good)
            return accepted, Refusal(tuple(map(str, error.diagnostics)))

    def poll(self, latest: Snapshot | None, state: RuleState) -> Accepted | Refusal | None:
        """Return what became of a change of the folder, None while there is none or it is not yet quiet."""
        hint = self._stamp()
        if hint == self._hint and self._pending is None:
            return None
        if (self.root / ".git" / "index.lock").exists():
            return None
        self._hint = hint
        try:
            texts = read_texts(self.root)
        except ConfigError as error:
            return self._refuse(error)
        if texts != self._pending:
            self._pending = texts
            return None
        self._pending = None
        if texts == self._seen:
            return None
        self._seen = texts
        try:
            accepted = self._accept(texts, latest, state)
        except ConfigError as error:
            return self._refuse(error)
        self._refused = ()
        return accepted

    def _accept(self, texts: Mapping[str, str], latest: Snapshot | None, state: RuleState) -> Accepted:
        desk = load_texts(texts)
        if self.lint:
            _refuse_lint_errors(desk)
        ruleset = RuleSet.compile(desk)
        if latest is not None:
            ruleset.evaluate(latest, state)
        return Accepted(ruleset, revision(self.root), msgspec.json.encode(dict(texts), order="sorted").decode())

    def _refuse(self, error: ConfigError) -> Refusal | None:
        self._pending = None
        found = tuple(map(str, error.diagnostics))
        if found == self._refused:
            return None
        self._refused = found
        return Refusal(found)

    def _stamp(self) -> tuple[tuple[str, int, int, int], ...]:
        """Return a value that changes when a file may have: a hint, content decides."""
        return tuple(stamp for folder in ("rules", "strategies") for stamp in sorted(_stamps(self.root / folder)))


def _stamps(folder: Path) -> Iterator[tuple[str, int, int, int]]:
    """Yield (path, mtime, size, inode) of the YAML files below; asked each cycle, so one system call a file."""
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _stamps(Path(entry.path))
                elif entry.name.endswith(".yaml"):
                    status = entry.stat()
                    yield entry.path, status.st_mtime_ns, status.st_size, status.st_ino
    except OSError:
        # Vanished or unreadable between two calls: a stamp of its own, so that the change is looked into.
        yield str(folder), 0, 0, 0


def _refuse_lint_errors(desk: Desk) -> None:
    # Here, so that a daemon without it does not load the solver.
    from v6.lint import lint

    errors = [d for d in lint(desk) if d.severity is Severity.ERROR]
    if errors:
        raise ConfigError(errors)


def revision(root: Path) -> str:
    """Return the git revision of the folder, with `+` for uncommitted changes, empty outside a repository."""
    try:
        head = _git(root, "rev-parse", "--short=12", "HEAD")
        changed = _git(root, "status", "--porcelain", "--", "rules", "strategies")
    except V6Error:
        return ""
    return head.strip() + ("+" if changed.strip() else "")


def _git(root: Path, *arguments: str) -> str:
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments], capture_output=True, text=True, timeout=10, check=True
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise V6Error(f"git {arguments[0]}: {error}") from error
    return done.stdout
