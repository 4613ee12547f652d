"""Features of images: one row of numbers per image, as a network that looks at images gives them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError

Features = NDArray[np.floating[Any]]
"""(n, d), one row per image; computed on in float64."""

Counts = NDArray[np.integer[Any]]
"""(n, r), how often each image occurs in each of r resamples."""

WORK = 2**22
"""Numbers per block of a matrix of pairs, 34 MB: memory then does not grow with the square of the number of images."""


def as_features(features: NDArray[Any], least: int = 2) -> NDArray[np.float64]:
    """Return features as float64.

    Args:
        features: (n, d).
        least: number of images that the calculation needs.

    Raises:
        DataError: another shape, fewer images, or numbers that are not finite.
    """
    if features.ndim != 2 or features.shape[1] < 1:
        raise DataError(f"features of shape {features.shape} are not (n, d)", fix="pass one row of numbers per image")
    if len(features) < least:
        raise DataError(f"{len(features)} images are less than the {least} it takes", fix="measure more images")
    values = features.astype(np.float64, copy=False)
    if not np.isfinite(values).all():
        raise DataError("features hold values that are not finite", fix="look at the images and at the network")
    return values


def as_sets(
    pred: NDArray[Any], target: NDArray[Any], least: int = 2
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the features of two sets of images as float64; errors as in ``as_features``, and different d."""
    pair = as_features(pred, least), as_features(target, least)
    if pred.shape[1] != target.shape[1]:
        raise DataError(
            f"features of {pred.shape[1]} numbers cannot be compared with features of {target.shape[1]}",
            fix="compute both with the same network",
        )
    return pair


def row_blocks(rows: int, columns: int) -> list[slice]:
    """Return the blocks of rows in which a matrix of pairs is worked through."""
    height = max(1, WORK // columns)
    return [slice(start, min(start + height, rows)) for start in range(0, rows, height)]
