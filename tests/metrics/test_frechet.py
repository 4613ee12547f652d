"""The Frechet distance where it is known in closed form, and by three other ways to the root of a matrix."""

import numpy as np
import pytest
import torch
from scipy import linalg
from torchmetrics.image.fid import _compute_fid

from restain.errors import DataError
from restain.metrics import FeatureMoments, frechet_distance
from restain.metrics.frechet import resampled_distance


def features(n: int, d: int, seed: int = 0, mix: bool = True) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, d))
    return rng.normal(size=d) + x @ rng.normal(size=(d, d)) / np.sqrt(d) if mix else x


def moments_of(x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    return x.mean(axis=0), np.cov(x, rowvar=False)


def from_root(x: np.ndarray, y: np.ndarray, root: np.ndarray) -> float:
    (mean_x, cov_x), (mean_y, cov_y) = moments_of(x), moments_of(y)
    return ((mean_x - mean_y) ** 2).sum() + np.trace(cov_x) + np.trace(cov_y) - 2 * np.trace(root).real


def newton_schulz_root(a: np.ndarray, steps: int = 60) -> np.ndarray:
    """The coupled iteration Y <- Y (3 - Z Y) / 2, Z <- (3 - Z Y) Z / 2, which converges to the root and its inverse."""
    norm, eye = np.linalg.norm(a), np.eye(len(a))
    y, z = a / norm, eye
    for _ in range(steps):
        step = (3 * eye - z @ y) / 2
        y, z = y @ step, step @ z
    return y * np.sqrt(norm)


def test_commuting_gaussians_are_as_far_apart_as_the_closed_form_says():
    """|mu|^2 + d (1 - s)^2, above the floor of sets of this size."""
    n, d = 50_000, 64
    shift = np.full(d, 0.1 / np.sqrt(d) * 8)  # |mu|^2 = 0.64
    x, z = (FeatureMoments.of(features(n, d, seed, mix=False)) for seed in (0, 2))
    moved = FeatureMoments.of(1.2 * features(n, d, 1, mix=False) + shift)
    floor = x.frechet_distance(z)
    assert x.frechet_distance(moved) - floor == pytest.approx(0.64 + d * 0.2**2, abs=0.05)


@pytest.mark.parametrize(("n", "d"), [(5000, 64), (4000, 128)])
def test_two_sets_of_one_gaussian_are_as_far_apart_as_their_number_lets_expect(n: int, d: int):
    distance = frechet_distance(features(n, d, 0, mix=False), features(n, d, 1, mix=False))
    assert distance == pytest.approx(d * (d + 5) / (2 * n), rel=0.1)
    assert distance == pytest.approx(d * (d + 1) / (2 * n), rel=0.15)


@pytest.mark.parametrize("n", [20, 300])
def test_a_scaled_and_shifted_copy_is_known_exactly_even_with_fewer_images_than_features(n: int):
    x, shift = features(n, 50), np.linspace(-1, 2, 50)
    mean, covariance = moments_of(x)
    expected = ((0.5 * mean + shift) ** 2).sum() + 0.5**2 * np.trace(covariance)
    assert frechet_distance(x, 1.5 * x + shift) == pytest.approx(expected, rel=1e-12)
    assert frechet_distance(1.5 * x + shift, x) == pytest.approx(expected, rel=1e-12)


def test_newton_schulz_and_scipy_and_torchmetrics_agree():
    x, y = features(900, 48, 1), 0.7 * features(700, 48, 2)
    ours = frechet_distance(x, y)
    (mean_x, cov_x), (mean_y, cov_y) = moments_of(x), moments_of(y)
    assert ours == pytest.approx(from_root(x, y, newton_schulz_root(cov_x @ cov_y)), rel=1e-6)
    assert ours == pytest.approx(from_root(x, y, linalg.sqrtm(cov_x @ cov_y)), rel=1e-8)
    theirs = _compute_fid(*(torch.from_numpy(each) for each in (mean_x, cov_x, mean_y, cov_y)))
    assert ours == pytest.approx(theirs.item(), rel=1e-8)


def test_a_set_is_at_zero_from_itself():
    for n in (30, 300):
        x = features(n, 60)
        assert frechet_distance(x, x) <= 1e-9
        assert FeatureMoments.of(x).frechet_distance(FeatureMoments.of(x)) <= 1e-9


@pytest.mark.parametrize(("n", "m"), [(30, 25), (30, 300), (400, 300)])
def test_moments_give_the_distance_of_the_features(n: int, m: int):
    x, y = features(n, 60, 1), features(m, 60, 2)
    distance = FeatureMoments.of(x).frechet_distance(FeatureMoments.of(y))
    assert distance == pytest.approx(frechet_distance(x, y), rel=1e-9)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_batches_add_up_to_the_moments_of_the_whole(offset: float):
    """With a large mean, sums of squares would lose every digit."""
    x = features(257, 12) + offset
    moments = FeatureMoments(12)
    for batch in np.split(x, [1, 2, 60, 61, 200]):
        moments.add(batch)
    mean, covariance = moments_of(x)
    assert moments.n == 257
    np.testing.assert_allclose(moments.mean, mean, rtol=1e-13)
    np.testing.assert_allclose(moments.covariance, covariance, rtol=1e-8, atol=1e-9)


def test_copies_count_as_often_as_they_occur():
    x, y = features(40, 60, 1), features(90, 60, 2)
    rng = np.random.default_rng(0)
    times = [rng.multinomial(len(each), np.full(len(each), 1 / len(each))) for each in (x, y)]
    expected = frechet_distance(*(np.repeat(each, count, axis=0) for each, count in zip((x, y), times, strict=True)))
    assert resampled_distance(x, y, *times) == pytest.approx(expected, rel=1e-12)


def test_features_without_spread_differ_by_their_means():
    assert frechet_distance(np.zeros((3, 4)), np.ones((5, 4))) == 4
    assert FeatureMoments.of(np.zeros((3, 4))).frechet_distance(FeatureMoments.of(np.ones((5, 4)))) == 4


def test_what_is_no_covariance_is_refused():
    x = features(30, 5)
    broken = FeatureMoments.of(x)
    broken._scatter = -broken._scatter
    with pytest.raises(DataError, match="negative eigenvalue"):
        broken.frechet_distance(FeatureMoments.of(x))


def test_what_does_not_fit_is_refused():
    x = features(30, 5)
    with pytest.raises(DataError, match="features of 5 numbers cannot be compared with features of 4"):
        frechet_distance(x, x[:, :4])
    with pytest.raises(DataError, match="1 images are less than the 2"):
        frechet_distance(x, x[:1])
    with pytest.raises(DataError, match=r"shape \(30,\)"):
        frechet_distance(x, x[:, 0])
    with pytest.raises(DataError, match="not finite"):
        frechet_distance(x, np.full_like(x, np.nan))
    with pytest.raises(DataError, match="5 numbers cannot join others of 4"):
        FeatureMoments(4).add(x)
    with pytest.raises(DataError, match="5 numbers cannot be compared with features of 4"):
        FeatureMoments.of(x).frechet_distance(FeatureMoments.of(x[:, :4]))
    with pytest.raises(DataError, match="1 images have no covariance"):
        FeatureMoments.of(x).frechet_distance(FeatureMoments.of(x[:1]))
