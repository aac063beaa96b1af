"""Our prices, greeks and volatilities beside those of vollib and QuantLib, over one random grid."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pytest
import QuantLib as ql
from vollib.black_scholes_merton import black_scholes_merton
from vollib.black_scholes_merton.greeks import analytical
from vollib.black_scholes_merton.implied_volatility import implied_volatility

from v6.pricing.bsm import Valuation, evaluate, implied_vol

SIZE = 1000
TOLERANCE = 1e-10


@dataclass(frozen=True)
class Grid:
    spot: npt.NDArray[np.float64]
    strike: npt.NDArray[np.float64]
    days: npt.NDArray[np.int64]
    vol: npt.NDArray[np.float64]
    rate: npt.NDArray[np.float64]
    dividend: npt.NDArray[np.float64]
    call: npt.NDArray[np.bool_]

    @property
    def years(self) -> npt.NDArray[np.float64]:
        return self.days / 365.0

    def valued(self) -> Valuation:
        return evaluate(self.spot, self.strike, self.years, self.vol, self.rate, self.dividend, self.call)


@pytest.fixture(scope="module")
def grid() -> Grid:
    """Both rights, in and out of the money, one day to two years, rates and yields of either sign."""
    draw = np.random.default_rng(20261124)
    spot = draw.uniform(50, 500, SIZE)
    days = draw.integers(1, 730, SIZE)
    vol = draw.uniform(0.05, 1.2, SIZE)
    strike = spot * np.exp(np.clip(draw.normal(0, 1.5, SIZE) * vol * np.sqrt(days / 365.0), -1.5, 1.5))
    rate, dividend = draw.uniform(-0.01, 0.10, SIZE), draw.uniform(0.0, 0.08, SIZE)
    return Grid(spot, strike, days, vol, rate, dividend, draw.random(SIZE) < 0.5)


def test_prices_and_greeks_are_those_of_vollib(grid: Grid) -> None:
    ours, asked = grid.valued(), []
    for i in range(SIZE):
        flag = "c" if grid.call[i] else "p"
        s, k, t, r, v, q = (
            float(x[i]) for x in (grid.spot, grid.strike, grid.years, grid.rate, grid.vol, grid.dividend)
        )
        greeks = (analytical.delta, analytical.gamma, analytical.theta, analytical.vega)
        asked.append([black_scholes_merton(flag, s, k, t, r, v, q), *(g(flag, s, k, t, r, v, q) for g in greeks)])
    for column, theirs in zip(
        (ours.price, ours.delta, ours.gamma, ours.theta, ours.vega), np.array(asked).T, strict=True
    ):
        np.testing.assert_allclose(column, theirs, rtol=0, atol=TOLERANCE)


def test_prices_and_greeks_are_those_of_quantlib(grid: Grid) -> None:
    ours = grid.valued()
    asked = np.array([_quantlib(grid, i) for i in range(SIZE)]).T
    for column, theirs in zip((ours.price, ours.delta, ours.gamma, ours.theta, ours.vega), asked, strict=True):
        np.testing.assert_allclose(column, theirs, rtol=0, atol=TOLERANCE)


def test_volatilities_of_prices_are_those_that_made_them(grid: Grid) -> None:
    ours = grid.valued()
    found = implied_vol(ours.price, grid.spot, grid.strike, grid.years, grid.rate, grid.dividend, grid.call)
    # In the money all but the time value is lost to rounding where nothing depends on the volatility any more.
    told = ours.vega > 1e-5
    assert told.sum() > 0.9 * SIZE
    np.testing.assert_allclose(found[told], grid.vol[told], rtol=0, atol=1e-8)


def test_volatilities_of_prices_are_those_of_vollib(grid: Grid) -> None:
    ours = grid.valued()
    found = implied_vol(ours.price, grid.spot, grid.strike, grid.years, grid.rate, grid.dividend, grid.call)
    for i in np.flatnonzero(ours.vega > 1e-3)[:300]:
        flag = "c" if grid.call[i] else "p"
        theirs = implied_volatility(
            float(ours.price[i]),
            float(grid.spot[i]),
            float(grid.strike[i]),
            float(grid.years[i]),
            float(grid.rate[i]),
            float(grid.dividend[i]),
            flag,
        )
        assert found[i] == pytest.approx(theirs, abs=1e-8)


def _quantlib(grid: Grid, i: int) -> list[float]:
    today, count = ql.Date(1, 1, 2020), ql.Actual365Fixed()
    ql.Settings.instance().evaluationDate = today

    def flat(level: float) -> ql.YieldTermStructureHandle:
        return ql.YieldTermStructureHandle(ql.FlatForward(today, float(level), count))

    process = ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(float(grid.spot[i]))),
        flat(grid.dividend[i]),
        flat(grid.rate[i]),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), float(grid.vol[i]), count)),
    )
    right = ql.Option.Call if grid.call[i] else ql.Option.Put
    option = ql.VanillaOption(
        ql.PlainVanillaPayoff(right, float(grid.strike[i])), ql.EuropeanExercise(today + int(grid.days[i]))
    )
    option.setPricingEngine(ql.AnalyticEuropeanEngine(process))
    return [option.NPV(), option.delta(), option.gamma(), option.theta() / 365.0, option.vega() / 100.0]
