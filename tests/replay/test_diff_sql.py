"""Two sets in one query must decide what each decides alone."""

from dataclasses import replace
from random import Random
from typing import Any

import duckdb
import pytest

from tests.backends.compare import as_snapshots
from tests.backends.draw import draw_rules, draw_series
from tests.conftest import ROOT
from tests.lint.rules import rule
from v6.backends.duckdb import replay_sql
from v6.lang.desk import OnMissing, Rule
from v6.model.catalogue import Scope
from v6.model.decision import Action, ActionKind
from v6.model.snapshot import Snapshot
from v6.replay.diff_sql import decide
from v6.rules import load_desk

Rows = dict[tuple[str, str], tuple[str | None, int]]
END = "TIMESTAMPTZ '2200-01-01'"


def alone(db: duckdb.DuckDBPyConnection, rules: list[Rule]) -> Rows:
    query = f"SELECT key, snapshot_id, rule_id, alerts FROM ({replay_sql(rules)})"
    return {(key, snapshot): (rule, alerts) for key, snapshot, rule, alerts in db.execute(query).fetchall()}


def told(rules: list[Rule], rule_id: str, alerts: int) -> bool:
    return any(rule.id == rule_id and bool(alerts >> bit & 1) for bit, rule in enumerate(rules))


def sides(seed: int, *, aside: bool) -> tuple[list[Rule], list[Rule], list[Snapshot]]:
    """Return two sets that share some rules, differ in the order and the action of some, and in others wholly."""
    random = Random(seed)
    old, fresh = list(draw_rules(random)), list(draw_rules(random))
    if not aside:
        old, fresh = ([_plain(rule) for rule in side] for side in (old, fresh))
    new = [fresh[i] if random.random() < 0.3 and i < len(fresh) else rule for i, rule in enumerate(old)]
    new = [replace(r, protective=not r.protective) if random.random() < 0.2 else r for r in new]
    new = [_retimed(r, random) if random.random() < 0.5 else r for r in new]
    random.shuffle(new)
    return old, new, draw_series(random, cycles=60, positions=4)


def _retimed(rule: Rule, random: Random) -> Rule:
    """Return the rule with one of its durations changed, and the same condition."""
    name = random.choice(["for_s", "keep_s", *(["missing_for_s"] if rule.missing_for_s is not None else [])])
    return replace(rule, **{name: random.choice((60, 300, 900, 3600))})


def _plain(rule: Rule) -> Rule:
    kinds = {ActionKind.REDUCE: ActionKind.CLOSE}
    then = rule.then if rule.then.kind not in kinds else Action(kinds[rule.then.kind])
    return replace(rule, then=then, cooldown_s=rule.cooldown_s if then.kind is ActionKind.ALERT else 0)


@pytest.mark.parametrize("aside", [False, True])
@pytest.mark.parametrize("seed", range(15))
def test_each_side_decides_as_it_does_alone(seed: int, aside: bool) -> None:
    old, new, snapshots = sides(seed, aside=aside)
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("snapshots", as_snapshots(snapshots))
        made = decide(db, old, new, END)
        first, second = alone(db, old), alone(db, new)
        extra = "".join(f", {column}" for _, column in made.alerts)
        found = {
            row[:2]: row[2:] for row in db.execute(f"SELECT key, snapshot_id, old, new{extra} FROM decided").fetchall()
        }
    if not aside:
        assert made.queries == 1
        assert made.rules <= len({*old, *new})
    for place in first:
        got = found.get(place, (None, None, *(False for _ in made.alerts)))
        assert got[:2] == (first[place][0], second[place][0]), place
        for (rule_id, _), differs in zip(made.alerts, got[2:], strict=True):
            pair = told(old, rule_id, first[place][1]), told(new, rule_id, second[place][1])
            assert bool(differs) is (pair[0] is not pair[1]), (place, rule_id)
        listed = {rule_id for rule_id, _ in made.alerts}
        for name in {r.id for r in (*old, *new)} - listed:
            assert told(old, name, first[place][1]) is told(new, name, second[place][1])


def test_what_the_sides_share_is_computed_once() -> None:
    rules = list(load_desk(ROOT).rules)
    edited = [
        replace(r, priority=r.priority + 1, then=Action(ActionKind.CLOSE)) if r.id == "time_exit" else r for r in rules
    ]
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("snapshots", as_snapshots(draw_series(Random(1), cycles=3, positions=1)))
        assert decide(db, rules, edited, END).rules == len(rules)


BASE = rule("r", 1, "vix > 30", escalate=True, missing_for_s=300, for_s=60, tells="look")


@pytest.mark.parametrize(
    ("other", "rules"),
    [
        ({"for_s": 120}, 2),
        ({"keep_s": 60}, 2),
        ({"missing_for_s": 600}, 2),
        ({"on_missing": OnMissing.SKIP}, 2),
        ({"scope": Scope.PORTFOLIO}, 2),
        ({"alert": None}, 2),
        ({"fallback": rule("f", 1, "dte < 7").when}, 2),
        ({"when": rule("f", 1, "vix > 31").when}, 2),
        ({"id": "other", "priority": 7, "title": "x", "then": Action(ActionKind.ROLL), "protective": True}, 1),
    ],
)
def test_only_what_has_the_same_bits_is_shared(other: dict[str, Any], rules: int) -> None:
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("snapshots", as_snapshots(draw_series(Random(1), cycles=3, positions=1)))
        assert decide(db, [BASE], [replace(BASE, **other)], END).rules == rules


def test_more_rules_than_a_mask_has_bits_are_decided_all_the_same() -> None:
    random = Random(5)
    old = [replace(_plain(r), id=f"a{i}") for i in range(12) for r in draw_rules(random)][:40]
    new = [replace(_plain(r), id=f"b{i}") for i in range(12) for r in draw_rules(random)][:40]
    with duckdb.connect(config={"threads": 1}) as db:
        db.register("snapshots", as_snapshots(draw_series(random, cycles=5, positions=2)))
        made = decide(db, old, new, END)
    assert made.queries == (2 if made.rules > 62 else 1)
