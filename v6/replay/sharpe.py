"""How good the best of many trials is, once it is known how many there were.

D. H. Bailey, M. López de Prado: The Deflated Sharpe Ratio. Journal of Portfolio Management 40 (5), 2014, 94-107.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from scipy.special import ndtr, ndtri

_EULER = 0.5772156649015329

YEAR = 252
"""Trading days by which a daily Sharpe ratio is made yearly."""


@dataclass(frozen=True, slots=True)
class Deflated:
    """The best trial's daily Sharpe ratio, the one expected of the best of so many worthless trials, and the odds.

    `probability` is that of the true ratio being above what luck alone would show: the deflated Sharpe ratio.
    """

    trials: int
    days: int
    sharpe: float
    expected: float
    probability: float


def sharpe(changes: Sequence[float]) -> float | None:
    """Return mean over standard deviation (n - 1) of daily changes; None for fewer than two, or where none differs."""
    if len(changes) < 2:
        return None
    mean = math.fsum(changes) / len(changes)
    variance = math.fsum((x - mean) ** 2 for x in changes) / (len(changes) - 1)
    return mean / math.sqrt(variance) if variance > 0 else None


def expected_best(variance: float, trials: int) -> float:
    """Return the Sharpe ratio expected of the best of so many trials of no skill, given the variance among them."""
    if trials < 2:
        return 0.0
    first, second = ndtri(1 - 1 / trials), ndtri(1 - 1 / (trials * math.e))
    return float(math.sqrt(variance) * ((1 - _EULER) * first + _EULER * second))


def deflated_probability(ratio: float, days: int, skew: float, kurtosis: float, expected: float) -> float:
    """Return the probability that the true Sharpe ratio is above `expected`; ratios daily, kurtosis not in excess."""
    spread = 1 - skew * ratio + (kurtosis - 1) / 4 * ratio**2
    return float(ndtr((ratio - expected) * math.sqrt(days - 1) / math.sqrt(spread)))


def deflated(best: Sequence[float], ratios: Sequence[float]) -> Deflated | None:
    """Return the judgement of the best trial's daily changes, `ratios` being those of all trials; None if too little.

    Trials that resemble each other count as if they did not, which errs on the side of doubt.
    """
    ratio = sharpe(best)
    if ratio is None or len(ratios) < 2 or len(best) < 4:
        return None
    mean = math.fsum(ratios) / len(ratios)
    variance = math.fsum((x - mean) ** 2 for x in ratios) / (len(ratios) - 1)
    expected = expected_best(variance, len(ratios))
    skew, kurtosis = _shape(best)
    return Deflated(
        len(ratios), len(best), ratio, expected, deflated_probability(ratio, len(best), skew, kurtosis, expected)
    )


def _shape(changes: Sequence[float]) -> tuple[float, float]:
    """Return skewness and kurtosis (not in excess)."""
    n = len(changes)
    mean = math.fsum(changes) / n
    second, third, fourth = (math.fsum((x - mean) ** k for x in changes) / n for k in (2, 3, 4))
    return third / second**1.5, fourth / second**2
