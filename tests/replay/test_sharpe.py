"""The example of the paper, worked through by hand: Bailey and López de Prado, 2014, section "A numerical example"."""

import math
from statistics import NormalDist

import pytest

from v6.replay.sharpe import deflated, deflated_probability, expected_best, sharpe

DAYS, YEARLY = 1250, 250


def test_the_papers_example_of_a_hundred_trials() -> None:
    expected = expected_best(0.5 / YEARLY, 100)
    assert expected == pytest.approx(0.1132, abs=5e-5)
    found = deflated_probability(2.5 / math.sqrt(YEARLY), DAYS, -3.0, 10.0, expected)
    assert found == pytest.approx(0.9004, abs=5e-5)


def test_with_fewer_trials_the_same_ratio_is_more_believable() -> None:
    expected = expected_best(0.5 / YEARLY, 46)
    assert deflated_probability(2.5 / math.sqrt(YEARLY), DAYS, -3.0, 10.0, expected) == pytest.approx(0.9505, abs=5e-4)


def test_one_trial_is_not_expected_to_be_lucky() -> None:
    assert expected_best(0.01, 1) == 0.0


def test_the_ratio_is_mean_over_deviation() -> None:
    assert sharpe([1.0, 2.0, 3.0]) == pytest.approx(2.0)
    assert sharpe([1.0]) is None
    assert sharpe([1.0, 1.0]) is None, "no deviation, no ratio"


def test_a_judgement_by_hand() -> None:
    changes = [1.0, -1.0, 2.0, 0.0]
    # mean 0.5, squares of the differences 0.25, 2.25, 2.25, 0.25: variance 5 / 3; skew 0; kurtosis 41 / 25
    ratio = 0.5 / math.sqrt(5 / 3)
    found = deflated(changes, [ratio, -ratio])
    assert found is not None
    assert found.sharpe == pytest.approx(ratio)
    # Of two trials the first quantile is that of one half, which is 0; their variance is twice the square.
    expected = math.sqrt(2) * ratio * 0.5772156649 * NormalDist().inv_cdf(1 - 1 / (2 * math.e))
    assert found.expected == pytest.approx(expected)
    z = (ratio - found.expected) * math.sqrt(3) / math.sqrt(1 + (41 / 25 - 1) / 4 * ratio**2)
    assert found.probability == pytest.approx(0.5 * (1 + math.erf(z / math.sqrt(2))))


def test_too_little_gives_no_judgement() -> None:
    assert deflated([1.0, 2.0, 0.0], [0.1, 0.2]) is None
    assert deflated([1.0, -1.0, 2.0, 0.0], [0.1]) is None
