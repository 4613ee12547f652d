"""The kernel distance against a double loop, against torchmetrics, and where it must vanish."""

import numpy as np
import pytest
import torch
from torchmetrics.image.kid import poly_mmd

from restain.errors import DataError
from restain.metrics import kernel_distance, kernel_distance_of_subsets
from restain.metrics.kernel_distance import resampled_distances


def features(n: int, d: int = 16, seed: int = 0, scale: float = 1.0) -> np.ndarray:
    return scale * np.random.default_rng(seed).normal(0.3, 1, (n, d))


def by_loops(x: np.ndarray, y: np.ndarray, names_x: list[int], names_y: list[int]) -> float:
    """The unbiased estimator, term by term; images of one name are one image, which makes no pair."""

    def kernel(a: np.ndarray, b: np.ndarray) -> float:
        return (a @ b / len(a) + 1) ** 3

    def within(z: np.ndarray, names: list[int]) -> float:
        pairs = [(i, j) for i in range(len(z)) for j in range(len(z)) if names[i] != names[j]]
        return sum(kernel(z[i], z[j]) for i, j in pairs) / len(pairs)

    between = sum(kernel(a, b) for a in x for b in y) / (len(x) * len(y))
    return within(x, names_x) + within(y, names_y) - 2 * between


@pytest.mark.parametrize(("n", "m"), [(20, 20), (20, 33), (2, 5)])
def test_a_double_loop_gives_the_same_for_equal_and_unequal_sizes(n: int, m: int):
    x, y = features(n), features(m, seed=1, scale=1.3)
    assert kernel_distance(x, y) == pytest.approx(by_loops(x, y, list(range(n)), list(range(m))), rel=1e-11)


def test_torchmetrics_gives_the_same_for_equal_sizes():
    x, y = features(50, 64), features(50, 64, seed=1, scale=1.2)
    theirs = poly_mmd(*(torch.from_numpy(each) for each in (y, x)), degree=3, gamma=None, coef=1.0)
    assert kernel_distance(x, y) == pytest.approx(theirs.item(), abs=1e-10)


def test_images_of_one_kind_are_at_zero_without_bias():
    assert abs(kernel_distance(features(2000, 64), features(1500, 64, seed=1))) <= 0.005
    small = [kernel_distance(features(10, seed=2 * i), features(8, seed=2 * i + 1)) for i in range(400)]
    assert abs(np.mean(small)) < 3 * np.std(small) / np.sqrt(len(small))
    assert min(small) < 0


def test_it_is_symmetric_and_grows_with_the_difference():
    x = features(100)
    distances = [kernel_distance(x, features(120, seed=1, scale=scale)) for scale in (1.0, 1.3, 1.8)]
    assert distances == sorted(distances)
    assert kernel_distance(features(120, seed=1, scale=1.3), x) == pytest.approx(distances[1], rel=1e-10)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch):
    x, y = features(53), features(41, seed=1)
    whole = kernel_distance(x, y)
    monkeypatch.setattr("restain.metrics.features.WORK", 150)
    assert kernel_distance(x, y) == pytest.approx(whole, rel=1e-11)


def test_copies_in_resamples_make_no_pair_with_each_other():
    x, y = features(9), features(7, seed=1, scale=1.5)
    rng = np.random.default_rng(0)
    counts = [rng.multinomial(len(each), np.full(len(each), 1 / len(each)), 5).T for each in (x, y)]
    found = resampled_distances(x, y, *counts)
    for r in range(5):
        rows = [np.repeat(np.arange(len(each)), count[:, r]) for each, count in zip((x, y), counts, strict=True)]
        assert found[r] == pytest.approx(by_loops(x[rows[0]], y[rows[1]], list(rows[0]), list(rows[1])), rel=1e-9)


def test_subsets_of_everything_are_the_whole():
    x, y = features(40), features(40, seed=1, scale=1.2)
    found = kernel_distance_of_subsets(x, y, subsets=3, size=40, generator=np.random.default_rng(0))
    assert found.mean == pytest.approx(kernel_distance(x, y), rel=1e-9)
    assert found.std == pytest.approx(0, abs=1e-12)
    assert (found.subsets, found.size) == (3, 40)


def test_the_mean_over_subsets_estimates_the_same_number_for_unequal_sizes():
    x, y = features(300), features(200, seed=1, scale=1.2)
    found = kernel_distance_of_subsets(x, y, subsets=200, size=50, generator=np.random.default_rng(0))
    assert found.mean == pytest.approx(kernel_distance(x, y), abs=4 * found.std / np.sqrt(200))
    again = kernel_distance_of_subsets(x, y, subsets=200, size=50, generator=np.random.default_rng(0))
    other = kernel_distance_of_subsets(x, y, subsets=200, size=50, generator=np.random.default_rng(1))
    assert found == again != other


def test_what_does_not_fit_is_refused():
    x = features(30)
    with pytest.raises(DataError, match="subsets of 31 images cannot be drawn from 40 and 30"):
        kernel_distance_of_subsets(features(40), x, size=31, generator=np.random.default_rng(0))
    with pytest.raises(DataError, match="0 subsets"):
        kernel_distance_of_subsets(x, x, subsets=0, size=10, generator=np.random.default_rng(0))
    with pytest.raises(DataError, match="cannot be compared"):
        kernel_distance(x, x[:, :3])
    with pytest.raises(DataError, match="1 images are less than the 2"):
        kernel_distance(x[:1], x)
