"""From pixels to sample points: a picture is drawn on samples, blurred, and averaged to pixels."""

import math
from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Mpp, Region
from restain.phantom.micrometres import Box

FINEST = 0.5
"""Samples are never further apart than this, in micrometres; larger pixels are means of several."""

OVERVIEW = 4.0
"""Pixels larger than this, in micrometres, hold one sample and show no single nuclei."""


@final
@dataclass(frozen=True, slots=True)
class Grid:
    """Sample points on an unbounded lattice that starts at the origin.

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
        return np.arange(self.region.y + 0.5, self.region.bottom) * self.step_y

    @property
    def x(self) -> NDArray[np.float64]:
        """Columns in micrometres."""
        return np.arange(self.region.x + 0.5, self.region.right) * self.step_x

    @property
    def step(self) -> float:
        """The larger of the two steps in micrometres."""
        return max(self.step_y, self.step_x)

    @property
    def box(self) -> Box:
        """The rectangle that the samples stand for."""
        region = self.region
        return Box(
            region.y * self.step_y, region.x * self.step_x, region.bottom * self.step_y, region.right * self.step_x
        )

    @property
    def overview(self) -> bool:
        """Whether the samples are too far apart to show single nuclei."""
        return self.step > OVERVIEW

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns."""
        return self.region.height, self.region.width


def samples_per_edge(edge: float) -> int:
    """Return how many samples lie along the edge of a pixel, given in micrometres.

    >>> [samples_per_edge(edge) for edge in (0.25, 0.5, 1.2, 2.0, 8.0)]
    [1, 1, 3, 4, 1]
    """
    return 1 if edge > OVERVIEW else math.ceil(edge / FINEST - 1e-6)


@final
@dataclass(frozen=True, slots=True)
class Frame:
    """The pixels of a picture and the samples behind them, with a margin for what lies around.

    Args:
        region: in pixels.
        mpp: scale of the pixels.
        above: pixels of margin above and below.
        left: pixels of margin on either side.
    """

    region: Region
    mpp: Mpp
    above: int
    left: int

    @classmethod
    def of(cls, region: Region, mpp: Mpp, margin: float) -> Self:
        """Return the frame with at least ``margin`` micrometres, and one sample more, on all sides."""
        step_y, step_x = (edge / samples_per_edge(edge) for edge in (mpp.y, mpp.x))
        return cls(region, mpp, math.ceil((margin + step_y) / mpp.y), math.ceil((margin + step_x) / mpp.x))

    @property
    def samples(self) -> tuple[int, int]:
        """Samples per pixel, vertically and horizontally."""
        return samples_per_edge(self.mpp.y), samples_per_edge(self.mpp.x)

    @property
    def grid(self) -> Grid:
        """All samples, margin included."""
        rows, columns = self.samples
        region = Region(
            (self.region.x - self.left) * columns,
            (self.region.y - self.above) * rows,
            (self.region.width + 2 * self.left) * columns,
            (self.region.height + 2 * self.above) * rows,
        )
        return Grid(region, self.mpp.y / rows, self.mpp.x / columns)

    def cut(self, plane: NDArray[np.float32], halo_y: int, halo_x: int) -> NDArray[np.float32]:
        """Return the samples of the region and of a halo around it, given in samples."""
        rows, columns = self.samples
        top, left = self.above * rows, self.left * columns
        height, width = self.region.height * rows, self.region.width * columns
        return np.ascontiguousarray(plane[top - halo_y : top + height + halo_y, left - halo_x : left + width + halo_x])

    def centres(self, plane: NDArray[Any]) -> NDArray[Any]:
        """Return the sample at the centre of every pixel of the region, or just right of and below it."""
        rows, columns = self.samples
        top, left = self.above * rows, self.left * columns
        return np.ascontiguousarray(
            plane[
                top + rows // 2 : top + self.region.height * rows : rows,
                left + columns // 2 : left + self.region.width * columns : columns,
            ]
        )
