"""The reload under fire: edits of every kind against a running desk, which must neither stop nor forget.

`python -m tests.soak.reload [--edits N] [--seed S] [--no-mutants] [--json]`. After each edit a good tree comes back.
Counted as crashed: an exception out of `poll`, a set taken that is not what is on disk, a refusal without its place,
a good tree that is not taken. As state_lost: a poll that changes the state, or a rule that did not change and after
the swap remembers something else than it would have without.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec

from tests.lang.desks import RULE, desk, swapped
from tests.soak.edits import EDITS, Scene, Texts, write
from tests.soak.mutants import Mutant
from tests.soak.plant import cannot_run, run_with, survivors
from v6.backends.python import Memory
from v6.daemon.reload import PATIENCE, Accepted, Refusal, Reloader
from v6.model.snapshot import PORTFOLIO_KEY, Row, Snapshot
from v6.rules import RuleSet, RuleState

ROOT = Path(__file__).parents[2]
START = datetime(2024, 3, 4, 15, 0, tzinfo=UTC)

RULE_TEST = """\
version: 1
rule: take_profit
interval: 5m
tests:
  - title: half
    series: {pnl_ratio: 0.4 0.6 _}
    expect: [{at: 0m, fires: false}, {at: 5m, fires: true}, {at: 10m, unknown: true}]
"""

MUTANT_EDITS = 400
RELOAD, TREE, STATE = "v6/daemon/reload.py", "v6/rules/tree.py", "v6/rules/state.py"
MUTANTS = (
    Mutant("one reading is enough", RELOAD, "if texts != self._pending:", "if False:"),
    Mutant("links are followed", TREE, "status = os.lstat(path)", "status = os.stat(path)"),
    Mutant("what cannot be read is left out", TREE, "diagnostics.append(text)", "pass"),
    Mutant("rule tests are not run", RELOAD, "_refuse_errors(check_tests(texts, desk))", "pass"),
    Mutant("a bad tree is taken for seen", RELOAD, "self._pending = self._seen = None", "self._pending = None"),
    Mutant("git is not waited for", RELOAD, "if lock is not None:", "if False:"),
    Mutant("memory is lost", STATE, "tuple(known.get(slot) for slot in slots)", "(None,) * len(slots)"),
    Mutant("refusals are no text", RELOAD, 'text.encode("utf-8", "backslashreplace").decode("utf-8")', "text"),
)


def trees() -> tuple[Texts, Texts]:
    """Return two good trees that differ in a threshold, its examples and its test; the trailing stop is shipped."""
    trailing = (ROOT / "rules/trailing_stop.yaml").read_text()
    files = {**desk(RULE), "rules/a.test.yaml": RULE_TEST, "rules/trailing_stop.yaml": trailing}
    files["rules/bundle.yaml"] = files["rules/bundle.yaml"].replace("[a.yaml]", "[a.yaml, trailing_stop.yaml]")
    low = {
        "value: 0.5": "value: 0.3",
        "pnl_ratio: 0.6}": "pnl_ratio: 0.4}",
        "pnl_ratio: 0.4}, fires: f": "pnl_ratio: 0.2}, fires: f",
    }
    other = {**files, "rules/a.yaml": swapped(RULE, dict(reversed(low.items())))}
    other["rules/a.test.yaml"] = swapped(RULE_TEST, {"0.4 0.6": "0.2 0.4"})
    return _bytes(files), _bytes(other)


def _bytes(files: dict[str, str]) -> Texts:
    return {name: text.encode() for name, text in files.items()}


@dataclass
class Tally:
    edits: int = 0
    accepted: int = 0
    refused: int = 0
    unchanged: int = 0
    crashed: int = 0
    state_lost: int = 0
    notes: list[str] = field(default_factory=list)

    def wrong(self, what: str) -> None:
        self.crashed += 1
        self.notes.append(what)

    @property
    def clean(self) -> bool:
        return not (self.crashed or self.state_lost)


class Desk:
    """As much of the daemon as a reload concerns: the running set, what it remembers, and a clock that goes on."""

    def __init__(self, root: Path, seed: int) -> None:
        self.root = root
        self.random = Random(seed)
        self.good, self.other = trees()
        self.tally = Tally()
        self.ticks = 0
        self._put(self.good)
        self.reloader = Reloader(root)
        accepted, _ = self.reloader.start(None)
        self.ruleset: RuleSet = accepted.ruleset
        self.state = RuleState()
        for pnl in (0.9, 0.7):
            self.look(pnl)

    def look(self, pnl: float) -> None:
        self.snapshot = self._snapshot(pnl)
        _, self.state = self.ruleset.evaluate(self.snapshot, self.state)

    def _snapshot(self, pnl: float) -> Snapshot:
        self.ticks += 1
        rows = (Row.of(PORTFOLIO_KEY, {"net_liq": 1.0}), Row.of("p", {"pnl_ratio": pnl}))
        return Snapshot(f"s{self.ticks}", self.ticks, START + timedelta(seconds=self.ticks), rows)

    def _put(self, texts: Texts) -> None:
        write(self.root, texts)
        self._touch()

    def _touch(self) -> None:
        """Give every file a time of its own: edits here follow each other within one tick of the file system."""
        self.ticks += 1
        for folder, _, names in os.walk(self.root):
            for name in names:
                os.utime(os.path.join(folder, name), ns=(self.ticks, self.ticks), follow_symlinks=False)

    def edit(self, act: object, scene: Scene) -> None:
        """Do one edit, see what becomes of it, and put a good tree back."""
        assert callable(act)
        self.tally.edits += 1
        name = getattr(act, "__name__", "cut")
        locked = self.random.random() < 0.03
        act(scene)
        self._touch()
        if locked and not (self.root / ".git").exists():
            self._under_lock(name)
        outcome = self.settle(name)
        if isinstance(outcome, Accepted):
            self.tally.accepted += 1
            self._take(outcome, name)
        elif isinstance(outcome, Refusal):
            self.tally.refused += 1
            self._told(outcome, name)
        else:
            self.tally.unchanged += 1
            if on_disk(self.root) != json.loads(texts_json(scene.good)):
                self.tally.wrong(f"{name}: not seen")
        self.look(0.7)
        self.good, self.other = self.other, self.good
        checked_out = isinstance(outcome, Accepted) and outcome.texts_json == texts_json(self.good)
        undone = isinstance(outcome, Refusal) and self.random.random() < 0.5
        if checked_out or undone:
            # What was checked out whole would be no change; and after a refusal the old tree is taken, and told, anew.
            self.good, self.other = self.other, self.good
        self._mend(name)

    def _under_lock(self, name: str) -> None:
        lock = self.root / ".git/index.lock"
        lock.parent.mkdir()
        lock.touch()
        for _ in range(PATIENCE):
            if self.poll(name) is not None:
                self.tally.wrong(f"{name}: taken while git writes")
                break
        shutil.rmtree(lock.parent)

    def _mend(self, name: str) -> None:
        self._put(self.good)
        first = self.poll(name)
        if first is not None:
            self.tally.wrong(f"after {name}: one reading was enough for {first}")
        outcome = first or self.settle(name)
        if not isinstance(outcome, Accepted):
            self.tally.wrong(f"after {name}: the good tree was not taken: {outcome}")
            return
        self._take(outcome, name)

    def settle(self, name: str) -> Accepted | Refusal | None:
        for _ in range(3):
            outcome = self.poll(name)
            if outcome is not None:
                return outcome
        return None

    def poll(self, name: str) -> Accepted | Refusal | None:
        before = self.state.to_json()
        try:
            return self.reloader.poll(self.snapshot, self.state)
        except Exception as error:  # noqa: BLE001 - that nothing comes out is what is tested
            self.tally.wrong(f"{name}: {type(error).__name__}: {error}")
            return None
        finally:
            if self.state.to_json() != before:
                self.tally.state_lost += 1

    def _told(self, refusal: Refusal, name: str) -> None:
        for text in refusal.diagnostics:
            try:
                text.encode()
            except UnicodeEncodeError:
                self.tally.wrong(f"{name}: {text!r} is no text")
            if not re.match(r"(rules|strategies|\.git)[^:]*:\d+:\d+: [\w-]+: ", text):
                self.tally.wrong(f"{name}: {text!r} has no place")
            if "unusable" in text:
                self.tally.wrong(f"{name}: {text!r} was not foreseen")

    def _take(self, accepted: Accepted, name: str) -> None:
        if json.loads(accepted.texts_json) != on_disk(self.root):
            self.tally.wrong(f"{name}: what was taken is not what is there")
        if failing(self.root, accepted):
            self.tally.wrong(f"{name}: the threshold that was taken is not the one that is tested")
        snapshot = self._snapshot(0.6)
        _, with_old = self.ruleset.evaluate(snapshot, self.state)
        _, with_new = accepted.ruleset.evaluate(snapshot, self.state)
        old = {rule.id: rule.fingerprint for rule in self.ruleset.rules}
        same = {rule.id for rule in accepted.ruleset.rules if old.get(rule.id) == rule.fingerprint}
        if memory(with_old, same) != memory(with_new, same):
            self.tally.state_lost += 1
            self.tally.notes.append(f"{name}: {memory(with_old, same)} became {memory(with_new, same)}")
        self.ruleset, self.state = accepted.ruleset, with_new


def memory(state: RuleState, rules: set[str]) -> dict[tuple[str, str], Memory]:
    """Return what the rules remember, by row and slot."""
    return {
        (key, slot): value
        for key, kept in state.keys.items()
        for slot, value in zip(kept.slots, kept.values, strict=True)
        if slot.split("/")[0] in rules
    }


def texts_json(texts: Texts) -> str:
    return msgspec.json.encode({name: text.decode() for name, text in texts.items()}, order="sorted").decode()


def on_disk(root: Path) -> dict[str, str] | None:
    """Return the texts as somebody else would read them, None if one of them is no plain text file."""
    texts: dict[str, str | None] = {}
    for folder in (root / "rules", root / "strategies"):
        for path in (folder, *folder.rglob("*")):
            name = path.relative_to(root)
            if path.is_symlink() and not name.name.startswith("."):
                return None
            if path.suffix != ".yaml" or any(part.startswith(".") for part in name.parts):
                continue
            try:
                texts[name.as_posix()] = path.read_bytes().decode("utf-8-sig") if path.is_file() else None
            except UnicodeDecodeError:
                return None
    return None if None in texts.values() else {name: text for name, text in texts.items() if text is not None}


def failing(root: Path, accepted: Accepted) -> bool:
    """Tell whether the take profit's test, as it stands in both trees, expects another threshold than was taken."""
    path = root / "rules/a.test.yaml"
    # What is no text is neither of the two; that it was taken is told elsewhere.
    text = path.read_bytes().decode("utf-8-sig", "replace") if path.is_file() else ""
    rule = next((rule for rule in accepted.ruleset.rules if rule.id == "take_profit"), None)
    expected = {RULE_TEST: (0.4, 0.6), RULE_TEST.replace("0.4 0.6", "0.2 0.4"): (0.2, 0.4)}.get(text)
    if rule is None or expected is None:
        return False
    alone = RuleSet.compile(accepted.ruleset.desk)
    bit = alone.rules.index(rule)
    fired = []
    for number, pnl in enumerate(expected):
        snapshot = Snapshot(f"t{number}", number, START, (Row.of("p", {"pnl_ratio": pnl}),))
        (decision,), _ = alone.evaluate(snapshot, RuleState())
        fired.append(bool(decision.fired >> bit & 1))
    return rule.for_s == 0 and fired != [False, True]


def cuts(texts: Texts) -> Iterator[tuple[str, int]]:
    """Yield each byte of each file."""
    for name, text in texts.items():
        for at in range(len(text)):
            yield name, at


def soak(edits: int, seed: int, root: Path) -> Tally:
    """Cut files at every byte for up to half of the edits, and draw the rest by chance."""
    watched = Desk(root, seed)
    every = list(cuts(watched.good))
    watched.random.shuffle(every)
    for number in range(edits):
        scene = Scene(root, watched.good, watched.other, watched.random)
        if number % 2 == 0 and every:
            name, at = every.pop()

            def cut(s: Scene, name: str = name, at: int = at) -> None:
                (s.root / name).write_bytes(s.good[name][:at])

            watched.edit(cut, scene)
        else:
            watched.edit(watched.random.choice(EDITS), scene)
    return watched.tally


def caught(mutant: Mutant) -> bool:
    """Plant the bug in a copy and tell whether a short soak sees it, or hangs over it."""
    command = ["tests.soak.reload", "--no-mutants", "--json", "--edits", str(MUTANT_EDITS)]
    try:
        done = run_with(mutant, command, ("v6", "tests", "rules", "strategies"))
    except subprocess.TimeoutExpired:
        return True
    try:
        found = json.loads(done.stdout)
    except json.JSONDecodeError:
        return cannot_run(mutant, done)
    return bool(found["crashed"] or found["state_lost"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--edits", type=int, default=10_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--no-mutants", action="store_true")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tally = soak(options.edits, options.seed, Path(folder))
    mutants = () if options.no_mutants else MUTANTS
    alive = survivors(mutants, caught)
    found = {
        name: getattr(tally, name) for name in ("edits", "accepted", "refused", "unchanged", "crashed", "state_lost")
    }
    found |= {"seed": options.seed, "mutants": len(mutants), "mutants_caught": len(mutants) - len(alive)}
    print(json.dumps(found, indent=2) if options.json else "  ".join(f"{k} {v}" for k, v in found.items()))
    for note in tally.notes[:20]:
        print(ascii(note)[:500], file=sys.stderr)
    for name in alive:
        print(f"survived: {name}", file=sys.stderr)
    sys.exit(1 if alive or not tally.clean else 0)


if __name__ == "__main__":
    main()
