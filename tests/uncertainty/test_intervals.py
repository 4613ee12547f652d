"""Intervals of samples against closed forms, and against torch where it has the same."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from restain.errors import DataError
from restain.uncertainty import IntervalRule, interval_of, order_ranks

TRIALS = 200_000


def coverage(draws: np.ndarray, rule: IntervalRule) -> float:
    """The last draw is the truth, the others are the samples: a perfect sampler."""
    interval = interval_of(draws[:-1], rule)
    return float(np.mean((interval.lower <= draws[-1]) & (draws[-1] <= interval.upper)))


@pytest.mark.parametrize("samples", [2, 7, 20])
@pytest.mark.parametrize("level", [0.5, 0.9])
def test_quantiles_are_those_of_torch(samples: int, level: float):
    values = np.random.default_rng(0).random((samples, 5, 4, 3), np.float32)
    interval = interval_of(values, IntervalRule(samples=samples, level=level))
    tail = (1 - level) / 2
    theirs = torch.quantile(torch.from_numpy(values), torch.tensor([tail, 1 - tail]), dim=0).numpy()
    np.testing.assert_allclose(np.stack([interval.lower, interval.upper]), theirs, atol=1e-6)
    np.testing.assert_allclose(interval.centre, values.mean(axis=0), atol=1e-6)
    assert interval.lower.dtype == np.float32
    assert (interval.width >= 0).all()


def test_quantiles_of_20_uniform_samples_cover_81_percent_not_90():
    draws = np.random.default_rng(1).random((21, TRIALS))
    assert coverage(draws, IntervalRule()) == pytest.approx(0.9 * 19 / 21, abs=0.005)


def test_quantiles_of_200_uniform_samples_cover_89_percent():
    draws = np.random.default_rng(2).random((201, 20_000), np.float32)
    assert coverage(draws, IntervalRule(samples=200)) == pytest.approx(0.9 * 199 / 201, abs=0.007)


def test_quantiles_of_20_gaussian_samples_cover_82_percent():
    draws = np.random.default_rng(3).standard_normal((21, TRIALS))
    assert coverage(draws, IntervalRule()) == pytest.approx(0.8165, abs=0.005)


@pytest.mark.parametrize("law", ["random", "standard_normal", "standard_exponential"])
def test_the_smallest_and_largest_of_20_samples_cover_19_of_21_whatever_the_law(law: str):
    draws = getattr(np.random.default_rng(4), law)((21, TRIALS))
    assert coverage(draws, IntervalRule(kind="order_stat")) == pytest.approx(19 / 21, abs=0.003)


@pytest.mark.parametrize(("samples", "level"), [(20, 0.8), (20, 0.5), (7, 0.6), (2, 0.1)])
def test_the_stated_coverage_of_ranks_is_the_true_one(samples: int, level: float):
    draws = np.random.default_rng(5).standard_normal((samples + 1, 100_000))
    rule = IntervalRule(kind="order_stat", samples=samples, level=level)
    assert coverage(draws, rule) == pytest.approx(order_ranks(samples, level).coverage, abs=0.006)


def test_ranks_are_the_nearest_that_there_are():
    for samples in range(2, 60):
        for level in (0.05, 0.5, 0.8, 0.9, 0.99):
            ranks = order_ranks(samples, level)
            possible = [places / (samples + 1) for places in range(1, samples)]
            assert abs(ranks.coverage - level) == pytest.approx(min(abs(each - level) for each in possible))
            assert 1 <= ranks.low < ranks.high <= samples
            assert (samples + 1 - ranks.high) - ranks.low in (0, 1)


def test_standard_deviations_of_gaussian_samples_cover_what_student_says():
    draws = np.random.default_rng(6).standard_normal((21, TRIALS))
    z = stats.norm.ppf(0.95)
    exact = 2 * stats.t.cdf(z / math.sqrt(1 + 1 / 20), df=19) - 1  # (y - mean) / (s sqrt(1 + 1/K)) is Student's t
    assert coverage(draws, IntervalRule(kind="std")) == pytest.approx(exact, abs=0.003)


@pytest.mark.parametrize("samples", [0, 1])
def test_fewer_than_two_samples_are_one_clear_error(samples: int):
    with pytest.raises(DataError, match=f"needs at least 2 samples, not {samples}"):
        interval_of(np.zeros((samples, 4, 4, 3)))
    with pytest.raises(DataError, match="needs at least 2 samples"):
        order_ranks(samples, 0.9)


def test_another_number_of_samples_than_the_rule_says_is_refused():
    with pytest.raises(DataError, match="5 samples are not the 20 of the rule"):
        interval_of(np.zeros((5, 4)))


def test_whole_numbers_are_refused_because_their_differences_wrap_round():
    with pytest.raises(DataError, match="uint8"):
        interval_of(np.zeros((20, 4), np.uint8))


@pytest.mark.parametrize("kind", ["quantile", "order_stat", "std"])
def test_a_floor_is_added_to_both_sides(kind):
    values = np.random.default_rng(0).random((20, 5, 3))
    plain = interval_of(values, IntervalRule(kind=kind))
    raised = interval_of(values, IntervalRule(kind=kind, floor=0.03))
    np.testing.assert_allclose(raised.width, plain.width + 0.06)
    np.testing.assert_allclose(raised.upper, plain.upper + 0.03)
