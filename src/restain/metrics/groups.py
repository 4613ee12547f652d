"""Groups of tiles that are not independent of each other, as those of one image: chance takes or leaves them together.

Tiles of one image share its tissue, its stain and its scanner. Where chance takes them one by one, n tiles look like n
independent ones, and intervals come out too narrow, the more so the more alike the tiles of an image are and the more
of them there are (Davison and Hinkley, Bootstrap methods and their application, 1997, section 3.8).
"""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.metrics.features import Counts

FEWEST = 4
"""Groups with which a set has an interval and a floor: two in each half of it. Below, chance has nothing to choose
from."""

Groups = NDArray[np.intp]
"""(n,), of every tile the number of its group, from 0 on."""


def as_groups(labels: NDArray[np.integer[Any]] | None, n: int) -> Groups:
    """Return groups numbered from 0 on.

    Args:
        labels: (n,) any whole numbers, equal for tiles of one group; None where every tile is a group of its own.
        n: tiles.

    Raises:
        DataError: labels of another number or type.
    """
    if labels is None:
        return np.arange(n)
    if labels.shape != (n,) or not np.issubdtype(labels.dtype, np.integer):
        raise DataError(
            f"groups of shape {labels.shape} and type {labels.dtype} do not tell of {n} tiles where they are from",
            fix="pass one whole number per row of the features",
        )
    numbered: Groups = np.unique(labels, return_inverse=True)[1]
    return numbered


def resampled_counts(groups: Groups, resamples: int, generator: np.random.Generator) -> Counts:
    """Draw groups with replacement, as many as there are, and return how often each tile occurs.

    A resample of one group alone has no spread to speak of, and is drawn again.

    Args:
        groups: (n,), two groups at least.
        resamples: r, their number.
        generator: draws.

    Returns:
        (n, 1 + r); the first column is the set itself.
    """
    number = int(groups.max()) + 1
    even = np.full(number, 1 / number)
    times = generator.multinomial(number, even, size=resamples)
    while (alone := (times > 0).sum(axis=1) < 2).any():
        times[alone] = generator.multinomial(number, even, size=alone.sum())
    return np.concatenate([np.ones((len(groups), 1), np.int64), times.T[groups]], axis=1)


def halves(groups: Groups, generator: np.random.Generator) -> tuple[Groups, Groups] | None:
    """Split a set at random into two of equally many tiles that share no group.

    Groups are put into a random order, which is cut where the tiles before and behind are nearest in number; what one
    side has more is left out, evenly from its groups.

    Args:
        groups: (n,).
        generator: draws the order.

    Returns:
        the tiles of both, as places in ``groups``; None for fewer than four groups.
    """
    sizes = np.bincount(groups)
    order = generator.permutation(len(sizes))
    if len(sizes) < FEWEST:
        return None
    before = sizes[order].cumsum()
    cuts = np.arange(FEWEST // 2, len(sizes) - FEWEST // 2 + 1)  # how many groups may come before the cut
    cut = cuts[abs(2 * before[cuts - 1] - len(groups)).argmin()]
    rank = order.argsort()[groups]
    # The first tile of every group, then the second of every group, and so on: what is left out stands at the end.
    turn = np.empty_like(groups)
    turn[groups.argsort(kind="stable")] = np.arange(len(groups)) - (sizes.cumsum() - sizes).repeat(sizes)
    tiles = np.lexsort((rank, turn))
    first, second = tiles[rank[tiles] < cut], tiles[rank[tiles] >= cut]
    n = min(len(first), len(second))
    return first[:n], second[:n]
