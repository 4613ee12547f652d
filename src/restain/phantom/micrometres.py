"""Rectangles in micrometres: the world of the tissue, whatever the scale of a picture."""

from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Mpp, Region, Size

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class Extent:
    """Width and height of a slide in micrometres."""

    width: float
    height: float

    @classmethod
    def of(cls, size: Size, mpp: Mpp) -> Self:
        """Return the extent of a slide of so many pixels."""
        return cls(size.width * mpp.x, size.height * mpp.y)


@final
@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in micrometres; its upper and left edges are inside, the others are not."""

    top: float
    left: float
    bottom: float
    right: float

    @classmethod
    def of(cls, region: Region, mpp: Mpp) -> Self:
        """Return the box that a region of pixels covers."""
        return cls(region.y * mpp.y, region.x * mpp.x, region.bottom * mpp.y, region.right * mpp.x)

    @classmethod
    def around(cls, y: Floats, x: Floats) -> Self:
        """Return the smallest box around points."""
        return cls(float(y.min()), float(x.min()), float(y.max()), float(x.max()))

    def grow(self, margin: float) -> "Box":
        """Return the box with a margin on all sides."""
        return Box(self.top - margin, self.left - margin, self.bottom + margin, self.right + margin)

    def holds(self, y: Floats, x: Floats) -> NDArray[np.bool_]:
        """Return which points lie inside."""
        inside: NDArray[np.bool_] = (y >= self.top) & (y < self.bottom) & (x >= self.left) & (x < self.right)
        return inside

    def probes(self, step: float) -> tuple[Floats, Floats]:
        """Return points that cover the box at most ``step`` apart, edges included."""
        y, x = np.meshgrid(
            np.append(np.arange(self.top, self.bottom, step), self.bottom),
            np.append(np.arange(self.left, self.right, step), self.right),
            indexing="ij",
        )
        return y.ravel(), x.ravel()
