"""What was found against what is there: points matched one to one, and the tallies that follow."""

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import linear_sum_assignment
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from restain.errors import DataError

Points = NDArray[np.floating[Any]]
"""(n, 2)."""

Flags = NDArray[np.bool_]
"""(n,), one per point."""


@final
@dataclass(frozen=True, slots=True)
class Matches:
    """Points that belong together, one to one.

    Args:
        found: (k,) rows of the found points, increasing.
        truth: (k,) rows of the true points they match.
    """

    found: NDArray[np.int64]
    truth: NDArray[np.int64]

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self.found)


@final
@dataclass(frozen=True, slots=True)
class Detection:
    """How well something was found; tallies of images add up to that of all of them.

    Attributes:
        true_positives: what is there and was found.
        false_positives: what was found and is not there.
        false_negatives: what is there and was not found.
    """

    true_positives: int = 0
    false_positives: int = 0
    false_negatives: int = 0

    @classmethod
    def of_calls(cls, positive: Flags, truth: Flags) -> Self:
        """Tally calls on known objects.

        Args:
            positive: (n,) what was called.
            truth: (n,) what is.

        Raises:
            DataError: the numbers differ.
        """
        if positive.shape != truth.shape:
            raise DataError(f"{len(positive)} calls do not fit {len(truth)} objects", fix="call every object once")
        return cls(int((positive & truth).sum()), int((positive & ~truth).sum()), int((~positive & truth).sum()))

    @classmethod
    def of_matches(cls, matches: Matches, found: Flags, truth: Flags) -> Self:
        """Tally found points that were matched with true ones.

        Points near the border of a field are to be matched but not counted: what lies across the border, or just
        behind it, is then held against nobody.

        Args:
            matches: of all points.
            found: (n,) which of the found points count. Those that match nothing are false positives.
            truth: (m,) which of the true points count. Those that are matched, whether or not by a point that counts,
                are true positives; the others false negatives.
        """
        alone, missed = found.copy(), truth.copy()
        alone[matches.found] = False
        missed[matches.truth] = False
        return cls(int(truth[matches.truth].sum()), int(alone.sum()), int(missed.sum()))

    def __add__(self, other: "Detection") -> "Detection":
        """Return the tally of two sets of images."""
        return Detection(
            self.true_positives + other.true_positives,
            self.false_positives + other.false_positives,
            self.false_negatives + other.false_negatives,
        )

    @property
    def precision(self) -> float:
        """Share of what was found that is there, in [0, 1]; 1 if nothing was found: no claim is no false claim."""
        return _share(self.true_positives, self.true_positives + self.false_positives)

    @property
    def recall(self) -> float:
        """Share of what is there that was found, in [0, 1]; 1 if nothing is there."""
        return _share(self.true_positives, self.true_positives + self.false_negatives)

    @property
    def f1(self) -> float:
        """Harmonic mean of precision and recall, 2 TP / (2 TP + FP + FN); 1 if nothing is there nor was found."""
        return _share(2 * self.true_positives, 2 * self.true_positives + self.false_positives + self.false_negatives)


def match_points(found: Points, truth: Points, radius: float) -> Matches:
    """Match points one to one: as many pairs as possible, and of all such ways the one of least total distance.

    Clusters of points that reach each other are solved one by one, exactly (assignment problem), so the result does not
    depend on the order of the points; only exact ties do.

    Args:
        found: (n, 2), in any unit of length.
        truth: (m, 2), in the same unit.
        radius: two points match if they are at most this far apart.

    Raises:
        DataError: points of another shape, or a radius below 0.
    """
    for points in (found, truth):
        if points.ndim != 2 or points.shape[1] != 2:
            raise DataError(f"points of shape {points.shape} are not (n, 2)", fix="pass two coordinates per point")
    if not radius >= 0:
        raise DataError(f"a match radius of {radius} is no distance", fix="pass a positive number")
    near = cKDTree(found).sparse_distance_matrix(cKDTree(truth), radius, output_type="ndarray")
    if not len(near):
        return Matches(np.zeros(0, np.int64), np.zeros(0, np.int64))
    one, two, distance = near["i"], near["j"], near["v"]
    count = len(found) + len(truth)
    graph = coo_array((np.ones(len(one)), (one, two + len(found))), shape=(count, count))
    cluster = connected_components(graph, directed=False)[1][one]
    order = np.argsort(cluster, kind="stable")
    pairs = []
    for part in np.split(order, np.flatnonzero(np.diff(cluster[order])) + 1):
        pairs.append(_assign(one[part], two[part], distance[part], radius))
    joined = np.concatenate(pairs, axis=1)
    joined = joined[:, np.argsort(joined[0])]
    return Matches(joined[0], joined[1])


def _assign(one: NDArray[Any], two: NDArray[Any], distance: NDArray[Any], radius: float) -> NDArray[np.int64]:
    """Return the best pairs of one cluster, (2, k), given all pairs that are near enough."""
    rows, row = np.unique(one, return_inverse=True)
    columns, column = np.unique(two, return_inverse=True)
    cost = np.zeros((len(rows), len(columns)))
    # A pair gains more than all distances together can cost, so as many pairs as possible come first.
    cost[row, column] = distance - (min(cost.shape) + 1) * (radius + 1)
    chosen = np.stack(linear_sum_assignment(cost))
    chosen = chosen[:, cost[chosen[0], chosen[1]] < 0]
    return np.stack([rows[chosen[0]], columns[chosen[1]]]).astype(np.int64)


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0
