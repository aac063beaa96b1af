"""The command `v6 replay` as it is used: what it prints, writes and refuses."""

import json
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from tests.conftest import Run
from tests.test_cli import desk as desk
from tests.test_cli import v6


def test_a_replay_says_what_each_rule_would_have_made(recorded: Run, desk: Path, tmp_path: Path) -> None:
    html, parquet = tmp_path / "report.html", tmp_path / "rows.parquet"
    done = v6("replay", "--store", str(recorded.store), "--html", str(html), "--parquet", str(parquet), cwd=desk)
    assert done.returncode == 0, done.stderr
    assert "would have made" in done.stdout
    assert "0 disagree" in done.stdout
    assert html.read_text().startswith("<!doctype html>")
    assert pq.read_table(parquet).num_rows > 900


def test_json_has_every_position_and_the_equity(recorded: Run, desk: Path) -> None:
    found = json.loads(v6("replay", "--store", str(recorded.store), "--json", cwd=desk).stdout)
    assert len(found["positions"]) >= 2
    assert found["equity"]["replayed"][-1] == pytest.approx(found["equity"]["base"] + found["pnl"])
    assert {rule["rule"] for rule in found["by_rule"]} == set(found["rules"])
    assert "average of" in found["fees"]["source"]


def test_a_sweep_prints_its_grid_and_its_warning(recorded: Run, desk: Path, tmp_path: Path) -> None:
    html = tmp_path / "sweep.html"
    wanted = ("--sweep", "take_profit.target=0.1:0.3:0.1", "--sweep", "trailing_stop.trail=0.2,0.4")
    done = v6("replay", "--store", str(recorded.store), *wanted, "--walk-forward", "2", "--html", str(html), cwd=desk)
    assert done.returncode == 0, done.stderr
    assert "walk forward" in done.stdout
    assert "best of 6 trials" in done.stdout
    assert "deflated" in html.read_text().lower()


@pytest.mark.parametrize(
    ("arguments", "complaint", "code"),
    [
        (("--from", "2020-01-01"), "the record has 2014-01-06", 1),
        (("--rules", "no-such-branch"), "no folder and no git revision", 1),
        (("--as-of", "2014-01-01"), "had been stored by", 1),
        (("--sweep", "take_profit.goal=1"), "no parameter `goal`", 1),
        (("--html", "nowhere/report.html"), "cannot be written", 1),
        (("--parquet", "nowhere/rows.parquet"), "cannot be written", 1),
        (("--walk-forward", "2"), "needs a --sweep", 2),
    ],
)
def test_what_cannot_be_done_is_said_in_one_line(
    recorded: Run, desk: Path, arguments: tuple[str, ...], complaint: str, code: int
) -> None:
    done = v6("replay", "--store", str(recorded.store), *arguments, cwd=desk)
    assert done.returncode == code
    assert complaint in " ".join(done.stderr.split())
    assert "Traceback" not in done.stderr
    assert "would have made" not in done.stdout
