"""Weighted means in sliding windows, and sums of local values that do not depend on their order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import correlate1d

STEPS = 2**40
"""Local values are summed as whole multiples of 1 / STEPS, because integers add up exactly in any order. The mean is
off by less than 5e-13 for it."""


def gaussian_weights(edge: int, sigma: float) -> NDArray[np.float64]:
    """Return a Gaussian of standard deviation ``sigma`` at ``edge`` whole pixels, 1 in the middle; ``edge`` is odd."""
    x = np.arange(edge) - edge // 2
    weights: NDArray[np.float64] = np.exp(-0.5 * (x / sigma) ** 2)
    return weights


def window_means(planes: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weighted mean of every window inside (C, H, W); nothing is padded.

    Dividing once at the end keeps sums of integers under integer weights exact.

    Args:
        planes: (C, H, W).
        weights: (k,), k odd: the window is their outer product. Only their ratios matter.

    Returns:
        (C, H - k + 1, W - k + 1); empty if no window fits in.
    """
    margin = len(weights) // 2
    inside = slice(margin, -margin)
    rows = correlate1d(planes, weights, axis=1)[:, inside]
    means: NDArray[np.float64] = correlate1d(rows, weights, axis=2)[:, :, inside] / weights.sum() ** 2
    return means


def in_steps(values: NDArray[Any]) -> int:
    """Return the sum of local values as a whole number of steps; a block of them must stay below 2^23."""
    return int(np.rint(values * STEPS).astype(np.int64).sum())
