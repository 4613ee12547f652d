"""The one place where stored pixels (H, W, C integers) become network pixels (C, H, W floats in [-1, 1]), and back.

Both directions are NumPy; a batch is the stack of its images.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError

Image = NDArray[Any]
"""A stored image: (H, W, C), uint8 or uint16."""

Planes = NDArray[np.float32]
"""A network image: (C, H, W), float32, nominally in [-1, 1]."""


Window = tuple[tuple[float, float], ...]
"""Of each channel the stored values (low, high) that become -1 and 1; what lies outside is clipped."""


def planes_from_image(image: Image, window: Sequence[tuple[float, float]] | None = None) -> Planes:
    """Map 0 .. 255 (uint8), 0 .. 65535 (uint16) or a window of them to [-1, 1], channels first.

    Args:
        image: (H, W, C), uint8 or uint16.
        window: low and high of each channel; None for the whole range of the type.

    Returns:
        (C, H, W) float32, contiguous.

    Raises:
        DataError: another shape or type, or a window of another number of channels.
    """
    if image.ndim != 3 or image.dtype not in (np.uint8, np.uint16):
        raise DataError(
            f"an image of shape {image.shape} and type {image.dtype} is not (H, W, C) of uint8 or uint16",
            fix="convert it to 8 or 16 bits with a channel axis at the end",
        )
    planes = np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float32)
    if window is not None:
        if len(window) != len(planes):
            raise DataError(
                f"an image of {len(planes)} channels does not fit a window of {len(window)}",
                fix="pass low and high of every channel",
            )
        low, high = np.array(window, np.float32).T[:, :, None, None]
        planes -= low
        planes *= 2 / (high - low)
        planes -= np.float32(1)
        return planes.clip(-1, 1, out=planes)
    planes /= np.float32(np.iinfo(image.dtype).max / 2)
    planes -= np.float32(1)
    return planes


def image_from_planes(planes: Planes) -> NDArray[np.uint8]:
    """Map [-1, 1] to 0 .. 255 with rounding, clipping what lies outside, channels last.

    Args:
        planes: (C, H, W) float.

    Returns:
        (H, W, C) uint8.

    Raises:
        DataError: another shape, or values that are not finite.
    """
    if planes.ndim != 3:
        raise DataError(f"planes of shape {planes.shape} are not (C, H, W)", fix="pass one image at a time")
    if not np.isfinite(planes).all():
        raise DataError(
            "an image holds values that are not finite",
            fix="run the model in float32 (--precision fp32); if it stays, the weights are damaged",
        )
    levels = planes.transpose(1, 2, 0).clip(-1, 1)
    levels += 1
    levels *= 127.5
    return np.ascontiguousarray(np.rint(levels, out=levels), dtype=np.uint8)
