"""From a scenario to daily prices: a pure function of the scenario and the seed."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import date, timedelta
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from v6.paper.market.history import DailyHistory, Session
from v6.paper.market.intraday import uniforms
from v6.paper.scenarios.script import Phase, Scenario
from v6.paper.scenarios.source import WARM_UP
from v6.pricing.calendar import xnys

Array: TypeAlias = npt.NDArray[np.float64]

YEAR: Final = 252.0
VIX_NOISE: Final = 0.02
# The quiet year before: a rise of 6 %, and a realised volatility at 0.7 of the VIX, about what 1990-2022 had.
QUIET_RISE: Final = 0.06
QUIET_SHARE: Final = 0.7
# Of a day's move without a gap this share happens before the opening; a range goes this far beyond open and close.
NIGHT_SHARE: Final = 0.2
REACH: Final = 0.5
# Apart from the day's own draws, which make the path within it from the same seed.
_SALT: Final = 0x5CE9A810


def daily_history(scenario: Scenario, seed: int) -> DailyHistory:
    """Return the sessions of a scenario after a quiet year, which ends at its `index` and `vix`."""
    calendar = xnys()
    first = scenario.start if calendar.is_session(scenario.start) else calendar.next_session(scenario.start)
    before = calendar.sessions(first - timedelta(days=2 * WARM_UP), first - timedelta(days=1))[-WARM_UP:]
    after = calendar.sessions(first, first + timedelta(days=2 * scenario.days + 14))[: scenario.days]
    quiet = Phase(WARM_UP, QUIET_RISE, scenario.vix, QUIET_SHARE * scenario.vix / 100.0)
    sessions: list[Session] = []
    close, vix, days = scenario.index / (1.0 + QUIET_RISE), scenario.vix, iter([*before, *after])
    for phase in (quiet, *scenario.phases):
        for session in _sessions(phase, close, vix, [next(days) for _ in range(phase.days)], seed):
            sessions.append(session)
        close, vix = sessions[-1].close, sessions[-1].vix
    return DailyHistory(tuple(sessions))


def _sessions(phase: Phase, close: float, vix: float, days: list[date], seed: int) -> Iterator[Session]:
    """Yield a phase from the closes before it; it ends at its targets to the cent."""
    n = phase.days
    draws = np.array([uniforms(seed ^ _SALT, day, 5) for day in days])
    daily = phase.volatility / np.sqrt(YEAR)
    gap = np.log1p(phase.gap)
    moves = (np.log1p(phase.index) - gap) / n + daily * _centred(ndtri(draws[:, 0]))
    # The gap is before the first session's own move.
    nights = np.where(np.arange(n) == 0, gap, 0.0) + NIGHT_SHARE * moves * (1.0 if phase.gap == 0 else 0.0)
    total = moves + np.where(np.arange(n) == 0, gap, 0.0)
    closes = close * np.exp(np.concatenate(([0.0], np.cumsum(total))))
    opens = closes[:-1] * np.exp(nights)
    beyond = REACH * daily * np.abs(ndtri(draws[:, 1:3]))
    levels = np.interp(np.arange(1, n + 1), (0, n), (np.log(vix), np.log(phase.vix)))
    vixes = np.exp(levels + VIX_NOISE * _bridged(ndtri(draws[:, 3])))
    for i, (day, after) in enumerate(zip(days, closes[1:].tolist(), strict=True)):
        begin = float(opens[i])
        high = max(begin, after) * float(np.exp(beyond[i, 0]))
        low = min(begin, after) * float(np.exp(-beyond[i, 1]))
        yield Session(day, *(round(x, 2) for x in (begin, high, low, after, float(vixes[i]))))


def _centred(steps: Array) -> Array:
    """Return steps that sum to nothing, so that a phase ends where it is told to."""
    result: Array = steps - steps.mean()
    return result


def _bridged(steps: Array) -> Array:
    """Return a walk that ends at 0."""
    walk = np.cumsum(steps)
    result: Array = walk - walk[-1] * np.arange(1, len(walk) + 1) / len(walk)
    return result
