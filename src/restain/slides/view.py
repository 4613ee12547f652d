"""Reading at a scale rather than a level: the slide as a virtual image with any micrometres per pixel."""

from dataclasses import dataclass
from typing import final

import numpy as np

from restain.geometry import SAME_SCALE, Mpp, Region, Size
from restain.pixels import Image
from restain.slides.reader import SlideInfo, SlideReader
from restain.slides.resampling import resample, taps

BLOCK = 2048
"""Edge of the largest piece of a level that is held at once: 12 MB of RGB. It bounds the memory of any read."""


@final
@dataclass(frozen=True)
class Overview:
    """A small picture of a whole slide.

    Args:
        image: (H, W, C). With s = ``downsample``, pixel (i, j) covers [i s, (i + 1) s) x [j s, (j + 1) s) of level 0.
        downsample: level-0 pixels per pixel of the picture, along both axes.
    """

    image: Image
    downsample: float


@final
@dataclass(frozen=True)
class View:
    """A virtual image: a pyramid level and how many of its pixels one pixel of the image covers along each axis."""

    level: int
    step_x: float
    step_y: float
    size: Size


def size_at(info: SlideInfo, mpp: Mpp) -> Size:
    """Return the extent of the slide at a scale.

    Raises:
        ScaleError: the slide's own scale is not known.
    """
    return view_at(info, mpp).size


def read_at(reader: SlideReader, region: Region, mpp: Mpp) -> Image:
    """Read a rectangle of the slide at a scale.

    A level of the same scale (within ``geometry.SAME_SCALE``) is read as it is. Otherwise the nearest finer level is
    shrunk by the mean over the exact area of each pixel, or, where the slide is nowhere as fine, level 0 is grown by
    bilinear interpolation. The value of a pixel does not depend on the region it is read with.

    Args:
        reader: the slide.
        region: in pixels of the virtual image; what lies outside it is filled with the background.
        mpp: the scale of the virtual image.

    Returns:
        (height, width, channels) of the slide's type.

    Raises:
        ScaleError: the slide's own scale is not known.
        SlideError: pixels that cannot be decoded, or an empty region.
    """
    return read_view(reader, view_at(reader.info, mpp), region)


def overview(reader: SlideReader, side: int) -> Overview:
    """Return the whole slide as a picture whose longer edge is at most ``side`` pixels.

    It needs no scale, and memory for the picture and one block only, even where the slide has a single level.

    Raises:
        SlideError: pixels that cannot be decoded.
    """
    info = reader.info
    downsample = max(1.0, max(info.size.width, info.size.height) / side)
    size = Size(max(1, round(info.size.width / downsample)), max(1, round(info.size.height / downsample)))
    level = max(k for k, fine in enumerate(info.downsamples) if fine <= downsample * (1 + 1e-9))
    step = _whole(downsample / info.downsamples[level])
    return Overview(read_view(reader, View(level, step, step, size), Region.of(size)), downsample)


def view_at(info: SlideInfo, mpp: Mpp) -> View:
    """Choose the level and the step for a scale.

    Raises:
        ScaleError: the slide's own scale is not known.
    """
    own = info.require_mpp()
    scales = [(own.x * fine, own.y * fine) for fine in info.downsamples]
    for level, (x, y) in enumerate(scales):
        if abs(x / mpp.x - 1) < SAME_SCALE and abs(y / mpp.y - 1) < SAME_SCALE:
            return View(level, 1.0, 1.0, info.levels[level])
    level = max((k for k, (x, y) in enumerate(scales) if x <= mpp.x and y <= mpp.y), default=0)
    x, y = scales[level]
    size = Size(max(1, round(info.size.width * own.x / mpp.x)), max(1, round(info.size.height * own.y / mpp.y)))
    return View(level, _whole(mpp.x / x), _whole(mpp.y / y), size)


def read_view(reader: SlideReader, view: View, region: Region) -> Image:
    """Read a rectangle of a virtual image, block by block."""
    if view.step_x == view.step_y == 1:
        return reader.read(region, view.level)
    info = reader.info
    inside = region.clip(Region.of(view.size))
    image = np.full((region.height, region.width, len(info.channels)), info.background, dtype=info.dtype)
    if not inside.size.area:
        return image
    for part in inside.tiles(max(1, int(BLOCK / max(view.step_x, view.step_y, 1)))):
        image[Region(part.x - region.x, part.y - region.y, part.width, part.height).slices] = _part(reader, view, part)
    return image


def _part(reader: SlideReader, view: View, part: Region) -> Image:
    level = reader.info.levels[view.level]
    columns = taps(view.step_x, part.x, part.right, level.width)
    rows = taps(view.step_y, part.y, part.bottom, level.height)
    (left, right), (top, bottom) = columns.span, rows.span
    return resample(reader.read(Region(left, top, right - left, bottom - top), view.level), rows, columns)


def _whole(step: float) -> float:
    """Take a step that is a whole number but for rounding errors as that number."""
    return float(round(step)) if abs(step - round(step)) < 1e-9 * step else step
