"""Planted damage: a store is built, broken as power cuts and bad disks break it, and must mend itself to the journal.

`python -m tests.soak.store [--cases N] [--kills N] [--seed S] [--json]`. Each case copies a store of one of four
shapes (fresh log, checkpointed, compacted, trimmed), plants one to three kinds of damage in its tables, then does what
the daemon does at start: audit, flush. Afterwards every table must equal the journal row by row, the audit must find
nothing more, a second flush must add nothing, and the journal must verify. Then a writer that does its upkeep at every
turn is killed again and again in the middle of it, with the same questions asked afterwards.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from random import Random

from tests.store.samples import AT, decisions, one_of_each, snapshot
from v6.errors import V6Error
from v6.model.event import FindingRaised
from v6.store.compare import difference
from v6.store.delta import open_table, parquet_files
from v6.store.journal import Journal, JournalReader
from v6.store.maintenance import audit
from v6.store.outbox import Outbox
from v6.store.tables import TABLES
from v6.store.upkeep import trim_log

ROOT = Path(__file__).parents[2]
SHAPES = {"young": 5, "checkpointed": 18, "compacted": 37, "trimmed": 64}
VICTIMS = ("snapshots", "decisions", "findings", "orders", "rulesets")

Damage = Callable[[Path, Random], bool]


@dataclass
class Outcome:
    cases: int = 0
    planted: Counter[str] = field(default_factory=Counter)
    mended: Counter[str] = field(default_factory=Counter)
    failures: list[str] = field(default_factory=list)


def build(folder: Path, cycles: int, trim: bool) -> None:
    """Write a store with a journal and tables of so many cycles."""
    with Journal(folder / "journal.sqlite", durable=False) as journal:
        outbox = Outbox(journal, folder / "tables")
        journal.append(*one_of_each())
        outbox.flush()
        for cycle in range(2, cycles + 2):
            journal.append(snapshot(cycle), decisions(cycle), FindingRaised(AT, f"c{cycle}", "seen"))
            outbox.flush()
        if trim:
            for name in ("snapshots", "decisions", "findings"):
                assert trim_log(open_table(folder / "tables" / name), kept=20) > 0


# -- damage; each returns whether there was something to damage ------------------------------------------------------


def _commits(table: Path) -> list[Path]:
    return sorted((table / "_delta_log").glob("[0-9]*.json"))


def _cut(file: Path, random: Random) -> None:
    content = file.read_bytes()
    file.write_bytes(content[: random.randrange(len(content))] if content else b"")


def _zeros(file: Path, random: Random) -> None:
    content = bytearray(file.read_bytes())
    begin = random.randrange(max(1, len(content)))
    end = min(len(content), begin + random.choice([16, 512, 4096]))
    content[begin:end] = bytes(end - begin)
    file.write_bytes(content)


def newest_commits_cut(table: Path, random: Random) -> bool:
    for commit in _commits(table)[-random.randint(1, 3) :]:
        _cut(commit, random)
    return True


def newest_commits_empty(table: Path, random: Random) -> bool:
    for commit in _commits(table)[-random.randint(1, 3) :]:
        commit.write_bytes(b"")
    return True


def newest_commit_cut_between_lines(table: Path, random: Random) -> bool:
    listed = _commits(table)
    if not listed:
        return False
    commit = listed[-1]
    lines = commit.read_text(errors="replace").splitlines()
    if lines:  # else another damage came first
        commit.write_text("\n".join(lines[: random.randrange(len(lines))]))
    return bool(lines)


def newest_commit_zeros(table: Path, random: Random) -> bool:
    for commit in _commits(table)[-1:]:
        commit.write_bytes(bytes(commit.stat().st_size))
    return True


def commit_missing(table: Path, random: Random) -> bool:
    inner = _commits(table)[:-1]
    if inner:
        random.choice(inner).unlink()
    return bool(inner)


def newest_commits_missing(table: Path, random: Random) -> bool:
    for commit in _commits(table)[-random.randint(1, 3) :]:
        commit.unlink()
    return True


def commit_cut(table: Path, random: Random) -> bool:
    listed = _commits(table)
    if listed:
        _cut(random.choice(listed), random)
    return bool(listed)


def _live(table: Path) -> list[Path]:
    try:
        return [file for file in map(Path, parquet_files(open_table(table))) if file.is_file()]
    except V6Error:
        return []  # another damage came first


def _of_live(change: Callable[[Path, Random], None]) -> Damage:
    def damage(table: Path, random: Random) -> bool:
        files = _live(table)
        if files:
            change(random.choice(files), random)
        return bool(files)

    return damage


def _empty(file: Path, random: Random) -> None:
    file.write_bytes(b"")


def _unlink(file: Path, random: Random) -> None:
    file.unlink()


def _of_checkpoint(change: Callable[[Path, Random], None]) -> Damage:
    def damage(table: Path, random: Random) -> bool:
        files = sorted((table / "_delta_log").glob("*.checkpoint.parquet"))
        if files:
            change(random.choice(files), random)
        return bool(files)

    return damage


def pointer_cut(table: Path, random: Random) -> bool:
    pointer = table / "_delta_log" / "_last_checkpoint"
    if pointer.is_file():
        _cut(pointer, random)
    return pointer.is_file()


def log_missing(table: Path, random: Random) -> bool:
    shutil.rmtree(table / "_delta_log")
    return True


def everything_empty(table: Path, random: Random) -> bool:
    for file in table.rglob("*"):
        if file.is_file():
            file.write_bytes(b"")
    return True


DAMAGES: dict[str, Damage] = {
    "newest commits cut": newest_commits_cut,
    "newest commits empty": newest_commits_empty,
    "newest commit cut between lines": newest_commit_cut_between_lines,
    "newest commit zeros": newest_commit_zeros,
    "newest commits missing": newest_commits_missing,
    "commit missing": commit_missing,
    "commit cut": commit_cut,
    "parquet cut": _of_live(_cut),
    "parquet empty": _of_live(_empty),
    "parquet missing": _of_live(_unlink),
    "parquet zeros": _of_live(_zeros),
    "checkpoint cut": _of_checkpoint(_cut),
    "checkpoint empty": _of_checkpoint(_empty),
    "checkpoint missing": _of_checkpoint(_unlink),
    "checkpoint zeros": _of_checkpoint(_zeros),
    "pointer cut": pointer_cut,
    "log missing": log_missing,
    "everything empty": everything_empty,
}


def one_case(store: Path, random: Random, outcome: Outcome, label: str) -> None:
    """Damage a store in place, start it as the daemon does, and write down what is then wrong."""
    root = store / "tables"
    planted = []
    for _ in range(random.choice([1, 1, 1, 2, 3])):
        name, victim = random.choice(list(DAMAGES)), random.choice(VICTIMS)
        if (root / victim / "_delta_log").is_dir() and DAMAGES[name](root / victim, random):
            planted.append(f"{name} of {victim}")
            outcome.planted[name] += 1
    outcome.cases += 1
    failure = _start(store, outcome)
    if failure:
        outcome.failures.append(f"{label}: {', '.join(planted)}: {failure}")


def _start(store: Path, outcome: Outcome) -> str | None:
    root = store / "tables"
    with Journal(store / "journal.sqlite", durable=False) as journal:
        journal.append(FindingRaised(AT, "restarted", ""), snapshot(1000), decisions(1000))
        try:
            for line in audit(root):
                outcome.mended[line.split(": ", 1)[0]] += 1
            Outbox(journal, root).flush()
            for name in TABLES:
                found = difference(journal, root, name)
                if found:
                    return f"{name}: {found}"
            again = audit(root)
            if again:
                return f"the audit was not done: {again[0]}"
            if Outbox(journal, root).flush():
                return "a second flush added rows"
            journal.verify()
        except Exception as error:  # noqa: BLE001 - whatever it is, the case failed with it
            return f"{type(error).__name__}: {error}"
    return None


def soak(cases: int, seed: int, folder: Path) -> Outcome:
    """Run cases over all shapes in turn; the same seed plants the same damage."""
    outcome = Outcome()
    for shape, cycles in SHAPES.items():
        (folder / shape).mkdir()
        build(folder / shape, cycles, shape == "trimmed")
    for number in range(cases):
        shape = list(SHAPES)[number % len(SHAPES)]
        store = folder / "case"
        shutil.copytree(folder / shape, store)
        one_case(store, Random(f"{seed} {number}"), outcome, f"seed {seed} case {number} ({shape})")
        shutil.rmtree(store)
    return outcome


# Upkeep at every turn, so that most kills fall into a compaction, a checkpoint or the trimming of the log.
WRITER = """
import sys
from pathlib import Path
from tests.store.samples import AT, decisions, snapshot
from v6.model.event import FindingRaised
from v6.store import upkeep
from v6.store.journal import Journal, JournalReader
from v6.store.maintenance import audit
from v6.store.outbox import Outbox
upkeep.COMPACT_EVERY, upkeep.CHECKPOINT_STRIDE = 4, 20
upkeep.trim_log.__defaults__ = (12,)
folder = Path(sys.argv[1])
with Journal(folder / "journal.sqlite") as journal:
    audit(folder / "tables")
    outbox = Outbox(journal, folder / "tables")
    outbox.flush()
    print("ready", flush=True)
    while True:
        cycle = journal.last_seq + 1
        journal.append(snapshot(cycle), decisions(cycle), FindingRaised(AT, str(cycle), ""))
        print(journal.last_seq, flush=True)
        outbox.flush()
"""


def kills(count: int, seed: int, folder: Path) -> Outcome:
    """Kill the writer of one store so often, at moments of their own, and hold what it left to the journal."""
    outcome = Outcome()
    store = folder / "killed"
    for number in range(count):
        random = Random(f"{seed} {number}")
        writer = subprocess.Popen(
            [sys.executable, "-c", WRITER, str(store)], stdout=subprocess.PIPE, text=True, cwd=ROOT
        )
        assert writer.stdout is not None
        lines = [writer.stdout.readline() for _ in range(1 + random.randint(1, 12))]
        time.sleep(random.uniform(0, 0.12))
        writer.kill()
        lines += writer.stdout.read().splitlines()
        writer.wait()
        writer.stdout.close()
        outcome.cases += 1
        failure = _start(store, outcome)
        with JournalReader(store / "journal.sqlite")._reading() as db:
            last = db.execute("SELECT max(seq) FROM log").fetchone()[0]
        acked = max(int(line) for line in lines if line.strip().isdigit())
        if failure is None and last < acked:
            failure = f"the journal ends at {last}, {acked} was acknowledged"
        if failure:
            outcome.failures.append(f"kill {number}: {failure}")
            shutil.rmtree(store)
    return outcome


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--kills", type=int, default=100, help="how often a writer is killed in the middle of it")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="v6-soak-") as folder:
        outcome = soak(options.cases, options.seed, Path(folder))
        killed = kills(options.kills, options.seed, Path(folder))
    failures = outcome.failures + killed.failures
    found = {
        "cases": outcome.cases,
        "planted": dict(outcome.planted),
        "mended": dict(outcome.mended),
        "kills": killed.cases,
        "mended_after_kills": dict(killed.mended),
        "failed": len(failures),
        "failures": failures[:20],
        "seconds": round(time.monotonic() - begun),
    }
    print(json.dumps(found, indent=2) if options.json else "\n".join(f"{k:9} {v}" for k, v in found.items()))
    sys.exit(bool(failures))


if __name__ == "__main__":
    main()
