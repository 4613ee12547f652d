"""The sample points of an image: square or oblong steps on an unbounded grid that starts at the origin."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Mpp, Region

FINEST = 0.5
"""Samples are never further apart than this, in micrometres; coarser pixels are means of several."""


@final
@dataclass(frozen=True, slots=True)
class Grid:
    """Sample points of a region.

    Args:
        region: in samples; sample ``i`` lies at ``(i + 1/2) * step``.
        step_y: micrometres between rows.
        step_x: micrometres between columns.
    """

    region: Region
    step_y: float
    step_x: float

    @property
    def y(self) -> NDArray[np.float64]:
        """Rows in micrometres."""
        return (np.arange(self.region.y, self.region.bottom) + 0.5) * self.step_y

    @property
    def x(self) -> NDArray[np.float64]:
        """Columns in micrometres."""
        return (np.arange(self.region.x, self.region.right) + 0.5) * self.step_x

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.region.height, self.region.width


def samples_per_pixel(mpp: Mpp) -> tuple[int, int]:
    """Return how many samples make one pixel, vertically and horizontally.

    >>> samples_per_pixel(Mpp.square(0.5)), samples_per_pixel(Mpp.square(1.2))
    ((1, 1), (3, 3))
    """
    return math.ceil(mpp.y / FINEST - 1e-6), math.ceil(mpp.x / FINEST - 1e-6)


def grid_of(region: Region, mpp: Mpp, margin: float) -> tuple[Grid, int, int]:
    """Return the samples of a region and a margin around it.

    Args:
        region: in pixels.
        mpp: scale of the pixels.
        margin: micrometres needed on all sides.

    Returns:
        The grid, and the margin in pixels above and to the left.
    """
    rows, columns = samples_per_pixel(mpp)
    above, left = math.ceil(margin / mpp.y), math.ceil(margin / mpp.x)
    samples = Region(
        (region.x - left) * columns,
        (region.y - above) * rows,
        (region.width + 2 * left) * columns,
        (region.height + 2 * above) * rows,
    )
    return Grid(samples, mpp.y / rows, mpp.x / columns), above, left
