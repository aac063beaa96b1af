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

`v6 diff HEAD .` tells what an edit would have changed on the record, and what that is worth. A running desk takes an
edit that loosens only when `v6 diff live .` has looked at it. `.github/workflows/v6.yml` shows the diff of each pull
request; it needs the repository variable `V6_PACKAGE`, and a recorded store in `sample/` to judge on.
"""

_HOOK: Final = """\
#!/bin/sh
# Written by `v6 init`: a commit whose rules do not check is stopped; what it changes on the record is shown.
v6 check || exit 1
store="${V6_STORE:-var/desk}"
if [ -f "$store/journal.sqlite" ] && git rev-parse --quiet --verify HEAD >/dev/null; then
    v6 diff HEAD . --store "$store"
    [ $? -le 1 ] || echo "what this commit changes on the record could not be told" >&2
fi
exit 0
"""

WORKFLOW: Final = Path(".github") / "workflows" / "v6.yml"

_WORKFLOW: Final = """\
# Written by `v6 init`: checks the desk, and shows in the job's summary what a pull request changes.
name: v6
on:
  push:
    branches: [main]
  pull_request:
permissions:
  contents: read
env:
  # A recorded store that edits are judged on, such as `v6 demo --headless --store sample` leaves; its folder tables/
  # is enough. Without one only the meanings are compared.
  V6_STORE: sample
jobs:
  desk:
    runs-on: ubuntu-latest
    steps:
      - uses: actions/checkout@v4
        with:
          fetch-depth: 0
      - uses: actions/setup-python@v5
        with:
          python-version: "3.12"
      - name: Install V6
        env:
          V6_PACKAGE: ${{ vars.V6_PACKAGE }}
        run: |
          if [ -z "$V6_PACKAGE" ]; then
            echo "::error::set the repository variable V6_PACKAGE to where pip gets V6: a git+https URL or a wheel"
            exit 1
          fi
          pip install "$V6_PACKAGE"
      - name: Check
        run: v6 check --format github
      - name: Test
        run: v6 test
      - name: Diff
        if: github.event_name == 'pull_request'
        env:
          V6_BASE: ${{ github.event.pull_request.base.sha }}
        run: |
          if [ -d "$V6_STORE/tables" ]; then set -- --store "$V6_STORE"; else set -- --rules-only; fi
          code=0
          v6 diff "$V6_BASE" . --markdown "$@" >> "$GITHUB_STEP_SUMMARY" || code=$?
          # 1 says that decisions change, which is for people to judge; 2 that it could not be told.
          [ "$code" -le 1 ]
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

    Where git is installed the folder becomes a repository whose pre-commit hook runs `v6 check` and shows the diff.
    Raises V6Error, with nothing written, if the folder is not empty.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise V6Error(f"{folder} is not an empty folder; v6 init writes only into a new one")
    source = desk_root()
    folder.mkdir(parents=True, exist_ok=True)
    for name in FOLDERS:
        shutil.copytree(source / name, folder / name, ignore=shutil.ignore_patterns("__pycache__", ".*"))
    (folder / ".gitignore").write_text(_GITIGNORE, encoding="utf-8")
    (folder / "README.md").write_text(_README, encoding="utf-8")
    (folder / WORKFLOW).parent.mkdir(parents=True)
    (folder / WORKFLOW).write_text(_WORKFLOW, encoding="utf-8")
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
