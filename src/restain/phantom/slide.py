"""A phantom as a slide: in place of a file, and as a file."""

from pathlib import Path
from typing import final

import numpy as np

from restain.geometry import Mpp, Point, Region, Size
from restain.phantom.autofluorescence import CHANNEL_NAMES
from restain.phantom.grid import samples_per_edge
from restain.phantom.phantom import Phantom
from restain.phantom.section import REFERENCE, Section
from restain.phantom.stains import Stain
from restain.pixels import Image
from restain.slides import RGB, SlideInfo, SlideReader, background_of, create_slide

STEP = 4
"""Each level of the pyramid is this much coarser than the one before."""

SMALLEST = 512
"""No level is added below one whose longer edge is at most this, in pixels."""

BLOCK = 1024
"""Samples along the edge of what is drawn at once: bounds memory at about 200 MB."""


@final
class PhantomSlide(SlideReader):
    """A slide that draws what is read of it.

    Every level is drawn at its own scale, like a scan with another objective: from pixels that are means of samples at
    most half a micrometre apart, and as an overview without single nuclei where pixels exceed four micrometres.

    Args:
        phantom: the tissue; give it an ``Extent`` of the slide's size to have glass around it.
        stain: what is seen.
        size: extent of level 0 in pixels.
        mpp: scale of level 0.
        section: the cut.
    """

    def __init__(self, phantom: Phantom, stain: Stain, size: Size, mpp: Mpp, section: Section = REFERENCE) -> None:
        self.phantom = phantom
        self.stain: Stain = stain
        self.section = section
        levels = [size]
        while max(levels[-1].width, levels[-1].height) > SMALLEST:
            levels.append(Size(max(1, levels[-1].width // STEP), max(1, levels[-1].height // STEP)))
        dark = stain == "autofluorescence"
        channels = CHANNEL_NAMES if dark else RGB
        dtype = np.dtype(np.uint16 if dark else np.uint8)
        self.info = SlideInfo(
            path=Path(f"phantom-{phantom.seed}-{stain}-{section.number}"),
            format="synthetic tissue",
            levels=tuple(levels),
            mpp=mpp,
            channels=channels,
            dtype=dtype,
            background=background_of(channels, dtype),
        )

    def _read_inside(self, region: Region, level: int) -> Image:
        base = self.info.require_mpp()
        mpp = Mpp(base.x * STEP**level, base.y * STEP**level)
        image = np.empty((region.height, region.width, len(self.info.channels)), self.info.dtype)
        side = max(64, BLOCK // max(samples_per_edge(mpp.x), samples_per_edge(mpp.y)))
        for part in region.tiles(side):
            drawn = self.phantom.render(self.stain, part, mpp, self.section)
            image[part.shift(Point(-region.x, -region.y)).slices] = drawn
        return image

    def close(self) -> None:
        """Do nothing: no file is open."""


def write_phantom(path: Path, slide: PhantomSlide, quality: int = 90, tile: int = 512) -> None:
    """Write a phantom slide as a pyramidal OME-TIFF; a call that was killed is taken up again by the next.

    The levels of the file are means of its base, as in any scan, not the drawn levels of ``PhantomSlide``. Colour is
    compressed with JPEG, autofluorescence without loss (zstd).

    Args:
        path: ends in ``.ome.tiff``.
        slide: what to write.
        quality: of JPEG.
        tile: edge of a tile in pixels.

    Raises:
        OutputError: the place cannot be written to.
    """
    info = slide.info
    provenance = {
        "software": "restain.phantom",
        "seed": str(slide.phantom.seed),
        "stain": slide.stain,
        "section": str(slide.section.number),
        "extent": str(slide.phantom.extent),
        "shape": str(slide.phantom.shape),
    }
    with create_slide(
        path,
        info.size,
        info.mpp,
        info.channels,
        info.dtype,
        compression="jpeg" if info.channels == RGB else "zstd",
        quality=quality,
        tile=tile,
        provenance=provenance,
    ) as writer:
        for part in Region.of(info.size).tiles(tile):
            if not writer.has(part.at):
                writer.write(slide.read(part), part.at)
