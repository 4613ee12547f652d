"""Precision and recall of a set of images: whether they look real, and whether they show all that is real.

Each set is seen as the union of balls around its features, each with the distance to the k-th nearest neighbour in the
set as radius. Precision is the share of pred that lies in the balls of target, recall the share of target that lies in
the balls of pred.

Source: Kynkaanniemi et al., Improved precision and recall metric for assessing generative models, 2019, equations 1 and
2, with k = 3. Others use k = 5, which gives larger balls and higher values: numbers of different k do not compare.

Ties: an image on the surface of a ball lies in it, up to a rounding error (1e-9 of the squared distance), and features
that are equal up to rounding are at distance 0. So equal sets have 1 and 1, and the order of images changes nothing. An
image is no neighbour of itself, but its copies are: a ball around k + 1 equal images has radius 0.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.metrics.features import Counts, as_sets, row_blocks

Matrix = NDArray[np.float64]

SURFACE = 1e-9
"""Part of the squared radius by which a point may lie outside of a ball and still count as on its surface."""

SAME = 1e-12
"""Part of the squared norms below which a squared distance is rounding: 64-bit products of 2048 numbers err by less."""


@final
@dataclass(frozen=True, slots=True)
class PrecisionRecall:
    """Precision and recall of a set of images.

    Args:
        precision: share of pred among target, in [0, 1].
        recall: share of target among pred, in [0, 1].
        k: the neighbour that gives balls their radius.
    """

    precision: float
    recall: float
    k: int


def precision_recall(pred: NDArray[Any], target: NDArray[Any], k: int = 3) -> PrecisionRecall:
    """Return precision and recall of a set of features; memory grows with n, not with its square.

    Args:
        pred: (n, d) features of the images to judge.
        target: (m, d) features of real images. Balls shrink as sets grow, so compare only what was measured with the
            same n and m.
        k: the neighbour that gives balls their radius: 3 in the paper, 5 in StainDiffuser.

    Raises:
        DataError: features that are not (n, d) or not finite, no more than k images, different d, or k below 1.
    """
    x, y = as_sets(pred, target)
    ones = np.ones((len(x), 1), np.int64), np.ones((len(y), 1), np.int64)
    precision, recall = resampled_precision_recall(x, y, *ones, (k,))
    return PrecisionRecall(float(precision[0, 0]), float(recall[0, 0]), k)


def resampled_precision_recall(
    x: Matrix, y: Matrix, counts_x: Counts, counts_y: Counts, ks: Sequence[int]
) -> tuple[Matrix, Matrix]:
    """Return precision and recall of r resamples, in which images occur several times or not at all, for several k.

    An image that does not occur is neither judged nor a centre of a ball; the radii are those of the whole set, because
    copies would shrink them.

    Args:
        x: (n, d) features of the images to judge.
        y: (m, d) features of real images.
        counts_x: (n, r) how often each image occurs.
        counts_y: (m, r) the same.
        ks: the neighbours that give balls their radius.

    Returns:
        Two (len(ks), r).

    Raises:
        DataError: a set of no more than k images, or k below 1.
    """
    if min(ks) < 1 or max(ks) >= min(len(x), len(y)):
        raise DataError(
            f"in sets of {len(x)} and {len(y)} images there is no neighbour number {', '.join(map(str, ks))}",
            fix="choose k from 1 to one less than the number of images",
        )
    centre = y.mean(axis=0)  # distances stay as they are, but lose fewer digits
    x, y = x - centre, y - centre
    precision = _share_inside(x, counts_x, y, counts_y, _squared_radii(y, ks))
    recall = _share_inside(y, counts_y, x, counts_x, _squared_radii(x, ks))
    return precision, recall


def _squared_radii(x: Matrix, ks: Sequence[int]) -> Matrix:
    """Return the squared distance of every image to its k-th nearest neighbour, (n, len(ks))."""
    order = [k - 1 for k in ks]
    radii = np.empty((len(x), len(ks)))
    for rows in row_blocks(len(x), len(x)):
        squared = _squared_distances(x[rows], x)
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf  # no neighbour of itself
        radii[rows] = np.partition(squared, order, axis=1)[:, order]
    return radii


def _share_inside(points: Matrix, counts: Counts, centres: Matrix, others: Counts, squared_radii: Matrix) -> Matrix:
    """Return the share of points that lie in any of the balls, of every resample of both, (len(ks), r)."""
    limits = (1 + SURFACE) * squared_radii
    occurs = (others > 0).astype(np.float32)
    hits = np.zeros((limits.shape[1], counts.shape[1]))
    for rows in row_blocks(len(points), len(centres)):
        squared = _squared_distances(points[rows], centres)
        for i, limit in enumerate(limits.T):
            holders = (squared <= limit).astype(np.float32) @ occurs  # how many balls hold a point: exact below 2^24
            hits[i] += ((holders > 0) * counts[rows]).sum(axis=0)
    share: Matrix = hits / counts.sum(axis=0)
    return share


def _squared_distances(x: Matrix, y: Matrix) -> Matrix:
    """Return (n, m), exactly 0 for equal rows."""
    norms = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)  # |x|^2 + |y|^2
    squared: Matrix = norms - 2 * (x @ y.T)
    squared[squared < SAME * norms] = 0
    return squared
