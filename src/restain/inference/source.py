"""The slide as the model takes it: at the model's scale, in its channels, without edges."""

from typing import final

import numpy as np

from restain.bundle import Card
from restain.errors import BundleError, DataError
from restain.geometry import Mpp, Region, Size
from restain.pixels import Image, Planes, planes_from_image
from restain.slides import (
    RGB,
    SlideInfo,
    SlideReader,
    contradict,
    first_difference,
    in_words,
    read_at,
    scale_at,
    size_at,
)


@final
class Source:
    """A slide through the eyes of a model.

    Args:
        reader: the slide.
        card: of the model.

    Raises:
        BundleError: the model takes other channels.
        ScaleError: the model has a scale and that of the slide is not known.

    Attributes:
        info: what is known of the slide.
        mpp: the scale at which the slide is read; None where the model takes pixels as they are.
        size: the extent at this scale; it covers the whole slide.
        is_native: whether the pixels are those of level 0.
    """

    def __init__(self, reader: SlideReader, card: Card) -> None:
        check_channels(reader.info, card)
        info = reader.info
        self._reader = reader
        self._window = card.source.window
        self.info = info
        self.mpp = None if card.mpp is None else working_scale(info, Mpp.square(card.mpp))
        self.is_native = self.mpp is None or self.mpp == info.mpp
        self.size = info.size if self.mpp is None else covering(info, self.mpp)
        self._inside = Region.of(info.size if self.mpp is None else size_at(info, self.mpp))

    def planes(self, region: Region) -> Planes:
        """Read a rectangle as the network wants it: (C, height, width) in [-1, 1], through the window of the card."""
        return planes_from_image(self.read(region), self._window)

    def read(self, region: Region) -> Image:
        """Read a rectangle; beyond the edges the image is mirrored, which a network minds less than a sudden border.

        Args:
            region: in pixels at ``mpp``; it must meet the slide.

        Returns:
            (height, width, C) of the slide's type.
        """
        inside = region.clip(self._inside)
        if not inside.size.area:
            raise DataError(f"{region} lies outside the slide of {self.size} px", fix="ask for a part of the slide")
        image = self._reader.read(inside) if self.mpp is None else read_at(self._reader, inside, self.mpp)
        if inside == region:
            return image
        margins = (
            (inside.y - region.y, region.bottom - inside.bottom),
            (inside.x - region.x, region.right - inside.right),
            (0, 0),
        )
        return np.pad(image, margins, mode="symmetric")


def working_scale(info: SlideInfo, wanted: Mpp) -> Mpp:
    """Return the exact scale at which a slide is read for a model, within ``geometry.SAME_SCALE`` of the wanted one.

    A model that works at a finer scale gets a whole fraction of the slide's scale where one is close, so that its stain
    shrinks back to exactly the slide's pixels.

    Raises:
        ScaleError: the slide's own scale is not known.
    """
    own = info.require_mpp()
    parts = max(1, round(own.mean / wanted.mean))
    fraction = Mpp(own.x / parts, own.y / parts)
    return fraction if fraction.is_close(wanted) or wanted.is_close(fraction) else scale_at(info, wanted)


def covering(info: SlideInfo, mpp: Mpp) -> Size:
    """Return the extent at a scale, rounded up, so that no pixel of the slide is left out."""
    own = info.require_mpp()
    return Size(_cover(info.size.width * own.x / mpp.x), _cover(info.size.height * own.y / mpp.y))


def check_channels(info: SlideInfo, card: Card) -> None:
    """Compare the channels of a slide with those a model takes.

    Raises:
        BundleError: their number or their names differ, or one is a colour image and the other is not.
    """
    found, wanted = info.channels, card.source.channels
    if len(found) != len(wanted) or (found == RGB) != (wanted == RGB):
        raise BundleError(
            f"{info.path} has {in_words(found)}, but model {card.name!r} takes {in_words(wanted)}",
            fix=f"choose a model for such images (`restain models` lists them), or an image of {card.source.name}",
        )
    if contradict(found, wanted):
        raise BundleError(
            f"{info.path} holds other channels than model {card.name!r} takes, or in another order: "
            f"{first_difference(found, wanted)}",
            fix="save the channels in the order of source.channels in its card.yaml, under the names there",
        )


def _cover(pixels: float) -> int:
    whole = round(pixels)
    return max(1, whole if abs(pixels - whole) < 1e-6 * pixels else int(np.ceil(pixels)))
