"""What the worst texts that somebody can write cost before they are refused.

`python -m benchmarks.hostile [--json]`: the corpus of tests/lang/hostile.py, each text as a file of a small desk, and
rule tests as they are read by a reload. Target: within 50 ms and 64 MB each. Time is the best of three in this one
process, so that what other programs do is not counted; memory is the peak of what Python allocated, by tracemalloc.
"""

from __future__ import annotations

import argparse
import json
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

from tests.lang.desks import RULE, desk, swapped
from tests.lang.hostile import crowds, expressions, rule_tests, yamls
from v6.errors import ConfigError
from v6.lang import hints
from v6.rules import load_texts
from v6.ruletools.suite import check_tests

REPEATS = 3
LIMIT_MS = 50.0
LIMIT_MB = 64.0

Case = tuple[str, Callable[[], object]]


def refuse(files: dict[str, str]) -> None:
    with suppress(ConfigError):
        load_texts(files)


def cases() -> Iterator[Case]:
    """Yield the texts as work to do, named by what they are and begin with."""
    for text in expressions():
        quoted = "'" + text.replace("'", "''") + "'"
        files = desk(swapped(RULE, {"when: pnl_ratio >= target": "when: " + quoted}))
        yield "expression " + ascii(text)[:60], partial(refuse, files)
    for number, text in enumerate((*yamls(RULE), *crowds(RULE))):
        yield f"file {number} " + ascii(text)[:60], partial(refuse, desk(text))
    good = load_texts(desk())
    for number, text in enumerate(rule_tests()):
        yield f"rule test {number} " + ascii(text)[:60], partial(check_tests, {"rules/a.test.yaml": text}, good)


def cost_ms(act: Callable[[], object]) -> float:
    """Return the best of some runs in milliseconds."""
    best = float("inf")
    for _ in range(REPEATS):
        # What was found for the run before is not there for the first.
        hints._hint.cache_clear()
        hints._letters.cache_clear()
        begun = time.perf_counter()
        act()
        best = min(best, time.perf_counter() - begun)
    return best * 1000


def peak_mb(act: Callable[[], object]) -> float:
    """Return the most memory that was in use at once, in MB."""
    tracemalloc.start()
    try:
        act()
        return tracemalloc.get_traced_memory()[1] / 2**20
    finally:
        tracemalloc.stop()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    refuse(desk())  # imports and schemas are loaded once
    corpus = list(cases())
    times = sorted((cost_ms(act), name) for name, act in corpus)
    memory, largest = max((peak_mb(act), name) for name, act in corpus)
    slowest, worst = times[-1]
    found = {
        "count": len(corpus),
        "max_ms": round(slowest, 2),
        "p99_ms": round(times[int(len(times) * 0.99)][0], 2),
        "worst": worst,
        "max_mb": round(memory, 2),
        "largest": largest,
        "within": slowest <= LIMIT_MS and memory <= LIMIT_MB,
    }
    print(json.dumps(found, indent=2) if options.json else "\n".join(f"{k:8} {v}" for k, v in found.items()))


if __name__ == "__main__":
    main()
