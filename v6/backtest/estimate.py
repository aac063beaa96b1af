"""A fast estimate of what a template and basic exits would have brought: daily closes, the same surface, numpy only.

It is for searching, not for judging: positions are looked at once a day, at the close, each on its own (no limit
on how many, no account). How well it agrees with the loop on the same entries is measured by its test and in the docs.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import product
from math import inf
from typing import Final, TypeAlias

import numpy as np
import numpy.typing as npt

from v6.backtest.record import Trade
from v6.errors import V6Error
from v6.lang.desk import StrategyTemplate
from v6.model.contract import Right
from v6.model.position import StructureKind
from v6.paper.market import FLAT_RATES, DailyHistory, surface
from v6.paper.market.book import quotes
from v6.pricing import bsm
from v6.pricing.calendar import xnys
from v6.strategy import Spread, candidate_strikes, choose_expiry, spreads

Array: TypeAlias = npt.NDArray[np.float64]

CONCESSION: Final = 0.55
"""The share of the way from the theoretical value to the far side at which orders of the loop fill: measured there."""

FEE: Final = 1.25
"""Dollars per contract: the paper broker's commission and the exchange's fee."""

STEP: Final = 5
LOWEST, HIGHEST = 0.5, 1.3
CALLS: Final = np.array([False, False, True, True])
RATIOS: Final = np.array([1.0, -1.0, -1.0, 1.0])
_YEAR_S: Final = 365.0 * 86_400.0


@dataclass(frozen=True, slots=True)
class Condor:
    """One unit of an iron condor: four strikes from low to high, its credit in points, and when it was sold."""

    opened: date
    expiry: date
    strikes: tuple[float, float, float, float]
    credit: float


@dataclass(frozen=True, slots=True)
class Exits:
    """Basic exits, as ratios of the credit (a stop of 2.0 is a loss of twice the credit); None never fires.

    `late_stop` counts while fewer than `late` days are left; `days_left` closes at so many days or fewer.
    """

    target: float | None = None
    stop: float | None = None
    late_stop: float | None = None
    late: int = 7
    days_left: int | None = None


@dataclass(frozen=True, slots=True)
class Estimate:
    """What one set of exits made of the condors; dollars per unit, by condor; `sessions` are those held."""

    exits: Exits
    pnl: Array
    sessions: npt.NDArray[np.int64]
    closed_early: npt.NDArray[np.bool_]

    @property
    def mean(self) -> float | None:
        return float(self.pnl.mean()) if len(self.pnl) else None

    @property
    def score(self) -> float | None:
        """Return the mean over the standard deviation of a trade's P&L, None without one."""
        deviation = float(self.pnl.std()) if len(self.pnl) > 1 else 0.0
        return float(self.pnl.mean()) / deviation if deviation > 0 else None


@dataclass(frozen=True, slots=True)
class Row:
    """One line of a search: the exits, and what a trade brought on average (dollars per unit)."""

    exits: Exits
    trades: int
    mean: float | None
    score: float | None
    worst: float | None
    won: float | None
    sessions: float | None


SEARCHED: Final[dict[str, tuple[float | int | None, ...]]] = {
    "target": (0.25, 0.5, 0.65, 0.8, None),
    "stop": (1.0, 1.5, 2.0, 3.0, None),
    "days_left": (None, 2, 7, 14, 21),
}
"""What `v6 backtest --fast` tries: every combination."""


def search(history: DailyHistory, days: Sequence[date], template: StrategyTemplate, *, costs: bool) -> list[Row]:
    """Return every searched set of exits on the same entries, the best mean over deviation first.

    A condor is sold at a close as often as the template allows, whatever else is open.
    """
    chosen: list[date] = []
    for day in days:
        if not chosen or (day - chosen[-1]).days >= max(template.entry.min_days_between, 1):
            chosen.append(day)
    model = Model(history, costs=costs)
    estimates = model.estimate(model.enter(template, chosen), grid(**SEARCHED))
    rows = [_row(e) for e in estimates]
    return sorted(rows, key=lambda r: -inf if r.score is None else r.score, reverse=True)


def _row(one: Estimate) -> Row:
    count = len(one.pnl)
    return Row(
        one.exits,
        count,
        one.mean,
        one.score,
        float(one.pnl.min()) if count else None,
        float((one.pnl > 0).mean()) if count else None,
        float(one.sessions.mean()) if count else None,
    )


@dataclass(frozen=True, slots=True)
class _Shape:
    short_delta: float
    width: float
    least_credit: float


def _shape(template: StrategyTemplate) -> _Shape:
    strikes, least = template.strikes, template.entry.min_credit_ratio
    if template.structure is not StructureKind.IRON_CONDOR:
        raise V6Error(f"the estimator knows iron condors, not {template.structure}")
    if strikes.short_delta is None or strikes.width is None or least is None:
        raise V6Error("the estimator knows condors by short_delta and width")
    return _Shape(strikes.short_delta, strikes.width, least)


class Model:
    """The market model at the closes of a history; a condor that outlives it cannot be estimated."""

    def __init__(self, history: DailyHistory, *, costs: bool = True) -> None:
        self._sessions = history.sessions
        self._days = [s.day for s in history.sessions]
        self._closes = [xnys().close_utc(day).timestamp() for day in self._days]
        self._costs = costs

    def enter(self, template: StrategyTemplate, days: Iterable[date], most_vix: float = 35.0) -> list[Condor]:
        """Return the condors that the template sells at the close of each day; days it refuses are left out."""
        shape = _shape(template)
        found = []
        for day in days:
            i = bisect_left(self._days, day)
            if i < len(self._days) and self._days[i] == day and self._sessions[i].vix < most_vix:
                condor = self._enter(template, shape, i)
                if condor is not None:
                    found.append(condor)
        return found

    def estimate(self, condors: Sequence[Condor], exits: Iterable[Exits]) -> list[Estimate]:
        """Return an estimate for each set of exits; the condors are valued once for all of them.

        Raises ValueError for a condor that expires after the history's end.
        """
        paths = self._paths(condors)
        return [_leave(condors, paths, one) for one in exits]

    # -- entries

    def _enter(self, template: StrategyTemplate, shape: _Shape, i: int) -> Condor | None:
        session, width = self._sessions[i], shape.width
        today = self._days[i]
        window = range(template.expiry.dte_min, template.expiry.dte_max + 1)
        listed = xnys().weekly_expiries(today, date.fromordinal(today.toordinal() + window[-1]))
        expiry = choose_expiry(template, listed, today)
        if expiry is None or expiry > self._days[-1]:
            return None
        grid = np.arange(
            np.ceil(LOWEST * session.close / STEP) * STEP, HIGHEST * session.close, STEP, dtype=np.float64
        )
        put, call = (self._short(template, shape, i, expiry, spread, grid) for spread in spreads(template.structure))
        if put is None or call is None:
            return None
        strikes = np.array([put - width, put, call, call + width])
        price, spread = self._price(i, expiry, strikes[None, :])
        credit = -float(price[0] @ RATIOS)
        if not 0 < credit < width or credit / width < shape.least_credit:
            return None
        paid = float(spread[0].sum()) * CONCESSION if self._costs else 0.0
        low, first, second, high = strikes.tolist()
        return Condor(today, expiry, (low, first, second, high), credit - paid)

    def _short(
        self, template: StrategyTemplate, shape: _Shape, i: int, expiry: date, spread: Spread, grid: Array
    ) -> float | None:
        session = self._sessions[i]
        days = (expiry - session.day).days
        chosen = candidate_strikes(template, spread, session.close, session.vix / 100.0, days, grid.tolist())
        if not chosen:
            return None
        strikes = np.array(chosen)
        value = self._value(i, expiry, strikes, np.full(len(strikes), spread.right is Right.CALL))
        miss = np.abs(np.abs(value.delta) - shape.short_delta)
        return float(strikes[int(miss.argmin())])

    # -- values

    def _value(self, i: int, expiry: date, strikes: Array, calls: npt.NDArray[np.bool_]) -> bsm.Valuation:
        return self._valued(i, np.full(strikes.shape, xnys().close_utc(expiry).timestamp()), strikes, calls)

    def _valued(self, i: int, settles: Array, strikes: Array, calls: npt.NDArray[np.bool_]) -> bsm.Valuation:
        session, (rate, dividend) = self._sessions[i], (FLAT_RATES.rate, FLAT_RATES.dividend)
        years = np.maximum(settles - self._closes[i], 60.0) / _YEAR_S
        moneyness = np.log(strikes / session.close) - (rate - dividend) * years
        iv = surface.vols(session.vix, moneyness, years)
        return bsm.evaluate(session.close, strikes, years, iv, rate, dividend, calls)

    def _price(self, i: int, expiry: date, strikes: Array) -> tuple[Array, Array]:
        """Return theoretical values and half spreads of rows of four strikes."""
        calls = np.broadcast_to(CALLS, strikes.shape)
        price = self._value(i, expiry, strikes, calls).price
        bid, ask = quotes(price, self._sessions[i].vix)
        return price, (ask - bid) / 2

    def _paths(self, condors: Sequence[Condor]) -> _Paths:
        """Return values to the expiry of each condor: one call of the model for each session, for all that live."""
        starts = np.array([bisect_left(self._days, c.opened) for c in condors], dtype=np.int64)
        ends = np.array([bisect_left(self._days, c.expiry) for c in condors], dtype=np.int64)
        if len(condors) and int(ends.max()) >= len(self._days):
            raise ValueError(f"a condor outlives the history, which ends on {self._days[-1]}")
        strikes = np.array([c.strikes for c in condors]).reshape(-1, 4)
        settles = np.array([xnys().close_utc(c.expiry).timestamp() for c in condors])
        longest = int((ends - starts).max()) if len(condors) else 0
        value = np.full((len(condors), longest + 1), np.nan)
        cost, left = np.zeros_like(value), np.zeros_like(value)
        for i in range(int(starts.min()) + 1 if len(condors) else 0, int(ends.max()) + 1 if len(condors) else 0):
            live = np.flatnonzero((starts < i) & (i <= ends))
            if not len(live):
                continue
            price, spread = self._at(i, strikes[live], settles[live], ends[live] == i)
            steps = i - starts[live]
            value[live, steps] = price @ RATIOS
            cost[live, steps] = spread.sum(axis=1) * CONCESSION if self._costs else 0.0
            left[live, steps] = [(condors[n].expiry - self._days[i]).days for n in live.tolist()]
        fee = FEE * len(RATIOS) if self._costs else 0.0
        return _Paths(value, cost, left, ends - starts, fee)

    def _at(self, i: int, strikes: Array, settles: Array, settling: npt.NDArray[np.bool_]) -> tuple[Array, Array]:
        calls = np.broadcast_to(CALLS, strikes.shape)
        price = self._valued(i, np.broadcast_to(settles[:, None], strikes.shape), strikes, calls).price
        close = self._sessions[i].close
        inside = np.maximum(np.where(calls, close - strikes, strikes - close), 0.0)
        price = np.where(settling[:, None], inside, price)
        bid, ask = quotes(price, self._sessions[i].vix)
        return price, np.where(settling[:, None], 0.0, (ask - bid) / 2)


@dataclass(frozen=True, slots=True)
class _Paths:
    """By condor and sessions since its opening: what it is worth, what closing it costs, days left; NaN is over."""

    value: Array
    cost: Array
    left: Array
    life: npt.NDArray[np.int64]
    fee: float


def _leave(condors: Sequence[Condor], paths: _Paths, exits: Exits) -> Estimate:
    credit = np.array([c.credit for c in condors])
    rows = np.arange(len(condors))
    with np.errstate(invalid="ignore"):
        # NaN compares false, so a condor that is over fires nothing.
        ratio = (paths.value + credit[:, None]) / credit[:, None]
        fires = np.zeros(ratio.shape, dtype=np.bool_)
        if exits.target is not None:
            fires |= ratio >= exits.target
        if exits.stop is not None:
            fires |= ratio <= -exits.stop
        if exits.late_stop is not None:
            fires |= (ratio <= -exits.late_stop) & (paths.left < exits.late)
        if exits.days_left is not None:
            fires |= (paths.left <= exits.days_left) & ~np.isnan(ratio)
    fires[:, 0] = False
    first = np.where(fires.any(axis=1), fires.argmax(axis=1), paths.life)
    early = first < paths.life
    points = credit + paths.value[rows, first] - np.where(early, paths.cost[rows, first], 0.0)
    pnl = 100.0 * points - paths.fee * (1 + early)
    return Estimate(exits, pnl, first, early)


def condors_of(trades: Iterable[Trade]) -> list[Condor]:
    """Return the condors that a backtest opened, at the credit it got: for the same entries."""
    found = []
    for trade in trades:
        low, first, second, high = (float(leg.split()[-1][:-1]) for leg in _split(trade.legs))
        found.append(Condor(trade.opened.date(), trade.expiry, (low, first, second, high), -trade.entry_price))
    return found


def _split(legs: str) -> list[str]:
    """Return `+1 1665P` for each leg."""
    words = legs.split()
    return [" ".join(words[i : i + 2]) for i in range(0, len(words), 2)]


def grid(**choices: Sequence[float | None]) -> list[Exits]:
    """Return the exits of every combination of the choices, which are named as the fields of `Exits`."""
    names = list(choices)
    return [Exits(**dict(zip(names, values, strict=True))) for values in product(*choices.values())]  # type: ignore[arg-type]
