"""How long an edit of the shipped desk takes to become active in the daemon, through git.

`python -m benchmarks.reload [--commits N] [--json]`: a git repository with the shipped desk and its rule tests, a
daemon with a durable journal whose watcher looks as often as in `v6 run`, and commits at moments of their own. The
clock runs from before the file is written until the new limits are the running set's, so `git add` and `git commit`
are in it. No broker is connected: what a cycle in progress adds is not measured. Target: p99 <= 3 s.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import re
import shutil
import subprocess
import tempfile
import time
from contextlib import suppress
from pathlib import Path
from random import Random

import structlog

from v6.daemon.clocks import SystemClock
from v6.daemon.daemon import Daemon, Settings
from v6.model import event as e
from v6.pricing.calendar import xnys
from v6.service import RULES_POLL_S
from v6.shipped import desk_root

TIMEOUT_S = 30.0
LIMIT = re.compile(r"(?m)^max_new_orders_per_day: \d+")


def git(root: Path, *arguments: str) -> None:
    # Not of a repository in whose hook this may run, and by nobody's configuration.
    environment = {key: value for key, value in os.environ.items() if not key.startswith("GIT_")}
    environment |= {"GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    identity = ("-c", "user.name=bench", "-c", "user.email=bench@localhost")
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True, env=environment)


def repository(folder: Path) -> Path:
    for name in ("rules", "strategies", "schemas"):
        shutil.copytree(desk_root() / name, folder / name)
    git(folder, "init")
    git(folder, "add", ".")
    git(folder, "commit", "-m", "desk")
    return folder


def commit(root: Path, limit: int) -> None:
    """Change a number in rules/limits.yaml and commit it."""
    path = root / "rules/limits.yaml"
    text, count = LIMIT.subn(f"max_new_orders_per_day: {limit}", path.read_text())
    assert count == 1
    path.write_text(text)
    git(root, "add", "rules")
    git(root, "commit", "-m", f"{limit} orders a day")


async def measure(folder: Path, commits: int, seed: int) -> list[float]:
    """Return the seconds from edit to active of each commit; raises TimeoutError for one that never was."""
    random = Random(seed)
    root = repository(folder / "desk")
    daemon = Daemon(Settings(root, folder / "store", "127.0.0.1", 1), SystemClock(), xnys())
    taken: asyncio.Queue[int] = asyncio.Queue()

    def on_event(event: e.Event) -> None:
        assert not isinstance(event, e.RuleSetRefused), event
        if isinstance(event, e.RuleSetReloaded):
            # The event comes just before the swap; what runs is looked at when the loop is free again.
            asyncio.get_running_loop().call_soon(lambda: taken.put_nowait(running()))

    def running() -> int:
        return daemon.ruleset.desk.limits.max_new_orders_per_day

    daemon.books.listen(on_event)
    watch = asyncio.create_task(daemon.watch_rules(RULES_POLL_S))
    found = []
    try:
        for number in range(commits):
            limit = 20 + number % 2
            if limit == running():
                limit += 2
            await asyncio.sleep(random.uniform(0, RULES_POLL_S))
            begun = time.perf_counter()
            await asyncio.to_thread(commit, root, limit)
            while running() != limit:
                await asyncio.wait_for(taken.get(), TIMEOUT_S)
            found.append(time.perf_counter() - begun)
    finally:
        watch.cancel()
        with suppress(asyncio.CancelledError):
            await watch
        await daemon.stop()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--commits", type=int, default=120)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(30))
    xnys()
    with tempfile.TemporaryDirectory() as folder:
        times = sorted(asyncio.run(measure(Path(folder), options.commits, options.seed)))
    found = {
        "commits": len(times),
        "p50_s": round(times[len(times) // 2], 3),
        "p99_s": round(times[min(len(times) - 1, int(len(times) * 0.99))], 3),
        "max_s": round(times[-1], 3),
    }
    print(json.dumps(found, indent=2) if options.json else "\n".join(f"{k:8} {v}" for k, v in found.items()))


if __name__ == "__main__":
    main()
