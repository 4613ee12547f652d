"""Reading at a scale rather than a level: the slide as a virtual image with any micrometres per pixel."""

import math
from dataclasses import dataclass
from typing import final

import numpy as np

from restain.geometry import SAME_SCALE, Mpp, Region, Size
from restain.pixels import Image
from restain.slides.reader import SlideInfo, SlideReader
from restain.slides.resampling import resample, shrink, taps

BLOCK = 2048
"""Edge of the largest piece of a level that is held at once: 12 MB of RGB. It bounds the memory of any read."""

_WHOLE_FROM = 4
"""An overview so much smaller than its level takes a whole step: several times faster, at most a fifth less in size."""

_ROUNDING = 1e-9


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
    """A virtual image: a pyramid level, and how many of its pixels one pixel of the image covers along each axis."""

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


def scale_at(info: SlideInfo, mpp: Mpp) -> Mpp:
    """Return the exact scale of what ``read_at`` gives, which is within ``geometry.SAME_SCALE`` of what was asked.

    Raises:
        ScaleError: the slide's own scale is not known.
    """
    own, view = info.require_mpp(), view_at(info, mpp)
    fine = info.downsamples[view.level]
    return Mpp(own.x * fine * view.step_x, own.y * fine * view.step_y)


def read_at(reader: SlideReader, region: Region, mpp: Mpp) -> Image:
    """Read a rectangle of the slide at a scale.

    The nearest pyramid level that is as fine or finer is read as it is where the scales are the same (within
    ``geometry.SAME_SCALE``). Else it is shrunk by the mean over the exact area of each pixel, by a whole number of
    pixels where that gives the same scale; a slide that is nowhere so fine is grown by bilinear interpolation. The
    value of a pixel does not depend on the region it is read with.

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
    level = max(k for k, fine in enumerate(info.downsamples) if fine <= downsample * (1 + _ROUNDING))
    step = downsample / info.downsamples[level]
    if step > _WHOLE_FROM or abs(step - round(step)) < _ROUNDING * step:
        step = float(math.ceil(step * (1 - _ROUNDING)))
    downsample = step * info.downsamples[level]
    size = Size(max(1, round(info.size.width / downsample)), max(1, round(info.size.height / downsample)))
    return Overview(read_view(reader, View(level, step, step, size), Region.of(size)), downsample)


def view_at(info: SlideInfo, mpp: Mpp) -> View:
    """Choose the level and the step for a scale.

    Raises:
        ScaleError: the slide's own scale is not known.
    """
    own = info.require_mpp()
    limit_x, limit_y = mpp.x * (1 + SAME_SCALE), mpp.y * (1 + SAME_SCALE)
    fine_enough = [k for k, fine in enumerate(info.downsamples) if own.x * fine < limit_x and own.y * fine < limit_y]
    level = max(fine_enough, default=0)
    step_x, step_y = (target / (edge * info.downsamples[level]) for target, edge in ((mpp.x, own.x), (mpp.y, own.y)))
    whole_x, whole_y = max(1, round(step_x)), max(1, round(step_y))
    size = info.levels[level]
    if abs(step_x / whole_x - 1) < SAME_SCALE and abs(step_y / whole_y - 1) < SAME_SCALE:
        step_x, step_y = float(whole_x), float(whole_y)
    return View(level, step_x, step_y, Size(max(1, round(size.width / step_x)), max(1, round(size.height / step_y))))


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
        whole = view.step_x == view.step_y and view.step_x.is_integer()
        pixels = _shrunk(reader, view, part) if whole else _resampled(reader, view, part)
        image[Region(part.x - region.x, part.y - region.y, part.width, part.height).slices] = pixels
    return image


def _shrunk(reader: SlideReader, view: View, part: Region) -> Image:
    step = int(view.step_x)
    covered = Region(part.x * step, part.y * step, part.width * step, part.height * step)
    inside = covered.clip(Region.of(reader.info.levels[view.level]))
    pixels = reader.read(inside, view.level)
    if inside != covered:  # the last pixel may reach beyond the level, whose own last pixel then counts more than once
        pixels = np.pad(
            pixels, ((0, covered.height - inside.height), (0, covered.width - inside.width), (0, 0)), "edge"
        )
    return shrink(pixels, step)


def _resampled(reader: SlideReader, view: View, part: Region) -> Image:
    level = reader.info.levels[view.level]
    columns = taps(view.step_x, part.x, part.right, level.width)
    rows = taps(view.step_y, part.y, part.bottom, level.height)
    (left, right), (top, bottom) = columns.span, rows.span
    return resample(reader.read(Region(left, top, right - left, bottom - top), view.level), rows, columns)
