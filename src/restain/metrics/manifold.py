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
from restain.metrics.features import as_sets, row_blocks

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
    real, covered = manifold_hits(x, y, (k,))
    return PrecisionRecall(float(real.mean()), float(covered.mean()), k)


def manifold_hits(x: Matrix, y: Matrix, ks: Sequence[int]) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:
    """Return which of x lie in the balls of y and which of y in those of x, for several k at once.

    Args:
        x: (n, d) features.
        y: (m, d) features.
        ks: the neighbours that give balls their radius.

    Returns:
        (n, len(ks)) and (m, len(ks)).

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
    return _lie_in(x, y, _squared_radii(y, ks)), _lie_in(y, x, _squared_radii(x, ks))


def _squared_radii(x: Matrix, ks: Sequence[int]) -> Matrix:
    """Return the squared distance of every image to its k-th nearest neighbour, (n, len(ks))."""
    order = [k - 1 for k in ks]
    radii = np.empty((len(x), len(ks)))
    for rows in row_blocks(len(x), len(x)):
        squared = _squared_distances(x[rows], x)
        squared[np.arange(len(squared)), np.arange(rows.start, rows.stop)] = np.inf  # no neighbour of itself
        radii[rows] = np.partition(squared, order, axis=1)[:, order]
    return radii


def _lie_in(points: Matrix, centres: Matrix, squared_radii: Matrix) -> NDArray[np.bool_]:
    """Return whether each point lies in any of the balls, (n, len(ks))."""
    limits = (1 + SURFACE) * squared_radii
    inside = np.empty((len(points), limits.shape[1]), bool)
    for rows in row_blocks(len(points), len(centres)):
        squared = _squared_distances(points[rows], centres)
        inside[rows] = np.stack([(squared <= limit).any(axis=1) for limit in limits.T], axis=1)
    return inside


def _squared_distances(x: Matrix, y: Matrix) -> Matrix:
    """Return (n, m), exactly 0 for equal rows."""
    norms = (x * x).sum(axis=1)[:, None] + (y * y).sum(axis=1)  # |x|^2 + |y|^2
    squared: Matrix = norms - 2 * (x @ y.T)
    squared[squared < SAME * norms] = 0
    return squared
