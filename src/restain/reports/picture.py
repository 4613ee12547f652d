"""Pictures that lay images side by side."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from PIL import Image as PillowImage
from PIL import ImageDraw, ImageFont

from restain.errors import DataError
from restain.pixels import Image
from restain.reports.scale import colour_scale

Picture = NDArray[np.uint8]
"""(H, W, 3) uint8, sRGB."""

LIMIT = 96.0
"""Difference in grey levels at the top of the colour scale: about that between brown and blue nuclei."""

GAP = 12
"""Pixels between and around panels."""

TITLE = 30
"""Height of the line of titles in pixels."""

SCALE = 44
"""Height of the colour scale and its numbers in pixels."""


def difference(pred: Image, target: Image, limit: float = LIMIT) -> Picture:
    """Return where two images differ, in the colours of ``colour_scale``.

    Args:
        pred: (H, W, C), uint8 or uint16.
        target: the same shape and type.
        limit: mean absolute difference over the channels, in grey levels of 0 .. 255, that gets the last colour.

    Raises:
        DataError: shapes or types differ.
    """
    if pred.shape != target.shape or pred.dtype != target.dtype:
        raise DataError(
            f"images of {pred.shape} {pred.dtype} and {target.shape} {target.dtype} have no difference",
            fix="pass images of equal shape and type",
        )
    white = np.iinfo(pred.dtype).max
    deviation = np.abs(pred.astype(np.float32) - target.astype(np.float32)).mean(axis=2) * (255 / white)
    colours = colour_scale()
    steps = np.rint(deviation / limit * (len(colours) - 1)).clip(0, len(colours) - 1)
    picture: Picture = colours[steps.astype(np.intp)]
    return picture


def visible(image: Image) -> Picture:
    """Return an image as 8-bit colour: colour as it is, anything else with its channels in three groups, stretched.

    Args:
        image: (H, W, C), uint8 or uint16. With C other than 3, the first third of the channels is shown red, the next
            green, the last blue; a single channel is grey. The 0.5 and 99.5 percentiles become black and white.
    """
    if image.dtype == np.uint8 and image.shape[2] == 3:
        return image
    count = image.shape[2]
    groups = np.array_split(np.arange(count), 3) if count >= 3 else [np.array([min(k, count - 1)]) for k in range(3)]
    planes = np.stack([image[..., group].mean(axis=2) for group in groups], axis=2)
    low, high = np.percentile(planes, [0.5, 99.5], axis=(0, 1))
    picture: Picture = np.rint(255 * ((planes - low) / np.maximum(high - low, 1)).clip(0, 1)).astype(np.uint8)
    return picture


def comparison(panels: Sequence[tuple[str, Image]], *, side: int = 512, limit: float | None = None) -> Picture:
    """Return panels side by side with their titles above.

    Args:
        panels: titles and images, at least one. Images need not be of one size.
        side: longer edge of every panel in pixels; images are shrunk or enlarged to it.
        limit: if the last panel is a ``difference``, its limit: the colour scale is drawn below.

    Returns:
        (H, W, 3) uint8 on white.
    """
    pictures = [_fitted(visible(image), side) for _, image in panels]
    height = max(picture.height for picture in pictures)
    width = sum(picture.width for picture in pictures) + GAP * (len(pictures) + 1)
    sheet = PillowImage.new("RGB", (width, TITLE + height + GAP + (SCALE if limit is not None else 0)), "white")
    draw = ImageDraw.Draw(sheet)
    x = GAP
    for (title, _), picture in zip(panels, pictures, strict=True):
        draw.text((x, TITLE / 2), title, fill="black", font=_font(title, picture.width), anchor="lm")
        sheet.paste(picture, (x, TITLE))
        x += picture.width + GAP
    if limit is not None:
        left = x - GAP - pictures[-1].width
        _draw_scale(sheet, left, TITLE + pictures[-1].height + GAP // 2, pictures[-1].width, limit)
    return np.asarray(sheet)


def _fitted(picture: Picture, side: int) -> PillowImage.Image:
    image = PillowImage.fromarray(picture)
    factor = side / max(image.size)
    size = (max(1, round(image.width * factor)), max(1, round(image.height * factor)))
    # Enlarged pixels keep their edges: nothing is shown that was not measured.
    return image.resize(size, PillowImage.Resampling.BOX if factor < 1 else PillowImage.Resampling.NEAREST)


def _font(text: str, width: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return the largest font of at most 18 pixels in which a text fits a width."""
    for size in range(18, 8, -1):
        font = ImageFont.load_default(size)
        if font.getlength(text) <= width:
            return font
    return ImageFont.load_default(8)


def _draw_scale(sheet: PillowImage.Image, left: int, top: int, width: int, limit: float) -> None:
    bar = np.broadcast_to(colour_scale(width), (12, width, 3))
    sheet.paste(PillowImage.fromarray(np.ascontiguousarray(bar)), (left, top))
    draw, font = ImageDraw.Draw(sheet), ImageFont.load_default(14)
    for x, text, anchor in (
        (left, "0", "ls"),
        (left + width // 2, f"{limit / 2:g}", "ms"),
        (left + width, f"{limit:g} grey levels", "rs"),
    ):
        draw.text((x, top + 28), text, fill="black", font=font, anchor=anchor)
