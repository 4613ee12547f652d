"""Two sets of images compared as distributions, with how sure each number is and where its floor lies.

Needs features, not images: whatever network made them belongs beside the numbers.

Intervals come from resampling the images of both sets with replacement. A resample holds 63 % of the images, some of
them several times, so it is to the measured set what that is to the truth, and has the bias of a measured number once
more:

- FID of resamples lies above the measured FID, by about as much as that lies above the truth where n >> d, and by less
  where there are fewer images than features.
- Precision and recall lie below, because the balls of the images left out are missing.
- KID has no bias: copies of an image make no pair with each other.

Therefore intervals are moved by the mean excess of the resamples over the measured number (``Estimate.excess``). They
tell how the number would scatter with other images, as many and of the same kind; they are no intervals for infinitely
many. They are rough: of sets of Gaussians 82 to 100 % held the mean over many sets where 95 % are meant (precision next
to 0: 63 %), and FID's were twice as wide as need be with fewer images than features.
"""

import math
import warnings
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.errors import ConfigError, SmallSampleWarning
from restain.metrics import frechet, kernel_distance, manifold
from restain.metrics.features import Counts, as_sets

RELIABLE = 2048
"""Images below which a warning tells the floor: with fewer than its 2048 features, Inception's covariance has not even
full rank."""

KS = (3, 5)
"""Neighbours for precision and recall: the paper's and StainDiffuser's."""

PERCENTILES = (2.5, 97.5)
"""Of the resampled values: an interval of 95 %."""

BOUNDS = {"fid": (0.0, math.inf), "kid": (-math.inf, math.inf)} | {
    f"{name}_{k}": (0.0, 1.0) for name in ("precision", "recall") for k in KS
}
"""The least and the largest possible value of every number."""

Matrix = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Estimate:
    """One number about two sets of images.

    Args:
        value: the number.
        low: lower end of the 95 % bootstrap interval, about the value; NaN without resamples.
        high: its upper end.
        excess: mean of the resampled values minus the value; NaN without resamples. A rough estimate of the bias.
        floor: the same number of one random half of target against the other, ``Distribution.n_floor`` images each:
            what real images reach. Of FID the bias falls with n, so at n images expect about n_floor / n of it.
    """

    value: float
    low: float
    high: float
    excess: float
    floor: float


@final
@dataclass(frozen=True, slots=True)
class Distribution:
    """Two sets of images as distributions.

    Args:
        fid: Frechet distance; 0 is best.
        kid: kernel distance over all pairs; around 0 is best.
        precision_3: share of pred that looks real, k = 3; compare with its floor.
        recall_3: share of target that pred covers, k = 3.
        precision_5: the same, k = 5.
        recall_5: the same, k = 5.
        kid_of_subsets: the form of papers, if asked for.
        n_pred: images to judge.
        n_target: real images.
        n_floor: images in each half of target.
        resamples: behind the intervals.
    """

    fid: Estimate
    kid: Estimate
    precision_3: Estimate
    recall_3: Estimate
    precision_5: Estimate
    recall_5: Estimate
    kid_of_subsets: kernel_distance.SubsetDistance | None
    n_pred: int
    n_target: int
    n_floor: int
    resamples: int


@final
@dataclass(frozen=True, slots=True)
class KidSubsets:
    """The random subsets of the kernel distance in papers.

    Args:
        subsets: their number.
        size: images of each set in every subset; no larger than the smaller set.
    """

    subsets: int = 100
    size: int = 1000


def compare_distributions(
    pred: NDArray[Any],
    target: NDArray[Any],
    *,
    generator: np.random.Generator,
    resamples: int = 100,
    kid_subsets: KidSubsets | None = None,
) -> Distribution:
    """Compare two sets of images by their features.

    Takes, for d = 2048 and 2000 images each, 6 s of one core without resamples and 0.7 s more for each of them.

    Args:
        pred: (n, d) features of the images to judge; more than 5.
        target: (m, d) features of real images, by the same network; 12 and more. n and m may differ.
        generator: draws resamples, halves and subsets.
        resamples: of the images of both sets, for the intervals; 0 for none. FID takes nearly all of their time.
        kid_subsets: to give KID also over random subsets, as papers print it; None for all pairs alone.

    Returns:
        FID, KID, precision and recall, each with interval and floor.

    Raises:
        DataError: features that are not (n, d) or not finite, too few images, different d, or subsets larger than a
            set.
        ConfigError: a negative number of resamples.

    Warns:
        SmallSampleWarning: fewer than 2048 images in a set, with the floor of FID.
    """
    x, y = as_sets(pred, target, least=max(KS) + 1)
    if resamples < 0:
        raise ConfigError(f"{resamples} resamples cannot be drawn", fix="pass 0 for no intervals, or 100 and more")
    order, half = generator.permutation(len(y)), len(y) // 2
    floors = _values(y[order[:half]], y[order[half : 2 * half]], *(np.ones((half, 1), np.int64),) * 2)
    drawn = [_resamples(len(each), resamples, generator) for each in (x, y)]
    values = _values(x, y, *drawn)
    estimates = {name: _estimate(name, values[name], float(floors[name][0])) for name in values}
    subsets = None
    if kid_subsets is not None:
        subsets = kernel_distance.kernel_distance_of_subsets(
            x, y, subsets=kid_subsets.subsets, size=kid_subsets.size, generator=generator
        )
    if min(len(x), len(y)) < RELIABLE:
        warnings.warn(
            f"FID of {len(x)} against {len(y)} images is biased upwards: two halves of the real images, {half} each, "
            f"are at {estimates['fid'].floor:.4g}; compare only numbers of equally many images.",
            SmallSampleWarning,
            stacklevel=2,
        )
    return Distribution(
        **estimates, kid_of_subsets=subsets, n_pred=len(x), n_target=len(y), n_floor=half, resamples=resamples
    )


def _resamples(n: int, resamples: int, generator: np.random.Generator) -> Counts:
    """Return how often each image occurs, (n, 1 + resamples); the first column is the set itself."""
    drawn = generator.multinomial(n, np.full(n, 1 / n), size=resamples).T
    return np.concatenate([np.ones((n, 1), np.int64), drawn], axis=1)


def _values(x: Matrix, y: Matrix, counts_x: Counts, counts_y: Counts) -> dict[str, Matrix]:
    """Return every number of all resamples, (r,) each."""
    fid = [frechet.resampled_distance(x, y, *counts) for counts in zip(counts_x.T, counts_y.T, strict=True)]
    values = {"fid": np.array(fid), "kid": kernel_distance.resampled_distances(x, y, counts_x, counts_y)}
    precision, recall = manifold.resampled_precision_recall(x, y, counts_x, counts_y, KS)
    for i, k in enumerate(KS):
        values |= {f"precision_{k}": precision[i], f"recall_{k}": recall[i]}
    return values


def _estimate(name: str, values: Matrix, floor: float) -> Estimate:
    value, resampled = float(values[0]), values[1:]
    if not len(resampled):
        return Estimate(value, math.nan, math.nan, math.nan, floor)
    excess = float(resampled.mean()) - value
    low, high = (np.percentile(resampled, PERCENTILES) - excess).clip(*BOUNDS[name])
    return Estimate(value, float(low), float(high), excess, floor)
