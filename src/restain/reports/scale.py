"""A colour scale of equal visible steps, from dark violet through red to pale yellow.

Source: B. Ottosson, A perceptual color space for image processing (OKLab), 2020. Lightness rises evenly, so the scale
reads right in grey and to colour-blind eyes; the hue turns only to make levels easier to name.
"""

import numpy as np
from numpy.typing import NDArray

LIGHTNESS = (0.15, 0.95)
HUE = (-75.0, 105.0)
"""In degrees: violet-blue to yellow."""

CHROMA = 0.17
"""Strongest colourfulness, reached in the middle of the scale where the screen can show it."""


def colour_scale(levels: int = 256) -> NDArray[np.uint8]:
    """Return the colours of the scale, (levels, 3) sRGB, from the lowest to the highest."""
    t = np.linspace(0, 1, levels)
    lightness = LIGHTNESS[0] + (LIGHTNESS[1] - LIGHTNESS[0]) * t
    hue = np.radians(HUE[0] + (HUE[1] - HUE[0]) * t)
    chroma = np.full(levels, CHROMA)
    while (outside := ~_is_shown(lightness, chroma, hue)).any():
        chroma[outside] *= 0.99
    return np.rint(255 * _srgb(_linear_rgb(lightness, chroma, hue).clip(0, 1))).astype(np.uint8)


def _is_shown(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.bool_]:
    rgb = _linear_rgb(lightness, chroma, hue)
    return np.asarray(((rgb >= 0) & (rgb <= 1)).all(axis=-1))


def _linear_rgb(
    lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return linear sRGB of OKLab in polar form, by the two matrices of the source."""
    a, b = chroma * np.cos(hue), chroma * np.sin(hue)
    cone = np.stack(
        [
            lightness + 0.3963377774 * a + 0.2158037573 * b,
            lightness - 0.1055613458 * a - 0.0638541728 * b,
            lightness - 0.0894841775 * a - 1.2914855480 * b,
        ]
    )
    rgb: NDArray[np.float64] = (
        np.array(
            [
                [4.0767416621, -3.3077115913, 0.2309699292],
                [-1.2684380046, 2.6097574011, -0.3413193965],
                [-0.0041960863, -0.7034186147, 1.7076147010],
            ]
        )
        @ cone**3
    )
    return rgb.T


def _srgb(linear: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sRGB values that a screen gets, IEC 61966-2-1."""
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
