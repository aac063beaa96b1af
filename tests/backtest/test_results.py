"""The comparison behind docs/results.md: what it holds, pairs and says."""

from __future__ import annotations

import re
from datetime import date
from pathlib import Path

import pytest

from tests.backtest.accounts import account, trade
from v6.backtest.comparison import BASIC, SHIPPED, Comparison, page, paired, table
from v6.backtest.history import Sources
from v6.backtest.results import DAYS_BETWEEN, Request, compare, finished, main, trials_of
from v6.errors import V6Error
from v6.report import Unit, spoken

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

FIRST, LAST = date(2014, 2, 3), date(2014, 3, 14)


def request_in(folder: Path) -> Request:
    return Request(Sources(), folder, cycle_s=3600.0, first=FIRST, last=LAST)


@pytest.fixture(scope="module")
def comparison(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    return compare(request_in(tmp_path_factory.mktemp("results")), jobs=1)


def test_the_four_runs_differ_in_nothing_but_exits_and_costs(tmp_path: Path) -> None:
    trials = trials_of(request_in(tmp_path))
    assert list(trials) == [(BASIC, True), (SHIPPED, True), (BASIC, False), (SHIPPED, False)]
    for (name, costs), trial in trials.items():
        assert trial.desk.template == trials[BASIC, True].desk.template
        assert trial.desk.template.entry.min_days_between == DAYS_BETWEEN
        assert trial.desk.desk.limits == trials[BASIC, True].desk.desk.limits
        assert trial.conditions.costs is costs
        assert [s.run_off for s in trial.segments] == [False]
        rules = {rule.id for rule in trial.desk.desk.rules}
        assert rules == {"take_profit", "stop_loss"} if name == BASIC else len(rules) == 12
    assert len({trial.fingerprint for trial in trials.values()}) == 4


def test_the_basic_exits_have_the_earlier_systems_thresholds(tmp_path: Path) -> None:
    rules = trials_of(request_in(tmp_path))[BASIC, True].desk.desk.rules
    values = {f"{rule.id}.{p.name}": p.value for rule in rules for p in rule.params}
    assert values == {
        "take_profit.target": 0.80,
        "stop_loss.stop": 2.0,
        "stop_loss.late_stop": 0.50,
        "stop_loss.late": 7,
    }


def test_positions_are_paired_by_day_and_strikes() -> None:
    one, two = date(2014, 3, 3), date(2014, 3, 10)
    ours = account(
        0.0, trades=(trade(100.0, opened=one), trade(-50.0, opened=two), trade(7.0, opened=date(2014, 3, 17)))
    )
    theirs = account(
        0.0, trades=(trade(60.0, opened=one), trade(40.0, opened=two), trade(None, opened=date(2014, 4, 7)))
    )
    found = paired(ours, theirs)
    assert (found.of_first, found.of_second, found.count, found.better) == (3, 3, 2, 1)
    assert (found.first, found.second, found.mean) == (50.0, 100.0, 25.0)
    assert found.error == pytest.approx(65.0)


def test_nothing_in_common_has_no_mean() -> None:
    found = paired(account(0.0, trades=(trade(1.0),)), account(0.0))
    assert (found.count, found.mean, found.error) == (0, None, None)


def test_the_page_says_what_the_figures_say(comparison: Comparison) -> None:
    text = page(comparison, "make results VIX=FILE")
    for costs in (True, False):
        basic, shipped = (comparison.outcomes[name, costs].figures.pnl for name in (BASIC, SHIPPED))
        words = "With costs" if costs else "Without costs"
        said = re.search(rf"\*\*{words} the shipped rules made (.*?) the basic exits\*\*: (\S+) against (\S+)\.", text)
        assert said is not None
        assert ("more" in said[1], "less" in said[1]) == (shipped > basic, shipped < basic)
        assert said.groups()[1:] == (spoken(shipped, Unit.USD), spoken(basic, Unit.USD))
    assert "| Commissions |" in text
    assert "| 2014 |" in text
    free = comparison.outcomes[SHIPPED, False].figures
    assert free.commission == 0.0
    assert comparison.outcomes[SHIPPED, True].figures.commission > 0.0
    assert comparison.outcomes[SHIPPED, False].caveats != comparison.outcomes[SHIPPED, True].caveats


def test_the_same_entries_are_estimated_for_the_other_exits(comparison: Comparison) -> None:
    # A pair without a closed position on either side has nothing to swap.
    assert True in comparison.swaps
    for costs, swap in comparison.swaps.items():
        closed = [t for t in comparison.outcomes[SHIPPED, costs].account.trades if t.pnl is not None]
        assert swap.count == len(closed)
        assert swap.shipped == pytest.approx(sum(t.pnl / t.units for t in closed if t.pnl is not None))
        assert swap.basic != swap.shipped
    text = page(comparison, "make results VIX=FILE")
    assert text.count("on the same entries throughout") == len(comparison.swaps)


def test_a_page_without_the_free_runs_says_so(comparison: Comparison) -> None:
    paid = Comparison({key: outcome for key, outcome in comparison.outcomes.items() if key[1]})
    text = page(paid, "make results VIX=FILE")
    assert "The runs without costs are not finished" in text
    assert "ithout costs the shipped" not in text
    assert "The runs without costs are not finished" not in page(comparison, "make results VIX=FILE")


def test_nothing_is_written_before_the_runs_with_costs_are_there(tmp_path: Path) -> None:
    with pytest.raises(V6Error, match="leave --finished out"):
        finished(request_in(tmp_path))


def test_a_table_has_one_cell_for_each_column() -> None:
    assert table(["a", "b"], [["c", "1"]]).splitlines() == ["| a | b |", "| --- | --: |", "| c | 1 |"]


def test_a_file_that_is_not_there_ends_with_a_message(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    missing, out = tmp_path / "nothing.csv", tmp_path / "results.md"
    assert main(["--vix", str(missing), "--out", str(out), "--store", str(tmp_path)]) == 1
    assert "nothing.csv: cannot be read" in capsys.readouterr().err
    assert not out.exists()
