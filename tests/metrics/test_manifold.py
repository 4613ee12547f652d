"""Precision and recall where they are known, and against distances computed one by one."""

import numpy as np
import pytest
from scipy.spatial.distance import cdist

from restain.errors import DataError
from restain.metrics import precision_recall

every_k = pytest.mark.parametrize("k", [3, 5])


def features(n: int, d: int = 8, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d))


def by_definition(points: np.ndarray, centres: np.ndarray, k: int) -> float:
    """The share of points within any centre's distance to its k-th nearest other centre."""
    radius = np.sort(cdist(centres, centres), axis=1)[:, k]  # the nearest is itself
    return (cdist(points, centres) <= radius).any(axis=1).mean()


@every_k
def test_equal_sets_have_one_and_sets_far_apart_have_zero(k: int):
    x = features(100)
    same, apart = precision_recall(x, x.copy(), k), precision_recall(x, x + 100, k)
    assert (same.precision, same.recall, same.k) == (1, 1, k)
    assert (apart.precision, apart.recall) == (0, 0)


@every_k
@pytest.mark.parametrize("seed", range(3))
def test_distances_one_by_one_give_the_same(k: int, seed: int):
    x, y = 1.2 * features(150, seed=seed), features(110, seed=seed + 10)
    found = precision_recall(x, y, k)
    assert found.precision == by_definition(x, y, k)
    assert found.recall == by_definition(y, x, k)
    assert 0 < found.precision < 1


def test_one_mode_of_two_is_precise_and_covers_half():
    y = np.concatenate([features(100), features(100, seed=1) + 50])
    found = precision_recall(y[:100], y)
    assert (found.precision, found.recall) == (1, 0.5)
    turned = precision_recall(y, y[:100])
    assert (turned.precision, turned.recall) == (0.5, 1)


def test_larger_balls_hold_more():
    x, y = 1.2 * features(150), features(150, seed=1)
    three, five = precision_recall(x, y, 3), precision_recall(x, y, 5)
    assert five.precision > three.precision
    assert five.recall > three.recall


def test_a_point_on_the_surface_lies_inside_in_whatever_order():
    """On a grid every distance is tied; balls of the third neighbour have radius 1 inside and at the edges."""
    grid = np.stack(np.meshgrid(np.arange(12.0), np.arange(12.0)), -1).reshape(-1, 2)
    outside = np.array([[-1.0, 5.0], [-1.001, 5.0], [12.0, 3.0], [5.5, 5.5], [40.0, 0.0]])
    rng = np.random.default_rng(0)
    for _ in range(5):
        turn = np.linalg.qr(rng.normal(size=(2, 2)))[0]  # no distance changes but by rounding
        found = precision_recall(0.1 * outside @ turn + 7, 0.1 * rng.permutation(grid) @ turn + 7)
        assert found.precision == 3 / 5


def test_a_ball_around_copies_holds_only_the_copies():
    y = np.concatenate([np.repeat(features(1, 300), 6, axis=0), features(4, 300, 1) + 20])
    x = np.concatenate([y[:1], y[:1] + 1e-3, y[:1] + 1e-2, features(4, 300, 2) - 90])
    assert precision_recall(x, y).precision == 1 / 7


def test_a_mean_far_from_zero_loses_nothing():
    x, y = 1.2 * features(100), features(100, seed=1)
    assert precision_recall(x + 1e5, y + 1e5) == precision_recall(x, y)


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch):
    x, y = 1.2 * features(83), features(57, seed=1)
    whole = precision_recall(x, y)
    monkeypatch.setattr("restain.metrics.features.WORK", 200)
    assert precision_recall(x, y) == whole


def test_what_does_not_fit_is_refused():
    x = features(30)
    with pytest.raises(DataError, match="sets of 30 and 3 images there is no neighbour number 3"):
        precision_recall(x, x[:3])
    with pytest.raises(DataError, match="no neighbour number 0"):
        precision_recall(x, x, k=0)
    with pytest.raises(DataError, match="cannot be compared"):
        precision_recall(x, x[:, :3])
