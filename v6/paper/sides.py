"""Option computations of the bid, the ask and the last trade (ticks 10, 11, 12), beside the model's (13).

The volatility of a price is read by Black-Scholes-Merton, shifted so that the market's own price has the market's own
volatility: what the model leaves out, an early exercise or a dividend in cash, is in the shift. A market where nobody
else trades has a last price only of what this account has traded. What cannot be computed is told by TWS's sentinels,
-1 and -2: without a bid, and where no volatility gives the price.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from math import erf, exp, log, pi, sqrt
from typing import Final

from v6.model.contract import Contract, Right
from v6.paper.codec import frame
from v6.paper.ports import Mark

BID, ASK, LAST = 10, 11, 12
SHORTEST_S: Final = 60.0
_SECONDS_PER_YEAR: Final = 365.0 * 86400.0
_LOWEST, _HIGHEST = 1e-4, 10.0
_STEPS: Final = 60
_CLOSE: Final = 1e-7
_ABSENT: Final = ("-1.0", "-2.0", "-1.0", "0.0", "-2.0", "-2.0", "-2.0")
"""iv, delta, price, pvDividend, gamma, vega, theta of a side that is not there."""


@dataclass(frozen=True, slots=True)
class Figures:
    """Price and greeks of one option: theta per calendar day, vega per volatility point."""

    price: float
    delta: float
    gamma: float
    vega: float
    theta: float


def evaluate(
    spot: float, strike: float, years: float, vol: float, rate: float, dividend: float, sign: float
) -> Figures:
    """Return what `v6.pricing.bsm` does for arrays, for one option at the price of a few logarithms."""
    root = sqrt(years)
    d1 = log(spot / strike) / (vol * root) + ((rate - dividend) / vol + 0.5 * vol) * root
    d2 = d1 - vol * root
    stock, bond = spot * exp(-dividend * years), strike * exp(-rate * years)
    n1, n2 = _normal(sign * d1), _normal(sign * d2)
    density = stock * exp(-0.5 * d1 * d1) / sqrt(2.0 * pi)
    decay = -0.5 * density * vol / root + sign * (dividend * stock * n1 - rate * bond * n2)
    return Figures(
        max(sign * (stock * n1 - bond * n2), 0.0), sign * stock / spot * n1, density / (spot * spot * vol * root),
        density * root / 100.0, decay / 365.0,
    )  # fmt: skip


def _normal(x: float) -> float:
    return 0.5 * (1.0 + erf(x / sqrt(2.0)))


@dataclass(slots=True)
class Sides:
    """The computations of one line; `last` gives the price of this account's last trade, None before the first."""

    contract: Contract
    settles: float
    rates: tuple[float, float]
    now: Callable[[], float]
    last: Callable[[int], float | None]
    told: dict[int, tuple[str, ...]] = field(default_factory=dict)

    def ticks(self, req_id: int, mark: Mark) -> list[bytes]:
        """Return the computations that are not what was last told."""
        out = []
        prices = [(BID, mark.bid), (ASK, mark.ask)]
        last = self.last(self.contract.con_id)
        if last is not None:
            prices.append((LAST, last))
        for kind, price in prices:
            values = self._side(mark, price)
            if values is not None and self.told.get(kind) != values:
                self.told[kind] = values
                out.append(frame(("21", str(req_id), str(kind), "0", *values)))
        return out

    def _side(self, mark: Mark, price: float | None) -> tuple[str, ...] | None:
        """Return the fields of one side, None for an option of which the market knows no volatility."""
        if mark.iv is None or mark.underlying is None or self.contract.strike is None:
            return None
        under = repr(mark.underlying)
        if price is None:
            return (*_ABSENT, under)
        years = max(self.settles - self.now(), SHORTEST_S) / _SECONDS_PER_YEAR
        sign = 1.0 if self.contract.right is Right.CALL else -1.0
        strike, (rate, dividend) = float(self.contract.strike), self.rates

        def at(vol: float) -> Figures:
            return evaluate(mark.underlying or 0.0, strike, years, vol, rate, dividend, sign)

        goal = price + at(mark.iv).price - mark.price
        vol = _solve(at, goal, mark.iv)
        if vol is None:
            return (*_ABSENT[:2], repr(price), *_ABSENT[3:], under)
        found = at(vol)
        numbers = (vol, found.delta, price, 0.0, found.gamma, found.vega, found.theta)
        return (*(repr(round(number, 9)) for number in numbers), under)


def _solve(at: Callable[[float], Figures], goal: float, start: float) -> float | None:
    """Return the volatility at which the price is the goal, None for none: Newton's steps, kept in a bracket."""
    low, high, vol = _LOWEST, _HIGHEST, start
    if not at(low).price < goal < at(high).price:
        return None
    for _ in range(_STEPS):
        found = at(vol)
        if abs(found.price - goal) < _CLOSE:
            return vol
        low, high = (vol, high) if found.price < goal else (low, vol)
        vol = vol - (found.price - goal) / (100.0 * found.vega) if found.vega > 0 else low
        if not low < vol < high:
            vol = 0.5 * (low + high)
    return vol
