"""American options, priced by QuantLib, with dividends in cash: what options on stocks and funds need.

QuantLib counts time in whole days. A price depends on volatility, rate and yield only through their products with
time, so each option is priced over a fixed grid of days with the parameters rescaled, and expiries of minutes come out
as well as those of years. Units are those of `bsm`: theta per calendar day, vega per volatility point.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import isfinite, nan, sqrt
from typing import Any, Final, TypeAlias

from v6.model.contract import Right
from v6.model.quote import Greeks, GreeksSource
from v6.pricing.bsm import DAYS_PER_YEAR

Payment: TypeAlias = tuple[float, float]
"""Years until the ex-dividend date, and the cash amount for each share."""

GRID_DAYS: Final = 3650
"""Days that stand for the life of every option: dividends fall on one of so many dates."""

TIME_STEPS: Final = 200
PRICE_STEPS: Final = 400
LOWEST_VOL, HIGHEST_VOL = 0.005, 5.0

# Central differences over these shares of an input; of the spot over a share of the deviation to expiry. Their error
# is of the square, and they are wide enough for the noise of the engines.
_SPOT_BUMP: Final = 0.05
_VOL_BUMP: Final = 0.01
_TIME_BUMP: Final = 0.01
_PRECISION: Final = 1e-9


@dataclass(frozen=True, slots=True)
class American:
    """An American option on a share; rates are continuous and per year, `dividends` come on top of the yield."""

    spot: float
    strike: float
    years: float
    right: Right
    rate: float = 0.0
    dividend_yield: float = 0.0
    dividends: tuple[Payment, ...] = ()

    def price(self, vol: float) -> float | None:
        """Return the price per share, None where the inputs give none."""
        found = _npv(self, vol, self.spot, self.years) if self._priced(vol) else nan
        return found if isfinite(found) else None

    def greeks(self, vol: float) -> Greeks | None:
        """Return the greeks, marked as locally computed, None where the inputs give none."""
        if not self._priced(vol):
            return None
        h, dv = self.spot * _SPOT_BUMP * min(vol * sqrt(self.years), 1.0), vol * _VOL_BUMP
        # No step in time may go past a dividend, which is a step in the price.
        dt = min([self.years * _TIME_BUMP, *(0.5 * when for when, _ in self.dividends if when > 0)])

        def at(s: float, v: float, t: float) -> float:
            return _npv(self, v, s, t)

        up, mid, down = (at(self.spot + d, vol, self.years) for d in (h, 0.0, -h))
        dearer, cheaper = at(self.spot, vol + dv, self.years), at(self.spot, vol - dv, self.years)
        longer, shorter = at(self.spot, vol, self.years + dt), at(self.spot, vol, self.years - dt)
        numbers = (
            (up - down) / (2 * h),
            max((up - 2 * mid + down) / (h * h), 0.0),
            -(longer - shorter) / (2 * dt) / DAYS_PER_YEAR,
            max((dearer - cheaper) / (2 * dv) / 100.0, 0.0),
        )
        return Greeks(*numbers, iv=vol, source=GreeksSource.LOCAL) if all(map(isfinite, numbers)) else None

    def implied_vol(self, price: float) -> float | None:
        """Return the volatility that gives the price; None at or below the value of exercising now, or above any."""
        if not isfinite(price) or not self._priced(LOWEST_VOL):
            return None
        low, high = LOWEST_VOL, HIGHEST_VOL
        below, above = self.price(low), self.price(high)
        # At the lowest volatility the price is that of exercise: no volatility can be read from it.
        if below is None or above is None or not below + _PRECISION < price < above:
            return None
        from scipy.optimize import brentq  # here, not above: few need it

        return float(brentq(lambda vol: _npv(self, vol, self.spot, self.years) - price, low, high, xtol=_PRECISION))

    def _priced(self, vol: float) -> bool:
        numbers = (self.spot, self.strike, self.years, vol, self.rate, self.dividend_yield)
        paid = sum(amount for when, amount in self.dividends if 0 < when <= self.years)
        return all(map(isfinite, numbers)) and min(numbers[:4]) > 0 and isfinite(paid) and paid < self.spot


def _npv(option: American, vol: float, spot: float, years: float) -> float:
    """Price by finite differences with dividends, by the fixed point of the exercise boundary without any.

    With other years than the option's all dates move along: time has passed, or not yet. What QuantLib refuses is NaN.
    """
    import QuantLib as ql  # here, not above: it takes a third of a second to import, and few desks need it

    # One unit of QuantLib's time is `scale` years.
    scale = years / (GRID_DAYS / 365.0)
    today = ql.Date(1, 1, 2020)
    settings = ql.Settings.instance()
    if settings.evaluationDate != today:
        settings.evaluationDate = today
    process = _market(ql, today, spot, vol * sqrt(scale), option.rate * scale, option.dividend_yield * scale)
    right = ql.Option.Call if option.right is Right.CALL else ql.Option.Put
    contract = ql.VanillaOption(
        ql.PlainVanillaPayoff(right, option.strike), ql.AmericanExercise(today, today + GRID_DAYS)
    )
    paid = _schedule(option.dividends, years - option.years, years)
    if paid:
        dates = [today + max(round(when / years * GRID_DAYS), 1) for when, _ in paid]
        amounts = [amount for _, amount in paid]
        engine: Any = ql.FdBlackScholesVanillaEngine(
            process, ql.DividendVector(dates, amounts), TIME_STEPS, PRICE_STEPS
        )
    else:
        engine = ql.QdFpAmericanEngine(process, ql.QdFpAmericanEngine.accurateScheme())
    contract.setPricingEngine(engine)
    try:
        return float(contract.NPV())
    except RuntimeError:  # all that QuantLib raises; its text speaks of its own grids
        return nan


def _schedule(dividends: Sequence[Payment], shift: float, years: float) -> list[Payment]:
    """Return the payments of the option's life in order: what is paid later does not concern it."""
    moved = ((when + shift, amount) for when, amount in dividends if when > 0 and amount > 0)
    return sorted((when, amount) for when, amount in moved if 0 < when <= years)


def _market(ql: Any, today: Any, spot: float, vol: float, rate: float, dividend: float) -> Any:
    count = ql.Actual365Fixed()

    def flat(level: float) -> Any:
        return ql.YieldTermStructureHandle(ql.FlatForward(today, level, count))

    return ql.BlackScholesMertonProcess(
        ql.QuoteHandle(ql.SimpleQuote(spot)),
        flat(dividend),
        flat(rate),
        ql.BlackVolTermStructureHandle(ql.BlackConstantVol(today, ql.NullCalendar(), vol, count)),
    )
