"""The kernel distance of two sets of features (KID): the squared maximum mean discrepancy, estimated without bias.

    MMD^2 = mean of k(x_i, x_j) over i != j  +  mean of k(y_i, y_j) over i != j  -  2 mean of k(x_i, y_j)
    k(x, y) = (x . y / d + 1)^3

Source: Binkowski et al., Demystifying MMD GANs, 2018, sections 2 and 4; Gretton et al., A kernel two-sample test, 2012,
equation 3. Nothing asks the two sets to be of equal size; implementations that do stop with an error on others. Being
unbiased, it is around 0 for images of one kind whatever their number, and may be negative.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.metrics.features import as_sets, row_blocks

Matrix = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class SubsetDistance:
    """The kernel distance as most papers print it: over random subsets of equal size.

    Args:
        mean: over the subsets, in the same unit as ``kernel_distance``; papers often print 1000 times this.
        std: over the subsets, with n - 1 in the denominator; NaN for one. It tells how much subsets of this size
            differ, and is no error of the mean.
        subsets: their number.
        size: images of each set in every subset.
    """

    mean: float
    std: float
    subsets: int
    size: int


def kernel_distance(pred: NDArray[Any], target: NDArray[Any]) -> float:
    """Return the kernel distance of two sets of features: all pairs, each once.

    Args:
        pred: (n, d) features of the images to judge.
        target: (m, d) features of real images; n and m may differ.

    Returns:
        MMD^2, a pure number, around 0 for images of one kind.

    Raises:
        DataError: features that are not (n, d) or not finite, fewer than two images, or different d.
    """
    x, y = as_sets(pred, target)
    return float(resampled_distances(x, y, np.ones((len(x), 1)), np.ones((len(y), 1)))[0])


def kernel_distance_of_subsets(
    pred: NDArray[Any], target: NDArray[Any], *, subsets: int = 100, size: int = 1000, generator: np.random.Generator
) -> SubsetDistance:
    """Return the kernel distance over random subsets, drawn without replacement.

    Args:
        pred: (n, d) features of the images to judge.
        target: (m, d) features of real images; n and m may differ.
        subsets: their number.
        size: images of each set in every subset. 100 subsets of 1000 are the habit of papers on images.
        generator: draws the subsets.

    Raises:
        DataError: as in ``kernel_distance``, subsets larger than a set, or none.
    """
    x, y = as_sets(pred, target)
    if not 2 <= size <= min(len(x), len(y)) or subsets < 1:
        raise DataError(
            f"{subsets} subsets of {size} images cannot be drawn from {len(x)} and {len(y)}",
            fix="take subsets of two images at least and of the smaller set at most, or the whole sets",
        )
    values = np.array(
        [
            kernel_distance(*(each[generator.choice(len(each), size, replace=False)] for each in (x, y)))
            for _ in range(subsets)
        ]
    )
    std = float(values.std(ddof=1)) if subsets > 1 else float("nan")
    return SubsetDistance(float(values.mean()), std, subsets, size)


def resampled_distances(x: Matrix, y: Matrix, counts_x: NDArray[Any], counts_y: NDArray[Any]) -> NDArray[np.float64]:
    """Return the distance of r resamples, in which images occur several times or not at all.

    A pair counts as often as it occurs, and an image never makes a pair with itself, not even with a copy of itself: a
    resample is then as unbiased as the whole. All resamples share one pass over the pairs, in blocks.

    Args:
        x: (n, d) features.
        y: (m, d) features.
        counts_x: (n, r) how often each image occurs.
        counts_y: (m, r) the same.

    Returns:
        (r,).
    """
    counts_x, counts_y = counts_x.astype(np.float64), counts_y.astype(np.float64)
    within = [_within(each, counts) for each, counts in ((x, counts_x), (y, counts_y))]
    between = _weighted_sum(x, y, counts_x, counts_y) / (counts_x.sum(axis=0) * counts_y.sum(axis=0))
    distances: NDArray[np.float64] = within[0] + within[1] - 2 * between  # MMD^2
    return distances


def _within(x: Matrix, counts: Matrix) -> NDArray[np.float64]:
    """Return the mean of the kernel over the pairs of different images of one set, (r,)."""
    itself = _kernel((x * x).sum(axis=1), x.shape[1]) @ counts**2
    pairs: NDArray[np.float64] = counts.sum(axis=0) ** 2 - (counts**2).sum(axis=0)
    return (_weighted_sum(x, x, counts, counts) - itself) / pairs


def _weighted_sum(x: Matrix, y: Matrix, counts_x: Matrix, counts_y: Matrix) -> NDArray[np.float64]:
    """Return the sum of counts_x[i] k(x_i, y_j) counts_y[j] over all i and j, (r,)."""
    total = np.zeros(counts_x.shape[1])
    for rows in row_blocks(len(x), len(y)):
        kernel = _kernel(x[rows] @ y.T, x.shape[1])
        total += np.einsum("ir,ir->r", counts_x[rows], kernel @ counts_y)
    return total


def _kernel(product: Matrix, d: int) -> Matrix:
    base = product / d + 1
    return base * base * base  # k(x, y) = (x . y / d + 1)^3; a power would take ten times as long
