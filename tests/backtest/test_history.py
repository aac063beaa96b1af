from __future__ import annotations

from datetime import date, timedelta
from importlib.util import find_spec
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from v6.backtest.history import Loaded, Sources, bridge, choose_days, load_history
from v6.errors import V6Error
from v6.pricing.calendar import xnys

DAYS = xnys().sessions(date(2014, 3, 3), date(2014, 3, 14))


def files(folder: Path, vix: str | None = None, spx: str | None = None) -> Sources:
    rows = [f"{day},100,101,99,100.5" for day in DAYS]
    (folder / "spx.csv").write_text(spx or "\n".join(["date,open,high,low,close", *rows]))
    (folder / "vix.csv").write_text(vix or "\n".join(["date,close", *(f"{day},15" for day in DAYS)]))
    return Sources(folder / "vix.csv", folder / "spx.csv")


def vix_without(*days: date) -> str:
    return "\n".join(["date,close", *(f"{day},15" for day in DAYS if day not in days)])


def test_both_series_may_be_the_users_own(tmp_path: Path) -> None:
    loaded = load_history(files(tmp_path))
    assert [s.day for s in loaded.history.sessions] == DAYS
    assert loaded.notes == ()


def test_a_session_that_the_file_lacks_is_named_with_the_line_before_it(tmp_path: Path) -> None:
    sources = files(tmp_path, vix_without(DAYS[3], DAYS[4]))
    with pytest.raises(
        V6Error, match=rf"vix\.csv:4: after this line the VIX lacks 2 sessions, the first is {DAYS[3]}"
    ):
        load_history(sources)


def test_a_hole_before_the_range_only_shortens_its_context(tmp_path: Path) -> None:
    sources = files(tmp_path, vix_without(DAYS[3]))
    history = load_history(sources, first=DAYS[6]).history
    assert (history.first_day, history.last_day) == (DAYS[4], DAYS[-1])


def test_a_hole_after_the_range_is_nothing_to_it(tmp_path: Path) -> None:
    history = load_history(files(tmp_path, vix_without(DAYS[6])), last=DAYS[3]).history
    assert (history.first_day, history.last_day) == (DAYS[0], DAYS[5])


def test_a_missing_vix_takes_the_close_before_where_that_is_asked_for(tmp_path: Path) -> None:
    sources = files(tmp_path, vix_without(DAYS[3]).replace(f"{DAYS[2]},15", f"{DAYS[2]},17"))
    loaded = load_history(Sources(sources.vix, sources.spx, fill_vix=1))
    assert loaded.history.sessions[3].vix == 17.0
    assert loaded.notes == (f"1 session without a VIX has the close before: {DAYS[3]}",)
    with pytest.raises(V6Error, match="lacks 2 sessions"):
        load_history(Sources(files(tmp_path, vix_without(DAYS[3], DAYS[4])).vix, sources.spx, fill_vix=1))


@pytest.mark.parametrize(
    ("vix", "spx", "complaint"),
    [
        (vix_without() + "\n2014-03-17,x", None, r"vix\.csv:12: not a date and prices: 2014-03-17,x"),
        (vix_without() + "\n2014-03-17", None, r"vix\.csv:12: not a date and prices"),
        (vix_without() + f"\n{DAYS[0]},15", None, rf"vix\.csv:12: {DAYS[0]} appears twice"),
        (
            vix_without().replace(f"{DAYS[1]},15", f"{DAYS[1]},-1"),
            None,
            r"vix\.csv:3: 2014-03-04: a VIX of -1\.0 cannot",
        ),
        (vix_without().replace(f"{DAYS[1]},15", f"{DAYS[1]},nan"), None, r"vix\.csv:3: .* a VIX of nan cannot be"),
        ("date,level\n2014-03-03,15", None, r"vix\.csv:1: no column close or vix"),
        (None, "date,open,high,low,close\n2014-03-03,100,99,98,100", r"spx\.csv:2: 2014-03-03: open 100"),
        (None, "date,open,high,low,close\n2014-03-03,100,101,99,100", "no two sessions in common"),
    ],
)
def test_a_bad_file_is_told_by_its_line(tmp_path: Path, vix: str | None, spx: str | None, complaint: str) -> None:
    with pytest.raises(V6Error, match=complaint):
        load_history(files(tmp_path, vix, spx))


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(V6Error, match=r"nothing\.csv: cannot be read"):
        load_history(Sources(vix=tmp_path / "nothing.csv", spx=tmp_path / "nothing.csv"))


# -- the range


@pytest.fixture
def loaded(tmp_path: Path) -> Loaded:
    return load_history(files(tmp_path))


def test_a_range_is_its_sessions(loaded: Loaded) -> None:
    chosen = choose_days(loaded.history, date(2014, 3, 8), date(2014, 3, 11))
    assert chosen.days == (date(2014, 3, 10), date(2014, 3, 11))
    [note] = chosen.notes
    assert note.startswith("only 5 sessions lie before 2014-03-10: ranks of the VIX")


def test_a_range_that_sticks_out_a_little_is_cut_and_that_is_said(loaded: Loaded) -> None:
    chosen = choose_days(loaded.history, date(2014, 3, 1), date(2014, 3, 18))
    assert chosen.days == tuple(DAYS[1:])
    assert chosen.notes[:2] == (
        "--from 2014-03-01: the history covers 2014-03-04 to 2014-03-14, so 1 session is left out",
        "--to 2014-03-18: the history covers 2014-03-04 to 2014-03-14, so 2 sessions are left out",
    )


@pytest.mark.parametrize(
    ("first", "last", "complaint"),
    [
        (date(2013, 1, 2), None, "--from 2013-01-02: the history covers 2014-03-04 to 2014-03-14"),
        (None, date(2015, 1, 2), "--to 2015-01-02: the history covers"),
        (date(2014, 3, 11), date(2014, 3, 10), "--from 2014-03-11 lies after --to 2014-03-10"),
        (date(2014, 3, 8), date(2014, 3, 9), "no session lies between 2014-03-08 and 2014-03-09"),
        (date(2014, 3, 17), None, "no session lies between 2014-03-17 and 2014-03-14"),
    ],
)
def test_a_range_without_sessions_or_outside_is_refused(
    loaded: Loaded, first: date | None, last: date | None, complaint: str
) -> None:
    with pytest.raises(V6Error, match=complaint):
        choose_days(loaded.history, first, last)


# -- days known by their close


def test_a_bridge_reaches_as_far_as_brownian_bridges_do_on_average() -> None:
    _, high, low, _ = bridge(100.0, 100.5, 16.0)
    deviation, steps = 0.16 / np.sqrt(252), 4000
    walks = np.random.default_rng(3).normal(0.0, deviation / np.sqrt(steps), (2000, steps)).cumsum(axis=1)
    part = np.arange(1, steps + 1) / steps
    bridges = walks - part * walks[:, -1:] + part * np.log(1.005)
    assert np.log(high / 100.0) == pytest.approx(np.maximum(bridges.max(axis=1), 0).mean(), rel=0.03)
    assert np.log(low / 100.0) == pytest.approx(np.minimum(bridges.min(axis=1), 0).mean(), rel=0.03)


def test_years_before_the_daily_prices_are_made_from_closes_and_that_is_said(tmp_path: Path) -> None:
    pytest.importorskip("arch", reason="real history comes from the package arch: pip install 'v6[history]'")
    if find_spec("skfolio") is None:
        pytest.skip("closes before 1999 come from the package skfolio: pip install 'v6[long-history]'")
    days = xnys().sessions(date(1998, 11, 2), date(1999, 2, 26))
    vix = tmp_path / "vix.csv"
    vix.write_text("\n".join(["date,close", *(f"{day},22" for day in days)]))
    first = days[0] + timedelta(days=3)
    loaded = load_history(Sources(vix), first, days[-1])
    early = [s for s in loaded.history.sessions if s.day < date(1999, 1, 4)]
    assert all(after.open == before.close for before, after in pairwise(early))
    assert all(s.low < min(s.open, s.close) and max(s.open, s.close) < s.high for s in early)
    assert loaded.notes[0].startswith("39 sessions have only a close in the source (1998-11-05 to 1998-12-31)")
