"""Two sets of images compared as distributions, with how sure each number is and where its floor lies.

Needs features, not images: whatever network made them belongs beside the numbers.

A row of features is a tile, or an image taken whole. Tiles of one image are alike, so they are no independent draws; a
group is all tiles of one image, and chance takes or leaves it as a whole, in intervals and in floors. Of 10 images with
20 tiles each, a quarter of whose variance is between images, floors of FID taken tile by tile were a third of what
different images reach, and intervals half as wide as values scatter. By groups floors were 0.93 of it, and intervals
1.1 to 1.5 times as wide. What several images share, of one patient for example, is not seen: pass these as one group.

Intervals come from resampling the groups of both sets with replacement. A resample holds 63 % of the groups, some of
them several times, so it is to the measured set what that is to the truth, and has the bias of a measured number once
more:

- FID of resamples lies above the measured FID, by about as much as that lies above the truth where n >> d, and by less
  where there are fewer images than features.
- Precision and recall lie below, because the balls of the images left out are missing.
- KID has no bias where every tile is a group of its own: copies of a tile make no pair with each other. Tiles of one
  group do, and more often than in the set, so that KID of resamples lies above.

Therefore intervals are moved by the mean excess of the resamples over the measured number (``Estimate.excess``). They
tell how the number would scatter with other images, as many and of the same kind; they are no intervals for infinitely
many. They are rough: of sets of Gaussians 82 to 100 % held the mean over many sets where 95 % are meant (precision next
to 0: 63 %), and FID's were twice as wide as need be with fewer images than features. Of a handful of groups they tell
little.
"""

import math
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.errors import ConfigError, SmallSampleWarning
from restain.metrics import frechet, kernel_distance, manifold
from restain.metrics.features import Counts, as_features, as_sets
from restain.metrics.groups import FEWEST, as_groups, halves, resampled_counts

RELIABLE = 2048
"""Tiles below which a warning tells the floor: with fewer than its 2048 features, Inception's covariance has not even
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
        floor: the same number of one random half of target against the other, ``Distribution.n_floor`` tiles each, of
            different images: what real images reach. Of FID the bias falls with n, so at n tiles, of as many more
            images, expect about n_floor / n of it. NaN where target cannot be halved.
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
        n_pred: tiles to judge.
        groups_pred: images that they are from; as many as tiles if no groups were given.
        n_target: real tiles.
        groups_target: images that they are from.
        n_floor: tiles in each half of target; 0 where it cannot be halved.
        resamples: behind the intervals; 0 where a set has too few groups.
    """

    fid: Estimate
    kid: Estimate
    precision_3: Estimate
    recall_3: Estimate
    precision_5: Estimate
    recall_5: Estimate
    kid_of_subsets: kernel_distance.SubsetDistance | None
    n_pred: int
    groups_pred: int
    n_target: int
    groups_target: int
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
    groups_pred: NDArray[np.integer[Any]] | None = None,
    groups_target: NDArray[np.integer[Any]] | None = None,
    resamples: int = 100,
    kid_subsets: KidSubsets | None = None,
) -> Distribution:
    """Compare two sets of images by their features.

    Takes, for d = 2048 and 2000 tiles each, 6 s of one core without resamples and 0.7 s more for each of them.

    Args:
        pred: (n, d) features of the tiles to judge; more than 5.
        target: (m, d) features of real tiles, by the same network; 12 and more. n and m may differ.
        generator: draws resamples, halves and subsets.
        groups_pred: (n,) whole numbers, equal for tiles of one image; None where every row is an image of its own.
        groups_target: (m,) the same of target; its numbers have nothing to do with those of ``groups_pred``.
        resamples: of the groups of both sets, for the intervals; 0 for none. FID takes nearly all of their time.
        kid_subsets: to give KID also over random subsets of tiles, as papers print it; None for all pairs alone.

    Returns:
        FID, KID, precision and recall, each with interval and floor. With fewer than four groups in a set intervals
        are NaN, and so is the floor with fewer than four in target, or where its smaller half has fewer than 6 tiles.

    Raises:
        DataError: features that are not (n, d) or not finite, too few tiles, different d, subsets larger than a set,
            or groups that are not whole numbers, one per row.
        ConfigError: a negative number of resamples.

    Warns:
        SmallSampleWarning: fewer than 2048 tiles in a set, with the floor of FID; or too few groups.
    """
    least = max(KS) + 1
    x, y = as_sets(pred, as_features(target, 2 * least), least)
    if resamples < 0:
        raise ConfigError(f"{resamples} resamples cannot be drawn", fix="pass 0 for no intervals, or 100 and more")
    groups = [as_groups(labels, len(each)) for labels, each in ((groups_pred, x), (groups_target, y))]
    numbers = [int(each.max()) + 1 for each in groups]
    split = halves(groups[1], generator)
    n_floor, floors = 0, dict.fromkeys(BOUNDS, math.nan)
    if split is not None and len(split[0]) >= least:
        n_floor, floors = len(split[0]), _floors(*(y[half] for half in split))
    resamples = resamples if min(numbers) >= FEWEST else 0
    drawn = [resampled_counts(each, resamples, generator) for each in groups]
    values = _values(x, y, *drawn)
    estimates = {name: _estimate(name, values[name], floors[name]) for name in values}
    subsets = None
    if kid_subsets is not None:
        subsets = kernel_distance.kernel_distance_of_subsets(
            x, y, subsets=kid_subsets.subsets, size=kid_subsets.size, generator=generator
        )
    found = Distribution(
        **estimates,
        kid_of_subsets=subsets,
        n_pred=len(x),
        groups_pred=numbers[0],
        n_target=len(y),
        groups_target=numbers[1],
        n_floor=n_floor,
        resamples=resamples,
    )
    for sentence in _doubts(found):
        warnings.warn(sentence, SmallSampleWarning, stacklevel=2)
    return found


def _doubts(found: Distribution) -> Iterator[str]:
    """Yield what there is to say against the numbers of small sets."""
    whole = (found.groups_pred, found.groups_target) == (found.n_pred, found.n_target)
    noun = "images" if whole else "tiles"
    if min(found.n_pred, found.n_target) < RELIABLE:
        floor = (
            f": two halves of the real ones, {found.n_floor} each, are at {found.fid.floor:.4g}"
            if found.n_floor
            else ""
        )
        yield (
            f"The Frechet distance of {found.n_pred} against {found.n_target} {noun} is biased upwards{floor}; "
            f"compare only numbers of equally many {noun}."
        )
    if min(found.groups_pred, found.groups_target) < FEWEST:
        yield (
            f"Tiles of {found.groups_pred} against {found.groups_target} images tell nothing of other images: numbers "
            f"have no interval, and no floor without {FEWEST} real images."
        )


def _values(x: Matrix, y: Matrix, counts_x: Counts, counts_y: Counts) -> dict[str, Matrix]:
    """Return every number of all resamples, (r,) each."""
    fid = [frechet.resampled_distance(x, y, *counts) for counts in zip(counts_x.T, counts_y.T, strict=True)]
    values = {"fid": np.array(fid), "kid": kernel_distance.resampled_distances(x, y, counts_x, counts_y)}
    precision, recall = manifold.resampled_precision_recall(x, y, counts_x, counts_y, KS)
    for i, k in enumerate(KS):
        values |= {f"precision_{k}": precision[i], f"recall_{k}": recall[i]}
    return values


def _floors(x: Matrix, y: Matrix) -> dict[str, float]:
    ones = np.ones((len(x), 1), np.int64)
    return {name: float(value[0]) for name, value in _values(x, y, ones, ones).items()}


def _estimate(name: str, values: Matrix, floor: float) -> Estimate:
    value, resampled = float(values[0]), values[1:]
    if not len(resampled):
        return Estimate(value, math.nan, math.nan, math.nan, floor)
    excess = float(resampled.mean()) - value
    low, high = (np.percentile(resampled, PERCENTILES) - excess).clip(*BOUNDS[name])
    return Estimate(value, float(low), float(high), excess, floor)
