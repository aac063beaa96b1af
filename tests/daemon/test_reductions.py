"""A rule that gives up a part of a position, from the decision to the units at the broker."""

from datetime import datetime
from pathlib import Path

import pytest

from tests.daemon import test_daemon as stage
from v6.daemon.daemon import Daemon
from v6.model import event as e
from v6.replay.replay import replay
from v6.rules import load_desk

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

HALVE = """\
version: 1
id: halve
priority: 5
scope: position
title: Give up a half after an hour
params: {enough: {value: 2, unit: count, min: 1, max: 9}}
when: quantity >= enough and days_held < 1
for: 1h
then: {action: reduce, fraction: 0.5}
alert: {severity: info, text: "{quantity:g} units held"}
examples:
  - {given: {quantity: 2, days_held: 0}, fires: true}
  - {given: {quantity: 1, days_held: 0}, fires: false}
"""


@pytest.fixture
def desk(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let the stage's desk hold several units and give up a half."""
    shipped = stage.desk

    def reducing(folder: Path) -> Path:
        root = shipped(folder)
        (root / "rules/halve.yaml").write_text(HALVE)
        bundle = root / "rules/bundle.yaml"
        bundle.write_text(bundle.read_text().replace("  - catastrophe.yaml", "  - halve.yaml\n  - catastrophe.yaml"))
        strategy = root / "strategies/iron_condor.yaml"
        strategy.write_text(strategy.read_text().replace("risk_ratio: 0.02", "risk_ratio: 0.1"))
        limits = root / "rules/limits.yaml"
        text = limits.read_text().replace("max_loss_per_order_ratio: 0.03", "max_loss_per_order_ratio: 0.2")
        limits.write_text(text.replace("max_total_loss_ratio: 0.20", "max_total_loss_ratio: 0.9"))
        for test in (root / "rules").glob("*.test.yaml"):
            test.unlink()
        return root

    monkeypatch.setattr(stage, "desk", reducing)


@pytest.mark.usefixtures("desk")
def test_a_reduction_is_worked_off_once_also_across_a_restart_in_the_middle(tmp_path: Path) -> None:
    stopped = 0

    def hook(scene: stage.Scene, daemon: Daemon, _: datetime) -> None:
        nonlocal stopped
        # The first one is killed off with the decision on record and its order not yet filled.
        if not stopped and daemon.books.ledger.reductions:
            stopped += 1
            daemon.request_stop()

    scene = stage.play(tmp_path, hook, lives=2)
    due = [event for event in scene.seen if isinstance(event, e.ReductionDue)]
    reduced = [event for event in scene.seen if isinstance(event, e.PositionReduced)]
    opened = {ev.position.position_id: ev.position.quantity for ev in scene.seen if isinstance(ev, e.PositionOpened)}
    assert stopped == 1
    assert due
    assert all(opened[event.position_id] - event.keep == -(-opened[event.position_id] // 2) for event in due)
    assert {event.position_id for event in reduced} == {event.position_id for event in due if event.keep}
    assert sum(event.units for event in reduced) == sum(
        opened[event.position_id] - event.keep for event in due if event.keep
    )
    assert {event.reason for event in reduced} == {"halve"}
    assert max(scene.gateway.order_refs_placed.values()) == 1
    assert scene.agrees()
    alerts = [event for event in scene.seen if isinstance(event, e.AlertRaised)]
    assert {(event.rule_id, event.text) for event in alerts} == {("halve", f"{n} units held") for n in opened.values()}
    assert len(alerts) == len(due)
    outcome = replay(scene.settings.store / "tables", load_desk(scene.settings.root).rules)
    assert (outcome.disagree, outcome.agree) == (0, outcome.snapshots)
