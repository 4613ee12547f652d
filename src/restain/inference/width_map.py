"""How wide the intervals of an image are over its tissue: exact sums, block by block, in bounded memory."""

from collections.abc import Sequence
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.config import Config
from restain.geometry import Mpp, Point, Region, Size
from restain.slides import SlideReader
from restain.tissue import Mask

SQUARE = 32.0
"""Side of the squares that are compared, in micrometres: some ten cells, so that no single edge makes one wide."""

UNKNOWN_SQUARE = 64
"""The same in pixels where nobody knows the scale."""

BLOCK = 1024
"""Side of the blocks that are read at a time, about; in pixels."""


@final
class Square(Config):
    """A square of an image, for people to look at."""

    image: str | None = None
    """The image it lies on, where there are several."""
    x: int
    """Its left edge, in pixels of the input."""
    y: int
    """Its upper edge."""
    width: int
    """In pixels; less at the right edge of the image."""
    height: int
    """In pixels; less at the lower edge."""
    mean_width: float
    """Mean width of the intervals of its tissue, in grey levels of 255."""
    share_above: float
    """Share of its tissue whose intervals are wider than `above`."""


@final
class WidthMap:
    """Sums over the widths of an image, in squares.

    Args:
        size: of the image in pixels.
        side: of a square in pixels.
        above: the width, in grey levels, that counts as wide.
    """

    def __init__(self, size: Size, side: int, above: int) -> None:
        self._size, self._side, self._above = size, side, above
        grid = (-(-size.height // side), -(-size.width // side))
        self._pixels, self._sums, self._wide = (np.zeros(grid, np.int64) for _ in range(3))

    @property
    def pixels(self) -> int:
        """How many pixels of tissue there are."""
        return int(self._pixels.sum())

    @property
    def total(self) -> int:
        """Sum of their widths, in grey levels."""
        return int(self._sums.sum())

    @property
    def wide(self) -> int:
        """How many of them have a width above ``above``."""
        return int(self._wide.sum())

    def add(self, widths: NDArray[np.uint8], tissue: Mask, at: Point) -> None:
        """Count one block.

        Args:
            widths: (H, W), in grey levels.
            tissue: (H, W), which pixels count.
            at: its top left corner, multiples of the side.
        """
        height, width = widths.shape
        rows, columns = range(0, height, self._side), range(0, width, self._side)
        grid = np.s_[at.y // self._side :, at.x // self._side :]
        for sums, values in (
            (self._pixels, tissue),
            (self._sums, np.where(tissue, widths, 0)),
            (self._wide, tissue & (widths > self._above)),
        ):
            of_rows = np.add.reduceat(values.astype(np.int64), rows, axis=0)
            sums[grid][: len(rows), : len(columns)] += np.add.reduceat(of_rows, columns, axis=1)

    def widest(self, count: int, image: str | None = None) -> list[Square]:
        """Return the squares with the widest intervals, the widest first; those with little tissue do not take part.

        Args:
            count: how many, at most.
            image: the name they carry.
        """
        least = max(1, self._pixels.max() // 4)  # a strip of tissue at an edge is no field to look at
        means = np.where(self._pixels >= least, self._sums / np.maximum(self._pixels, 1), -1)
        found = []
        for place in np.argsort(-means, axis=None, kind="stable")[:count]:
            row, column = (int(index) for index in np.unravel_index(place, means.shape))
            if means[row, column] < 0:
                break
            square = Region(column * self._side, row * self._side, self._side, self._side).clip(Region.of(self._size))
            found.append(
                Square(
                    image=image,
                    x=square.x,
                    y=square.y,
                    width=square.width,
                    height=square.height,
                    mean_width=float(means[row, column]),
                    share_above=float(self._wide[row, column] / self._pixels[row, column]),
                )
            )
        return found


def square_side(mpp: Mpp | None) -> int:
    """Return the side of squares at a scale, in pixels."""
    return UNKNOWN_SQUARE if mpp is None else min(max(round(SQUARE / mpp.mean), 16), BLOCK)


def map_widths(reader: SlideReader, mask: Mask, side: int, above: int) -> WidthMap:
    """Return the sums over a whole image of widths.

    Args:
        reader: the image, one channel of uint8.
        mask: where tissue is, at any resolution; it is stretched over the image.
        side: of a square in pixels.
        above: the width, in grey levels, that counts as wide.

    Raises:
        SlideError: pixels that cannot be decoded.
    """
    size = reader.info.size
    found = WidthMap(size, side, above)
    for block in Region.of(size).tiles(side * max(1, BLOCK // side)):
        widths: NDArray[np.uint8] = reader.read(block)[..., 0]
        found.add(widths, _stretched(mask, block, size), block.at)
    return found


def widest_of(squares: Sequence[Square], count: int) -> tuple[Square, ...]:
    """Return the widest of squares of several images."""
    return tuple(sorted(squares, key=lambda square: -square.mean_width)[:count])


def _stretched(mask: Mask, block: Region, size: Size) -> Mask:
    height, width = mask.shape
    rows = np.arange(block.y, block.bottom) * height // size.height
    columns = np.arange(block.x, block.right) * width // size.width
    stretched: Mask = mask[np.ix_(rows, columns)]
    return stretched
