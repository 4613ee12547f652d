"""Histograms against NumPy, and where their likeness is known."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from restain.metrics import HistBhattacharyya, HistCorrelation, HistCorrelationJoint
from restain.metrics.histogram import bhattacharyya, correlation

COUNTS = st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=2, max_size=40)


def test_correlation_equals_that_of_numpy(make_pair):
    pred, target = make_pair()
    theirs = [
        np.corrcoef(*(np.histogram(image[..., c], 256, (0, 256))[0] for image in (pred, target)))[0, 1]
        for c in range(3)
    ]
    assert HistCorrelation().of(pred, target) == pytest.approx(np.mean(theirs), abs=1e-9)


def test_joint_correlation_equals_that_of_numpy_flattened(make_pair):
    pred, target = make_pair()
    edges = [np.arange(0, 257, 32)] * 3
    joint = [np.histogramdd(image.reshape(-1, 3), edges)[0].ravel() for image in (pred, target)]
    assert HistCorrelationJoint().of(pred, target) == pytest.approx(np.corrcoef(*joint)[0, 1], abs=1e-9)


def test_bhattacharyya_is_its_coefficient(make_pair):
    pred, target = make_pair()
    expected = []
    for c in range(3):
        p, q = (np.histogram(image[..., c], 256, (0, 256), density=True)[0] for image in (pred, target))
        expected.append(math.sqrt(1 - np.sqrt(p * q).sum()))
    assert HistBhattacharyya().of(pred, target) == pytest.approx(np.mean(expected), abs=1e-7)


@given(COUNTS)
def test_correlation_stays_within_bounds_and_is_symmetric(pairs: list[tuple[int, int]]):
    one, other = zip(*pairs, strict=True)
    assert -1 <= correlation(one, other) <= 1
    assert correlation(one, other) == correlation(other, one)
    assert correlation(one, one) == 1


@given(COUNTS.filter(lambda pairs: all(map(sum, zip(*pairs, strict=True)))))
def test_bhattacharyya_stays_within_bounds_and_ignores_the_number_of_pixels(pairs: list[tuple[int, int]]):
    one, other = zip(*pairs, strict=True)
    assert 0 <= bhattacharyya(one, other) <= 1
    assert bhattacharyya(one, [3 * count for count in other]) == pytest.approx(bhattacharyya(one, other), abs=1e-6)
    assert bhattacharyya(one, one) == 0


def test_a_linear_change_of_counts_keeps_the_correlation_and_a_negative_one_turns_it():
    counts = [3, 7, 1, 0, 12]
    assert correlation(counts, [2 * count + 5 for count in counts]) == 1
    assert correlation(counts, [20 - count for count in counts]) == -1


def test_where_all_bins_are_equal_two_histograms_are_alike_and_one_has_nothing_in_common():
    assert correlation([4, 4, 4], [9, 9, 9]) == 1
    assert correlation([4, 4, 4], [1, 2, 3]) == correlation([1, 2, 3], [4, 4, 4]) == 0


def test_shuffled_pixels_have_the_same_histograms(make_pair):
    _, target = make_pair()
    shuffled = np.random.default_rng(0).permutation(target.reshape(-1, 3)).reshape(target.shape)
    assert HistCorrelation().of(shuffled, target) == HistCorrelationJoint().of(shuffled, target) == 1
    assert HistBhattacharyya().of(shuffled, target) == 0


def test_only_the_joint_histogram_sees_swapped_pairs_of_colours():
    """Half red, half green against half black, half yellow: every channel is half 0 and half 255 in both."""
    one, other = np.zeros((2, 4, 4, 3), np.uint8)
    one[:2, :, 0] = one[2:, :, 1] = 255
    other[2:, :, :2] = 255
    assert HistCorrelation().of(one, other) == 1
    assert HistCorrelationJoint().of(one, other) < 0
