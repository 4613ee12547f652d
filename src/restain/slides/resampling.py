"""Resampling along one axis: exact coverage for shrinking, linear interpolation for growing.

Every output value is a function of its absolute position alone, computed by the same operations in the same order, so
an image is the same to the last bit however it is cut.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_matrix

from restain.pixels import Image


@final
@dataclass(frozen=True)
class Taps:
    """The source pixels of a run of output pixels, and their weights, both (outputs, taps)."""

    source: NDArray[np.intp]
    weight: NDArray[np.float32]

    @property
    def span(self) -> tuple[int, int]:
        """First and one past the last source pixel that is needed."""
        return int(self.source.min()), int(self.source.max()) + 1


def taps(step: float, start: int, stop: int, limit: int) -> Taps:
    """Return the weights of the output pixels ``start`` to ``stop``.

    Output pixel i covers the source interval [i s, (i + 1) s). Shrinking (s >= 1) takes the mean over it, each source
    pixel weighted by the part of it that is covered. Growing (s < 1) interpolates linearly between pixel
    centres at (i + 1/2) s - 1/2. Beyond its last pixel the source is taken to go on unchanged.

    Args:
        step: s, source pixels per output pixel.
        start: first output pixel.
        stop: one past the last.
        limit: number of source pixels along this axis.
    """
    i = np.arange(start, stop, dtype=np.float64)
    if step < 1:
        centre = (i + 0.5) * step - 0.5
        first = np.floor(centre)
        right = centre - first
        weight = np.stack([1 - right, right], axis=1)
    else:
        low = np.minimum(i * step, limit - 0.5)  # a level rounded down may end just before the last output pixel
        high = np.minimum(low + step, limit)
        first = np.floor(low)
        count = int(np.ceil(step)) + (0 if float(step).is_integer() else 1)
        edge = first[:, None] + np.arange(count)
        covered = np.minimum(high[:, None], edge + 1) - np.maximum(low[:, None], edge)
        weight = np.maximum(covered, 0) / (high - low)[:, None]
    source = first[:, None].astype(np.intp) + np.arange(weight.shape[1])
    return Taps(source.clip(0, limit - 1), weight.astype(np.float32))


def resample(image: Image, rows: Taps, columns: Taps) -> Image:
    """Apply weights along both axes.

    Args:
        image: (H, W, C); its first row and column are the first that ``rows`` and ``columns`` need.
        rows: along y.
        columns: along x.

    Returns:
        (outputs of rows, outputs of columns, C) of the same type, rounded.
    """
    height, width, channels = image.shape
    tall = _weigh(image.reshape(height, width * channels), rows)
    across = np.ascontiguousarray(tall.reshape(-1, width, channels).transpose(1, 0, 2))
    wide = _weigh(across.reshape(width, -1), columns).reshape(-1, len(tall), channels)
    return np.ascontiguousarray(np.rint(wide, out=wide).transpose(1, 0, 2), dtype=image.dtype)


def shrink(image: Image, factor: int) -> Image:
    """Return the mean of each ``factor`` x ``factor`` pixels, halves rounded up, in whole numbers.

    Args:
        image: (H, W, C) of uint8 or uint16, H and W multiples of the factor.
        factor: at least 2.

    Returns:
        (H / factor, W / factor, C) of the same type.
    """
    height, width, channels = image.shape
    area = factor * factor
    wider = np.min_scalar_type(np.iinfo(image.dtype).max * area + area // 2)
    lines = image.reshape(height, width * channels)
    rows = np.add(lines[0::factor], lines[1::factor], dtype=wider)
    for k in range(2, factor):
        rows += lines[k::factor]
    pixels = rows.reshape(height // factor, width // factor, factor, channels)
    total = np.empty((height // factor, width // factor, channels), wider)
    for channel in range(channels):  # one after the other, so that the inner loop is long: four times faster
        np.add(pixels[:, :, 0, channel], pixels[:, :, 1, channel], out=total[..., channel])
        for k in range(2, factor):
            total[..., channel] += pixels[:, :, k, channel]
    total += area // 2
    total //= area
    return total.astype(image.dtype)


def _weigh(lines: NDArray[Any], along: Taps) -> NDArray[np.float32]:
    """Return (outputs, N): the weighted sums of the rows of an (inputs, N) array, taps added in order."""
    outputs, count = along.source.shape
    starts = np.arange(0, outputs * count + 1, count)
    weights = csr_matrix(
        (along.weight.ravel(), (along.source - along.span[0]).ravel(), starts), shape=(outputs, len(lines))
    )
    return weights @ lines.astype(np.float32)  # type: ignore[no-any-return]
