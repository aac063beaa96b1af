"""Load a desk from a folder or from a git revision of one."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from v6.errors import V6Error
from v6.lang.desk import Desk
from v6.rules import load_desk, load_texts, read_texts


def load_revision(root: Path, rules: str | None) -> Desk:
    """Return the desk: of the folder `rules`, of the git revision `rules` of root, or of root itself.

    Raises ConfigError for a bad desk and V6Error for a name that is neither folder nor revision.
    """
    if rules is None:
        return load_desk(root)
    if Path(rules).is_dir():
        return load_desk(Path(rules))
    return load_texts(_texts_of_git(root, rules))


def revision_texts(root: Path, rules: str | None) -> dict[str, str]:
    """Return the texts of the same desk by name, as `load_revision` would read them; raises the same."""
    if rules is None or Path(rules).is_dir():
        return read_texts(root if rules is None else Path(rules))
    return _texts_of_git(root, rules)


def _texts_of_git(root: Path, rules: str) -> dict[str, str]:
    listing = _git(root, "ls-tree", "-r", "-z", "--name-only", f"{rules}^{{commit}}", "--", "rules", "strategies")
    names = [name for name in listing.split("\0") if name.endswith(".yaml")]
    if not names:
        raise V6Error(f"revision {rules} has no rules/ in {root}")
    return {name: _git(root, "show", f"{rules}:./{name}") for name in names}


def _git(root: Path, *arguments: str) -> str:
    # Of this folder, whatever repository a git hook that we run under is about.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
    except (OSError, UnicodeDecodeError) as error:
        raise V6Error(f"git {arguments[0]} in {root}: {error}") from error
    if done.returncode:
        reason = (done.stderr.strip().splitlines() or ["git failed"])[-1]
        raise V6Error(f"no folder and no git revision of {root}: {reason}")
    return done.stdout
