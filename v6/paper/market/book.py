"""Quotes: one vectorised pass from the tape and the surface to bids, asks and greeks on the tick grid."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from v6.model.contract import Right
from v6.paper.market import surface
from v6.paper.market.ahead import Ahead
from v6.paper.market.intraday import Close, Tape
from v6.paper.market.listing import SPX, VIX, Listing, settles_at
from v6.paper.ports import Mark
from v6.pricing import bsm

Array: TypeAlias = npt.NDArray[np.float64]
Integers: TypeAlias = npt.NDArray[np.uint64]

_SECONDS_PER_YEAR: Final = 365.0 * 86400.0
# At the close of the expiry day the greeks of the last minute stand; a time of zero has none.
SHORTEST_S: Final = 60.0
# Median spread of SPXW quotes of January 2021 (VIX 24): 0.13 * mid^0.38; that it scales with the VIX is assumed.
SPREAD_SCALE: Final = 0.13
SPREAD_POWER: Final = 0.38
SPREAD_VIX: Final = 24.0
# Cboe's grid for SPX series: 0.05 below 3.00, 0.10 from there on.
TICK_BREAK: Final = 3.0
SMALL_TICK, LARGE_TICK = 0.05, 0.10
# Platforms differ in the last bits of exp and ndtr; rounding first keeps that out of ticks and event logs.
_PRICE_DECIMALS, _GREEK_DECIMALS = 6, 9
_SMALLEST_SIZE, _SIZES = 5, 120


@dataclass(frozen=True, slots=True)
class Rates:
    """Continuous yearly interest rate and dividend yield; a flat 0.5 % and 2 % suit the S&P 500 of 2014-2018."""

    rate: float = 0.005
    dividend: float = 0.02


FLAT_RATES: Final = Rates()

_Priced: TypeAlias = tuple[bool, float, float, float, int, int, float, float, float, float, float]
"""Of one option: not settled yet, price, bid, ask, their sizes, volatility, delta, gamma, theta, vega."""


@dataclass(frozen=True, slots=True)
class _Columns:
    """The options among some con_ids: `places` are their positions in the request."""

    places: list[int]
    con_ids: Integers
    strikes: Array
    settles: Array
    calls: npt.NDArray[np.bool_]


class Book:
    """The quotes of a market at any moment; a pure function of what it was built from."""

    def __init__(
        self, tape: Tape, listing: Listing, seed: int, rates: Rates, widen: Callable[[float], float] | None = None
    ) -> None:
        self._tape = tape
        self._listing = listing
        self._seed = np.uint64(seed % 2**64)
        self._rates = rates
        self._widen = widen
        self._columns = lru_cache(maxsize=256)(self._make_columns)
        self._closes = lru_cache(maxsize=256)(self._make_closes)
        self._ahead = Ahead(self._price, tape.rests_at)

    def marks(self, con_ids: Sequence[int], at: datetime) -> list[Mark | None]:
        """Return the book of each contract, None for one that is unknown or has settled.

        An index has no market of its own: its bid is None, its ask the price, its sizes are 0.
        """
        moment = at.timestamp()
        tick = self._tape.at(moment)
        ids = tuple(con_ids)
        result: list[Mark | None] = [None] * len(ids)
        for i, con_id in enumerate(ids):
            if con_id == SPX.con_id:
                result[i] = Mark(tick.spot, None, tick.spot, 0, 0, tick.previous.spot)
            elif con_id == VIX.con_id:
                result[i] = Mark(tick.vix, None, tick.vix, 0, 0, tick.previous.vix)
        columns = self._columns(ids)
        if columns.places:
            closes = self._closes(ids, tick.previous)
            for i, close, row in zip(columns.places, closes, self._ahead.row(ids, moment), strict=True):
                alive, worth, b, a, b_size, a_size, vol, delta, gamma, theta, vega = row
                if alive:
                    bidden, size = (b, b_size) if b > 0 else (None, 0)
                    result[i] = Mark(worth, bidden, a, size, a_size, close, vol, delta, gamma, theta, vega, tick.spot)
        return result

    def _price(self, ids: tuple[int, ...], moments: Sequence[float]) -> list[list[_Priced]]:
        """Return for each moment the rows of the options among the ids; there must be some."""
        columns = self._columns(ids)
        ticks = [self._tape.at(moment) for moment in moments]
        at = np.array(moments)[:, np.newaxis]
        vix = np.array([[tick.vix] for tick in ticks])
        iv, value = self._value(columns, np.array([[tick.spot] for tick in ticks]), vix, at)
        price = value.price.round(_PRICE_DECIMALS)
        widen = self._widen
        widening = 1.0 if widen is None else np.array([[widen(moment)] for moment in moments])
        greeks = np.array((iv, value.delta, value.gamma, value.theta, value.vega)).round(_GREEK_DECIMALS)
        tables = (
            columns.settles > at,
            price,
            *quotes(price, vix, widening),
            *sizes(columns.con_ids, at, self._seed),
            *greeks,
        )
        return [list(zip(*rows, strict=True)) for rows in zip(*(table.tolist() for table in tables), strict=True)]

    def _value(
        self, columns: _Columns, spot: float | Array, vix: float | Array, moment: float | Array
    ) -> tuple[Array, bsm.Valuation]:
        rate, dividend = self._rates.rate, self._rates.dividend
        years = np.maximum(columns.settles - moment, SHORTEST_S) / _SECONDS_PER_YEAR
        moneyness = np.log(columns.strikes / spot) - (rate - dividend) * years
        iv = surface.vols(vix, moneyness, years)
        return iv, bsm.evaluate(spot, columns.strikes, years, iv, rate, dividend, columns.calls)

    def _make_closes(self, ids: tuple[int, ...], close: Close) -> list[float]:
        _, value = self._value(self._columns(ids), close.spot, close.vix, close.at)
        closes: list[float] = np.round(value.price, _PRICE_DECIMALS).tolist()
        return closes

    def _make_columns(self, ids: tuple[int, ...]) -> _Columns:
        places, strikes, settles, calls = [], [], [], []
        for i, con_id in enumerate(ids):
            contract = self._listing.contract(con_id)
            if contract is None or contract.expiry is None or contract.strike is None:
                continue
            end = settles_at(contract.trading_class, contract.expiry)
            if end is None:
                continue
            places.append(i)
            strikes.append(float(contract.strike))
            settles.append(end.timestamp())
            calls.append(contract.right is Right.CALL)
        con_ids = np.array([ids[i] for i in places], dtype=np.uint64)
        return _Columns(places, con_ids, np.array(strikes), np.array(settles), np.array(calls, dtype=np.bool_))


def quotes(price: Array, vix: float | Array, widening: float | Array = 1.0) -> tuple[Array, Array]:
    """Return (bid, ask) around each price, rounded outward to the tick grid; a bid may come out as 0, an ask not."""
    half = 0.5 * SPREAD_SCALE * (vix / SPREAD_VIX) * widening * price**SPREAD_POWER
    low, high = price - half, price + half
    bid_tick = np.where(low < TICK_BREAK, SMALL_TICK, LARGE_TICK)
    ask_tick = np.where(high < TICK_BREAK, SMALL_TICK, LARGE_TICK)
    bid = np.floor(low / bid_tick + 1e-7) * bid_tick
    ask = np.maximum(np.ceil(high / ask_tick - 1e-7) * ask_tick, SMALL_TICK)
    # Back to the double nearest to the decimal price.
    return np.maximum(bid.round(2), 0.0), ask.round(2)


def sizes(con_ids: Integers, moments: float | Array, seed: np.uint64) -> tuple[Integers, Integers]:
    """Return sizes that change each minute and depend on (seed, contract, minute) alone (splitmix64)."""
    z = (con_ids << np.uint64(32)) ^ np.asarray(moments // 60).astype(np.uint64) ^ seed
    z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    z ^= z >> np.uint64(31)
    count = np.uint64(_SIZES)
    smallest = np.uint64(_SMALLEST_SIZE)
    return smallest + z % count, smallest + (z >> np.uint64(32)) % count
