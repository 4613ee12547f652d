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
from restain.metrics.groups import as_groups, halves, resampled_counts

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


def test_without_groups_every_row_is_its_own():
    """Pinned, as they were before there were groups."""
    x, y = features(41, 0, 1.3), features(33, 1)
    found = compare(x, y, 5, resamples=9)
    assert found == compare(x, y, 5, resamples=9, groups_pred=np.arange(41) - 7, groups_target=3 * np.arange(33))
    assert (found.groups_pred, found.groups_target, found.n_floor) == (41, 33, 16)
    fid, kid, precision = found.fid, found.kid, found.precision_3
    told = np.array([[each.low, each.high, each.floor] for each in (fid, kid, precision)])
    before = [
        [1.962823771222312, 4.404902687342389, 2.3025751997975306],
        [-0.22049365666890275, 0.6974953933148398, 0.015115518643376014],
        [0.4373983739837399, 0.5934959349593496, 0.8125],
    ]
    assert told == pytest.approx(np.array(before), rel=1e-9)


IMAGES, TILES, ALIKE = 10, 20, 0.25


def correlated(seed: int, images: int = IMAGES, scale: float = 1.0) -> tuple[np.ndarray, np.ndarray]:
    """Tiles of images, a quarter of whose variance is between images, and the image of each."""
    rng = np.random.default_rng(seed)
    between, within = rng.normal(0, ALIKE**0.5, (images, 1, D)), rng.normal(0, (1 - ALIKE) ** 0.5, (images, TILES, D))
    return scale * (between + within).reshape(-1, D), np.repeat(np.arange(images), TILES)


def many(grouped: bool) -> np.ndarray:
    """Value, low, high and floor of FID, of pairs of sets of the same two kinds."""
    rows = []
    for i in range(24):
        (x, of_x), (y, of_y) = correlated(2 * i, scale=1.4), correlated(2 * i + 1)
        groups = {"groups_pred": of_x, "groups_target": of_y} if grouped else {}
        found = compare(x, y, i, resamples=40, **groups).fid
        rows.append([found.value, found.low, found.high, found.floor])
    return np.array(rows).T


@pytest.mark.parametrize(("grouped", "width", "floor"), [(True, (0.8, 1.6), (0.8, 1.15)), (False, (0, 0.7), (0, 0.4))])
def test_intervals_and_floors_of_correlated_tiles_are_right_by_groups_alone(grouped: bool, width: tuple, floor: tuple):
    value, low, high, floors = many(grouped)
    assert width[0] < (high - low).mean() / (2 * 1.96 * value.std(ddof=1)) < width[1]
    assert (((low <= value.mean()) & (value.mean() <= high)).mean() >= 0.85) == grouped
    half = IMAGES // 2
    reached = [frechet_distance(correlated(900 + i, half)[0], correlated(990 + i, half)[0]) for i in range(60)]
    assert floor[0] < floors.mean() / np.mean(reached) < floor[1]


def test_a_resample_takes_all_tiles_of_a_group_equally_often():
    groups = as_groups(np.array([7, 7, 2, 2, 2, 9, 4]), 7)
    counts = resampled_counts(groups, 500, np.random.default_rng(0))
    assert (counts[:, 0] == 1).all()
    assert (counts[0] == counts[1]).all()
    assert (counts[2:5] == counts[2]).all()
    of_groups = counts[[0, 2, 5, 6], 1:]
    assert (of_groups.sum(axis=0) == 4).all()
    assert ((of_groups > 0).sum(axis=0) >= 2).all()
    assert of_groups.mean(axis=1) == pytest.approx(1, abs=0.15)


def test_halves_share_no_group_and_have_equally_many_tiles():
    groups = np.repeat(np.arange(7), [30, 4, 11, 1, 8, 20, 9])
    for seed in range(30):
        first, second = halves(groups, np.random.default_rng(seed))
        assert len({*first, *second}) == 2 * len(first) == 2 * len(second)
        assert not {*groups[first]} & {*groups[second]}
        assert min(len({*groups[half]}) for half in (first, second)) >= 2
        assert len({*groups[first], *groups[second]}) == 7  # what is left out is a part of groups, never all of one


@pytest.mark.filterwarnings("ignore:The Frechet distance of")
def test_too_few_groups_have_no_interval_and_too_few_real_ones_no_floor():
    x, y = features(60), features(40, 1)
    with pytest.warns(SmallSampleWarning, match="Tiles of 3 against 40 images tell nothing of other images"):
        found = compare_distributions(x, y, generator=np.random.default_rng(0), groups_pred=np.arange(60) % 3)
    assert (found.groups_pred, found.n_floor, found.resamples) == (3, 20, 0)
    assert math.isfinite(found.fid.floor)
    assert math.isnan(found.fid.low)
    found = compare(x, y, groups_target=np.arange(40) % 3)
    assert (found.groups_target, found.n_floor, found.resamples) == (3, 0, 0)
    assert found.fid.value == pytest.approx(frechet_distance(x, y), rel=1e-12)
    assert np.isnan([[each.low, each.high, each.floor] for each in estimates(found).values()]).all()
    found = compare(x, y, resamples=5, groups_target=np.minimum(np.arange(40), 3))  # three tiles, and all the others
    assert (found.n_floor, found.resamples) == (0, 5)
    assert math.isfinite(found.fid.low)


def test_subsets_are_given_beside_all_pairs():
    x, y = features(80, scale=1.4), features(60, 1)
    found = compare(x, y, resamples=0, kid_subsets=KidSubsets(subsets=30, size=40)).kid_of_subsets
    assert found is not None
    expected = kernel_distance_of_subsets(x, y, subsets=30, size=40, generator=np.random.default_rng(9))
    assert found.mean == pytest.approx(expected.mean, abs=expected.std)
    with pytest.raises(DataError, match="subsets of 61"):
        compare(x, y, resamples=0, kid_subsets=KidSubsets(size=61))


def test_few_images_are_warned_of_with_the_floor():
    with pytest.warns(SmallSampleWarning, match=r"The Frechet distance of 50 against 60 images .* 30 each, are at \d"):
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
    with pytest.raises(DataError, match="11 images are less than the 12"):
        compare(features(60), features(11))
    for groups in (np.zeros(59, int), np.zeros(60)):
        with pytest.raises(DataError, match=r"groups of shape .* do not tell of 60 tiles"):
            compare(features(60), features(60), groups_target=groups)
    with pytest.raises(DataError, match="cannot be compared"):
        compare(features(60), features(60)[:, :3])
