"""Quotes of the fund and its American options, in the units of `book`.

An option without a dividend in its life is priced as European and at no less than exercising it now. One with a
dividend is an integral over the price of the share on the last ex-dividend day: before it a call may be exercised,
after it a put, and what is kept is European again; an earlier dividend is taken out of the price ahead (escrowed).
What is left out is exercise on other days. `v6.pricing.american` is the exact model, a thousand times too slow for a
chain; the tests hold this one to it, within two cents. Gamma, theta and vega are the European ones.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from math import exp, floor, pi, sqrt
from typing import Final

import numpy as np
import numpy.typing as npt

from v6.model.contract import Right
from v6.paper.market import surface
from v6.paper.market.book import SHORTEST_S, Array, Integers, Rates, sizes
from v6.paper.market.fund import SPY, Fund, settles_at
from v6.paper.market.intraday import Tape, Tick
from v6.paper.ports import Mark
from v6.pricing import bsm
from v6.pricing.calendar import xnys

_SECONDS_PER_YEAR: Final = 365.0 * 86400.0
# SPY quotes of August 2023 are a cent wide below three dollars; they widen with the price as the index options do.
SPREAD_SCALE: Final = 0.012
SPREAD_POWER: Final = 0.38
SPREAD_VIX: Final = 24.0
CENT: Final = 0.01
_DECIMALS: Final = 6
_GREEK_DECIMALS: Final = 9

# Gauss-Legendre over seven deviations each way, weighted by the normal density.
_POINTS, _LENGTHS = np.polynomial.legendre.leggauss(64)
_NODES: Final[Array] = 7.0 * _POINTS
_WEIGHTS: Final[Array] = 7.0 * _LENGTHS * np.exp(-0.5 * _NODES * _NODES) / sqrt(2.0 * pi)

Columns = tuple[Array, Array, Array, Array, Array]
"""Price, delta, gamma, theta, vega."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """The fund's contracts among some con_ids; `places` are the options' positions in the request."""

    share: int | None
    places: list[int]
    con_ids: Integers
    strikes: Array
    settles: Array
    calls: npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Terms:
    """Options that have the same dividend to come."""

    strikes: Array
    years: Array
    vols: Array
    calls: npt.NDArray[np.bool_]
    rate: float


class FundBook:
    """The quotes of the fund at any moment; a pure function of what it was built from."""

    def __init__(
        self, fund: Fund, tape: Tape, seed: int, rates: Rates, widen: Callable[[float], float] | None = None
    ) -> None:
        self._fund = fund
        self._tape = tape
        self._seed = np.uint64(seed % 2**64)
        self._rate = rates.rate
        self._widen = widen
        # At the opening of the ex-dividend day the dividend leaves the price.
        self._leaves = [(xnys().open_utc(d.ex_day).timestamp(), float(d.amount)) for d in fund.paid]
        self._asked = lru_cache(maxsize=256)(self._make_asked)

    def fill(self, ids: tuple[int, ...], at: datetime, result: list[Mark | None]) -> None:
        """Put the books of the fund's contracts into the places that they have in the request."""
        asked = self._asked(ids)
        if asked.share is None and not asked.places:
            return
        moment = at.timestamp()
        tick = self._tape.at(moment)
        spot = self._fund.worth(tick.spot, self._tape.session_day(moment))
        before = self._fund.worth(tick.previous.spot, tick.previous.day)
        factor = 1.0 if self._widen is None else self._widen(moment)
        if asked.share is not None:
            bid = floor(spot * 100 + 1e-6) / 100
            (bid_size,), (ask_size,) = (
                x.tolist() for x in sizes(np.array([SPY.con_id], dtype=np.uint64), moment, self._seed)
            )
            ask = round(bid + CENT * max(round(factor), 1), 2)
            result[asked.share] = Mark(spot, bid, ask, bid_size, ask_size, round(before, 2))
        if asked.places:
            self._quote(asked, spot, tick, moment, factor, before, result)

    def _quote(
        self, asked: _Asked, spot: float, tick: Tick, moment: float, factor: float, before: float,
        result: list[Mark | None],
    ) -> None:  # fmt: skip
        iv, columns = self.value(asked.strikes, asked.settles, asked.calls, spot, tick.vix, moment)
        closing = self.value(asked.strikes, asked.settles, asked.calls, before, tick.previous.vix, tick.previous.at)
        price = columns[0].round(_DECIMALS)
        half = 0.5 * np.maximum(SPREAD_SCALE * (tick.vix / SPREAD_VIX) * factor * price**SPREAD_POWER, CENT)
        bid = np.maximum((np.floor((price - half) / CENT + 1e-7) * CENT).round(2), 0.0)
        ask = np.maximum((np.ceil((price + half) / CENT - 1e-7) * CENT).round(2), CENT)
        greeks = np.array((iv, columns[1], columns[2], columns[3], columns[4])).round(_GREEK_DECIMALS)
        bid_size, ask_size = sizes(asked.con_ids, moment, self._seed)
        rows = zip(
            asked.places, (asked.settles > moment).tolist(), price.tolist(), bid.tolist(), ask.tolist(),
            bid_size.tolist(), ask_size.tolist(), closing[1][0].round(_DECIMALS).tolist(), *greeks.tolist(),
            strict=True,
        )  # fmt: skip
        for i, alive, worth, b, a, b_size, a_size, close, vol, delta, gamma, theta, vega in rows:
            if alive:
                bidden, size = (b, b_size) if b > 0 else (None, 0)
                result[i] = Mark(worth, bidden, a, size, a_size, close, vol, delta, gamma, theta, vega, spot)

    def value(
        self, strikes: Array, settles: Array, calls: npt.NDArray[np.bool_], spot: float, vix: float, moment: float
    ) -> tuple[Array, Columns]:
        """Return implied volatilities and (price, delta, gamma, theta, vega) of options; settles in epoch seconds."""
        rate = self._rate
        years = np.maximum(settles - moment, SHORTEST_S) / _SECONDS_PER_YEAR
        coming = [(when, amount) for when, amount in self._leaves if moment < when < settles.max()]
        held = np.zeros_like(strikes)
        for when, amount in coming:
            held += np.where(when < settles, amount * np.exp(-rate * _years(when, moment)), 0.0)
        iv = surface.vols(vix, np.log(strikes / (spot - held)) - rate * years, years)
        found = _columns(bsm.evaluate(spot - held, strikes, years, iv, rate, 0.0, calls))
        for i, (when, amount) in enumerate(coming):
            # Those for which this one is the last.
            mine = (when < settles) & (settles <= (coming[i + 1][0] if i + 1 < len(coming) else np.inf))
            if mine.any():
                gone = sum(paid * exp(-rate * _years(then, moment)) for then, paid in coming[:i])
                terms = _Terms(strikes[mine], years[mine], iv[mine], calls[mine], rate)
                price, delta = _over_dividend(terms, spot - gone, _years(when, moment), amount)
                found[0][mine], found[1][mine] = price, delta
        now = np.where(calls, spot - strikes, strikes - spot)
        zero = np.zeros_like(strikes)
        exercised = (now, np.where(calls, 1.0, -1.0), zero, zero, zero)
        return iv, _where(now > found[0], exercised, found)

    def _make_asked(self, ids: tuple[int, ...]) -> _Asked:
        share: int | None = None
        places, strikes, settles, calls = [], [], [], []
        for i, con_id in enumerate(ids):
            contract = self._fund.contract(con_id)
            if contract is None:
                continue
            if contract.expiry is None or contract.strike is None:
                share = i
                continue
            end = settles_at(contract.expiry)
            if end is not None:
                places.append(i)
                strikes.append(float(contract.strike))
                settles.append(end.timestamp())
                calls.append(contract.right is Right.CALL)
        con_ids = np.array([ids[i] for i in places], dtype=np.uint64)
        return _Asked(share, places, con_ids, np.array(strikes), np.array(settles), np.array(calls, dtype=np.bool_))


def _years(when: float, moment: float) -> float:
    return (when - moment) / _SECONDS_PER_YEAR


def _over_dividend(terms: _Terms, spot: float, until: float, amount: float) -> tuple[Array, Array]:
    """Return price and delta by integration over the price of the share `until` years from now."""
    strikes, vols = terms.strikes[:, None], terms.vols[:, None]
    calls = terms.calls[:, None]
    growth = np.exp((terms.rate - 0.5 * vols * vols) * until + vols * np.sqrt(until) * _NODES)
    before = spot * growth
    after = np.maximum(before - amount, 0.01)
    left = np.maximum(terms.years - until, SHORTEST_S / _SECONDS_PER_YEAR)[:, None]
    kept = bsm.evaluate(after, strikes, left, vols, terms.rate, 0.0, calls)
    taken = np.where(calls, before - strikes, strikes - after)
    exercised = taken > kept.price
    value = np.where(exercised, taken, kept.price)
    slope = np.where(exercised, np.where(calls, 1.0, -1.0), kept.delta)
    discount = exp(-terms.rate * until)
    price: Array = discount * (value @ _WEIGHTS)
    delta: Array = discount * ((slope * growth) @ _WEIGHTS)
    return price, delta


def _columns(value: bsm.Valuation) -> Columns:
    return value.price, value.delta, value.gamma, value.theta, value.vega


def _where(chosen: npt.NDArray[np.bool_], one: Columns, other: Columns) -> Columns:
    a, b, c, d, e = (np.where(chosen, x, y) for x, y in zip(one, other, strict=True))
    return a, b, c, d, e
