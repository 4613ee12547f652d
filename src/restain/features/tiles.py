"""The images that features are taken from: whole files, or the tiles of large ones."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from restain.errors import DataError
from restain.geometry import Region, Size
from restain.pixels import Image
from restain.slides import open_slide

LARGEST = 4096
"""Side in pixels of the largest image that is taken whole: beyond it stands a slide, which would not fit in memory."""


def tiles_in(paths: Iterable[Path], side: int | None) -> Iterator[Image]:
    """Yield the tiles of images, row by row, file by file.

    Args:
        paths: images or slides in 8-bit colour, of any size.
        side: images that are at least this wide and high are cut into squares of this side that do not overlap, and
            what is left over at the right and lower edge is passed over; smaller images are taken whole. None to take
            all images whole.

    Raises:
        DataError: an image that is not in 8-bit colour, or too large to be taken whole.
        SlideError: an image that cannot be read.
    """
    for path in paths:
        with open_slide(path) as slide:
            info = slide.info
            if len(info.channels) != 3 or info.dtype != np.uint8:
                raise DataError(
                    f"{path} is {len(info.channels)} x {info.dtype}, and features are taken from 8-bit colour",
                    fix="compare images in 8-bit colour",
                )
            if side is None and max(info.size.width, info.size.height) > LARGEST:
                raise DataError(f"{path} has {info.size} px and cannot be taken whole", fix="cut it into tiles")
            for tile in _tiles(info.size, side):
                yield slide.read(tile)


def _tiles(size: Size, side: int | None) -> Iterator[Region]:
    if side is None or min(size.width, size.height) < side:
        yield Region.of(size)
        return
    yield from (tile for tile in Region.of(size).tiles(side) if tile.size == Size(side, side))
