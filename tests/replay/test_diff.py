"""What two desks would have done with the same few positions, worked out by hand."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import msgspec
import pytest

from tests.conftest import ROOT, Run
from tests.lang.desks import LIMITS, RULE, STRATEGY, desk, swapped
from tests.replay.test_selfcheck import PART, TRAIL
from tests.store.samples import STRUCTURE
from v6.errors import StoreError, V6Error
from v6.lang.desk import Desk
from v6.lint.compare import Outcome
from v6.model import event as e
from v6.model.catalogue import Value
from v6.model.position import Position
from v6.model.snapshot import Row, Snapshot
from v6.replay.diff import Diff, Range, compare_desks, on_record
from v6.replay.diff_sources import load_side
from v6.replay.diff_words import verdict_word
from v6.rules import load_desk, load_texts
from v6.rules.recorded import LAST_GOOD
from v6.store.journal import Journal
from v6.store.outbox import Outbox

START = datetime(2024, 3, 4, 15, tzinfo=UTC)
TAKE_LESS = swapped(RULE, {"value: 0.5": "value: 0.3", "pnl_ratio: 0.4": "pnl_ratio: 0.2"})

# By position, the share of the credit that is made, every half hour; a position opened for 100 dollars of credit.
PATHS: Mapping[str, tuple[float | None, ...]] = {
    "both": (0.1, 0.35, 0.2, 0.55),
    "worse": (0.1, 0.35, 0.4, 0.9),
    "better": (0.1, 0.35, 0.1, -0.2, -0.4),
    "never": (0.1, 0.2, 0.1, 0.15, 0.1),
    "unmarked": (0.1, 0.31, None, 0.52),
}


def made(*texts: str, **more: str) -> Desk:
    return load_texts(desk(*texts, **more))


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Five positions of one unit: a spread of 0.10 costs 5 dollars to cross by half, commissions are 2 each way."""
    folder = tmp_path_factory.mktemp("diff")
    with Journal(folder / "journal.sqlite", durable=False) as journal:
        journal.append(state={LAST_GOOD: msgspec.json.encode(desk(RULE)).decode()})
        for key in PATHS:
            held = Position(key, "put_spread", STRUCTURE, 1, Decimal("-1.00"), START, Decimal("2.00"))
            journal.append(e.PositionOpened(START, held))
        for cycle in range(5):
            at = START + timedelta(minutes=30 * cycle, days=cycle // 3)
            rows = [Row.of("", {"net_liq": 1e5})]
            for key, path in PATHS.items():
                if cycle < len(path):
                    rows.append(Row.of(key, row(path[cycle], key)))
            journal.append(e.SnapshotTaken(at, Snapshot(f"s{cycle}", cycle, at, tuple(rows))))
        Outbox(journal, folder / "tables").flush()
    return folder


def row(ratio: float | None, key: str) -> dict[str, Value]:
    pnl = None if ratio is None else 100 * ratio
    spread = None if key == "unmarked" and ratio == 0.31 else 0.10
    return {"pnl_ratio": ratio, "pnl": pnl, "spread": spread, "quantity": 1.0, "structure": "bull_put_spread"}


def compared(store: Path, old: Desk, new: Desk, part: Range | None = None) -> Diff:
    return compare_desks(("old", "new"), old, new, store / "tables", part or Range())


def test_each_position_is_left_at_each_sides_first_close_at_the_mark_less_the_costs(store: Path) -> None:
    found = compared(store, made(RULE), made(TAKE_LESS))
    assert found.record is not None
    effect = found.record.effect
    by_key = {item.key: item for item in (*effect.worst, *effect.best)}
    # 35 - 5 - 2 against 55 - 5 - 2, and against 90.
    assert (by_key["both"].old.pnl, by_key["both"].new.pnl, by_key["both"].usd) == (48.0, 28.0, -20.0)
    assert (by_key["worse"].old.pnl, by_key["worse"].usd) == (83.0, -55.0)
    # Never closed by the old rules and still open at the end of the record: at its last mark.
    assert by_key["better"].old.rule_id is None
    assert (by_key["better"].old.pnl, by_key["better"].new.pnl, by_key["better"].usd) == (-47.0, 28.0, 75.0)
    # The spread at the new exit is not recorded.
    assert (effect.positions, effect.unknown, effect.cut_short, effect.total) == (4, 1, 0, 0.0)
    assert "unmarked" not in by_key
    assert [item.key for item in effect.worst] == ["worse", "both", "better"]
    assert effect.mean == 0.0
    assert effect.quantiles["0.50"] == -20.0
    assert sum(count for _, _, count in effect.histogram) == 3


def test_every_changed_decision_is_listed_by_rule_position_and_day(store: Path) -> None:
    found = compared(store, made(RULE), made(TAKE_LESS)).record
    assert found is not None
    take = "take_profit: close (normal)"
    listed = {(c.old, c.new, c.key, c.day, c.rows) for c in found.changes}
    first, second = date(2024, 3, 4), date(2024, 3, 5)
    assert listed == {
        *((None, take, key, first, 1) for key in ("both", "worse", "better", "unmarked")),
        *((take, None, key, second, 1) for key in ("both", "worse", "unmarked")),
    }
    assert (found.changed, found.positions, found.snapshots, found.queries) == (7, 4, 5, 1)
    (rule,) = found.rules
    assert (rule.rule_id, rule.fewer, rule.more, rule.positions, rule.days) == ("take_profit", 3, 4, 4, 2)


def test_what_a_side_would_hold_for_longer_than_the_record_follows_is_unknown(store: Path) -> None:
    greedy = swapped(RULE, {"value: 0.5": "value: 0.95", "pnl_ratio: 0.6": "pnl_ratio: 0.99"})
    effect = on_record(store / "tables", made(RULE), made(greedy), Range()).effect
    assert (effect.positions, effect.unknown, effect.cut_short, effect.total) == (3, 3, 3, None)


def test_a_range_counts_its_own_changes_and_an_exit_before_it_stays_one(store: Path) -> None:
    second = Range(first=START + timedelta(days=1))
    found = on_record(store / "tables", made(RULE), made(TAKE_LESS), second)
    # The new side closed all on the day before; the old one closes three now.
    assert {(c.key, c.old is None) for c in found.changes} == {("both", False), ("worse", False), ("unmarked", False)}
    assert found.snapshots == 2


def test_a_range_without_snapshots_says_what_there_is(store: Path) -> None:
    with pytest.raises(
        V6Error, match=r"no snapshots in that range; it holds 2024-03-04 15:00 to 2024-03-05 17:00 UTC"
    ):
        on_record(store / "tables", made(RULE), made(TAKE_LESS), Range(first=datetime(2030, 1, 1, tzinfo=UTC)))
    with pytest.raises(V6Error, match="as of 2001-01-01"):
        on_record(store / "tables", made(RULE), made(RULE), Range(as_of=datetime(2001, 1, 1, tzinfo=UTC)))


def test_another_text_of_the_same_meaning_changes_nothing_and_is_proven(store: Path) -> None:
    found = compared(store, made(RULE), made(swapped(RULE, {"pnl_ratio >= target": "not pnl_ratio < target"})))
    (edit,) = found.edits.rules
    assert edit.comparison is not None
    assert edit.comparison.outcome is Outcome.SAME
    assert (found.edits.same, found.changed) == (True, False)


def test_no_change_on_this_record_is_no_proof(store: Path) -> None:
    found = compared(store, made(RULE), made(swapped(RULE, {"value: 0.5": "value: 0.52"})))
    assert (found.changed, found.edits.same) == (False, False)


def test_another_pace_of_the_same_rule_is_a_change_without_dollars(store: Path) -> None:
    found = compared(store, made(RULE), made(swapped(RULE, {"action: close": "action: close, urgency: high"})))
    assert found.record is not None
    assert (found.record.changed, found.record.effect.positions) == (3, 0)
    assert {(c.old, c.new) for c in found.record.changes} == {
        ("take_profit: close (normal)", "take_profit: close (high)")
    }


def test_alerts_that_change_are_counted_beside_the_decisions(store: Path) -> None:
    telling = swapped(RULE, {"then:": 'alert: {severity: info, text: "half is made"}\nthen:'})
    found = compared(store, made(RULE), made(telling)).record
    assert found is not None
    assert (found.changed, found.alerts) == (0, {"take_profit": 3})


def test_a_rule_that_only_tells_is_neither_tighter_nor_a_reason_to_doubt(store: Path) -> None:
    teller = swapped(
        PART, {"action: reduce, fraction: 0.5": "action: alert", "then:": 'alert: {severity: info, text: "x"}\nthen:'}
    )
    other = swapped(teller, {"value: 0.3": "value: 0.2"})
    for old, new in (
        (made(RULE), made(RULE, teller)),
        (made(RULE, teller), made(RULE)),
        (made(RULE, teller), made(RULE, other)),
    ):
        found = compared(store, old, new)
        (edit,) = found.edits.rules
        assert (verdict_word(edit), found.edits.same, found.changed) == ("only tells", True, False)
        assert found.edits.loosenings == ()


def test_rules_that_stand_aside_are_diffed_too_and_their_dollars_are_said_to_lack(store: Path) -> None:
    found = compared(store, made(RULE, PART), made(RULE, swapped(PART, {"value: 0.3": "value: 0.2"}))).record
    assert found is not None
    assert found.changed > 0
    assert (found.queries, found.reductions) == (2, True)


def test_an_edited_rule_whose_field_is_not_recorded_says_on_which_days(store: Path) -> None:
    blind = swapped(
        RULE,
        {
            "pnl_ratio >= target": "broker_pnl_ratio >= target",
            "pnl_ratio: 0.6": "broker_pnl_ratio: 0.6",
            "pnl_ratio: 0.4": "broker_pnl_ratio: 0.4",
        },
    )
    found = compared(store, made(RULE), made(blind)).record
    assert found is not None
    (gap,) = found.lacking
    assert (gap.field, gap.rules, gap.days, gap.first) == ("broker_pnl_ratio", ("take_profit",), 2, date(2024, 3, 4))


def test_edits_name_params_texts_limits_strategies_order_and_what_loosens(store: Path) -> None:
    old = made(RULE, TRAIL)
    new = load_texts(
        desk(
            swapped(RULE, {"value: 0.5": "value: 0.55", "priority: 50": "priority: 5"}),
            swapped(TRAIL, {"for: 10m": "for: 20m"}),
            PART,
            limits=swapped(LIMITS, {"max_open_positions: 5": "max_open_positions: 7"}),
            strategy=swapped(STRATEGY, {"dte_target: 45": "dte_target: 40"}),
        )
    )
    found = compared(store, old, new).edits
    kinds = {edit.rule_id: edit.kind for edit in found.rules}
    assert kinds == {"take_profit": "changed", "trail": "changed", "part": "added"}
    (target,) = next(edit.params for edit in found.rules if edit.rule_id == "take_profit")
    assert (target.path, target.old, target.new) == ("take_profit.target", "0.5 ratio", "0.55 ratio")
    assert found.order == (("trail", "take_profit"), ("take_profit", "trail"))
    assert [(c.path, c.old, c.new) for c in found.limits] == [("limits.max_open_positions", "5", "7")]
    assert [(c.path, c.old, c.new) for c in found.strategies] == [("iron_condor.expiry.dte_target", "45", "40")]
    assert {item.name for item in found.loosenings} == {"take_profit", "trail", "limits"}
    removed = compared(store, new, old).edits
    assert {edit.rule_id: edit.kind for edit in removed.rules}["part"] == "removed"


def test_the_live_side_is_what_the_daemon_of_the_store_has_in_force(store: Path, tmp_path: Path) -> None:
    assert load_side(tmp_path, "live", store).fingerprint == made(RULE).fingerprint
    with pytest.raises(V6Error, match="--store"):
        load_side(tmp_path, "live", None)
    Journal(tmp_path / "journal.sqlite", durable=False).close()
    with pytest.raises(V6Error, match="nothing live"):
        load_side(tmp_path, "live", tmp_path)
    with pytest.raises(StoreError, match="there is no journal"):
        load_side(tmp_path, "live", tmp_path / "nowhere")


def test_the_shipped_desk_does_not_differ_from_itself(recorded: Run) -> None:
    rules = load_desk(ROOT)
    found = compare_desks(("a", "b"), rules, rules, recorded.store / "tables", Range())
    assert found.record is not None
    assert (found.changed, found.edits.same, found.edits.rules, found.record.rules_computed) == (False, True, (), 12)
    assert found.record.snapshots > 900


def test_a_store_with_an_older_schema_is_read_with_what_it_lacks_missing(store: Path, tmp_path: Path) -> None:
    shutil.copytree(store, tmp_path / "old")
    shutil.rmtree(tmp_path / "old/tables/legs")
    effect = on_record(tmp_path / "old/tables", made(RULE), made(TAKE_LESS), Range()).effect
    assert (effect.positions, effect.unknown, effect.total) == (4, 4, None), "no multiplier, no dollars"
    shutil.rmtree(tmp_path / "old/tables/positions")
    with pytest.raises(StoreError, match="positions"):
        on_record(tmp_path / "old/tables", made(RULE), made(TAKE_LESS), Range())
