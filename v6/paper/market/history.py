"""Daily history of the S&P 500 and the VIX: what really happened, checked before anything is built on it."""

from __future__ import annotations

import csv
import gzip
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from importlib.util import find_spec
from itertools import pairwise
from math import isfinite
from pathlib import Path
from typing import TypeAlias

from v6.errors import V6Error
from v6.pricing.calendar import xnys

Ohlc: TypeAlias = tuple[float, float, float, float]

_CENTS = 2
"""Both indices are published to the cent; vendors' files carry float noise beyond it."""


@dataclass(frozen=True, slots=True)
class Session:
    """One day of the index in points, and the VIX at its close in volatility points."""

    day: date
    open: float
    high: float
    low: float
    close: float
    vix: float


@dataclass(frozen=True, slots=True)
class DailyHistory:
    """Consecutive XNYS sessions, oldest first; raises V6Error if a price is impossible or a session is missing."""

    sessions: tuple[Session, ...]

    def __post_init__(self) -> None:
        if len(self.sessions) < 2:
            raise V6Error(
                f"a history needs at least two sessions with an index and a VIX price, got {len(self.sessions)}"
            )
        for session in self.sessions:
            _check_prices(session)
        _check_days([session.day for session in self.sessions])

    @property
    def first_day(self) -> date:
        return self.sessions[0].day

    @property
    def last_day(self) -> date:
        return self.sessions[-1].day

    def between(self, first: date, last: date) -> DailyHistory:
        """Return the part from first to last, both included."""
        return DailyHistory(tuple(s for s in self.sessions if first <= s.day <= last))


def join(index: Mapping[date, Ohlc], vix: Mapping[date, float]) -> DailyHistory:
    """Build a history from the days that both series have, rounded to the cent as the indices are published."""
    sessions = []
    for day in sorted(index.keys() & vix.keys()):
        prices = [round(price, _CENTS) for price in (*index[day], vix[day])]
        sessions.append(Session(day, *prices))
    return DailyHistory(tuple(sessions))


def load_package_history() -> DailyHistory:
    """Load the history that the package `arch` carries: 2014-01-03 to 2018-12-31; V6Error if it is not installed."""
    return join(package_index(), package_vix())


def package_index() -> dict[date, Ohlc]:
    """Return the S&P 500 that the package `arch` carries, 1999-01-04 to 2018-12-31; V6Error if it is not installed."""
    folder = _package_folder("arch", "history") / "data"
    index: dict[date, Ohlc] = {}
    for day, (o, h, low, c, *_) in _packed(folder / "sp500" / "sp500.csv.gz"):
        index[day] = (float(o), float(h), float(low), float(c))
    return index


def package_vix() -> dict[date, float]:
    """Return the closes of the VIX that the package `arch` carries, from 2014-01-03 on; V6Error as above."""
    path = _package_folder("arch", "history") / "data" / "vix" / "vix.csv.gz"
    # The series has a row for each weekday; its 46 empty ones are the holidays, and hold a dot.
    return {day: float(cells[0]) for day, cells in _packed(path) if cells[0] != "."}


def package_index_closes() -> dict[date, float]:
    """Return the S&P 500's closes that the package `skfolio` carries, 1990 to 2022; V6Error if it is not installed."""
    path = _package_folder("skfolio", "long-history") / "datasets" / "data" / "sp500_index.csv.gz"
    return {day: float(cells[0]) for day, cells in _packed(path)}


def _package_folder(package: str, extra: str) -> Path:
    # Its files are read where they lie: importing such a package loads half of scipy and more for a second.
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        raise V6Error(
            f"the package `{package}`, which carries daily history, is not installed; run: pip install 'v6[{extra}]'"
        )
    return Path(spec.origin).parent


def _packed(path: Path) -> Iterable[tuple[date, list[str]]]:
    """Yield (day, cells) of a gzipped CSV file of a package, without its header."""
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as lines:
            rows = csv.reader(lines)
            next(rows, None)
            for row in rows:
                yield _day(row[0]), row[1:]
    except (OSError, ValueError, IndexError) as error:
        raise V6Error(f"{path}: the history in the package cannot be read: {error}") from error


def load_csv_history(index_csv: Path, vix_csv: Path, first: date = date.min, last: date = date.max) -> DailyHistory:
    """Load a history from two CSV files, keeping days from first to last; V6Error names the file and line at fault.

    The index file has the columns date, open, high, low, close, the VIX file date and close (or vix), in any order
    and case, more columns are ignored. Dates are 2014-01-31 or 01/31/2014.
    """
    index = {day: ohlc for day, (_, ohlc) in read_index_csv(index_csv).items() if first <= day <= last}
    vix = {day: close for day, (_, close) in read_vix_csv(vix_csv).items() if first <= day <= last}
    return join(index, vix)


def read_index_csv(path: Path) -> dict[date, tuple[int, Ohlc]]:
    """Return (line, prices) by day of an index file as `load_csv_history` takes it; V6Error names file and line."""
    columns = (("open",), ("high",), ("low",), ("close",))
    return {day: (line, (v[0], v[1], v[2], v[3])) for line, day, v in _rows(path, columns)}


def read_vix_csv(path: Path) -> dict[date, tuple[int, float]]:
    """Return (line, close) by day of a VIX file as `load_csv_history` takes it; V6Error names file and line."""
    return {day: (line, values[0]) for line, day, values in _rows(path, (("close", "vix"),))}


def _rows(path: Path, columns: tuple[tuple[str, ...], ...]) -> Iterable[tuple[int, date, list[float]]]:
    """Yield (line, day, values) of a CSV file; each column is given by the names it may have."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise V6Error(f"{path}: cannot be read: {error}") from error
    reader = csv.reader(lines)
    header = [name.strip().lower() for name in next(reader, [])]
    places = [_place(path, header, names) for names in (("date",), *columns)]
    seen: set[date] = set()
    for row in reader:
        if not any(cell.strip() for cell in row):
            continue
        try:
            day = _day(row[places[0]].strip())
            values = [float(row[i]) for i in places[1:]]
        except (ValueError, IndexError) as error:
            raise V6Error(f"{path}:{reader.line_num}: not a date and prices: {','.join(row)} ({error})") from error
        if day in seen:
            raise V6Error(f"{path}:{reader.line_num}: {day} appears twice")
        seen.add(day)
        yield reader.line_num, day, values


def _place(path: Path, header: list[str], names: tuple[str, ...]) -> int:
    for name in names:
        if name in header:
            return header.index(name)
    raise V6Error(f"{path}:1: no column {' or '.join(names)}; the header is: {', '.join(header)}")


def _day(text: str) -> date:
    if "/" in text:
        month, day, year = text.split("/")
        return date(int(year), int(month), int(day))
    return date.fromisoformat(text)


def _check_prices(s: Session) -> None:
    prices = (s.open, s.high, s.low, s.close, s.vix)
    if not all(isfinite(price) and price > 0 for price in prices):
        raise V6Error(f"{s.day}: prices must be positive numbers: {prices}")
    if not s.low <= min(s.open, s.close) <= max(s.open, s.close) <= s.high:
        raise V6Error(f"{s.day}: open {s.open} and close {s.close} must lie between low {s.low} and high {s.high}")


def _check_days(days: list[date]) -> None:
    if any(later <= earlier for earlier, later in pairwise(days)):
        raise V6Error("the sessions of a history must be in order, each day once")
    expected = xnys().sessions(days[0], days[-1])
    if days == expected:
        return
    missing, extra = sorted(set(expected) - set(days)), sorted(set(days) - set(expected))
    if missing:
        raise V6Error(
            f"{len(missing)} sessions are missing, the first is {missing[0]}; an option may expire on any of them: "
            "add them, or load the part of the history before or after"
        )
    raise V6Error(f"{len(extra)} days are no trading sessions of the New York Stock Exchange, the first is {extra[0]}")
