"""Whether images that have more of something in truth have more of it in the prediction."""

import math
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restain.errors import DataError


def pearson(pred: ArrayLike, target: ArrayLike) -> float:
    """Return Pearson's correlation over images.

    Blind to scale and offset: a model that stains everything half as strongly correlates perfectly.

    Args:
        pred: (n,) one number per image.
        target: (n,) that of its truth.

    Returns:
        In [-1, 1]; NaN for fewer than three images, because any two lie on a line, and where one side is the same in
        all images.

    Raises:
        DataError: not as many of each, or numbers that are not finite.
    """
    x: NDArray[Any] = np.asarray(pred, np.float64)
    y: NDArray[Any] = np.asarray(target, np.float64)
    if x.ndim != 1 or x.shape != y.shape or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError(
            f"numbers of shape {x.shape} and {y.shape} cannot be correlated", fix="give one finite number per image"
        )
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return math.nan
    x, y = x - x.mean(), y - y.mean()
    return float(np.clip(x @ y / math.sqrt((x @ x) * (y @ y)), -1, 1))
