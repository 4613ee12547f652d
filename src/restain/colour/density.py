"""Optical density from 8-bit pixels, and back."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError

WHITE = 255
"""Full transmission in 8 bits."""


def od_from_rgb(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the optical density of an 8-bit image, base 10.

    A level of 0 counts as 1, so the density ends at log10(255) = 2.41 instead of infinity.

    Args:
        image: (..., C) uint8, C usually 3.

    Returns:
        The same shape, float32, in [0, 2.41].

    Raises:
        DataError: the image is not uint8.
    """
    if image.dtype != np.uint8:
        raise DataError(f"an image of type {image.dtype} has no white level of 255", fix="convert it to 8 bits first")
    levels = np.arange(WHITE + 1, dtype=np.float64)
    density = -np.log10(np.maximum(levels, 1) / WHITE)  # OD = -log10(max(I, 1) / 255)
    return density.astype(np.float32)[image]


def rgb_from_od(density: NDArray[Any]) -> NDArray[np.uint8]:
    """Return the 8-bit image of an optical density, base 10, rounded; negative densities are white.

    Args:
        density: (..., C) float.

    Returns:
        The same shape, uint8.
    """
    intensity = WHITE * np.power(10.0, -np.asarray(density))  # I = 255 * 10^-OD
    image: NDArray[np.uint8] = np.rint(intensity).clip(0, WHITE).astype(np.uint8)
    return image
