"""The shipped desk in the shipped scenarios, in virtual time: what it closes, and that nothing is lost."""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeVar

import pytest

from tests.conftest import ROOT
from v6.demo import Plan, Report, run_demo
from v6.errors import V6Error
from v6.model import event as e
from v6.paper.scenarios import load_scenario
from v6.store.journal import JournalReader

T = TypeVar("T")


@dataclass(frozen=True)
class Played:
    report: Report
    events: list[e.Event]

    def of(self, kind: type[T]) -> list[T]:
        return [event for event in self.events if isinstance(event, kind)]


def play(name: str, store: Path, days: int, seed: int = 1) -> Played:
    report = run_demo(Plan(ROOT, store, days=days, seed=seed, scenario=load_scenario(name)))
    return Played(report, [event for _, event in JournalReader(store / "journal.sqlite").events()])


@pytest.fixture(scope="module")
def crash(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play("crash", tmp_path_factory.mktemp("crash") / "store", 19)


@pytest.fixture(scope="module")
def halt(tmp_path_factory: pytest.TempPathFactory) -> Played:
    return play("halt", tmp_path_factory.mktemp("halt") / "store", 18)


def clean(report: Report) -> bool:
    return (report.duplicate_orders, report.unmanaged_positions) == (0, 0)


def test_in_a_crash_the_protective_rules_leave_every_position(crash: Played) -> None:
    assert clean(crash.report)
    assert crash.report.positions_opened >= 3
    assert crash.report.positions_open_at_end == 0
    assert crash.report.rules_fired.get("vix_exit", 0) + crash.report.rules_fired.get("catastrophe", 0) >= 1
    # Two per cent of the account is what one position may lose; a fifth of the index went.
    assert crash.report.equity_end > 0.94 * crash.report.equity_start


def test_the_same_seed_gives_the_same_event_log_and_another_seed_another(tmp_path: Path) -> None:
    first, again, other = (play("gap", tmp_path / f"{n}", 4, seed).report for n, seed in enumerate((5, 5, 6)))
    assert first == again
    assert first.event_log_sha256 != other.event_log_sha256


HALTS = [
    (datetime(2017, 3, 27, 13, 40, tzinfo=UTC), datetime(2017, 3, 27, 14, 25, tzinfo=UTC)),
    (datetime(2017, 3, 28, 19, 25, tzinfo=UTC), datetime(2017, 3, 28, 20, 0, tzinfo=UTC)),
]


def test_in_a_halt_nothing_is_sent_to_a_market_without_quotes(halt: Played) -> None:
    snapshots = [s for s in halt.of(e.SnapshotTaken) if any(begin < s.at < end for begin, end in HALTS)]
    assert len(snapshots) >= 15, "the desk goes on looking"
    for event in (*halt.of(e.OrderSending), *halt.of(e.OrderRepriced)):
        assert not any(begin < event.at < end for begin, end in HALTS), event


def test_what_could_not_be_closed_in_a_halt_is_told_and_closed_when_quotes_are_back(halt: Played) -> None:
    assert clean(halt.report)
    begin, end = HALTS[0]
    told = [f for f in halt.of(e.FindingRaised) if begin < f.at < end]
    assert {f.code for f in told} == {"no-price", "trading-halted"}
    waiting = {f.text.split(":")[0] for f in told if f.code == "no-price"}
    assert waiting
    closed = {c.position_id: c.at for c in halt.of(e.PositionClosed)}
    assert waiting <= set(closed)
    assert all(closed[key] > end for key in waiting)


def test_a_scenario_needs_no_package_with_history(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("v6.demo.load_package_history", None)
    assert play("grind", tmp_path / "store", 1).report.cycles == 78


def test_more_days_than_the_scenario_has_are_refused(tmp_path: Path) -> None:
    plan = Plan(ROOT, tmp_path / "store", days=21, seed=1, scenario=load_scenario("gap"))
    with pytest.raises(V6Error, match="the scenario gap has 20 sessions from 2017-03-06; --days 21 is more"):
        run_demo(plan)
    assert run_demo(replace(plan, days=1)).days == 1
