"""Two condors beside a crowd of foreign positions, by the gateway's own counts; issue 4's acceptance in small."""

import shutil
from pathlib import Path

import pytest

from tests.conftest import ROOT
from v6.demo import Plan

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

CONTRACTS = 2500
"""More than can be seen in thirty seconds, so that the pace is what limits."""


def test_a_desk_streams_little_and_sees_everything_as_often_as_the_pace_allows(tmp_path: Path) -> None:
    from v6.crowd import run_crowd

    for name in ("rules", "strategies"):
        shutil.copytree(ROOT / name, tmp_path / "desk" / name, ignore=shutil.ignore_patterns("*.test.yaml"))
    report = run_crowd(Plan(tmp_path / "desk", tmp_path / "store", days=1, seed=1), CONTRACTS)
    ages = report.max_position_age_s
    assert (report.contracts, report.condors_open, report.restarts) == (CONTRACTS, 2, 1)
    assert report.streaming_lines_peak == 10
    assert ages.active is not None
    assert ages.active <= 5
    assert ages.queued is not None
    assert ages.allowed < ages.queued <= 1.1 * ages.allowed, "a restart in the middle of a round included"
    assert (report.pacing_errors, report.desk_unanswered) == (0, 0)
    assert report.messages_per_s_peak <= 45
    assert report.messages > report.desk_answers > 3 * CONTRACTS
    assert abs(report.desk_max_queued_age_s - ages.queued) < 0.1, "the desk's own figure is the gateway's"
    assert [finding.split(":")[0] for finding in report.findings] == ["foreign-positions"]
