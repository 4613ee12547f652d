"""The H-score: how many cells are stained, and how strongly, in one number from 0 to 300.

    H = 1 x (percent of weak cells) + 2 x (percent of moderate cells) + 3 x (percent of strong cells)

Sources: McCarty et al., Estrogen receptor analyses: correlation of biochemical and immunohistochemical methods using
monoclonal antireceptor antibodies, 1985; Hirsch et al., Epidermal growth factor receptor in non-small-cell lung
carcinomas, 2003, for the range 0 to 300. A pathologist grades by eye; cut-offs on the density of DAB stand in for that
and depend on antibody, scanner and stain vectors. No source fixes them, so they are arguments: choose them on real
images, and use the same for the virtual stain.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restain.errors import ConfigError, DataError

Grades = NDArray[np.int64]
"""(n,), one per cell: 0 negative, 1 weak, 2 moderate, 3 strong."""


def stain_grades(
    density: NDArray[np.floating[Any]], cut_offs: Sequence[float], positive: NDArray[np.bool_] | None = None
) -> Grades:
    """Grade cells by how strongly they are stained.

    Args:
        density: (n,) optical density of DAB of each cell, as in ``CellDensity``.
        cut_offs: increasing densities. Three: a cell is weak above the first, moderate above the second and strong
            above the third. Two: only what separates weak, moderate and strong.
        positive: (n,) which cells are positive at all, where something else than density tells; with two cut-offs only.

    Raises:
        ConfigError: cut-offs that do not increase, or another number of them.
        DataError: densities that are not finite, or flags that do not fit.
    """
    if len(cut_offs) != (3 if positive is None else 2) or any(np.diff(cut_offs) <= 0):
        raise ConfigError(
            f"cut-offs {', '.join(map(str, cut_offs))} do not grade cells {'' if positive is None else 'with flags'}",
            fix="give three increasing densities, or two and which cells are positive",
        )
    fits = positive is None or positive.shape == density.shape
    if density.ndim != 1 or not np.isfinite(density).all() or not fits:
        raise DataError("densities do not fit", fix="give one finite density per cell, and as many flags")
    above: Grades = np.searchsorted(np.asarray(cut_offs, np.float64), density, side="left").astype(np.int64)
    return above if positive is None else np.where(positive, above + 1, 0)


def h_score(grades: Grades) -> float:
    """Return the H-score of graded cells, whatever their order.

    Args:
        grades: (n,) of ``stain_grades``.

    Returns:
        From 0, no cell is stained, to 300, all are strong.

    Raises:
        DataError: no cells, or grades other than 0 to 3.
    """
    if not np.isin(grades, range(4)).all():
        raise DataError("grades of cells are 0, 1, 2 and 3", fix="grade with stain_grades")
    _, weak, moderate, strong = np.bincount(grades.astype(np.int64), minlength=4).tolist()
    return h_score_of_counts(weak, moderate, strong, len(grades))


def h_score_of_counts(weak: int, moderate: int, strong: int, n: int) -> float:
    """Return the H-score from numbers of cells.

    Args:
        weak: cells of grade 1.
        moderate: cells of grade 2.
        strong: cells of grade 3.
        n: all cells, the negative ones too.

    Raises:
        DataError: no cells, or numbers that do not fit.
    """
    if n < 1 or min(weak, moderate, strong) < 0 or weak + moderate + strong > n:
        raise DataError(
            f"{weak} weak, {moderate} moderate and {strong} strong of {n} cells do not fit",
            fix="count all cells in n, the negative ones too",
        )
    return 100 * (weak + 2 * moderate + 3 * strong) / n  # one division of integers: rounded once
