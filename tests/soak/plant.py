"""Plant a bug in a copy of the tree and see whether the campaign notices.

`python -m tests.soak.plant SEED COMPARISONS` is what runs in the copy: a campaign that ends at the first difference
and prints what it compared and what differed. A crash is not a difference: a bug that cannot run proves nothing.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.soak.mutants import Mutant

ROOT: Final = Path(__file__).parents[2]
COMPARISONS: Final = 100_000
"""Rows after which a bug that did not show has survived: a tenth of the campaign."""

TIMEOUT_S: Final = 300


def run_with(mutant: Mutant, command: Sequence[str], folders: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Run a module, named with its arguments, in a copy of these folders with the bug in it."""
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in folders:
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / mutant.file
        text = path.read_text()
        if text.count(mutant.before) != 1:
            raise SystemExit(f"{mutant.name}: {mutant.before!r} is not once in {mutant.file}")
        path.write_text(text.replace(mutant.before, mutant.after))
        return subprocess.run(
            [sys.executable, "-m", *command],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )


def survivors(mutants: Sequence[Mutant], caught: Callable[[Mutant], bool] | None = None) -> list[str]:
    """Return the names of the bugs that are not caught, by the campaign unless told otherwise."""
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        found = pool.map(caught or _caught, mutants)
        return [mutant.name for mutant, seen in zip(mutants, found, strict=True) if not seen]


def cannot_run(mutant: Mutant, done: subprocess.CompletedProcess[str]) -> bool:
    """Say on stderr that a bug proves nothing, and return False."""
    print(f"cannot run: {mutant.name}\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
    return False


def _caught(mutant: Mutant, seed: int = 1) -> bool:
    began = time.monotonic()
    command = ["tests.soak.plant", str(seed), str(COMPARISONS)]
    done = run_with(mutant, command, ("v6", "tests/backends", "tests/soak"))
    if done.returncode:
        return cannot_run(mutant, done)
    found, took = json.loads(done.stdout), time.monotonic() - began
    word = "caught" if found["different"] else "survived"
    print(f"{word} after {found['compared']} rows, {took:.1f} s: {mutant.name}", file=sys.stderr, flush=True)
    return bool(found["different"])


def main() -> None:
    from tests.soak.lang import campaign

    seed, comparisons = map(int, sys.argv[1:])
    tally = campaign(comparisons, seed, stop=True)
    print(json.dumps({"compared": tally.compared, "different": tally.different}))


if __name__ == "__main__":
    main()
