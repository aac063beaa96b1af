"""Hot reload: the whole tree or nothing, and the last good set keeps trading.

The watcher is only a hint; content decides. A tree is taken when two readings of it are alike, no git operation is
under way, and it loads, checks, passes its examples and rule tests, and can decide on the latest snapshot.
Whatever is in the folder, `poll` returns: a desk that stops because of a file is worse than one with old rules.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import traceback
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec
import structlog

from v6.errors import ConfigError, Diagnostic, Severity, Span, V6Error
from v6.lang.desk import Desk
from v6.model.snapshot import Snapshot
from v6.rules import RuleSet, RuleState, load_texts, read_texts
from v6.rules.recorded import LAST_GOOD as LAST_GOOD
from v6.rules.tree import stamp_tree
from v6.ruletools.suite import check_tests
from v6.store.diffs import diff_is_recorded, stamp_diffs

PATIENCE: Final = 20
"""A changed folder that git keeps locked for more looks than this is reported: the lock may be a dead process's."""

MAX_TOLD: Final = 50
"""Diagnostics of one refusal that go into the journal."""

log = structlog.get_logger("v6.daemon")


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

    With a `store`, a tree that loosens the one that runs is refused until a diff of the two is on record there: nobody
    has looked at what it does, whether or not it says `apply_to_open`. Once there is one the tree is judged anew.
    """

    def __init__(self, root: Path, *, lint: bool = False, store: Path | None = None) -> None:
        self.root = root
        self.lint = lint
        self.store = store
        self._running: Desk | None = None
        self._hint: object = None
        self._pending: Mapping[str, str] | None = None
        self._seen: Mapping[str, str] | None = None
        self._refused: tuple[str, ...] = ()
        self._locked = 0

    def start(self, last_good: str | None) -> tuple[Accepted, Refusal | None]:
        """Return the tree to start with: the folder's, or the last good one with the reason why not the folder's.

        Raises ConfigError when the folder is bad and there is no last good tree.
        """
        kept = None if last_good is None else revived(last_good)
        # A restart is no way around what running on would have refused.
        self._running = None if kept is None else kept.ruleset.desk
        try:
            with _foreseen():
                self._hint = self._stamp()
                self._seen = read_texts(self.root)
                return self._accept(self._seen, None, RuleState()), None
        except ConfigError as error:
            if kept is None:
                raise
            self._seen = None
            self._refused = _told(error)
            return kept, Refusal(self._refused)

    def poll(self, latest: Snapshot | None, state: RuleState) -> Accepted | Refusal | None:
        """Return what became of a change of the folder, None while there is none or it is not yet quiet."""
        try:
            with _foreseen():
                return self._look(latest, state)
        except ConfigError as error:
            return self._refuse(error)

    def _look(self, latest: Snapshot | None, state: RuleState) -> Accepted | Refusal | None:
        hint = self._stamp()
        if hint == self._hint and self._pending is None:
            return None
        lock = _git_lock(self.root)
        if lock is not None:
            return self._wait_for(lock)
        if self._locked > PATIENCE:
            self._refused = ()  # the next lock that stays is another one
        self._locked = 0
        self._hint = hint
        texts = read_texts(self.root)
        if texts != self._pending:
            self._pending = texts
            return None
        self._pending = None
        if texts == self._seen:
            return None
        self._seen = texts
        accepted = self._accept(texts, latest, state)
        self._refused = ()
        return accepted

    def _stamp(self) -> object:
        return stamp_tree(self.root), None if self.store is None else stamp_diffs(self.store)

    def _wait_for(self, lock: Path) -> Refusal | None:
        self._locked += 1
        if self._locked <= PATIENCE:
            return None
        text = "a git operation has not ended, and the changed files are not taken while it may write"
        return self._refuse(ConfigError([_at(str(lock), "locked", text, "if no git is running, remove the file")]))

    def _accept(self, texts: Mapping[str, str], latest: Snapshot | None, state: RuleState) -> Accepted:
        """Return the tree if it may run; raises ConfigError for what is wrong with it."""
        desk = load_texts(texts)
        _refuse_errors(check_tests(texts, desk))
        if self.lint:
            _refuse_lint_errors(desk)
        ruleset = RuleSet.compile(desk)
        if latest is not None:
            ruleset.evaluate(latest, state)
        if self.store is not None and self._running is not None:
            _refuse_unseen(self._running, desk, self.root, self.store)
        self._running = desk
        return Accepted(ruleset, revision(self.root), msgspec.json.encode(dict(texts), order="sorted").decode())

    def _refuse(self, error: ConfigError) -> Refusal | None:
        # Whatever comes next is judged anew, also the running set: that it was taken ends what was told here.
        self._pending = self._seen = None
        found = _told(error)
        if found == self._refused:
            return None
        self._refused = found
        return Refusal(found)


def _at(file: str, code: str, message: str, hint: str = "") -> Diagnostic:
    return Diagnostic(Span(file, 1, 1), code, message, hint)


def revived(last_good: str) -> Accepted | None:
    """Return the last good tree, None if this version cannot use it any more."""
    try:
        kept = msgspec.json.decode(last_good, type=dict[str, str])
        return Accepted(RuleSet.compile(load_texts(kept)), "last-good", last_good)
    except (msgspec.MsgspecError, V6Error) as error:
        log.warning("last-good-rules-unusable", error=str(error))
        return None


@contextmanager
def _foreseen() -> Iterator[None]:
    """Turn what nobody foresaw into a ConfigError: an edited file must never stop the desk that is running."""
    try:
        yield
    except ConfigError:
        raise
    except Exception as error:
        log.error("rules-judged-in-vain", trace=_unicode("".join(traceback.format_exception(error))))
        raise ConfigError([_at("rules/bundle.yaml", "unusable", f"{type(error).__name__}: {error}")]) from error


def _told(error: ConfigError) -> tuple[str, ...]:
    found = error.diagnostics
    told = [*found[:MAX_TOLD]]
    if len(found) > MAX_TOLD:
        told.append(_at(found[0].span.file, "more", f"and {len(found) - MAX_TOLD} more", "v6 check tells all"))
    return tuple(_unicode(str(d)) for d in told)


def _unicode(text: str) -> str:
    """Return the text as journal and terminal take it: what quotes a broken file may hold lone surrogates."""
    return text.encode("utf-8", "backslashreplace").decode("utf-8")


def _git_folder(root: Path) -> Path | None:
    """Return the git folder of the repository that holds the root, None outside of one."""
    here = root.resolve()
    for folder in (here, *here.parents):
        git = folder / ".git"
        if git.is_file():
            # A worktree or a submodule: the file says where its own index is.
            return folder / git.read_text(errors="replace").removeprefix("gitdir:").strip()
        if git.exists():
            return git
    return None


def _git_lock(root: Path) -> Path | None:
    """Return the lock of a git operation that is under way in the repository that holds the folder.

    Raises ConfigError if that cannot be told: unknown is not false.
    """
    try:
        git = _git_folder(root)
        lock = None if git is None else git / "index.lock"
        return lock if lock is not None and lock.exists() else None
    except OSError as error:
        message = f"whether git is writing cannot be seen: {error.strerror}"
        raise ConfigError([_at(".git", "unreadable", message)]) from error


def _refuse_errors(found: list[Diagnostic]) -> None:
    errors = [d for d in found if d.severity is Severity.ERROR]
    if errors:
        raise ConfigError(errors)


def _refuse_lint_errors(desk: Desk) -> None:
    # Here, so that a daemon without it does not load the solver.
    from v6.lint import lint

    _refuse_errors(lint(desk))


def _refuse_unseen(running: Desk, desk: Desk, root: Path, store: Path) -> None:
    """Raise ConfigError for what loosens the running desk while no diff of the two is on record."""
    if running.fingerprint == desk.fingerprint or diff_is_recorded(store, running.fingerprint, desk.fingerprint):
        return
    # Here, so that a daemon whose desk is not edited does not load the solver.
    from v6.lint.loosen import loosenings

    command = f"v6 diff live {shlex.quote(str(root.resolve()))} --store {shlex.quote(str(store.resolve()))}"
    hint = f"look at what it does with: {command}; then it is taken"
    unseen = f"no diff of {running.fingerprint[:12]} and {desk.fingerprint[:12]} is on record"
    found = [(item, f"`{item.name}` is looser than what runs: {item.reason}") for item in loosenings(running, desk)]
    _refuse_errors([Diagnostic(item.span, "loosening", f"{text}; {unseen}", hint) for item, text in found])


def revision(root: Path) -> str:
    """Return the git revision of the folder, with `+` for uncommitted changes, empty outside a repository."""
    if _git_folder(root) is None:
        return ""
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
