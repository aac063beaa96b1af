import dataclasses
import json
import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from deltalake import write_deltalake

from tests.conftest import ROOT, Run
from tests.replay.test_replay import edited_desk
from v6.errors import StoreError, V6Error
from v6.lang.desk import Rule
from v6.lang.load import read_rule
from v6.model.decision import Action, ActionKind
from v6.replay.dryrun import Ask, DryRun, dry_run, write_decisions
from v6.replay.history import open_history
from v6.replay.outcomes import Ending
from v6.replay.page import page_of, worst_of
from v6.replay.traces import decision_of, traces_of
from v6.report import render
from v6.rules import load_desk
from v6.store.query import connect

BLIND = """
version: 1
id: blind
priority: 999
scope: position
title: Reads what an index does not have
when: sessions_to_earnings <= 1
then: {action: close}
examples:
  - {given: {sessions_to_earnings: 1}, fires: true}
  - {given: {sessions_to_earnings: 2}, fires: false}
"""

SPREAD_HALVES_AND_FEES = """
SELECT s.pnl - s.spread / 2 * 100 * s.quantity - 1.25 * 4 * s.quantity
FROM snapshots s WHERE s.key = $key AND s.ts = $ts
"""


@pytest.fixture(scope="session")
def twenty_days(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the tables of a month in which positions are closed by rules."""
    pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")
    from v6.demo import Plan, run_demo

    store = tmp_path_factory.mktemp("month") / "store"
    run_demo(Plan(ROOT, store, days=24, seed=1, cycle_s=900.0))
    return store / "tables"


def shipped() -> tuple[Rule, ...]:
    return load_desk(ROOT).rules


def changed(rule_id: str, **fields: object) -> tuple[Rule, ...]:
    """Return the shipped rules, one of them with other fields."""
    return tuple(replace(r, **fields) if r.id == rule_id else r for r in shipped())  # type: ignore[arg-type]


def run_of(tables: Path, rules: tuple[Rule, ...], **ask: object) -> DryRun:
    return dry_run(Ask(tables, **ask), rules)[0]  # type: ignore[arg-type]


def with_target(folder: Path, target: str) -> tuple[Rule, ...]:
    return load_desk(edited_desk(folder, "target: {value: 0.50", f"target: {{value: {target}")).rules


def test_the_same_rules_end_every_position_as_the_record_did(twenty_days: Path) -> None:
    run = run_of(twenty_days, shipped())
    closed = [o for o in run.outcomes if o.recorded_at is not None]
    assert len(closed) >= 3, "a month without exits shows nothing"
    for outcome in closed:
        assert (outcome.ending, outcome.rule) == (Ending.RULE, outcome.recorded_reason)
        assert outcome.recorded_at is not None
        assert timedelta() <= outcome.recorded_at - outcome.at < timedelta(minutes=15)
    assert run.same_exits[0] == len(closed)
    assert run.agreement.disagree == 0
    assert not any(o.cut for o in run.outcomes)


def test_the_pnl_is_the_mark_less_half_the_spread_and_the_commission(twenty_days: Path) -> None:
    db = connect(twenty_days)
    checked = 0
    for outcome in run_of(twenty_days, shipped()).outcomes:
        if outcome.ending is Ending.RULE:
            row = db.execute(SPREAD_HALVES_AND_FEES, {"key": outcome.position_id, "ts": outcome.at}).fetchall()[0]
            assert outcome.pnl == pytest.approx(row[0])
            checked += 1
    assert checked >= 3


def test_commission_can_be_given(twenty_days: Path) -> None:
    usual, dear = run_of(twenty_days, shipped()), run_of(twenty_days, shipped(), commission=11.25)
    assert usual.fees.per_contract == pytest.approx(1.25)
    assert "contracts filled" in usual.fees.source
    contracts = sum(4 * o.quantity for o in usual.outcomes)
    assert usual.pnl - dear.pnl == pytest.approx(10 * contracts)


def test_the_first_closing_decision_ends_a_position_and_later_rows_do_not_count(
    twenty_days: Path, tmp_path: Path
) -> None:
    rules = with_target(tmp_path, "0.10")
    run = run_of(twenty_days, rules)
    tally = {rule.rule: rule for rule in run.rules}["take_profit"]
    assert tally.closed > 0
    assert tally.first == tally.closed, "one deciding row for each position"
    assert run.agreement.rules["take_profit"].first > tally.first, "it would have fired on and on"
    by_rule = sum(rule.pnl for rule in run.rules)
    rest = sum(o.pnl or 0 for o in run.outcomes if o.ending is not Ending.RULE)
    assert by_rule + rest == pytest.approx(run.pnl)


def test_a_rule_that_lets_go_leaves_positions_at_the_recorded_end_and_says_so(
    twenty_days: Path,
) -> None:
    rules = tuple(r for r in shipped() if r.then.kind not in {ActionKind.CLOSE, ActionKind.ROLL})
    run = run_of(twenty_days, rules)
    closed = [o for o in run.outcomes if o.recorded_at is not None]
    assert {o.ending for o in closed} == {Ending.RECORDED}
    assert all(o.cut and o.pnl == o.recorded_pnl for o in closed)
    assert any("not in the record" in warning for warning in run.warnings)


def test_what_is_open_at_the_end_is_valued_there_on_both_sides(twenty_days: Path) -> None:
    whole = run_of(twenty_days, shipped())
    moment = min(o.at for o in whole.outcomes if o.ending is Ending.RULE) - timedelta(minutes=1)
    early = run_of(twenty_days, shipped(), last=moment)
    assert {o.ending for o in early.outcomes} == {Ending.OPEN}
    assert all(o.pnl == o.recorded_pnl is not None for o in early.outcomes)


def test_a_position_that_ended_before_the_range_is_not_in_it(twenty_days: Path) -> None:
    whole = run_of(twenty_days, shipped())
    first_end = min(o.at for o in whole.outcomes if o.ending is Ending.RULE)
    later = run_of(twenty_days, shipped(), first=first_end + timedelta(seconds=1))
    assert len(later.outcomes) == len(whole.outcomes) - 1
    assert {o.position_id for o in later.outcomes} < {o.position_id for o in whole.outcomes}


def test_a_reduce_gives_up_its_part_once_at_the_mark_and_the_rest_lives_on(twenty_days: Path) -> None:
    whole = run_of(twenty_days, shipped())
    chosen = next(o for o in whole.outcomes if o.rule is not None).rule
    assert chosen is not None
    run = run_of(twenty_days, changed(chosen, then=Action(ActionKind.REDUCE, fraction=1.0)))
    reduced = [o for o in run.outcomes if o.parts]
    assert reduced
    for outcome in reduced:
        before = next(o for o in whole.outcomes if o.position_id == outcome.position_id)
        assert sum(part.units for part in outcome.parts) == outcome.quantity
        assert (outcome.at, outcome.rule) == (before.at, chosen)
        assert outcome.pnl == pytest.approx(before.pnl), "all of it given up is the same as closed"


def test_equity_ends_at_what_was_made(twenty_days: Path) -> None:
    run = run_of(twenty_days, shipped())
    assert run.curve.base == 250_000
    assert run.curve.replayed is not None
    assert run.curve.replayed[-1] - 250_000 == pytest.approx(run.pnl)
    assert run.curve.recorded[-1] - 250_000 == pytest.approx(run.recorded_pnl)
    row = connect(twenty_days).sql("SELECT arg_max(net_liq, ts) FROM portfolio").fetchall()[0]
    costs_of_open = 500
    assert run.curve.recorded[-1] == pytest.approx(row[0], abs=costs_of_open), "the account says the same"


def test_a_rule_that_was_never_known_is_named_with_the_field_and_has_missed_what_others_ended(
    twenty_days: Path,
) -> None:
    (rule,) = (r for r in shipped() if r.id == "vix_exit")
    donor = read_rule("rules/blind.yaml", BLIND)
    blind = replace(rule, when=donor.when, fallback=None, tracks=(), params=(), missing_for_s=None, alert=None)
    run = run_of(twenty_days, tuple(blind if r.id == "vix_exit" else r for r in shipped()))
    tally = {r.rule: r for r in run.rules}["vix_exit"]
    ended = sum(o.ending is not Ending.OPEN for o in run.outcomes)
    assert (tally.fired, tally.missed) == (0, ended)
    assert [(b.rule, b.field, b.always) for b in run.blind] == [("vix_exit", "sessions_to_earnings", True)]
    assert any("vix_exit cannot be judged: sessions_to_earnings is missing" in w for w in run.warnings)


# -- bad input --------------------------------------------------------------------------------------------------------


def test_an_empty_range_is_an_error_that_names_the_record(recorded: Run) -> None:
    with pytest.raises(V6Error, match=r"the record has 2014-01-06 .* to 2014-01-2"):
        open_history(recorded.store / "tables", datetime(2015, 1, 1, tzinfo=UTC))
    with pytest.raises(V6Error, match="after its end"):
        open_history(recorded.store / "tables", datetime(2014, 2, 1, tzinfo=UTC), datetime(2014, 1, 1, tzinfo=UTC))


def test_a_record_that_came_later_is_an_error(recorded: Run) -> None:
    with pytest.raises(V6Error, match="had been stored by 2014-01-10"):
        open_history(recorded.store / "tables", as_of=datetime(2014, 1, 10, tzinfo=UTC))


def test_a_corrupt_file_is_a_clear_error_and_never_a_number(recorded: Run, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    shutil.copytree(recorded.store / "tables", tables)
    for file in (tables / "snapshots").glob("*.parquet"):
        body = bytearray(file.read_bytes())
        body[4 : len(body) // 2] = b"\xff" * (len(body) // 2 - 4)
        file.write_bytes(bytes(body))
    with pytest.raises(StoreError, match="v6 doctor"):
        dry_run(Ask(tables), shipped())


def test_missing_sessions_are_told(tmp_path: Path, twenty_days: Path) -> None:
    history = open_history(twenty_days)
    assert history.gaps == ()
    from v6.replay.history import _gaps

    days = [datetime(2014, 1, d, tzinfo=UTC).date() for d in (6, 7, 10, 14)]
    assert [(a.day, b.day) for a, b in _gaps(days)] == [(8, 9), (13, 13)]


# -- outputs ----------------------------------------------------------------------------------------------------------


def test_parquet_has_every_decision_and_which_of_them_count(twenty_days: Path, tmp_path: Path) -> None:
    run, history = dry_run(Ask(twenty_days), with_target(tmp_path, "0.10"))
    count = write_decisions(history, tmp_path / "d.parquet")
    table = pq.read_table(tmp_path / "d.parquet")
    assert table.num_rows == count == connect(twenty_days).sql("SELECT * FROM snapshots").to_arrow_table().num_rows
    counted = [r for r in table.to_pylist() if r["counts"] and r["rule_id"] == "take_profit"]
    assert len(counted) == {rule.rule: rule.first for rule in run.rules}["take_profit"]


def test_the_report_links_each_of_the_worst_trades_to_its_trace(twenty_days: Path) -> None:
    desk = load_desk(ROOT)
    run, _ = dry_run(Ask(twenty_days), desk.rules)
    worst = worst_of(run)
    traces = traces_of(twenty_days, desk, worst)
    text = render(page_of(run, traces, "v6 replay", "rules"))
    for outcome in worst:
        if outcome.ending is Ending.RULE:
            assert f"{outcome.rule}" in traces[outcome.position_id]
            assert decision_of(outcome) in traces[outcome.position_id]
            assert "decided again: the same, bit for bit" in traces[outcome.position_id]
    assert text.count('href="#trace-1"') >= 2
    assert json.dumps([dataclasses.asdict(o) for o in run.outcomes], default=str)


def test_a_record_without_contracts_gives_decisions_but_no_dollars(twenty_days: Path, tmp_path: Path) -> None:
    tables = tmp_path / "tables"
    shutil.copytree(twenty_days, tables)
    shutil.rmtree(tables / "legs")
    run = run_of(tables, shipped())
    assert any(o.ending is Ending.RULE for o in run.outcomes)
    assert (run.pnl, run.difference, run.curve.replayed) == (None, None, None), "not known is not zero"
    assert {rule.pnl for rule in run.rules if rule.closed} == {None}
    assert any("no recorded contracts" in warning for warning in run.warnings)
    assert "Equity" not in render(page_of(run, {}, "v6 replay", "rules"))


def test_a_column_that_an_older_store_lacks_is_named_with_the_rule_and_the_days(
    twenty_days: Path, tmp_path: Path
) -> None:
    tables = tmp_path / "tables"
    shutil.copytree(twenty_days, tables)
    history = open_history(tables)
    table = history.db.sql("SELECT * REPLACE (CAST(NULL AS DOUBLE) AS pnl_ratio) FROM snapshots").to_arrow_table()
    shutil.rmtree(tables / "snapshots")
    write_deltalake(str(tables / "snapshots"), table.drop_columns(["pnl_ratio"]))
    run = run_of(tables, shipped())
    blind = {item.rule: item for item in run.blind if item.field == "pnl_ratio"}
    assert blind["take_profit"].always
    assert blind["take_profit"].days > 20
