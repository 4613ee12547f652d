"""An image in memory, as a slide."""

from pathlib import Path
from typing import final

import numpy as np

from restain.bundle import Card
from restain.errors import DataError
from restain.geometry import Mpp, Region, Size
from restain.pixels import Image
from restain.slides import SlideInfo, SlideReader, background_of


@final
class ArrayReader(SlideReader):
    """A slide of one level that is held in memory; the array is not copied.

    Args:
        image: (H, W, C) uint8 or uint16.
        channels: C names.
        mpp: its scale, if it is known.

    Raises:
        DataError: another shape or type, or no pixels.
    """

    def __init__(self, image: Image, channels: tuple[str, ...], mpp: Mpp | None) -> None:
        if image.ndim != 3 or image.size == 0 or image.dtype not in (np.uint8, np.uint16):
            raise DataError(
                f"an image of shape {image.shape} and type {image.dtype} is not (H, W, C) of uint8 or uint16",
                fix="convert it to 8 or 16 bits with a channel axis at the end",
            )
        self._image = image
        self.info = SlideInfo(
            path=Path("the image"),
            format="array",
            levels=(Size(image.shape[1], image.shape[0]),),
            mpp=mpp,
            channels=channels,
            dtype=image.dtype,
            background=background_of(channels, image.dtype),
        )

    def _read_inside(self, region: Region, level: int) -> Image:
        return self._image[region.slices].copy()

    def close(self) -> None:
        """Do nothing: the array is the caller's."""


def reader_of(image: Image, card: Card, mpp: Mpp | None) -> ArrayReader:
    """Return an array as a slide whose channels are those a model takes, where they are as many.

    Raises:
        DataError: an image of another shape or type.
    """
    takes = card.source.channels
    count = image.shape[-1] if image.ndim else 0
    names = takes if count == len(takes) else tuple(f"channel {k}" for k in range(count))
    return ArrayReader(image, names, mpp)
