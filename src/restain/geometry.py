"""Positions and extents in pixels, and the scale that ties pixels to micrometres."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self, final

from restain.errors import ScaleError

MPP_RANGE = (0.05, 20.0)
"""Plausible micrometres per pixel: a 100x oil objective gives about 0.07, a whole-slide thumbnail about 16."""

SAME_SCALE = 0.02
"""Scales that differ by less than this fraction count as equal: vendors write 0.4990 for 20x where models say 0.5."""


@final
@dataclass(frozen=True, slots=True)
class Point:
    """A pixel position; x grows to the right, y downwards."""

    x: int
    y: int


@final
@dataclass(frozen=True, slots=True)
class Size:
    """An extent in pixels."""

    width: int
    height: int

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    def __str__(self) -> str:
        """Return for example ``2220 x 2967``."""
        return f"{self.width} x {self.height}"


@final
@dataclass(frozen=True, slots=True)
class Region:
    """A rectangle of pixels: its top left corner and its extent. It may reach outside the slide."""

    x: int
    y: int
    width: int
    height: int

    @classmethod
    def of(cls, size: Size) -> Self:
        """Return the region that covers a whole image of this size."""
        return cls(0, 0, size.width, size.height)

    @property
    def at(self) -> Point:
        """Top left corner."""
        return Point(self.x, self.y)

    @property
    def size(self) -> Size:
        """Extent."""
        return Size(self.width, self.height)

    @property
    def right(self) -> int:
        """First column to the right of the region."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below the region."""
        return self.y + self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Rows and columns, to index an (H, W, ...) array that starts at the origin."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def grow(self, pixels: int) -> "Region":
        """Return the region with a margin added on all four sides."""
        return Region(self.x - pixels, self.y - pixels, self.width + 2 * pixels, self.height + 2 * pixels)

    def shift(self, by: Point) -> "Region":
        """Return the region moved by a vector."""
        return Region(self.x + by.x, self.y + by.y, self.width, self.height)

    def clip(self, other: "Region") -> "Region":
        """Return the part inside ``other``; its width or height is 0 where the two do not meet.

        >>> Region(-2, 0, 5, 5).clip(Region(0, 0, 10, 10))
        Region(x=0, y=0, width=3, height=5)
        """
        x, y = max(self.x, other.x), max(self.y, other.y)
        return Region(x, y, max(0, min(self.right, other.right) - x), max(0, min(self.bottom, other.bottom) - y))

    def tiles(self, side: int) -> Iterator["Region"]:
        """Cut the region into squares of ``side`` pixels, row by row; those at the right and bottom edge are smaller.

        >>> [tile.width for tile in Region(0, 0, 5, 2).tiles(2)]
        [2, 2, 1]
        """
        for y in range(self.y, self.bottom, side):
            for x in range(self.x, self.right, side):
                yield Region(x, y, min(side, self.right - x), min(side, self.bottom - y))


@final
@dataclass(frozen=True, slots=True)
class Mpp:
    """The edges of one pixel in micrometres per pixel (square on nearly every scanner).

    Raises:
        ScaleError: an edge lies outside ``MPP_RANGE``.
    """

    x: float
    y: float

    def __post_init__(self) -> None:
        """Refuse scales that no microscope gives."""
        low, high = MPP_RANGE
        for value in (self.x, self.y):
            if not low <= value <= high:
                raise ScaleError(
                    f"a scale of {value:g} micrometres per pixel is outside the plausible range {low:g} to {high:g}",
                    fix="pass the true scale with --mpp (about 0.25 for a 40x scan, 0.5 for 20x)",
                )

    @classmethod
    def square(cls, mpp: float) -> Self:
        """Return the scale of square pixels."""
        return cls(mpp, mpp)

    @property
    def mean(self) -> float:
        """Mean of the two edges, for display and for models, which have one scale."""
        return (self.x + self.y) / 2

    def is_close(self, other: "Mpp") -> bool:
        """Whether the two scales differ by less than ``SAME_SCALE`` along both axes.

        >>> Mpp.square(0.499).is_close(Mpp.square(0.5))
        True
        """
        return abs(self.x / other.x - 1) < SAME_SCALE and abs(self.y / other.y - 1) < SAME_SCALE

    def __str__(self) -> str:
        """Return for example ``0.499 um/px``."""
        return f"{self.x:.4g} um/px" if self.x == self.y else f"{self.x:.4g} x {self.y:.4g} um/px"
