"""How a slide is cut into network tiles, and how their results share its pixels.

Along each axis, tiles of side T with halo h start every S = T - 2h pixels. The halo is spent on two things: the
outermost d = h/2 pixels of a tile, where the network sees no context, are thrown away; of what is left, the last
b = h pixels cross-fade linearly with the first b pixels of the next tile. So T = d + S + b + d; with h = 4 and S = 12::

    tile k        dd............bbbbdd
    tile k + 1                dd............bbbbdd

The weights of all tiles add up to 1 everywhere. At the ends of the slide nothing fades.
"""

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import ConfigError, DataError
from restain.geometry import Region, Size

Mask = NDArray[np.bool_]
"""(H, W), True where there is tissue."""


@final
@dataclass(frozen=True, slots=True)
class Axis:
    """The tiles along one edge of the slide.

    Args:
        length: of the edge in pixels.
        side: T, the side of a tile.
        halo: h, in pixels.
    """

    length: int
    side: int
    halo: int

    @property
    def stride(self) -> int:
        """S, the pixels from one tile to the next."""
        return self.side - 2 * self.halo

    @property
    def count(self) -> int:
        """Number of tiles; a single one takes all that fits into it, with no margin lost."""
        if self.length <= self.side:
            return 1
        return -(-(self.length - self.halo) // self.stride)  # the last tile also keeps the b pixels that others fade

    def source(self, k: int) -> int:
        """Return where the input of tile k begins; it may lie outside the slide."""
        if self.count == 1:
            return -((self.side - self.length) // 2)
        return k * self.stride - self.halo // 2

    def window(self, k: int) -> tuple[int, int]:
        """Return first and end of the pixels that tile k has a share in."""
        return k * self.stride, self.length if k == self.count - 1 else (k + 1) * self.stride + self.halo

    def core(self, k: int) -> tuple[int, int]:
        """Return first and end of the pixels that are finished after tile k."""
        return k * self.stride, self.length if k == self.count - 1 else (k + 1) * self.stride

    def weights(self, k: int) -> NDArray[np.float32]:
        """Return the share of tile k in each pixel of its window."""
        first, end = self.window(k)
        weights = np.ones(end - first, np.float32)
        rise = ((np.arange(self.halo) + 0.5) / max(self.halo, 1)).astype(np.float32)
        if k > 0:
            weights[: self.halo] = rise
        if k < self.count - 1:
            weights[len(weights) - self.halo :] = 1 - rise
        return weights


@final
@dataclass(frozen=True, slots=True)
class Tile:
    """One tile of a plan.

    Args:
        index: position in row-major order.
        row: of the plan.
        column: of the plan.
        source: what the network sees, T x T pixels; it may reach outside the slide.
        window: the pixels that the tile has a share in.
        core: the pixels that are finished once the tile is blended in; the cores of all tiles cover the slide once.
        is_tissue: whether there is tissue in the window; a tile without may be filled with background.
    """

    index: int
    row: int
    column: int
    source: Region
    window: Region
    core: Region
    is_tissue: bool


@final
@dataclass(frozen=True)
class TilePlan:
    """The tiles of a slide, row by row from the top left. An image that fits into one tile is one tile.

    Args:
        size: of the slide in pixels, at the scale at which it is stained.
        side: T, the side of a tile in pixels.
        halo: h, even, at most T/3, so that no pixel belongs to more than two tiles of a row.
        mask: (h, w) of any resolution, stretched over the slide; None if there may be tissue everywhere.

    Raises:
        ConfigError: a side or halo that does not work.
        DataError: a slide or a mask without pixels.
    """

    size: Size
    side: int
    halo: int
    mask: Mask | None = field(default=None, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse what cannot be tiled."""
        if self.side < 1:
            raise ConfigError(f"a tile side of {self.side} pixels is not positive", fix="use for example 256")
        if self.halo < 0 or self.halo % 2 or 3 * self.halo > self.side:
            raise ConfigError(
                f"a halo of {self.halo} pixels does not fit tiles of {self.side}",
                fix=f"choose an even number from 0 to {self.side // 3 // 2 * 2}",
            )
        if self.size.width < 1 or self.size.height < 1:
            raise DataError(f"a slide of {self.size} pixels is empty", fix="check the input")
        if self.mask is not None and (self.mask.ndim != 2 or self.mask.size == 0):
            raise DataError(f"a tissue mask of shape {self.mask.shape} is not (H, W)", fix="pass one value per pixel")

    @property
    def across(self) -> Axis:
        """The tiles of a row."""
        return Axis(self.size.width, self.side, self.halo)

    @property
    def down(self) -> Axis:
        """The tiles of a column."""
        return Axis(self.size.height, self.side, self.halo)

    def __len__(self) -> int:
        """Return the number of tiles."""
        return self.across.count * self.down.count

    def rows(self, start: int = 0) -> Iterator[tuple[Tile, ...]]:
        """Yield the rows of tiles from row ``start`` on."""
        for row in range(start, self.down.count):
            yield tuple(self.tile(row, column) for column in range(self.across.count))

    def tile(self, row: int, column: int) -> Tile:
        """Return one tile."""
        (x, right), (y, bottom) = self.across.window(column), self.down.window(row)
        window = Region(x, y, right - x, bottom - y)
        (x, right), (y, bottom) = self.across.core(column), self.down.core(row)
        core = Region(x, y, right - x, bottom - y)
        source = Region(self.across.source(column), self.down.source(row), self.side, self.side)
        index = row * self.across.count + column
        return Tile(index, row, column, source, window, core, self._is_tissue(window))

    def _is_tissue(self, window: Region) -> bool:
        if self.mask is None:
            return True
        height, width = self.mask.shape
        rows = slice(window.y * height // self.size.height, -(-window.bottom * height // self.size.height))
        columns = slice(window.x * width // self.size.width, -(-window.right * width // self.size.width))
        return bool(self.mask[rows, columns].any())
