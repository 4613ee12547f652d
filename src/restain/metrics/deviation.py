"""The exact sums of differences on which PSNR, L1 and L2 rest."""

import numpy as np
from numpy.typing import NDArray

from restain.metrics.base import Tally
from restain.pixels import Image


def absolute_deviation(pred: Image, target: Image) -> Tally:
    """Return (sum of |pred - target|, number of samples x white level).

    The second number makes the ratio a pure number in [0, 1] whatever the bit depth.
    """
    return int(np.abs(_difference(pred, target)).sum()), pred.size * _white(pred)


def squared_deviation(pred: Image, target: Image) -> Tally:
    """Return (sum of (pred - target)^2, number of samples x white level^2), of which the ratio lies in [0, 1]."""
    return int(np.square(_difference(pred, target)).sum()), pred.size * _white(pred) ** 2


def _difference(pred: Image, target: Image) -> NDArray[np.int64]:
    # Unsigned integers would wrap around: 0 - 100 is 156 in uint8.
    return np.subtract(pred, target, dtype=np.int64)


def _white(image: Image) -> int:
    return int(np.iinfo(image.dtype).max)
