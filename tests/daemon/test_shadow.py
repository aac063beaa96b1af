"""A candidate bundle beside a whole run: what it would have done is on record, and nothing of it is done."""

import json
from datetime import datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from tests.daemon import test_daemon as stage
from v6.cli import app
from v6.daemon.daemon import Daemon
from v6.model import event as e

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")


def test_what_a_shadow_would_have_done_is_recorded_and_listed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    shipped = stage.desk

    def shadowed(folder: Path) -> Path:
        root = shipped(folder)
        (root / "rules/eager.yaml").write_text(EAGER)
        (root / "rules/shadow.yaml").write_text("version: 1\nrules: [eager.yaml]\n")
        return root

    monkeypatch.setattr(stage, "desk", shadowed)
    cycles = 0

    def hook(_: stage.Scene, daemon: Daemon, __: datetime) -> None:
        nonlocal cycles
        cycles += 1
        if cycles == 120:
            daemon.request_stop()

    scene = stage.play(tmp_path, hook)
    opened = [event for event in scene.seen if isinstance(event, e.PositionOpened)]
    differed = [event for event in scene.seen if isinstance(event, e.ShadowDiffered)]
    assert opened
    assert {event.key for event in differed} == {event.position.position_id for event in opened}
    assert {(event.rule_id, event.shadow_rule_id) for event in differed} == {(None, "eager")}
    result = CliRunner().invoke(app, ["rules", "shadow", "--store", str(scene.settings.store), "--json"])
    assert result.exit_code == 0, result.output
    listed = json.loads(result.output)["differences"]
    assert [row["decision_id"] for row in listed] == [event.decision_id for event in differed]
    assert {row["shadow_action"] for row in listed} == {"close (normal)"}


EAGER = """\
version: 1
id: eager
priority: 1
scope: position
title: Close whatever is held
params: {days_left: {value: 2, unit: days, min: 1, max: 9}}
when: dte > days_left
then: {action: close}
examples:
  - {given: {dte: 40}, fires: true}
  - {given: {dte: 1}, fires: false}
"""
