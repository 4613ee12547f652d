"""The panels of a tile: source, virtual, real, difference, uncertainty, with a bar of known length."""

import io
import math
from collections.abc import Sequence
from pathlib import Path

import matplotlib as mpl
import numpy as np
from PIL import Image as Pillow
from PIL import ImageDraw, ImageFont

from restain.errors import DataError
from restain.geometry import Mpp
from restain.pixels import Image
from restain.reports.picture import LIMIT, Picture, difference, visible
from restain.reports.report.cases import Views
from restain.reports.scale import colour_scale

FONT = Path(mpl.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
"""Pillow's own font has no Greek letter for micrometres."""

EFFORT = 3
"""Of the compression of PNG: most takes six times as long for a few percent."""

BAR = 0.3
"""Longest scale bar, as a share of the width of a picture."""


def panels_of(views: Views) -> list[tuple[str, Picture]]:
    """Return what is shown of a tile, in order: titles and pictures; the last ones are in the colours of the scale."""
    shown = [] if views.source is None else [("source", visible(views.source))]
    shown += [("virtual", visible(views.pred)), ("real", visible(views.target))]
    shown.append(("difference", difference(views.pred, views.target)))
    if views.uncertainty is not None:
        shown.append(("uncertainty", _coloured(views.uncertainty)))
    return shown


def _coloured(width: Image) -> Picture:
    """Return the width of intervals, (H, W, 1) uint8 in grey levels of white, in the colours of differences."""
    if width.dtype != np.uint8 or width.shape[2] != 1:
        raise DataError(
            f"an uncertainty of shape {width.shape} and type {width.dtype} is no width of intervals in grey levels",
            fix="make it with `restain stain --uncertainty`",
        )
    colours = colour_scale()
    steps = np.rint(width[..., 0] / LIMIT * (len(colours) - 1)).clip(0, len(colours) - 1)
    picture: Picture = colours[steps.astype(np.intp)]
    return picture


def fitted(picture: Picture, side: int) -> Picture:
    """Return a picture with this longer edge; enlarged pixels keep their edges."""
    image = Pillow.fromarray(picture)
    factor = side / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    return np.asarray(image.resize(size, Pillow.Resampling.BOX if factor < 1 else Pillow.Resampling.NEAREST))


def bar_length(width: float) -> float:
    """Return the length of a scale bar in micrometres for a picture so wide: 1, 2 or 5 times a power of ten.

    >>> [bar_length(width) for width in (1, 64, 256, 1000)]
    [0.2, 10.0, 50.0, 200.0]
    """
    longest = BAR * width
    power = 10.0 ** math.floor(math.log10(longest))
    return next(step * power for step in (5.0, 2.0, 1.0) if step * power <= longest * (1 + 1e-9))


def with_bar(picture: Picture, mpp: Mpp, extent: int) -> Picture:
    """Return a picture with a scale bar at its lower right.

    Args:
        picture: (H, W, 3), of any size.
        mpp: of the pixels it was made of.
        extent: how many of them it is wide.
    """
    image = Pillow.fromarray(picture)
    length = bar_length(extent * mpp.x)
    pixels = round(length / mpp.x / extent * image.width)
    margin, thick = max(6, image.width // 40), max(3, image.height // 100)
    right, bottom = image.width - margin, image.height - margin
    text, font = f"{length:g} µm", ImageFont.truetype(FONT, max(11, image.width // 24))
    draw = ImageDraw.Draw(image, "RGBA")
    wide = max(pixels, round(font.getlength(text)))
    top = bottom - thick - font.getbbox(text)[3] - 4
    draw.rectangle((right - wide - 4, top - 2, right + 4, bottom + 3), fill=(255, 255, 255, 215))
    draw.rectangle((right - (wide + pixels) // 2, bottom - thick, right - (wide - pixels) // 2, bottom), fill="black")
    draw.text((right - wide / 2, bottom - thick - 3), text, fill="black", font=font, anchor="ms")
    return np.asarray(image)


def legend() -> Picture:
    """Return the colours of differences as a bar, from none to ``LIMIT`` grey levels and more."""
    return np.ascontiguousarray(np.broadcast_to(colour_scale(256), (10, 256, 3)))


def png_of(picture: Picture) -> bytes:
    """Return a picture as a PNG."""
    file = io.BytesIO()
    Pillow.fromarray(picture).save(file, "PNG", compress_level=EFFORT)
    return file.getvalue()


def strip(panels: Sequence[tuple[str, Picture]], side: int, mpp: Mpp | None) -> list[tuple[str, Picture]]:
    """Return panels of one size, the first one with a scale bar where the scale is known."""
    found = [(title, fitted(picture, side)) for title, picture in panels]
    if mpp is not None:
        title, picture = found[0]
        found[0] = (title, with_bar(picture, mpp, panels[0][1].shape[1]))
    return found
