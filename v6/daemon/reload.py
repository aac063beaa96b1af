"""Hot reload: the whole tree or nothing, and the last good set keeps trading.

The watcher is only a hint; content decides. A tree is taken when two readings of it are alike, no git operation is
under way, and it loads, checks, passes its examples and decides on the latest snapshot without failing.
"""

from __future__ import annotations

import os
import subprocess
import traceback
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

import msgspec
import structlog

from v6.errors import ConfigError, Diagnostic, Severity, Span, V6Error
from v6.lang.desk import Desk
from v6.model.snapshot import Snapshot
from v6.rules import RuleSet, RuleState, load_texts, read_texts

LAST_GOOD: Final = "last_good_desk"
"""Journal state key under which the texts of the last accepted tree are kept."""

FOLDERS: Final = ("rules", "strategies")

PATIENCE: Final = 20
"""A changed folder that git keeps locked for more looks than this is reported: the lock may be a dead process's."""

log = structlog.get_logger("v6.daemon")


_Stamp: TypeAlias = tuple[str, int, int, int, int]
"""Path, modification and change time in ns, size, inode."""


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
        self._locked = 0

    def start(self, last_good: str | None) -> tuple[Accepted, Refusal | None]:
        """Return the tree to start with: the folder's, or the last good one with the reason why not the folder's.

        Raises ConfigError when the folder is bad and there is no last good tree.
        """
        self._hint = self._stamp()
        try:
            texts = _read(self.root)
            self._seen = texts
            return self._judge(texts, None, RuleState()), None
        except ConfigError as error:
            kept = None if last_good is None else _revived(last_good)
            if kept is None:
                raise
            self._refused = tuple(map(str, error.diagnostics))
            return kept, Refusal(self._refused)

    def poll(self, latest: Snapshot | None, state: RuleState) -> Accepted | Refusal | None:
        """Return what became of a change of the folder, None while there is none or it is not yet quiet."""
        hint = self._stamp()
        if hint == self._hint and self._pending is None:
            return None
        lock = _git_lock(self.root)
        if lock is not None:
            return self._wait_for(lock)
        self._locked = 0
        self._hint = hint
        try:
            texts = _read(self.root)
        except ConfigError as error:
            # Whatever is read next was not judged since: also the running set, should it come back.
            self._seen = None
            return self._refuse(error)
        if texts != self._pending:
            self._pending = texts
            return None
        self._pending = None
        if texts == self._seen:
            return None
        self._seen = texts
        try:
            accepted = self._judge(texts, latest, state)
        except ConfigError as error:
            return self._refuse(error)
        self._refused = ()
        return accepted

    def _wait_for(self, lock: Path) -> Refusal | None:
        self._locked += 1
        if self._locked <= PATIENCE:
            return None
        text = "a git operation has not ended, and the changed files are not taken while it may write"
        return self._refuse(ConfigError([_at(str(lock), "locked", text, "if no git is running, remove the file")]))

    def _judge(self, texts: Mapping[str, str], latest: Snapshot | None, state: RuleState) -> Accepted:
        """Return the tree if it may run; raises ConfigError for whatever is wrong with it, or with us."""
        try:
            return self._accept(texts, latest, state)
        except ConfigError:
            raise
        except Exception as error:  # an edited file must never stop the desk that is running
            log.error("rules-judged-in-vain", trace="".join(traceback.format_exception(error)))
            raise ConfigError([_at("rules/bundle.yaml", "unusable", f"{type(error).__name__}: {error}")]) from error

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

    def _stamp(self) -> tuple[_Stamp, ...]:
        """Return a value that changes when a file may have: a hint, content decides."""
        return tuple(stamp for folder in FOLDERS for stamp in sorted(_stamps(self.root / folder)))


def _at(file: str, code: str, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(Span(file, 1, 1), code, message, hint)


def _revived(last_good: str) -> Accepted | None:
    """Return the last good tree, None if this version cannot use it any more."""
    try:
        kept = msgspec.json.decode(last_good, type=dict[str, str])
        return Accepted(RuleSet.compile(load_texts(kept)), "last-good", last_good)
    except (msgspec.MsgspecError, V6Error) as error:
        log.warning("last-good-rules-unusable", error=str(error))
        return None


def _read(root: Path) -> dict[str, str]:
    """Return the texts of the tree; raises ConfigError also for what reading alone would pass over."""
    strange = [found for folder in FOLDERS for found in _strange(root, root / folder)]
    if strange:
        raise ConfigError(strange)
    try:
        return read_texts(root)
    except OSError as error:
        raise ConfigError([_at("rules", "unreadable", f"the files changed while they were read: {error}")]) from error


def _strange(root: Path, folder: Path) -> Iterator[Diagnostic]:
    """Yield what must not be among rules: links out of the repository, folders and files that cannot be read."""
    name = folder.relative_to(root).as_posix()
    if folder.is_symlink():
        yield _at(
            name, "symlink", "a symbolic link leads out of the desk's repository", "put the files themselves here"
        )
        return
    try:
        with os.scandir(folder) as entries:
            for entry in sorted(entries, key=lambda item: item.name):
                yaml = entry.name.endswith(".yaml")
                if entry.is_dir(follow_symlinks=False) or (entry.is_symlink() and (yaml or entry.is_dir())):
                    yield from _strange(root, Path(entry.path))
                elif yaml and not entry.is_file():
                    yield _at(f"{name}/{entry.name}", "unreadable", "not a regular file")
    except FileNotFoundError:
        return  # what is missing in the tree is said by those who need it
    except OSError as error:
        yield _at(name, "unreadable", f"the folder cannot be read: {error.strerror}")


def _git_lock(root: Path) -> Path | None:
    """Return the lock of a git operation that is under way in the repository that holds the folder."""
    here = root.resolve()
    for folder in (here, *here.parents):
        git = folder / ".git"
        if not git.exists():
            continue
        if git.is_file():
            # A worktree or a submodule: the file says where its own index is.
            git = folder / git.read_text(errors="replace").removeprefix("gitdir:").strip()
        lock = git / "index.lock"
        return lock if lock.exists() else None
    return None


def _stamps(folder: Path) -> Iterator[_Stamp]:
    """Yield the stamps of the folder and the YAML files below; asked each cycle, so one system call each."""
    try:
        # The folder itself: a link in its place can lead to the very same files.
        yield str(folder), 0, 0, 0, os.lstat(folder).st_ino
        with os.scandir(folder) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    yield from _stamps(Path(entry.path))
                elif entry.name.endswith(".yaml"):
                    status = entry.stat()
                    # The change time too: a file that is made readable, or copied with its time, has no new mtime.
                    yield entry.path, status.st_mtime_ns, status.st_ctime_ns, status.st_size, status.st_ino
    except OSError:
        # Vanished or unreadable between two calls: a stamp of its own, so that the change is looked into.
        yield str(folder), 0, 0, 0, 0


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
    # Of the folder, whatever repository a git hook that we run under is about; and never locking the user's index.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    try:
        done = subprocess.run(
            ["git", "-C", str(root), *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=10,
            check=True,
            env=environment,
        )
    except (OSError, subprocess.SubprocessError) as error:
        raise V6Error(f"git {arguments[0]}: {error}") from error
    return done.stdout
