"""The command: its report, and what it says about bad input."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.conftest import ROOT

pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")

TEMPLATE = str(ROOT / "strategies/iron_condor.yaml")


def backtest(folder: Path, *arguments: str, template: str = TEMPLATE) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "v6.cli", "backtest", template, "--desk", str(ROOT), "--cycle", "3600"]
    return subprocess.run(
        [*command, *arguments, "--store", str(folder / "store")],
        cwd=ROOT, capture_output=True, text=True, timeout=300, check=False,
    )  # fmt: skip


@pytest.fixture(scope="module")
def done(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, subprocess.CompletedProcess[str]]:
    folder = tmp_path_factory.mktemp("cli")
    arguments = ("--from", "2014-02-03", "--to", "2014-02-28", "--jobs", "1", "--html", str(folder / "report.html"))
    return folder, backtest(folder, *arguments, "--json")


def test_the_json_has_every_figure_and_the_days(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, process = done
    assert process.returncode == 0, process.stderr
    found = json.loads(process.stdout)
    assert found["settings"]["first"] == "2014-02-03"
    assert found["settings"]["last"] == "2014-02-28"
    assert len(found["account"]["days"]) == found["figures"]["sessions"] == 19
    assert found["figures"]["pnl"] == pytest.approx(found["account"]["days"][-1]["equity"] - 250_000.0)
    assert found["drawdown_band"] is None
    assert found["buy_and_hold"]["win_rate"] is None
    assert len(found["caveats"]) >= 4
    assert "note: only 20 sessions lie before 2014-02-03" in process.stderr


class _Page(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.titles: list[str] = []
        self.sources: list[str] = []
        self._in_title = False

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self._in_title = tag == "h2"
        self.sources += [value or "" for name, value in attributes if name == "src" or (tag, name) == ("link", "href")]

    def handle_data(self, text: str) -> None:
        if self._in_title and text.strip():
            self.titles.append(text.strip())
            self._in_title = False


def test_the_report_is_one_file_with_every_section(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = done
    page = _Page()
    page.feed((folder / "report.html").read_text(encoding="utf-8"))
    assert page.sources == []
    wanted = {
        "Equity of the account", "Against the index", "Key figures", "By year", "By exit", "Worst trades",
        "All trades", "By the VIX at the close before", "What these figures must not be read without",
    }  # fmt: skip
    assert wanted <= set(page.titles)


def test_the_same_command_shows_what_is_kept(done: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    folder, _ = done
    [kept] = (folder / "store").glob("*/*.json")
    before = kept.stat().st_mtime_ns
    again = backtest(folder, "--from", "2014-02-03", "--to", "2014-02-28", "--jobs", "1")
    assert again.returncode == 0
    assert kept.stat().st_mtime_ns == before
    for words in ("CAGR", "Largest drawdown", "S&P 500, held", "closed by", "- Only the closes of the VIX"):
        assert words in again.stdout


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("--from", "2012-01-03"), "--from 2012-01-03: the history covers 2014-01-06 to 2018-12-31"),
        (("--from", "2014-03-02", "--to", "2014-03-01"), "--from 2014-03-02 lies after --to 2014-03-01"),
        (("--from", "2014-03-01", "--to", "2014-03-02"), "no session lies between 2014-03-01 and 2014-03-02"),
        (("--rules", "no-such-revision"), "no folder and no git revision"),
        (("--vix", "nothing.csv"), "nothing.csv: cannot be read"),
        (("--html", "no/folder/report.html"), "no/folder is no folder to write report.html into"),
    ],
)
def test_a_bad_question_gets_one_line_and_exit_code_one(
    tmp_path: Path, arguments: tuple[str, ...], complaint: str
) -> None:
    process = backtest(tmp_path, *arguments)
    assert process.returncode == 1
    assert complaint in process.stderr
    assert "Traceback" not in process.stderr
    assert not (tmp_path / "store").exists()


def test_a_template_that_is_not_there_or_wrong_is_told(tmp_path: Path) -> None:
    missing = backtest(tmp_path, template=str(tmp_path / "nothing.yaml"))
    assert missing.returncode == 1
    assert f"{tmp_path}/nothing.yaml: the template cannot be read" in missing.stderr
    wrong = tmp_path / "wrong.yaml"
    shutil.copy(TEMPLATE, wrong)
    wrong.write_text(wrong.read_text().replace("width: 50", "width: many"))
    process = backtest(tmp_path, template=str(wrong))
    assert process.returncode == 1
    assert "strategies/wrong.yaml:" in process.stderr
    assert "width" in process.stderr


def test_a_search_needs_no_run(tmp_path: Path) -> None:
    process = backtest(tmp_path, "--fast", "--json", "--to", "2014-06-30")
    assert process.returncode == 0, process.stderr
    rows = json.loads(process.stdout)
    assert len(rows) == 125
    assert rows[0]["score"] == max(row["score"] for row in rows)
    assert not (tmp_path / "store").exists()
