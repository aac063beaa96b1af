"""A whole backtest: segments in processes of their own, each finished one kept, and their days chained."""

from __future__ import annotations

import gc
import json
import multiprocessing as mp
import shutil
import signal
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from multiprocessing.connection import Connection, wait
from multiprocessing.context import SpawnProcess
from pathlib import Path
from typing import Any, Final

from v6.backtest.desk import TrialDesk
from v6.backtest.history import Loaded
from v6.backtest.record import SegmentResult, from_json, to_json
from v6.backtest.segment import Conditions, Places, Segment, run_segment
from v6.backtest.split import split
from v6.console import start_logging
from v6.errors import StoreError, V6Error
from v6.paper.market import DailyHistory

FORMAT: Final = 1
"""Of the stored segments; a change of what they hold makes older ones unusable."""

WORK: Final = "work"

GC_THRESHOLDS: Final = (100_000, 20, 50)


@dataclass(frozen=True, slots=True)
class Backtest:
    """What is run: a desk with one template, on a history, over the days of the segments."""

    desk: TrialDesk
    loaded: Loaded
    segments: tuple[Segment, ...]
    conditions: Conditions
    store: Path

    @property
    def fingerprint(self) -> str:
        """Return the identity of the inputs, the days left out: what a stored segment must have been made from."""
        c = self.conditions
        inputs = {
            "format": FORMAT,
            "desk": self.desk.desk.fingerprint,
            "history": self.loaded.digest,
            "seed": c.seed,
            "cycle_s": c.cycle_s,
            "cash": c.cash,
            "costs": c.costs,
        }
        return sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()

    @property
    def folder(self) -> Path:
        """Return where finished segments of these inputs are kept."""
        return self.store / self.fingerprint[:16]


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a backtest is: own sessions done of all, and how many of them were there already."""

    done: int
    total: int
    kept: int


def plan_backtest(
    desk: TrialDesk, loaded: Loaded, days: Sequence[Any], conditions: Conditions, store: Path, segments: int
) -> Backtest:
    """Return the backtest over these days, cut into at most so many segments."""
    return Backtest(desk, loaded, split(days, segments), conditions, store)


def run_backtest(
    test: Backtest, jobs: int, on_progress: Callable[[Progress], None] | None = None
) -> tuple[SegmentResult, ...]:
    """Run what is not stored yet in up to `jobs` processes and return all segments in order.

    A finished segment is stored at once, so that a run that was stopped goes on behind it. Raises V6Error with the
    text of the first segment that failed; the others are stopped.
    """
    return run_backtests([test], jobs, on_progress)[0]


def run_backtests(
    tests: Sequence[Backtest], jobs: int, on_progress: Callable[[Progress], None] | None = None
) -> list[tuple[SegmentResult, ...]]:
    """Run several backtests as one: their segments share the processes."""
    pieces = [(test, segment) for test in tests for segment in test.segments]
    missing = [piece for piece in pieces if stored(*piece) is None]
    done = {_path(*piece): 0 if piece in missing else len(piece[1].days) for piece in pieces}
    total, before = sum(len(segment.days) for _, segment in pieces), sum(done.values())

    def tell(test: Backtest, segment: Segment, count: int) -> None:
        done[_path(test, segment)] = count
        if on_progress is not None:
            on_progress(Progress(sum(done.values()), total, before))

    _Crew(jobs, tell).work(missing)
    return [tuple(_finished(test, segment) for segment in test.segments) for test in tests]


def _finished(test: Backtest, segment: Segment) -> SegmentResult:
    result = stored(test, segment)
    if result is None:
        raise V6Error(f"the segment {segment.name} ended without a result in {test.folder}")
    return result


def stored(test: Backtest, segment: Segment) -> SegmentResult | None:
    """Return the stored result of a segment, None if there is none; raises StoreError for one that is damaged."""
    path = _path(test, segment)
    try:
        return from_json(path.read_bytes()) if path.exists() else None
    except StoreError as error:
        raise StoreError(f"{path}: {error}; --fresh runs it again") from error


def forget(test: Backtest) -> None:
    """Remove the stored results of the backtest's segments, so that they are run again."""
    for segment in test.segments:
        _path(test, segment).unlink(missing_ok=True)


def _path(test: Backtest, segment: Segment) -> Path:
    return test.folder / f"{segment.name}.json"


# -- processes


@dataclass(frozen=True, slots=True)
class _Task:
    """All that a process needs; frozen values and paths, so that they can be sent to it."""

    segment: Segment
    conditions: Conditions
    history: DailyHistory
    places: Places
    longest: int
    result: Path


class _Crew:
    """At most `jobs` processes at a time; none outlives `work`."""

    def __init__(self, jobs: int, tell: Callable[[Backtest, Segment, int], None]) -> None:
        self._jobs = jobs
        self._tell = tell
        self._running: dict[Connection, tuple[SpawnProcess, Backtest, Segment]] = {}

    def work(self, pieces: Sequence[tuple[Backtest, Segment]]) -> None:
        waiting = list(pieces)
        try:
            while waiting or self._running:
                while waiting and len(self._running) < self._jobs:
                    self._start(*waiting.pop(0))
                for connection in wait(list(self._running)):
                    assert isinstance(connection, Connection)
                    self._hear(connection)
        finally:
            for process, _, _ in self._running.values():
                process.terminate()
                process.join()
            self._running.clear()

    def _start(self, test: Backtest, segment: Segment) -> None:
        context = mp.get_context("spawn")
        near, far = context.Pipe(duplex=False)
        process = context.Process(target=_work, args=(_task(test, segment), far), daemon=True)
        process.start()
        far.close()
        self._running[near] = (process, test, segment)

    def _hear(self, connection: Connection) -> None:
        process, test, segment = self._running[connection]
        try:
            said = connection.recv()
        except EOFError:
            del self._running[connection]
            process.join()
            if process.exitcode:
                raise V6Error(f"the segment {segment.name} ended with exit code {process.exitcode}") from None
            shutil.rmtree(test.folder / WORK / segment.name, ignore_errors=True)
            self._tell(test, segment, len(segment.days))
            return
        if isinstance(said, str):
            raise V6Error(f"segment {segment.name}: {said}")
        self._tell(test, segment, said)


def _task(test: Backtest, segment: Segment) -> _Task:
    work = test.folder / WORK / segment.name
    shutil.rmtree(work, ignore_errors=True)
    test.desk.write(work / "desk")
    places = Places(work / "desk", work / "store", test.desk.bundle_without_templates)
    longest = test.desk.template.expiry.dte_max
    return _Task(segment, test.conditions, test.loaded.history, places, longest, _path(test, segment))


def _work(task: _Task, connection: Connection) -> None:
    """Run one segment in a process of its own: send the days done, then nothing, or a text if it failed."""
    # Ctrl-C reaches the whole group; the parent alone answers it, by ending its processes.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    start_logging(False)
    # A sixth of the time went into looking for cycles among objects that live as long as the process.
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)
    try:
        result = run_segment(task.segment, task.conditions, task.history, task.places, task.longest, connection.send)
        # Whole or not at all: a file that is there is a finished segment.
        part = task.result.with_suffix(".part")
        part.write_bytes(to_json(result))
        part.replace(task.result)
    except V6Error as error:
        connection.send(str(error))
    finally:
        connection.close()
