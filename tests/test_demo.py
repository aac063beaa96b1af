import dataclasses
import shutil
from datetime import date, datetime
from pathlib import Path

import pytest

from tests.conftest import ROOT, Run
from v6.daemon.daemon import Daemon
from v6.demo import Plan, Report, Watcher, run_demo
from v6.errors import V6Error
from v6.model import event as e
from v6.store.journal import JournalReader

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")


def desk_copy(folder: Path) -> Path:
    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, folder / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    return folder


def run(root: Path, store: Path, days: int, seed: int, watcher: Watcher | None = None) -> Report:
    return run_demo(Plan(root, store, days=days, seed=seed), watcher)


def test_the_same_seed_gives_the_same_event_log_and_another_seed_another(tmp_path: Path) -> None:
    desk = desk_copy(tmp_path / "desk")
    first, again, other = (run(desk, tmp_path / f"store{n}", 4, seed) for n, seed in enumerate((3, 3, 4)))
    assert first == again
    assert first.event_log_sha256 != other.event_log_sha256


def test_a_run_opens_closes_and_leaves_nothing_unexplained(recorded: Run) -> None:
    report = recorded.report
    assert isinstance(report, Report)
    assert report.days == 12
    assert report.positions_opened > report.positions_closed > 0
    assert report.positions_opened - report.positions_closed == report.positions_open_at_end
    assert (report.duplicate_orders, report.unmanaged_positions, report.findings) == (0, 0, 0)


def test_every_order_is_one_bag_with_its_intent_before_it(recorded: Run) -> None:
    events = [event for _, event in JournalReader(recorded.store / "journal.sqlite").events()]
    intended: set[str] = set()
    sent: set[str] = set()
    for event in events:
        if isinstance(event, e.OrderIntended):
            assert len(event.intent.structure.legs) == 4
            intended.add(event.intent.order_ref)
        if isinstance(event, e.OrderSending):
            assert event.order_ref in intended
            assert event.order_ref not in sent
            sent.add(event.order_ref)
        if isinstance(event, e.OrderFilled):
            assert event.fill.order_ref in sent
    assert sent


def test_a_changed_threshold_goes_live_and_a_broken_file_does_not(tmp_path: Path) -> None:
    desk = desk_copy(tmp_path / "desk")
    rule = desk / "rules/take_profit.yaml"
    good = rule.read_text()
    seen: list[e.Event] = []
    edits = {
        date(2014, 1, 7): good.replace("target: {value: 0.50", "target: {value: 0.60"),
        date(2014, 1, 8): good + "\n  broken: [",
    }
    fingerprints: list[str] = []

    def on_day(now: datetime, daemon: Daemon) -> None:
        text = edits.pop(now.date(), None)
        if text is not None:
            rule.write_text(text)
        fingerprints.append(daemon.ruleset.fingerprint)

    watcher = Watcher(on_day=on_day, on_event=seen.append)
    report = run(desk, tmp_path / "store", 4, 1, watcher)
    reloads = [event.fingerprint for event in seen if isinstance(event, e.RuleSetReloaded)]
    refusals = [event for event in seen if isinstance(event, e.RuleSetRefused)]
    assert len(dict.fromkeys(fingerprints)) == 2
    assert reloads[-1] == report.bundle_fingerprint == fingerprints[-1], "the last good set keeps trading"
    assert len(refusals) == 1
    assert refusals[0].diagnostics[0].startswith("rules/take_profit.yaml:")
    used = {d.bundle_fingerprint for event in seen if isinstance(event, e.DecisionsMade) for d in event.decisions}
    assert used == set(fingerprints)


def test_another_programs_folder_is_not_cleared(tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("irreplaceable")
    with pytest.raises(V6Error, match="not the store of an earlier demo"):
        run(ROOT, tmp_path, 1, 1)
    assert (tmp_path / "thesis.txt").exists()


def test_more_days_than_the_history_has_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(V6Error, match="sessions"):
        run(ROOT, tmp_path / "store", 100_000, 1)


def test_the_report_has_the_fields_that_are_promised() -> None:
    promised = (
        "days cycles snapshots decisions orders_sent fills positions_opened positions_closed duplicate_orders "
        "unmanaged_positions rules_fired equity_start equity_end event_log_sha256 bundle_fingerprint"
    )
    assert set(promised.split()) <= {field.name for field in dataclasses.fields(Report)}
