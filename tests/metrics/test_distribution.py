"""All numbers about two sets at once: equal to the single ones, with intervals and floors that mean what they say."""

import math
import warnings
from dataclasses import fields

import numpy as np
import pytest

from restain.errors import ConfigError, DataError, SmallSampleWarning
from restain.metrics import (
    Distribution,
    Estimate,
    KidSubsets,
    compare_distributions,
    frechet_distance,
    kernel_distance,
    kernel_distance_of_subsets,
    precision_recall,
)
from restain.metrics.distribution import RELIABLE

D = 8


def features(n: int, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(0.2, 1, (n, D))


def compare(x: np.ndarray, y: np.ndarray, seed: int = 0, **options) -> Distribution:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", SmallSampleWarning)
        return compare_distributions(x, y, generator=np.random.default_rng(seed), **options)


def estimates(found: Distribution) -> dict[str, Estimate]:
    named = {field.name: getattr(found, field.name) for field in fields(found)}
    return {name: value for name, value in named.items() if isinstance(value, Estimate)}


def test_every_number_is_that_of_its_own_function():
    x, y = features(90, scale=1.3), features(70, 1)
    found = compare(x, y, resamples=3)
    assert found.fid.value == pytest.approx(frechet_distance(x, y), rel=1e-12)
    assert found.kid.value == pytest.approx(kernel_distance(x, y), rel=1e-12)
    for k in (3, 5):
        single = precision_recall(x, y, k)
        assert getattr(found, f"precision_{k}").value == pytest.approx(single.precision, rel=1e-12)
        assert getattr(found, f"recall_{k}").value == pytest.approx(single.recall, rel=1e-12)
    assert (found.n_pred, found.n_target, found.n_floor, found.resamples) == (90, 70, 35, 3)
    assert found.kid_of_subsets is None


def test_without_resamples_there_are_floors_but_no_intervals():
    found = compare(features(60), features(60, 1), resamples=0)
    for estimate in estimates(found).values():
        assert math.isfinite(estimate.value)
        assert math.isfinite(estimate.floor)
        assert math.isnan(estimate.low)
        assert math.isnan(estimate.high)
        assert math.isnan(estimate.excess)


def test_the_floor_is_what_real_images_reach_at_half_their_number():
    y = features(1000, 1)
    floor = {name: estimate.floor for name, estimate in estimates(compare(features(1000, scale=3), y)).items()}
    assert floor["fid"] == pytest.approx(D * (D + 5) / (2 * 500), rel=0.3)
    assert abs(floor["kid"]) < 0.01
    assert min(floor["precision_3"], floor["recall_3"]) > 0.6
    assert floor["precision_5"] > floor["precision_3"]


@pytest.mark.parametrize("name", ["fid", "kid", "precision_3", "recall_5"])
def test_intervals_enclose_the_value(name: str):
    estimate = estimates(compare(features(200, scale=1.3), features(200, 1)))[name]
    assert estimate.low < estimate.value < estimate.high


def test_resampling_adds_the_bias_once_more():
    """Over many pairs of sets of one kind, the mean FID is its bias, and the excess estimates it; KID has none."""
    found = [compare(features(100, 2 * i), features(100, 2 * i + 1), i, resamples=20) for i in range(20)]
    bias = np.mean([each.fid.value for each in found])
    assert bias == pytest.approx(D * (D + 5) / 200, rel=0.15)
    assert np.mean([each.fid.excess for each in found]) == pytest.approx(bias, rel=0.25)
    excess = [each.kid.excess for each in found]
    assert abs(np.mean(excess)) < 4 * np.std(excess, ddof=1) / math.sqrt(len(excess))
    assert all(each.precision_3.excess < 0 for each in found)


@pytest.fixture(scope="module")
def repeated() -> list[Distribution]:
    """Forty pairs of sets, all of the same two kinds."""
    return [compare(features(150, 2 * i, 1.4), features(150, 2 * i + 1), i, resamples=60) for i in range(40)]


@pytest.mark.parametrize(
    ("name", "width"), [("fid", (0.8, 1.3)), ("kid", (0.7, 1.75)), ("precision_3", (0.75, 1.3)), ("recall_3", (1, 2.2))]
)
def test_intervals_are_as_wide_as_new_images_scatter(repeated: list[Distribution], name: str, width: tuple):
    value, low, high = np.array(
        [[getattr(getattr(each, name), end) for end in ("value", "low", "high")] for each in repeated]
    ).T
    assert width[0] < (high - low).mean() / (2 * 1.96 * value.std(ddof=1)) < width[1]
    assert ((low <= value.mean()) & (value.mean() <= high)).mean() >= 0.85


def test_intervals_end_where_numbers_end():
    found = compare(features(60), features(60, 1) + 50)
    for name in ("precision_3", "recall_3", "precision_5", "recall_5"):
        estimate = getattr(found, name)
        assert (estimate.low, estimate.value, estimate.high) == (0, 0, 0)
    same = estimates(compare(features(60), features(60)))
    assert same["fid"].value == pytest.approx(0, abs=1e-9)
    assert same["fid"].low >= 0
    assert all(same[name].high == 1 for name in ("precision_3", "recall_5"))


def test_the_generator_decides_and_nothing_else():
    x, y = features(60), features(60, 1)
    once = compare(x, y, 1, kid_subsets=KidSubsets(5, 20))
    assert once == compare(x, y, 1, kid_subsets=KidSubsets(5, 20))
    other = compare(x, y, 2, kid_subsets=KidSubsets(5, 20))
    assert once.fid.value == other.fid.value
    assert once.fid.low != other.fid.low
    assert once.fid.floor != other.fid.floor


def test_subsets_are_given_beside_all_pairs():
    x, y = features(80, scale=1.4), features(60, 1)
    found = compare(x, y, resamples=0, kid_subsets=KidSubsets(subsets=30, size=40)).kid_of_subsets
    assert found is not None
    expected = kernel_distance_of_subsets(x, y, subsets=30, size=40, generator=np.random.default_rng(9))
    assert found.mean == pytest.approx(expected.mean, abs=expected.std)
    with pytest.raises(DataError, match="subsets of 61"):
        compare(x, y, resamples=0, kid_subsets=KidSubsets(size=61))


def test_few_images_are_warned_of_with_the_floor():
    with pytest.warns(SmallSampleWarning, match=r"FID of 50 against 60 images .* 30 each, are at \d"):
        compare_distributions(features(50), features(60, 1), generator=np.random.default_rng(0), resamples=0)


def test_enough_images_are_not_warned_of(monkeypatch: pytest.MonkeyPatch):
    """Warnings are errors in these tests."""
    assert RELIABLE == 2048
    monkeypatch.setattr("restain.metrics.distribution.RELIABLE", 60)
    compare_distributions(features(60), features(60, 1), generator=np.random.default_rng(0), resamples=0)


def test_what_does_not_fit_is_refused():
    with pytest.raises(ConfigError, match="-1 resamples"):
        compare(features(60), features(60), resamples=-1)
    with pytest.raises(DataError, match="5 images are less than the 6"):
        compare(features(5), features(60))
    with pytest.raises(DataError, match="no neighbour number 3, 5"):
        compare(features(60), features(11))
    with pytest.raises(DataError, match="cannot be compared"):
        compare(features(60), features(60)[:, :3])
