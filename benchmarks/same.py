"""Two checkouts on one desk: the same events, and how much CPU each takes for them.

`python -m benchmarks.same OTHER [--days N] [--rounds R]` runs this checkout and OTHER by turns, so that what else the
machine does hits both. The desk is a copy outside any repository: its git revision is part of the events. Exits 1 if
the event-log hashes differ, which a change of speed alone must not make them do.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

RUN = """
import json, logging, sys, time
from pathlib import Path
import structlog
logging.disable(logging.CRITICAL)
structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
import v6
from v6.demo import Plan, run_demo
from v6.pricing.calendar import xnys
assert Path(v6.__file__).is_relative_to(sys.argv[1]), v6.__file__
xnys()
begun = time.process_time()
report = run_demo(Plan(Path(sys.argv[2]), Path(sys.argv[3]), days=int(sys.argv[4]), seed=1))
print(json.dumps([time.process_time() - begun, report.cycles, report.event_log_sha256]))
"""


def run(checkout: Path, desk: Path, store: Path, days: int) -> tuple[float, int, str]:
    """Return CPU seconds, cycles and the hash of the event log."""
    done = subprocess.run(
        [sys.executable, "-c", RUN, str(checkout), str(desk), str(store), str(days)],
        cwd=desk,
        env={**os.environ, "PYTHONPATH": str(checkout)},
        capture_output=True,
        text=True,
        check=True,
    )
    spent, cycles, digest = json.loads(done.stdout.splitlines()[-1])
    return spent, cycles, digest


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("other", type=Path)
    parser.add_argument("--days", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=2)
    options = parser.parse_args()
    ours, digests = Path(__file__).resolve().parent.parent, set()
    with tempfile.TemporaryDirectory() as folder:
        desk = Path(folder) / "desk"
        for name in ("rules", "strategies"):
            shutil.copytree(ours / name, desk / name)
        for _ in range(options.rounds):
            for name, checkout in (("other", options.other.resolve()), ("this", ours)):
                spent, cycles, digest = run(checkout, desk, Path(folder) / "store", options.days)
                digests.add(digest)
                print(f"{name:6} {1000 * spent / cycles:7.3f} ms of CPU a cycle  {digest}", flush=True)
    print("the same events" if len(digests) == 1 else "the events differ")
    return 0 if len(digests) == 1 else 1


if __name__ == "__main__":
    sys.exit(main())
