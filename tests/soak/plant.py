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
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Final

from tests.soak.mutants import Mutant

ROOT: Final = Path(__file__).parents[2]
COMPARISONS: Final = 100_000
"""Rows after which a bug that did not show has survived: a tenth of the campaign."""

TIMEOUT_S: Final = 300


def survivors(mutants: Sequence[Mutant], seed: int = 1) -> list[str]:
    """Return the names of the bugs that the campaign does not see."""
    for mutant in mutants:
        if (ROOT / mutant.file).read_text().count(mutant.before) != 1:
            raise SystemExit(f"{mutant.name}: {mutant.before!r} is not once in {mutant.file}")
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        caught = pool.map(lambda mutant: _caught(mutant, seed), mutants)
        return [mutant.name for mutant, found in zip(mutants, caught, strict=True) if not found]


def _caught(mutant: Mutant, seed: int) -> bool:
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for name in ("v6", "tests/backends", "tests/soak"):
            shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
        path = copy / mutant.file
        path.write_text(path.read_text().replace(mutant.before, mutant.after, 1))
        done = subprocess.run(
            [sys.executable, "-m", "tests.soak.plant", str(seed), str(COMPARISONS)],
            cwd=copy,
            env={**os.environ, "PYTHONPATH": folder},
            capture_output=True,
            text=True,
            timeout=TIMEOUT_S,
            check=False,
        )
    if done.returncode:
        print(f"cannot run: {mutant.name}\n{done.stderr[-2000:]}", file=sys.stderr, flush=True)
        return False
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
