"""Reading a region of a picture or slide at the scale at which cells are read."""

from dataclasses import dataclass
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import ConfigError, DataError
from restain.geometry import Mpp, Region
from restain.slides import SlideInfo, open_slide, read_at, scale_at
from restain.tissue import Mask

MOST_PIXELS = 2**26
"""Largest region that is read at once, 67 megapixels: finding nuclei needs about 60 bytes per pixel."""


@final
@dataclass(frozen=True, slots=True)
class RegionReader:
    """How files are read: all the same part, at the same scale.

    Args:
        scale: micrometres per pixel; images that are coarser are taken as they are.
        region: in pixels of the file; None for all of it.
        mpp: scale of the files, where they tell it wrong or not at all.
    """

    scale: float
    region: Region | None = None
    mpp: Mpp | None = None

    def read(self, path: Path, tumour: Path | None = None) -> tuple[NDArray[np.uint8], Mpp, Mask | None]:
        """Return the region, its scale, and where in it cells count.

        Args:
            path: a picture or slide, 8-bit colour.
            tumour: a picture of the same size, bright where cells count; None where all do.

        Raises:
            DataError: a region that lies outside or is too large, no colour, or a mask of another size.
            ScaleError: the scale is not known.
        """
        with open_slide(path, self.mpp) as reader:
            info = reader.info
            if len(info.channels) != 3 or info.dtype != np.uint8:
                raise DataError(
                    f"{path} has {len(info.channels)} channels of {info.dtype}, and no colour to see DAB by",
                    fix="give 8-bit images in red, green and blue",
                )
            part, mpp = self._part(info), self.scale_of(info)
            image = read_at(reader, part, mpp)
        if tumour is None:
            return image, mpp, None
        with open_slide(tumour, info.mpp) as reader:
            if reader.info.size != info.size:
                raise DataError(
                    f"the mask {tumour} of {reader.info.size} px does not fit {path} of {info.size} px",
                    fix="give a mask of the size of the image",
                )
            plane = read_at(reader, part, mpp)
            return image, mpp, plane.max(axis=2) > np.iinfo(plane.dtype).max // 2

    def refuse_misfit(self, pred: Path, target: Path) -> None:
        """Refuse to compare images of which a region, or the whole, is not the same place.

        Raises:
            DataError: sizes or scales that differ.
        """
        with open_slide(pred, self.mpp) as one, open_slide(target, self.mpp) as other:
            a, b = one.info, other.info
        if a.size != b.size or (a.mpp and b.mpp and not a.mpp.is_close(b.mpp)):
            raise DataError(
                f"{pred} has {a.size} px of {a.mpp or 'unknown scale'}, its truth {b.size} px of "
                f"{b.mpp or 'unknown scale'}",
                fix="bring both to one size and scale",
            )

    def scale_of(self, info: SlideInfo) -> Mpp:
        """Return the scale at which an image is read; ScaleError where its own is not known."""
        own = info.require_mpp()
        return own if own.mean > self.scale else scale_at(info, Mpp.square(self.scale))

    def _part(self, info: SlideInfo) -> Region:
        """Return the region in pixels of the scale at which it is read."""
        own, mpp = info.require_mpp(), self.scale_of(info)
        region = inside(self.region, info)
        left, top = round(region.x * own.x / mpp.x), round(region.y * own.y / mpp.y)
        right, bottom = round(region.right * own.x / mpp.x), round(region.bottom * own.y / mpp.y)
        part = Region(left, top, max(1, right - left), max(1, bottom - top))
        if part.size.area > MOST_PIXELS:
            raise DataError(
                f"the {part.size} px of {info.path} are too many to read at once", fix="choose a part with --region"
            )
        return part


def inside(region: Region | None, info: SlideInfo) -> Region:
    """Return the region of a file, all of it for None; DataError where it does not lie inside."""
    whole = Region.of(info.size)
    if region is None:
        return whole
    if region.size.area <= 0 or min(region.width, region.height) <= 0 or region.clip(whole) != region:
        raise DataError(
            f"a region of {region.size} px at {region.x}, {region.y} does not lie inside the {info.size} px of "
            f"{info.path}",
            fix="give X,Y,W,H in pixels of the file, from its upper left corner",
        )
    return region


def parse_region(text: str) -> Region:
    """Return the region that ``X,Y,W,H`` stands for.

    Raises:
        ConfigError: it is not four whole numbers.
    """
    try:
        x, y, width, height = (int(part) for part in text.split(","))
    except ValueError:
        raise ConfigError(f"{text!r} is no region", fix="give four whole numbers, as in 0,0,1000,1000") from None
    return Region(x, y, width, height)
