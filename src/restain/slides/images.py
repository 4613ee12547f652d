"""Single images, written whole or not at all."""

import json
import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from PIL import Image as Pillow
from PIL.PngImagePlugin import PngInfo

from restain.errors import OutputError
from restain.geometry import Mpp, Point, Size
from restain.pixels import Image
from restain.slides.failures import writing
from restain.slides.ome_tiff_writer import create_slide
from restain.slides.reader import RGB

_JPEG_QUALITY = 95
_PNG_EFFORT = 3
_DPI = 25400
"""Pixels per inch at one micrometre per pixel."""
_MOST_JPEG_DPI = 65535


def save_image(
    path: Path,
    image: Image,
    mpp: Mpp | None = None,
    channels: tuple[str, ...] | None = None,
    provenance: Mapping[str, str] | None = None,
) -> None:
    """Write an image as PNG, JPEG (quality 95, 4:4:4) or OME-TIFF (deflate), by the suffix of its name.

    The file appears under its name when it is complete; one that was there is replaced. ``open_slide`` reads the scale
    back, except from a JPEG finer than 0.39 micrometres per pixel, whose format has no room for it.

    Args:
        path: ends in ``.png``, ``.jpg``, ``.jpeg``, ``.tif`` or ``.tiff``. Missing folders are made.
        image: (H, W, C). PNG: 1 or 3 channels of uint8, or 1 of uint16; JPEG: 1 or 3 of uint8; TIFF: any.
        mpp: the scale.
        channels: their names, for TIFF; by default red, green, blue, or numbers.
        provenance: what made the image; PNG text, JPEG comment, OME-XML.

    Raises:
        OutputError: an image that the format cannot hold, an unknown suffix, or a disk that does not take it.
    """
    suffix, notes = path.suffix.lower(), dict(provenance or {})
    if path.is_dir():
        raise OutputError(f"{path} is a folder", fix="name a file in it")
    if image.ndim != 3 or not image.size or image.dtype not in (np.uint8, np.uint16):
        raise OutputError(
            f"an image of shape {image.shape} and type {image.dtype} cannot be saved",
            fix="pass (H, W, C) of uint8 or uint16",
        )
    if suffix in (".tif", ".tiff"):
        _save_tiff(path, image, mpp, channels, notes)
    elif suffix in (".jpg", ".jpeg", ".png") and _fits(image, jpeg=suffix != ".png"):
        with writing(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
            try:
                (_save_png if suffix == ".png" else _save_jpeg)(partial, image, mpp, notes)
                partial.replace(path)
            finally:
                partial.unlink(missing_ok=True)
    else:
        raise OutputError(
            f"{path.name} cannot hold {image.shape[2]} channels of {image.dtype}",
            fix="end it in .png or .jpg for grey and colour, or in .ome.tiff for anything",
        )


def _fits(image: Image, *, jpeg: bool) -> bool:
    deep = image.dtype == np.uint16
    return (image.shape[2] == 1 and not (deep and jpeg)) or (image.shape[2] == 3 and not deep)


def _save_tiff(
    path: Path, image: Image, mpp: Mpp | None, channels: tuple[str, ...] | None, notes: dict[str, str]
) -> None:
    height, width, count = image.shape
    names = channels or (RGB if count == 3 else tuple(f"channel {k}" for k in range(count)))
    tile = min(512, -(-max(height, width) // 16) * 16)
    size = Size(width, height)
    with create_slide(path, size, mpp, names, image.dtype, "deflate", tile=tile, provenance=notes) as slide:
        slide.write(image, Point(0, 0))


def _save_png(path: Path, image: Image, mpp: Mpp | None, notes: dict[str, str]) -> None:
    info = PngInfo()
    for key, value in notes.items():
        info.add_itxt(key, value)
    dpi = {} if mpp is None else {"dpi": (_DPI / mpp.x, _DPI / mpp.y)}
    Pillow.fromarray(_flat(image)).save(path, "PNG", pnginfo=info, compress_level=_PNG_EFFORT, **dpi)


def _save_jpeg(path: Path, image: Image, mpp: Mpp | None, notes: dict[str, str]) -> None:
    comment = json.dumps(notes) if notes else None
    dpi = (0, 0) if mpp is None else (round(_DPI / mpp.x), round(_DPI / mpp.y))
    if max(dpi) > _MOST_JPEG_DPI:
        dpi = (0, 0)
    Pillow.fromarray(_flat(image)).save(path, "JPEG", quality=_JPEG_QUALITY, subsampling=0, comment=comment, dpi=dpi)


def _flat(image: Image) -> Image:
    return np.ascontiguousarray(image[..., 0] if image.shape[2] == 1 else image)
