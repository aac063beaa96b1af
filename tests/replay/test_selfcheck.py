"""The log of a desk whose rules are edited while it runs is made again, decision by decision."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from random import Random

import msgspec
import pytest

from tests.conftest import Run
from tests.lang.desks import RULE, desk, swapped
from v6.daemon.policy import PINS, SHADOW_STATE, Policy
from v6.daemon.reload import LAST_GOOD, Accepted
from v6.errors import StoreError, V6Error
from v6.model import event as e
from v6.model.catalogue import Value
from v6.model.snapshot import Row, Snapshot
from v6.replay.selfcheck import daily, selfcheck
from v6.rules import RuleSet, RuleState, load_texts
from v6.rules.recorded import RULE_STATE, set_key
from v6.store.journal import Journal, JournalReader
from v6.store.outbox import Outbox

CYCLES = 150
START = datetime(2024, 3, 4, 14, 30, tzinfo=UTC)

TRAIL = """\
version: 1
id: trail
priority: 10
scope: position
title: Give back at most a part of the best profit
protective: true
params: {arm: {value: 0.2, unit: ratio, min: 0.05, max: 2}, trail: {value: 0.4, unit: ratio, min: 0.05, max: 0.95}}
track: {peak: max(pnl_ratio)}
when: peak >= arm and pnl_ratio <= peak * (1 - trail)
for: 10m
on_missing: escalate
missing_for: 15m
fallback: null
then: {action: close}
alert: {severity: warning, text: "gave back from {peak:.2f}"}
examples:
  - {given: {pnl_ratio: 0.1, peak: 0.5}, fires: true}
  - {given: {pnl_ratio: 0.5, peak: 0.5}, fires: false}
"""
PART = """\
version: 1
id: part
priority: 30
scope: position
title: Give up half
params: {enough: {value: 0.3, unit: ratio, min: 0.1, max: 2}}
when: pnl_ratio >= enough
keep_firing_for: 10m
then: {action: reduce, fraction: 0.5}
examples:
  - {given: {pnl_ratio: 0.9}, fires: true}
  - {given: {pnl_ratio: 0.05}, fires: false}
"""
CALM = """\
version: 1
id: calm
priority: 70
scope: portfolio
title: Open nothing in a drawdown that lasts
params: {most: {value: 0.10, unit: ratio, min: 0.01, max: 0.5}}
track: {worst: max(drawdown)}
when: drawdown >= most or worst >= 3 * most
for: 20m
then: {action: halt_opens}
examples:
  - {given: {drawdown: 0.5, worst: 0.5}, fires: true}
  - {given: {drawdown: 0.0, worst: 0.0}, fires: false}
"""
FIRST = (TRAIL, PART, CALM, RULE)
EDITS: Mapping[int, Sequence[str]] = {
    # while a `for` runs it becomes longer, which open positions do not take; then other thresholds, and back
    20: (swapped(TRAIL, {"for: 10m": "for: 20m"}), PART, CALM, RULE),
    35: (swapped(TRAIL, {"for: 10m": "for: 5m"}), swapped(PART, {"value: 0.3": "value: 0.2"}), CALM, RULE),
    50: (TRAIL, PART, swapped(CALM, {"for: 20m": "for: 5m", "value: 0.10": "value: 0.05"}), RULE),
    60: (TRAIL, PART, CALM),
    75: (swapped(TRAIL, {"value: 0.4": "value: 0.3"}), CALM, swapped(RULE, {"value: 0.5": "value: 0.55"})),
    90: FIRST,
}


def tree(texts: Sequence[str]) -> Accepted:
    files = desk(*texts)
    return Accepted(RuleSet.compile(load_texts(files)), "", msgspec.json.encode(files).decode())


@dataclass
class Desk:
    """A daemon's policy and journal without a broker; a cycle writes what a cycle of the daemon writes."""

    journal: Journal
    policy: Policy
    state: RuleState

    def take(self, accepted: Accepted, at: datetime, keys: Sequence[str]) -> None:
        self.policy.take(accepted, keys)
        self.tell(accepted, at)

    def tell(self, accepted: Accepted, at: datetime) -> None:
        events, state = self.policy.taken(accepted, at)
        self.journal.append(*events, state=state)

    def cycle(self, snapshot: Snapshot) -> None:
        judged = self.policy.judge(snapshot, self.state)
        self.state = judged.state
        kept = {RULE_STATE: self.state.to_json(), **self.policy.saved()}
        self.journal.append(
            e.SnapshotTaken(snapshot.ts, snapshot),
            e.DecisionsMade(snapshot.ts, judged.decisions),
            *judged.events,
            state=kept,
        )

    def restarted(self, accepted: Accepted, at: datetime, keys: Sequence[str]) -> Desk:
        saved = {key: self.journal.state(key) for key in (LAST_GOOD, PINS, SHADOW_STATE)}
        text = self.journal.state(RULE_STATE)
        other = Desk(
            self.journal, Policy(accepted, saved, keys), RuleState() if text is None else RuleState.from_json(text)
        )
        other.tell(accepted, at)
        return other


def walk(cycles: int, seed: int) -> list[Snapshot]:
    """Positions that come and go, with holes in their figures, five minutes apart, thirty rows a day."""
    random, at, made = Random(seed), START, []
    pnl = {f"p{i}": 0.0 for i in range(10)}
    for cycle in range(cycles):
        rows = [Row.of("", {"drawdown": random.choice((None, 0.0, 0.06, 0.12, 0.2))})]
        for i in range(10):
            key = f"p{i}"
            if not 12 * i <= cycle < 12 * i + 40:
                continue
            pnl[key] += random.gauss(0.02, 0.12)
            value: Value = None if random.random() < 0.15 else pnl[key]
            rows.append(Row.of(key, {"pnl_ratio": value}))
        made.append(Snapshot(f"s{cycle:03}", cycle, at, tuple(rows)))
        at += timedelta(hours=21, minutes=35) if cycle % 30 == 29 else timedelta(minutes=5)
    return made


def run(
    store: Path, seed: int = 1, edits: Mapping[int, Sequence[str]] = EDITS, restarts: Sequence[int] = (42, 80)
) -> None:
    current = tree(FIRST)
    with Journal(store / "journal.sqlite", durable=False) as journal:
        played = Desk(journal, Policy(current, {}, ()), RuleState())
        played.tell(current, START)
        for number, snapshot in enumerate(walk(CYCLES, seed)):
            keys = [row.key for row in snapshot.rows if row.key]
            if number in edits:
                current = tree(edits[number])
                played.take(current, snapshot.ts, keys)
            if number in restarts:
                played = played.restarted(current, snapshot.ts, keys)
            played.cycle(snapshot)
        Outbox(journal, store / "tables").flush()


@pytest.mark.parametrize("seed", range(4))
def test_a_run_whose_rules_were_edited_agrees_on_every_snapshot(tmp_path: Path, seed: int) -> None:
    run(tmp_path, seed)
    found = selfcheck(tmp_path)
    assert (found.snapshots, found.agree, found.disagree, found.unjudged) == (CYCLES, CYCLES, 0, 0)
    assert found.disagreements == ()
    assert found.by_query + found.by_fold == found.rows
    assert found.by_query > 30, "positions that came after the last edit met one set only"
    assert found.by_fold > CYCLES, "the portfolio met every set, and so did most positions"
    assert len(found.sets) > len(EDITS) + 1, "pinned positions have sets of their own"


def test_without_edits_the_query_judges_every_row(tmp_path: Path) -> None:
    run(tmp_path, edits={}, restarts=())
    found = selfcheck(tmp_path)
    assert (found.disagree, found.by_fold, found.by_query) == (0, 0, found.rows)


def test_each_day_goes_on_from_the_one_before(tmp_path: Path) -> None:
    run(tmp_path)
    days = [START.date() + timedelta(days=i) for i in range(5)]
    found = [selfcheck(tmp_path, day) for day in days]
    assert [f.disagree + f.unjudged for f in found] == [0, 0, 0, 0, 0]
    assert sum(f.snapshots for f in found) == CYCLES
    assert [f.by_fold for f in found] == [f.rows for f in found]
    assert daily(tmp_path, days[-1]) == ()


def spoiled(store: Path, change: str, at: int = 55) -> None:
    """Write the run again with one snapshot's decisions changed."""
    run(store / "good")
    with Journal(store / "journal.sqlite", durable=False) as journal:
        reader = JournalReader(store / "good/journal.sqlite")
        taken = 0
        for _, event in reader.events():
            if isinstance(event, e.SnapshotTaken):
                taken += 1
            if isinstance(event, e.DecisionsMade) and taken == at:
                head, *rest = event.decisions
                changed = {
                    "fired": (replace(head, fired=head.fired ^ 4), *rest),
                    "rule": (replace(head, rule_id=None if head.rule_id else "calm"), *rest),
                    "set": (replace(head, bundle_fingerprint=tree(FIRST).ruleset.fingerprint), *rest),
                    "row": tuple(rest),
                }[change]
                event = replace(event, decisions=changed)
            journal.append(event)
        marks = {d.bundle_fingerprint for _, x in reader.events(kinds=(e.DecisionsMade,)) for d in x.decisions}  # type: ignore[union-attr]
        keys = [LAST_GOOD, RULE_STATE, *map(set_key, marks)]
        journal.append(state={key: text for key in keys if (text := reader.state(key)) is not None})
        Outbox(journal, store / "tables").flush()


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ("fired", "fired "),
        ("rule", "when it is decided again"),
        ("set", "in force were"),
        ("row", "no decision is recorded for this row"),
    ],
)
def test_a_decision_that_was_not_made_like_that_is_found_and_explained(tmp_path: Path, change: str, why: str) -> None:
    spoiled(tmp_path, change)
    found = selfcheck(tmp_path)
    assert found.disagree == 1
    assert {d.snapshot_id for d in found.disagreements} == {"s054"}
    assert any(why in d.why for d in found.disagreements), found.disagreements
    day = found.disagreements[0].ts.date()
    (said,) = daily(tmp_path, day)
    assert said.startswith(f"1 of 30 snapshots of {day} are decided otherwise")
    assert daily(tmp_path, day + timedelta(days=1)) == (), "what was told is not told again"


def test_days_that_no_check_has_seen_are_checked_with_the_next(tmp_path: Path) -> None:
    spoiled(tmp_path, "fired")
    first = START.date()
    assert daily(tmp_path, first) == ()
    # The desk was stopped before the close of the second day, on which a decision is wrong.
    (said,) = daily(tmp_path, first + timedelta(days=3))
    assert said.startswith(f"1 of 30 snapshots of {first + timedelta(days=1)} are decided otherwise")


def test_a_memory_that_was_lost_is_found(tmp_path: Path) -> None:
    with Journal(tmp_path / "journal.sqlite", durable=False) as journal:
        current = tree(FIRST)
        played = Desk(journal, Policy(current, {}, ()), RuleState())
        played.tell(current, START)
        for number, snapshot in enumerate(walk(60, 1)):
            if number in (20, 30, 40, 50):
                played.state = RuleState()
            played.cycle(snapshot)
        Outbox(journal, tmp_path / "tables").flush()
    assert selfcheck(tmp_path).disagree > 0


def test_a_set_that_is_not_on_record_is_unjudged_and_not_called_equal(tmp_path: Path) -> None:
    run(tmp_path / "good")
    with Journal(tmp_path / "journal.sqlite", durable=False) as journal:
        reader = JournalReader(tmp_path / "good/journal.sqlite")
        journal.append(*(event for _, event in reader.events()))
        journal.append(state={key: reader.state(key) or "" for key in (LAST_GOOD, RULE_STATE)})
        Outbox(journal, tmp_path / "tables").flush()
    found = selfcheck(tmp_path)
    assert found.unjudged > 0
    assert tree(FIRST).ruleset.fingerprint not in found.unrecorded, "the last one is kept by every version"
    last = START.date() + timedelta(days=4)
    (said,) = daily(tmp_path, last)
    assert "cannot be made again" in said
    # From then on the daemon's own memory is the beginning.
    assert (tmp_path / "selfcheck/state.json").exists()


def test_a_state_file_of_another_journal_or_a_torn_one_is_not_used(tmp_path: Path) -> None:
    run(tmp_path)
    days = [START.date() + timedelta(days=i) for i in range(2)]
    selfcheck(tmp_path, days[0])
    file = tmp_path / "selfcheck/state.json"
    text = file.read_text()
    for wrong in (text.replace('"chain":"', '"chain":"0'), text[: len(text) // 2], ""):
        file.write_text(wrong)
        assert selfcheck(tmp_path, days[1]).disagree == 0


def test_the_memory_of_a_day_is_that_of_the_whole_fold(tmp_path: Path) -> None:
    run(tmp_path / "a")
    shutil.copytree(tmp_path / "a", tmp_path / "b")
    days = [START.date() + timedelta(days=i) for i in range(5)]
    for day in days:
        selfcheck(tmp_path / "a", day)
    selfcheck(tmp_path / "b", days[-1])
    kept = [msgspec.json.decode((tmp_path / n / "selfcheck/state.json").read_bytes())["state"] for n in "ab"]
    states = [RuleState.from_json(text) for text in kept]
    assert {k: dict(zip(s.slots, s.values, strict=True)) for k, s in states[0].keys.items()} == {
        k: dict(zip(s.slots, s.values, strict=True)) for k, s in states[1].keys.items()
    }


def test_a_recorded_demo_agrees_on_every_snapshot_and_every_day(recorded: Run, tmp_path: Path) -> None:
    shutil.copytree(recorded.store, tmp_path / "store")
    whole = selfcheck(tmp_path / "store")
    assert whole.agree == whole.snapshots > 900
    assert (whole.disagree, whole.unjudged) == (0, 0)
    assert daily(tmp_path / "store", date(2014, 1, 10)) == ()


def test_no_store_and_a_day_without_snapshots_are_said(tmp_path: Path, recorded: Run) -> None:
    with pytest.raises(StoreError, match="there is no journal at"):
        selfcheck(tmp_path)
    with pytest.raises(V6Error, match="has no snapshots on 2001-01-01"):
        selfcheck(recorded.store, date(2001, 1, 1))
