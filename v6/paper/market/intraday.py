"""The index and the VIX between the daily prices: seeded paths that agree with every price that is known.

The randomness of a day depends on (seed, day) alone, so days can be asked for in any order. It is drawn from the raw
output of Philox, which numpy promises never to change (unlike its normal deviates), and turned normal here.
"""

from __future__ import annotations

from bisect import bisect_right
from datetime import date, datetime, time, timedelta
from functools import lru_cache
from math import pi
from typing import Final, NamedTuple, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from v6.errors import V6Error
from v6.paper.market.history import DailyHistory, Session
from v6.pricing.calendar import NEW_YORK, xnys

Array: TypeAlias = npt.NDArray[np.float64]

# The VIX moves about four times as much as the index, the other way; what the index does not explain is 2 % a day.
VIX_BETA: Final = 4.0
VIX_NOISE: Final = 0.02
# The expected range of a Brownian day is 1.6 standard deviations (Parkinson 1980).
_RANGE_PER_DEVIATION = 1.6
_DAYS_KEPT = 16


class Close(NamedTuple):
    """Prices at the end of a session; `at` is in seconds since the epoch."""

    day: date
    at: float
    spot: float
    vix: float


class Tick(NamedTuple):
    """The index and the VIX at a moment, and the previous session's close."""

    spot: float
    vix: float
    previous: Close


class Path(NamedTuple):
    """A session's prices at each whole minute, first at the opening, last at the close, in cents."""

    spot: list[float]
    vix: list[float]


class Tape:
    """The two indices at any moment of a history, as a pure function of (history, seed, moment)."""

    def __init__(self, history: DailyHistory, seed: int) -> None:
        calendar = xnys()
        self._seed = seed
        self._sessions = history.sessions
        days = [s.day for s in history.sessions]
        self._opens = [calendar.open_utc(day).timestamp() for day in days]
        self._closes = [calendar.close_utc(day).timestamp() for day in days]
        # A day's close becomes "the previous close" when the next calendar day begins in New York.
        self._midnights = [_midnight(day + timedelta(days=1)) for day in days]
        self._ends = calendar.open_utc(calendar.next_session(days[-1])).timestamp()
        self._path = lru_cache(maxsize=_DAYS_KEPT)(self._make_path)

    def at(self, moment: float) -> Tick:
        """Return the prices at a moment in seconds since the epoch; outside the sessions those of the last close.

        The first session only serves as the previous close of the second: V6Error before its day is over, and from
        the opening that follows the last session.
        """
        past = bisect_right(self._midnights, moment) - 1
        if past < 0 or moment >= self._ends:
            first, last = self._sessions[1].day, self._sessions[-1].day
            raise V6Error(f"the market's history covers {first} to {last}; asked for {_text(moment)}")
        i = bisect_right(self._opens, moment) - 1
        session = self._sessions[i]
        if moment >= self._closes[i]:
            return Tick(session.close, session.vix, self.close(past))
        path = self._path(i)
        minute, part = divmod((moment - self._opens[i]) / 60.0, 1.0)
        j = int(minute)
        return Tick(_between(path.spot, j, part), _between(path.vix, j, part), self.close(past))

    def rests_at(self, moment: float) -> float:
        """Return when the session that is open at a moment closes, the moment itself outside the sessions."""
        i = bisect_right(self._opens, moment) - 1
        return max(self._closes[i], moment) if i >= 0 else moment

    def session_day(self, moment: float) -> date:
        """Return the day of the last session that had opened by a moment."""
        return self._sessions[max(bisect_right(self._opens, moment) - 1, 0)].day

    def close(self, i: int) -> Close:
        """Return the close of the history's session number i."""
        session = self._sessions[i]
        return Close(session.day, self._closes[i], session.close, session.vix)

    def path(self, i: int) -> Path:
        """Return the minutes of the history's session number i, which must not be the first."""
        return self._path(i)

    def _make_path(self, i: int) -> Path:
        today, before = self._sessions[i], self._sessions[i - 1]
        minutes = round((self._closes[i] - self._opens[i]) / 60.0)
        draws = uniforms(self._seed, today.day, 3 + 2 * minutes)
        spot = index_path(today, draws[:3], ndtri(draws[3 : 3 + minutes]))
        vix = vix_path(spot, before, today, ndtri(draws[3 + minutes :]))
        return Path(np.round(spot, 2).tolist(), np.round(vix, 2).tolist())


def uniforms(seed: int, day: date, count: int) -> Array:
    """Return numbers in (0, 1) that depend on the seed and the day alone, on every platform and numpy."""
    key = np.array([seed % 2**64, day.toordinal()], dtype=np.uint64)
    raw: npt.NDArray[np.uint64] = np.asarray(np.random.Philox(key=key).random_raw(count), dtype=np.uint64)
    return ((raw >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53


def index_path(day: Session, draws: Array, steps: Array) -> Array:
    """Return the index at each minute: from open to close, touching high and low, never beyond them.

    `draws` are three uniforms (which extreme comes first, and when the two come), `steps` one normal a minute.
    """
    minutes = len(steps)
    width = day.high - day.low
    if width == 0:
        return np.full(minutes + 1, day.close)
    # Near the high at the opening and near the low at the close, the high most likely came first; and reversed.
    low_first = draws[0] < (day.high - day.open + day.close - day.low) / (2 * width)
    first, second = (day.low, day.high) if low_first else (day.high, day.low)
    # A Brownian path needs time as the square of the distance; arcsine draws put extremes near the ends of the day.
    lead = 2 + 0.2 * minutes * ((day.open - first) / width) ** 2
    tail = 2 + 0.2 * minutes * ((day.close - second) / width) ** 2
    gap = 0.2 * minutes
    a, b = np.sort(np.sin(0.5 * pi * draws[1:3]) ** 2) * (minutes - lead - tail - gap)
    knots = [0, round(lead + a), round(lead + b + gap), minutes]
    levels = [day.open, first, second, day.close]
    grid = np.arange(minutes + 1)
    walk = np.concatenate(([0.0], np.cumsum(steps))) * width / (_RANGE_PER_DEVIATION * np.sqrt(minutes))
    bridged = np.interp(grid, knots, levels) + walk - np.interp(grid, knots, walk[knots])
    # Reflection at the extremes keeps the path inside and moves none of the knots, for all lie in the range.
    phase = np.mod(bridged - day.low, 2 * width)
    folded = day.low + np.minimum(phase, 2 * width - phase)
    folded[knots] = levels
    result: Array = np.clip(folded, day.low, day.high)
    return result


def vix_path(spot: Array, before: Session, day: Session, steps: Array) -> Array:
    """Return the VIX at each minute: against the index from the previous close on, ending at the day's close."""
    minutes = len(steps)
    elapsed = np.arange(minutes + 1) / minutes
    moved = np.log(spot / before.close)
    walk = np.concatenate(([0.0], np.cumsum(steps))) * VIX_NOISE / np.sqrt(minutes)
    noise = walk - elapsed * walk[-1]
    drift = elapsed * (np.log(day.vix / before.vix) + VIX_BETA * moved[-1])
    path: Array = before.vix * np.exp(drift - VIX_BETA * moved + noise)
    path[-1] = day.vix
    return path


def _between(values: list[float], i: int, part: float) -> float:
    return round(values[i] + part * (values[i + 1] - values[i]), 2)


def _midnight(day: date) -> float:
    return datetime.combine(day, time(), NEW_YORK).timestamp()


def _text(moment: float) -> str:
    return datetime.fromtimestamp(moment, NEW_YORK).isoformat(sep=" ", timespec="minutes")
