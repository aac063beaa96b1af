from __future__ import annotations

import sys
from dataclasses import replace
from datetime import date
from math import inf, nan
from pathlib import Path

import pytest

from v6.errors import V6Error
from v6.paper.market import load_csv_history, load_package_history
from v6.paper.market.history import DailyHistory, Session

MONDAY, TUESDAY, WEDNESDAY = date(2014, 3, 3), date(2014, 3, 4), date(2014, 3, 5)
GOOD = Session(MONDAY, 1857.68, 1857.68, 1834.44, 1845.73, 16.0)
NEXT = Session(TUESDAY, 1849.23, 1876.23, 1849.23, 1873.91, 14.1)
LATER = Session(WEDNESDAY, 1874.05, 1876.53, 1871.11, 1873.81, 13.89)

INDEX_CSV = """Date,Open,High,Low,Close,Volume
2014-03-03,1857.68,1857.68,1834.44,1845.73,1
2014-03-04,1849.23,1876.23,1849.23,1873.91,1

2014-03-05,1874.050048828,1876.53,1871.11,1873.81,1
"""
VIX_CSV = """DATE,OPEN,HIGH,LOW,CLOSE
03/03/2014,15.28,17.79,14.99,16.00
03/04/2014,14.71,14.76,13.78,14.10
03/05/2014,14.09,14.28,13.69,13.89
"""


def files(folder: Path, index: str = INDEX_CSV, vix: str = VIX_CSV) -> tuple[Path, Path]:
    (folder / "index.csv").write_text(index)
    (folder / "vix.csv").write_text(vix)
    return folder / "index.csv", folder / "vix.csv"


def test_the_package_history_covers_every_session_of_five_years(real: DailyHistory) -> None:
    assert (real.first_day, real.last_day, len(real.sessions)) == (date(2014, 1, 3), date(2018, 12, 31), 1257)
    crash = next(s for s in real.sessions if s.day == date(2015, 8, 24))
    assert crash == Session(date(2015, 8, 24), 1965.15, 1965.15, 1867.01, 1893.21, 40.74)


def test_without_the_package_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "arch", None)
    with pytest.raises(V6Error, match=r"pip install 'v6\[history\]'"):
        load_package_history()


def test_the_package_history_is_what_the_package_loads(real: DailyHistory) -> None:
    """Its files are read without importing it, which would cost a second; the numbers are its own."""
    from arch.data import sp500, vix

    prices, levels = sp500.load(), vix.load()
    for session in real.sessions:
        day = session.day.isoformat()
        theirs = (*prices.loc[day, ["Open", "High", "Low", "Close"]], levels.loc[day, "vix"])
        ours = (session.open, session.high, session.low, session.close, session.vix)
        assert ours == tuple(round(float(x), 2) for x in theirs)


def test_files_are_joined_and_rounded_to_the_cent(tmp_path: Path) -> None:
    assert load_csv_history(*files(tmp_path)).sessions == (GOOD, NEXT, LATER)


def test_a_file_may_be_loaded_in_part(tmp_path: Path) -> None:
    assert load_csv_history(*files(tmp_path), first=TUESDAY).sessions == (NEXT, LATER)
    assert load_csv_history(*files(tmp_path), last=TUESDAY).sessions == (GOOD, NEXT)


@pytest.mark.parametrize(
    ("index", "complaint"),
    [
        (INDEX_CSV.replace("Low", "Lowest"), r"index\.csv:1: no column low; the header is: date, open"),
        (INDEX_CSV.replace("1849.23,1876.23", "abc,1876.23"), r"index\.csv:3: not a date and prices"),
        (INDEX_CSV.replace("2014-03-04", "2014-02-30"), r"index\.csv:3: not a date and prices"),
        (INDEX_CSV + "2014-03-05,1,1,1,1,1\n", r"index\.csv:6: 2014-03-05 appears twice"),
        ("", r"index\.csv:1: no column date"),
        (INDEX_CSV.replace("1876.23", "nan"), "2014-03-04: prices must be positive"),
    ],
)
def test_a_bad_file_is_reported_with_its_place(tmp_path: Path, index: str, complaint: str) -> None:
    with pytest.raises(V6Error, match=complaint):
        load_csv_history(*files(tmp_path, index=index))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    _, vix = files(tmp_path)
    with pytest.raises(V6Error, match=r"gone\.csv: cannot be read"):
        load_csv_history(tmp_path / "gone.csv", vix)


@pytest.mark.parametrize("price", [nan, inf, 0.0, -3.0])
@pytest.mark.parametrize("name", ["open", "high", "low", "close", "vix"])
def test_an_impossible_price_is_refused(name: str, price: float) -> None:
    with pytest.raises(V6Error, match="2014-03-04"):
        DailyHistory((GOOD, replace(NEXT, **{name: price})))


@pytest.mark.parametrize("change", [{"high": 1870.0}, {"low": 1850.0}, {"low": 1900.0, "high": 1901.0}])
def test_open_and_close_must_lie_between_low_and_high(change: dict[str, float]) -> None:
    with pytest.raises(V6Error, match="must lie between low"):
        DailyHistory((GOOD, replace(NEXT, **change)))


def test_sessions_must_be_in_order_and_complete() -> None:
    with pytest.raises(V6Error, match="in order"):
        DailyHistory((NEXT, GOOD))
    with pytest.raises(V6Error, match="1 sessions are missing, the first is 2014-03-04"):
        DailyHistory((GOOD, LATER))
    with pytest.raises(V6Error, match=r"no trading sessions .* the first is 2014-03-08"):
        DailyHistory((LATER, *(replace(NEXT, day=date(2014, 3, day)) for day in (6, 7, 8, 10))))
    with pytest.raises(V6Error, match="at least two sessions"):
        DailyHistory((GOOD,))
