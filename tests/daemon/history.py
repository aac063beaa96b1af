"""A market for whole daemons that needs no package of history."""

import random
from datetime import date

from v6.paper.market.history import DailyHistory, Session
from v6.pricing.calendar import xnys

FIRST, LAST = date(2015, 3, 2), date(2015, 6, 30)


def walked() -> DailyHistory:
    """Return a made-up history: a calm index, so that the desk trades."""
    dice, price, sessions = random.Random(11), 2100.0, []
    for day in xnys().sessions(FIRST, LAST):
        start, price = price, round(price * (1 + dice.gauss(0, 0.004)), 2)
        high, low = max(start, price) * 1.002, min(start, price) * 0.998
        sessions.append(Session(day, start, round(high, 2), round(low, 2), price, 14.0 + dice.random()))
    return DailyHistory(tuple(sessions))
