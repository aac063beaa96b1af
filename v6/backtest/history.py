"""The history of a backtest, put together from the packages and from the user's own files; every hole has a place."""

from __future__ import annotations

from collections.abc import Mapping, Sized
from dataclasses import dataclass
from datetime import date, timedelta
from hashlib import sha256
from itertools import pairwise
from math import exp, log, pi, sqrt
from pathlib import Path
from typing import Final

from scipy.special import erfcx

from v6.errors import V6Error
from v6.paper.market import DailyHistory
from v6.paper.market.history import (
    Ohlc,
    join,
    package_index,
    package_index_closes,
    package_vix,
    read_index_csv,
    read_vix_csv,
)
from v6.pricing.calendar import xnys

SESSIONS_PER_YEAR: Final = 252
CONTEXT: Final = timedelta(days=370)
"""A VIX is ranked among the closes of a year."""

MOST_VIX: Final = 1000.0
MOST_CLIPPED: Final = 5
"""A range may stick out of the history by this many sessions, and is then cut; more is a question it cannot answer."""


@dataclass(frozen=True, slots=True)
class Sources:
    """Where prices come from: the user's files go before the packages.

    `fill_vix` is how many sessions in a row without a VIX take the close before; 0 fills none.
    """

    vix: Path | None = None
    spx: Path | None = None
    fill_vix: int = 0


@dataclass(frozen=True, slots=True)
class Loaded:
    """A history, what has to be said about it, and a hash over every price, whatever files they came from."""

    history: DailyHistory
    notes: tuple[str, ...]
    digest: str

    @classmethod
    def of(cls, history: DailyHistory, notes: tuple[str, ...] = ()) -> Loaded:
        rows = (f"{s.day},{s.open},{s.high},{s.low},{s.close},{s.vix}" for s in history.sessions)
        return cls(history, notes, sha256("\n".join(rows).encode()).hexdigest())


@dataclass(frozen=True, slots=True)
class Range:
    """The sessions that are traded, and what had to be said about them."""

    days: tuple[date, ...]
    notes: tuple[str, ...]


def load_history(sources: Sources, first: date | None = None, last: date | None = None) -> Loaded:
    """Return the longest history that the sources give around first to last, or raise V6Error with file and line.

    A session that is missing in between is an error; one before `first` makes the history begin after it, one after
    `last` makes it end before it, for what lies outside is only context.
    """
    vix, filled = _vix(sources)
    index, bridged = _index(sources, vix, first, last)
    days = sorted(index.keys() & vix.keys())
    if len(days) < 2:
        raise V6Error("the index and the VIX have no two sessions in common")
    start, end = days[0], days[-1]
    for day in _missing(days):
        if first is not None and day < first:
            start = day
        elif last is not None and day > last:
            end = day
            break
        else:
            raise V6Error(_hole(sources, day, index, vix))
    kept = {day: index[day] for day in days if start <= day <= end}
    low, high = first or date.min, last or date.max
    notes = _notes([d for d in bridged if low <= d <= high], [d for d in filled if low <= d <= high])
    return Loaded.of(join(kept, vix), notes)


def _notes(bridged: list[date], filled: list[date]) -> tuple[str, ...]:
    notes = []
    if bridged:
        notes.append(
            f"{len(bridged)} sessions have only a close in the source ({bridged[0]} to {bridged[-1]}): they open "
            "where the last one closed, and high and low are what a Brownian bridge of the VIX's volatility reaches "
            "on average"
        )
    if filled:
        notes.append(
            f"{_sessions(filled)} without a VIX {'has' if len(filled) == 1 else 'have'} the close before: "
            + ", ".join(map(str, filled))
        )
    return tuple(notes)


def choose_days(history: DailyHistory, first: date | None, last: date | None) -> Range:
    """Return the sessions from first to last that the market has; raises V6Error for a range outside or empty.

    The history's first session only gives the second its previous close.
    """
    begins, ends = history.sessions[1].day, history.last_day
    covers = f"the history covers {begins} to {ends}"
    if first is not None and last is not None and first > last:
        raise V6Error(f"--from {first} lies after --to {last}")
    calendar, notes = xnys(), []
    for name, asked, outside in (
        ("--from", first, calendar.sessions(first, begins)[:-1] if first is not None and first < begins else []),
        ("--to", last, calendar.sessions(ends, last)[1:] if last is not None and last > ends else []),
    ):
        if len(outside) > MOST_CLIPPED:
            raise V6Error(f"{name} {asked}: {covers}; name older or newer prices with --vix and --spx")
        if outside:
            notes.append(
                f"{name} {asked}: {covers}, so {_sessions(outside)} {'is' if len(outside) == 1 else 'are'} left out"
            )
    low, high = max(first or begins, begins), min(last or ends, ends)
    days = calendar.sessions(low, high) if low <= high else []
    if not days:
        raise V6Error(f"no session lies between {first or begins} and {last or ends}; {covers}")
    before = [s for s in history.sessions if s.day < days[0]]
    if len(before) < SESSIONS_PER_YEAR:
        notes.append(
            f"only {len(before)} sessions lie before {days[0]}: ranks of the VIX are missing or shorter than a year "
            "until enough have passed"
        )
    return Range(tuple(days), tuple(notes))


# -- the two series


def _vix(sources: Sources) -> tuple[dict[date, float], list[date]]:
    """Return the closes, and the sessions that were filled."""
    if sources.vix is None:
        return package_vix(), []
    read = read_vix_csv(sources.vix)
    for day, (line, close) in read.items():
        if not 0 < close < MOST_VIX:
            raise V6Error(f"{sources.vix}:{line}: {day}: a VIX of {close} cannot be")
    closes = {day: close for day, (_, close) in read.items()}
    return closes, _fill(closes, sources.fill_vix)


def _fill(closes: dict[date, float], most: int) -> list[date]:
    """Give holes of up to `most` sessions in a row the close before, and return these sessions; leave longer ones."""
    if not closes:
        return []
    calendar, filled = xnys(), list[date]()
    hole: list[date] = []
    before = closes[min(closes)]
    for day in calendar.sessions(max(min(closes), calendar.first_day), min(max(closes), calendar.last_day)):
        if day not in closes:
            hole.append(day)
            continue
        if len(hole) <= most:
            closes.update(dict.fromkeys(hole, before))
            filled += hole
        hole, before = [], closes[day]
    return filled


def _index(
    sources: Sources, vix: Mapping[date, float], first: date | None, last: date | None
) -> tuple[dict[date, Ohlc], list[date]]:
    """Return the prices, and the days of them that are made from closes."""
    if sources.spx is not None:
        return {day: prices for day, (_, prices) in _checked(sources.spx).items()}, []
    index = package_index()
    early = first is not None and first - CONTEXT < min(index)
    late = last is not None and last > max(index)
    if not early and not late:
        return index, []
    try:
        closes = package_index_closes()
    except V6Error:
        # Without the optional package the history is only shorter; a range outside it is told what it covers.
        return index, []
    bridged = _bridged({day: close for day, close in closes.items() if day not in index}, index, vix)
    return index | bridged, sorted(bridged)


def _checked(path: Path) -> dict[date, tuple[int, Ohlc]]:
    read = read_index_csv(path)
    for day, (line, (o, high, low, c)) in read.items():
        if not 0 < low <= min(o, c) <= max(o, c) <= high < 1e6:
            raise V6Error(f"{path}:{line}: {day}: open {o} and close {c} must lie between low {low} and high {high}")
    return read


def _bridged(closes: Mapping[date, float], index: Mapping[date, Ohlc], vix: Mapping[date, float]) -> dict[date, Ohlc]:
    """Return prices of days known by their close, from the close and the VIX of the session before."""
    known = {day: prices[3] for day, prices in index.items()} | dict(closes)
    ordered, found = sorted(known), {}
    for before, day in pairwise(ordered):
        if day in closes and before in vix:
            found[day] = bridge(known[before], closes[day], vix[before])
    return found


def bridge(start: float, end: float, vix: float) -> Ohlc:
    """Return (open, high, low, close) of a day known by two closes: the mean extremes of a Brownian bridge."""
    deviation = vix / 100.0 / sqrt(SESSIONS_PER_YEAR)
    distance = abs(log(end / start))
    # E[max] - max(a, b) is the integral of exp(-2 x (x + d) / s^2) over x > 0, for ends a distance d apart.
    beyond = deviation * sqrt(pi / 8.0) * float(erfcx(distance / (deviation * sqrt(2.0))))
    return start, max(start, end) * exp(beyond), min(start, end) * exp(-beyond), end


# -- holes


def _missing(days: list[date]) -> list[date]:
    present = set(days)
    return [day for day in xnys().sessions(max(days[0], xnys().first_day), days[-1]) if day not in present]


def _hole(sources: Sources, day: date, index: Mapping[date, Ohlc], vix: Mapping[date, float]) -> str:
    """Return a message about a missing session, at the line of the user's file where it should be."""
    named, path, name = (index, sources.spx, "the index") if day not in index else (vix, sources.vix, "the VIX")
    until = next((d for d in sorted(named) if d > day), None)
    gap = [d for d in xnys().sessions(day, until or day) if d not in named]
    place = f"no {name.removeprefix('the ')} on"
    if path is not None:
        lines = read_index_csv(path) if path == sources.spx else read_vix_csv(path)
        line = max((line for d, (line, _) in lines.items() if d < day), default=1)
        place = f"{path}:{line}: after this line {name} lacks"
    hint = "" if day not in index else "; --fill-vix takes the close before"
    return f"{place} {_sessions(gap)}, the first is {day}: an option may expire on any of them{hint}"


def _sessions(days: Sized) -> str:
    return "1 session" if len(days) == 1 else f"{len(days)} sessions"
