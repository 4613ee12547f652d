"""Tile results in, finished pixels out, while keeping no more than one strip of the slide."""

from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.geometry import Region
from restain.tissue.plan import Tile, TilePlan

Pixels = NDArray[np.float32]
"""(H, W, C) float32."""


@final
class Blender:
    """Adds up the tiles of a plan with their weights; a core is finished as soon as its own tile has arrived.

    Tiles must come in row-major order. The result does not depend on anything else, and a run can be taken up at any
    row: its pixels depend on its own tiles and on those of the row above, and are added up in the same order.

    Memory bound
    ------------
    With b = halo, S = stride, C channels and a slide of width W, the blender keeps ``b * W * C`` floats (the lower
    edge of the row above, which the next row fades over) and ``(S + b) * b * C`` (the right edge of the tile before).
    This does not depend on the height of the slide. It rests on the halo being at most a third of the side: a tile then
    overlaps only its eight neighbours.

    Args:
        plan: the tiles.
        channels: C, of the results.
        first_row: the first row of tiles whose pixels are wanted. To take up a run at row r > 0, feed the tiles from
            row r - 1 on: those of row r - 1 give the strip that row r fades over, and no output.
    """

    def __init__(self, plan: TilePlan, channels: int, first_row: int = 0) -> None:
        self._plan = plan
        self._channels = channels
        self._first_row = first_row
        self._next = plan.tile(max(first_row - 1, 0), 0).index
        self._below = np.zeros((plan.halo, plan.size.width, channels), np.float32)
        self._right = np.zeros((0, 0, channels), np.float32)

    def add(self, tile: Tile, pixels: Pixels) -> tuple[Region, Pixels] | None:
        """Blend in the next tile.

        Args:
            tile: of the plan, the one after the last.
            pixels: (T, T, C), the result for ``tile.source``; or (C,), the same colour everywhere.

        Returns:
            ``tile.core`` and its finished pixels (height, width, C), the caller's own; None for a tile above the first
            row.

        Raises:
            DataError: a tile out of order, or pixels of another shape.
        """
        if tile.index != self._next:
            raise DataError(
                f"tile {tile.index} was blended where tile {self._next} is due", fix="feed tiles in row-major order"
            )
        self._next += 1
        total = self._weighted(tile, pixels)
        if tile.column > 0:
            total[: self._right.shape[0], : self._right.shape[1]] += self._right

        core = tile.core
        self._right = total[:, core.width :].copy()  # without the row above, which the next tile adds for itself
        finished = total[:, : core.width]
        below = self._below[:, core.x : core.right]
        if tile.row > 0:
            finished[: self._plan.halo] += below
        if core.bottom < self._plan.size.height:
            below[:] = finished[core.height :]
        return (core, finished[: core.height].copy()) if tile.row >= self._first_row else None

    def _weighted(self, tile: Tile, pixels: Pixels) -> Pixels:
        side, window = self._plan.side, tile.window
        if pixels.shape not in ((side, side, self._channels), (self._channels,)):
            raise DataError(
                f"a tile result of shape {pixels.shape} is not {(side, side, self._channels)}",
                fix="return as many pixels as the tile has",
            )
        down, across = self._plan.down.weights(tile.row), self._plan.across.weights(tile.column)
        inner = Region(window.x - tile.source.x, window.y - tile.source.y, window.width, window.height)
        everywhere = np.broadcast_to(np.asarray(pixels, np.float32), (side, side, self._channels))
        inside = everywhere[inner.slices]
        # Lines are flattened, so that the innermost loop is long: several times faster.
        shares = down[:, None] * np.repeat(across, self._channels)
        return (shares * inside.reshape(shares.shape)).reshape(inside.shape)
