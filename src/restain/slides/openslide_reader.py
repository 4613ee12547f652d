"""Scanner formats, read by OpenSlide: Aperio SVS, Hamamatsu NDPI, MIRAX, Leica SCN, Ventana, DICOM and more."""

import mmap
from functools import partial
from pathlib import Path
from typing import final

import numpy as np
from openslide import OpenSlide, OpenSlideError
from PIL import Image as Pillow

from restain.errors import SlideError
from restain.geometry import Region, Size
from restain.pixels import Image
from restain.slides.cache import TileCache
from restain.slides.reader import DAMAGED, RGB, SlideInfo, SlideReader
from restain.slides.scale import believe

BLOCK = 1024
"""Edge of the blocks that stand in for tiles on levels that OpenSlide cannot address exactly."""

_JPEG_BASELINE = "1.2.840.10008.1.2.4.50"
_PIXEL_DATA = b"\xe0\x7f\x10\x00OB\x00\x00\xff\xff\xff\xff"


@final
class OpenSlideReader(SlideReader):
    """A slide that OpenSlide opens; always RGB of 8 bits, transparent parts white.

    OpenSlide takes positions in level-0 pixels only. Where a level is not a whole number of times smaller (its vendor
    rounded its extent), most positions fall between pixels and OpenSlide interpolates, so that the same pixel differs
    from read to read. Such levels are read in fixed blocks, each less than half a level-0 pixel off, which makes
    every pixel the same whatever the region.

    Raises:
        SlideError: OpenSlide cannot open the file.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._slide = OpenSlide(path)
            properties = dict(self._slide.properties)
            vendor = properties["openslide.vendor"]
        except (OpenSlideError, KeyError) as error:
            raise SlideError(f"{path} cannot be opened ({error})", fix=DAMAGED) from error
        scale = believe(_number(properties.get("openslide.mpp-x")), _number(properties.get("openslide.mpp-y")))
        self.info = SlideInfo(
            path=path,
            format=f"{vendor} (OpenSlide)",
            levels=tuple(Size(*size) for size in self._slide.level_dimensions),
            mpp=scale.mpp,
            channels=RGB,
            dtype=np.dtype(np.uint8),
            background=255,
            without_mpp=scale.reason,
        )
        self._cache = TileCache()
        self.mistaken_colours = _holds_ycbcr_called_rgb(path, properties)
        """Whether the pixels are YCbCr though the file calls them RGB; they are converted here."""

    def _read_inside(self, region: Region, level: int) -> Image:
        step = self._slide.level_downsamples[level]
        if step.is_integer():
            return self._decode(region, level)
        image = np.empty((region.height, region.width, 3), np.uint8)
        whole = Region.of(self.info.levels[level])
        for y in range(region.y // BLOCK * BLOCK, region.bottom, BLOCK):
            for x in range(region.x // BLOCK * BLOCK, region.right, BLOCK):
                block = Region(x, y, BLOCK, BLOCK).clip(whole)
                pixels = self._cache.get((level, x, y), partial(self._decode, block, level))
                part = block.clip(region)
                image[_relative(part, region).slices] = pixels[_relative(part, block).slices]
        return image

    def _decode(self, region: Region, level: int) -> Image:
        step = self._slide.level_downsamples[level]
        try:
            found = self._slide.read_region(
                (round(region.x * step), round(region.y * step)), level, (region.width, region.height)
            )
        except OpenSlideError as error:
            raise SlideError(f"{self._path}: pixels at {region} cannot be decoded ({error})", fix=DAMAGED) from error
        if found.getchannel("A").getextrema()[0] < 255:  # type: ignore[operator]
            found = Pillow.alpha_composite(Pillow.new("RGBA", found.size, "white"), found)
        rgb = found.convert("RGB")
        if self.mistaken_colours:
            rgb = Pillow.frombytes("YCbCr", rgb.size, rgb.tobytes()).convert("RGB")
        return np.array(rgb)

    def close(self) -> None:
        """Let go of the file."""
        self._slide.close()


def _relative(part: Region, origin: Region) -> Region:
    return Region(part.x - origin.x, part.y - origin.y, part.width, part.height)


def _number(text: str | None) -> float | None:
    return None if text is None else float(text)


def _holds_ycbcr_called_rgb(path: Path, properties: dict[str, str]) -> bool:
    """Whether a DICOM file calls its JPEG frames RGB though they start as JFIF, which is YCbCr by definition.

    OpenSlide believes the tag, and the colours come out teal and pink.
    """
    if (
        properties.get("dicom.PhotometricInterpretation") != "RGB"
        or properties.get("dicom.TransferSyntaxUID") != _JPEG_BASELINE
    ):
        return False
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        frame = data.find(b"\xff\xd8\xff", max(0, data.find(_PIXEL_DATA)))
        return data[frame + 2 : frame + 4] == b"\xff\xe0" and data[frame + 6 : frame + 10] == b"JFIF"
