"""The desk that ships with V6 (rules, strategies, schemas): where it is, and how a new one is made from it."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import Final

from v6.errors import V6Error

FOLDERS: Final = ("rules", "strategies", "schemas")

_GITIGNORE: Final = """\
# what the desk writes: journal, tables, logs
var/
# secrets are in the environment, never in git
.env
"""

_README: Final = """\
# My desk

- `rules/` says when to act: one rule a file, its tests beside it; `rules/bundle.yaml` says which are active.
- `strategies/` says what to open; `rules/limits.yaml` what is never exceeded.
- `schemas/` lets an editor complete and check the files (they come with V6, don't edit them).

`v6 check` tells every mistake with its line; git runs it before each commit. Rules are read again when a file
changes, and a set with a mistake in it never becomes active.
"""

_HOOK: Final = """\
#!/bin/sh
# Written by `v6 init`: a commit whose rules do not check is stopped.
exec v6 check
"""


def desk_root() -> Path:
    """Return the folder of the shipped desk: inside the installed package, or the checkout's top.

    Raises V6Error if neither has a rules/bundle.yaml, which means a broken installation.
    """
    package = Path(__file__).resolve().parent
    for folder in (package / "_desk", package.parent):
        if (folder / "rules" / "bundle.yaml").is_file():
            return folder
    raise V6Error(f"V6's own rules are missing beside {package}; install V6 again")


def init_desk(folder: Path) -> list[Path]:
    """Write a new desk into an absent or empty folder and return the files, relative to it and sorted.

    Where git is installed the folder becomes a repository whose pre-commit hook runs `v6 check`. Raises V6Error,
    with nothing written, if the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise V6Error(f"{folder} is not an empty folder; v6 init writes only into a new one")
    source = desk_root()
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (folder / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
    (folder / "README.md").write_text(_README, encoding="utf-8")
    written = sorted(path.relative_to(folder) for path in folder.rglob("*") if path.is_file())
    _init_git(folder)
    return written


def _init_git(folder: Path) -> None:
    git = shutil.which("git")
    if git is None:
        return
    made = subprocess.run(
        [git, "init", "--quiet", "--initial-branch=main", str(folder)], capture_output=True, text=True, check=False
    )
    if made.returncode:
        raise V6Error(f"the desk is written to {folder}, but git init failed: {made.stderr.strip()}")
    hook = folder / ".git" / "hooks" / "pre-commit"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(_HOOK, encoding="utf-8")
    hook.chmod(0o755)
