"""The extra rules: off as shipped, sound when a desk lists them, and each where it belongs."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from random import Random

import duckdb
import pytest

from tests.backends.compare import as_snapshots, decided, replayed
from tests.backends.test_agreement import shipped_series
from v6.lang.desk import Desk
from v6.lint import lint
from v6.model.catalogue import Value
from v6.model.snapshot import Row, Snapshot
from v6.rules import RuleSet, RuleState, check_desk, load_desk
from v6.ruletools.suite import run_tests

ROOT = Path(__file__).parents[2]
EXTRA = ("assignment_risk", "iv_percentile_exit", "earnings_exit")
START = datetime(2014, 1, 2, 15, 0, tzinfo=UTC)

CALM: dict[str, Value] = {
    "structure": "bear_call_spread",
    "legs": 2.0,
    "quantity": 1.0,
    "dte": 30.0,
    "days_held": 15.0,
    "credit": 2.0,
    "pnl_ratio": 0.1,
    "broker_pnl_ratio": 0.1,
    "delta": -0.10,
    "gamma_1pct": -0.05,
    "iv": 0.14,
    "short_delta": 0.20,
    "short_distance": 0.03,
    "underlying_price": 1840.0,
    "underlying_change_1h": 0.001,
    "underlying_change_1d": 0.002,
    "vix": 14.0,
    "iv_percentile": 0.50,
    "minutes_since_open": 120.0,
    "minutes_to_close": 270.0,
    "short_exercise": "american",
    "short_call_itm": 0.0,
    "short_put_itm": 0.0,
    "next_dividend": 0.93,
    "sessions_to_ex_dividend": 20.0,
    "earnings": "none",
}
EVE: dict[str, Value] = {"short_call_itm": 0.02, "short_call_extrinsic": 0.40, "sessions_to_ex_dividend": 1.0}


def listing(folder: Path, *rules: str) -> Path:
    """Return a copy of the shipped desk whose bundle lists these extra rules too."""
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name)
    bundle = folder / "rules" / "bundle.yaml"
    lines = "".join(f"  - extra/{rule}.yaml\n" for rule in rules)
    bundle.write_text(bundle.read_text().replace("rules:\n", f"rules:\n{lines}", 1))
    return folder


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """All of them, and the desk's own tests told of what they read, as docs/rules.md advises."""
    folder = listing(tmp_path_factory.mktemp("desk"), *EXTRA)
    tests = folder / "rules" / "bundle.test.yaml"
    given = "given:\n  short_exercise: european\n  earnings: none\n  iv_percentile: 0.50\n"
    tests.write_text(tests.read_text().replace("given:\n", given, 1))
    return folder


@pytest.fixture(scope="module")
def desk(root: Path) -> Desk:
    return load_desk(root)


@pytest.fixture(scope="module")
def rules(desk: Desk) -> RuleSet:
    return RuleSet.compile(desk)


def decide(rules: RuleSet, *rows: dict[str, Value]) -> str | None:
    """Return the rule that wins on the last of rows five minutes apart, each being changes to a calm position."""
    state, winner = RuleState(), None
    for cycle, changes in enumerate(rows):
        row = Row.of("p", CALM | changes)
        snapshot = Snapshot(f"s{cycle}", cycle, START + timedelta(minutes=5 * cycle), (row,))
        (decision,), state = rules.evaluate(snapshot, state)
        winner = decision.rule_id
    return winner


def test_the_shipped_desk_has_none_of_them_on_and_says_nothing_of_it() -> None:
    assert not {rule.id for rule in load_desk(ROOT).rules} & set(EXTRA)
    assert check_desk(ROOT) == []


@pytest.mark.parametrize("rule", EXTRA)
def test_a_desk_that_lists_one_gets_it_without_a_finding(tmp_path: Path, rule: str) -> None:
    folder = listing(tmp_path, rule)
    assert check_desk(folder) == []
    desk = load_desk(folder)
    assert [found.id for found in desk.rules if found.id in EXTRA] == [rule]
    assert lint(desk) == []


def test_with_all_of_them_the_solver_finds_nothing_hidden_dead_or_unprotected(root: Path, desk: Desk) -> None:
    assert check_desk(root) == []
    assert len(desk.rules) == 15
    assert lint(desk) == []


def test_their_tests_pass_and_the_desks_own_still_do(root: Path, desk: Desk) -> None:
    report = run_tests(root, desk)
    assert report.failed == 0, report.to_json()
    assert report.diagnostics == ()


@pytest.mark.parametrize("rule", EXTRA)
def test_every_comparison_is_seen_true_false_and_unknown_if_it_can_be(root: Path, desk: Desk, rule: str) -> None:
    seen = [one for one in run_tests(root, desk, [f"rules/extra/{rule}"]).coverage if one.rule == rule]
    assert len(seen) >= 4
    for one in seen:
        assert one.true, one
        assert one.false, one
        assert one.unknown or one.comparison == "credit > 0", one


def test_a_calm_position_is_left_alone(rules: RuleSet) -> None:
    assert decide(rules, {}, {}) is None


@pytest.mark.parametrize(
    ("changes", "winner"),
    [
        (EVE, "assignment_risk"),
        (EVE | {"pnl_ratio": 0.55}, "assignment_risk"),
        (EVE | {"underlying_change_1h": -0.04}, "catastrophe"),
        (EVE | {"short_exercise": "european"}, None),
        (EVE | {"short_call_extrinsic": 1.50}, None),
        (EVE | {"sessions_to_ex_dividend": 2.0}, None),
        (EVE | {"next_dividend": 0.0, "sessions_to_ex_dividend": None}, None),
        ({"short_put_itm": 0.2, "short_put_extrinsic": 0.02}, "assignment_risk"),
        ({"earnings": "reports", "sessions_to_earnings": 1.0}, "earnings_exit"),
        ({"earnings": "reports", "sessions_to_earnings": 1.0, "dte": 2.0}, "time_exit"),
        ({"earnings": "reports", "sessions_to_earnings": 1.0, "dte": 20.0}, "earnings_exit"),
        ({"earnings": "reports", "sessions_to_earnings": 5.0}, None),
        ({"iv_percentile": 0.2, "pnl_ratio": 0.25}, "iv_percentile_exit"),
        ({"iv_percentile": 0.2, "pnl_ratio": 0.25, "dte": 20.0}, "iv_percentile_exit"),
        ({"iv_percentile": 0.2, "pnl_ratio": 0.15}, None),
    ],
)
def test_each_wins_where_it_should(rules: RuleSet, changes: dict[str, Value], winner: str | None) -> None:
    assert decide(rules, changes) == winner


def test_an_unknown_dividend_is_not_taken_for_none(rules: RuleSet) -> None:
    dark = EVE | {"next_dividend": None, "sessions_to_ex_dividend": None}
    assert decide(rules, dark | {"short_delta": 0.9, "structure": "single"}) == "assignment_risk"
    assert decide(rules, dark | {"short_delta": None, "delta": -0.1, "structure": "single"}) is None
    blind: dict[str, Value] = dark | {"short_delta": None, "structure": "single"}
    assert decide(rules, *[blind] * 7) == "assignment_risk", "after half an hour without anything to judge by"


def test_an_unknown_report_closes_nothing_and_holds_up_nothing(rules: RuleSet) -> None:
    unknown: dict[str, Value] = {"earnings": "reports", "sessions_to_earnings": None}
    assert decide(rules, *[unknown] * 10) is None
    assert decide(rules, unknown | {"dte": 20.0}) == "dte_roll"


def test_rows_from_before_the_fields_were_recorded_are_not_closed(rules: RuleSet) -> None:
    """A desk that turns the rules on in the middle of a position still has its old rows."""
    old: dict[str, Value] = dict.fromkeys(
        ("short_exercise", "short_call_itm", "short_put_itm", "next_dividend", "sessions_to_ex_dividend", "earnings")
    )
    assert decide(rules, *[old] * 10) is None


def test_they_decide_alike_live_and_replayed(desk: Desk) -> None:
    wanted, snapshots = desk.rules, shipped_series(300, seed=5)
    random = Random(7)
    walk: dict[str, tuple[Value, ...]] = {
        "short_exercise": (None, "none", "european", *["american"] * 6),
        "short_call_itm": (None, 0.0, 0.01, 0.03),
        "short_call_extrinsic": (None, 0.02, 0.5, 1.5),
        "short_put_itm": (None, 0.0, 0.0, 0.02),
        "short_put_extrinsic": (None, -0.1, 0.05, 0.6),
        "next_dividend": (None, 0.0, 0.93),
        "sessions_to_ex_dividend": (None, 0.0, 1.0, 2.0),
        "earnings": (None, "none", "reports"),
        "sessions_to_earnings": (None, 1.0, 4.0),
        "iv_percentile": (None, 0.1, 0.6),
    }
    snapshots = [
        replace(
            s,
            rows=tuple(
                Row.of(row.key, dict(row.items()) | {name: random.choice(values) for name, values in walk.items()})
                for row in s.rows
            ),
        )
        for s in snapshots
    ]
    live = decided(wanted, snapshots)
    with duckdb.connect(config={"threads": 1}) as database:
        database.register("snapshots", as_snapshots(snapshots))
        assert replayed(wanted, database) == live
    for rule in EXTRA:
        bit = next(bit for bit, found in enumerate(wanted) if found.id == rule)
        for mask in (1, 2):
            assert any(int(str(outcome[mask])) >> bit & 1 for outcome in live.values()), (rule, mask)


def test_only_the_assignment_is_protective(desk: Desk) -> None:
    assert [rule.id for rule in desk.rules if rule.id in EXTRA and rule.protective] == ["assignment_risk"]
