from __future__ import annotations

from datetime import date

import numpy as np
import pytest

from v6.paper.market import HistoryMarket
from v6.paper.market.history import DailyHistory, Session
from v6.pricing.calendar import xnys


def made_up(first: date, last: date, seed: int = 1) -> DailyHistory:
    """Return a history of invented prices on real sessions."""
    rng = np.random.default_rng(seed)
    sessions = []
    close, vix = 1800.0, 15.0
    for day in xnys().sessions(first, last):
        opening = close * (1 + 0.002 * rng.standard_normal())
        close = opening * (1 + 0.008 * rng.standard_normal())
        low, high = sorted((opening, close))
        low, high = low * (1 - 0.004 * rng.random()), high * (1 + 0.004 * rng.random())
        vix = float(np.clip(vix + rng.standard_normal(), 9.5, 60.0))
        sessions.append(Session(day, *(round(float(x), 2) for x in (opening, high, low, close, vix))))
        close = sessions[-1].close
    return DailyHistory(tuple(sessions))


@pytest.fixture(scope="session")
def history() -> DailyHistory:
    """A year of invented prices with a moved expiry (2014-04-17), half days and both changes of the clocks."""
    return made_up(date(2014, 1, 2), date(2014, 12, 31))


@pytest.fixture(scope="session")
def market(history: DailyHistory) -> HistoryMarket:
    return HistoryMarket(history, seed=7)


@pytest.fixture(scope="session")
def real() -> DailyHistory:
    """The history of the package `arch`."""
    pytest.importorskip("arch", reason="the extra `history` is not installed")
    from v6.paper.market import load_package_history

    return load_package_history()
