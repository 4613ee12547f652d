"""Plain images (PNG, JPEG and whatever else Pillow reads), as slides of one level."""

import warnings
from pathlib import Path
from typing import Any, final

import imagecodecs
import numpy as np
from PIL import Image as Pillow
from PIL import UnidentifiedImageError

from restain.errors import SlideError
from restain.geometry import Region, Size
from restain.pixels import Image
from restain.slides.composite import on_white
from restain.slides.reader import DAMAGED, RGB, SlideInfo, SlideReader, background_of
from restain.slides.scale import believe, per_pixel

_PNG = b"\x89PNG\r\n\x1a\n"


@final
class PlainReader(SlideReader):
    """An image held in memory, pixels as stored: grey stays one channel, 16 bits stay 16, palettes become colour.

    Transparency is composited on white. The scale is the file's resolution, where that can be a microscope's.

    Raises:
        SlideError: not an image, damaged, too many pixels to hold, or nothing but transparency.
    """

    def __init__(self, path: Path) -> None:
        self._pixels, alpha, name, dpi = _load(path)
        if alpha:
            _refuse_alpha_only(path, self._pixels)
            self._pixels = on_white(self._pixels, premultiplied=False)
        height, width, count = self._pixels.shape
        channels = RGB if count == 3 else ("grey",)
        scale = believe(*(per_pixel(edge, "inch") for edge in dpi))
        self.info = SlideInfo(
            path=path,
            format=f"{name} (Pillow)",
            levels=(Size(width, height),),
            mpp=scale.mpp,
            channels=channels,
            dtype=self._pixels.dtype,
            background=background_of(channels, self._pixels.dtype),
            without_mpp=scale.reason,
        )

    def _read_inside(self, region: Region, level: int) -> Image:
        return self._pixels[region.slices].copy()

    def close(self) -> None:
        """Do nothing: the file was closed when it had been read."""


def _load(path: Path) -> tuple[Image, bool, str, tuple[float, float]]:
    """Return the pixels (H, W, C), whether the last channel is alpha, the format and its pixels per inch."""
    try:
        with warnings.catch_warnings():
            # Pillow warns of large pictures at half the number of pixels at which it refuses them; that is near enough.
            warnings.simplefilter("ignore", Pillow.DecompressionBombWarning)
            file = Pillow.open(path)
        with file:
            name, dpi = str(file.format), tuple(map(float, file.info.get("dpi", (0, 0))))
            if _is_deep_png(path):
                pixels = np.atleast_3d(imagecodecs.png_decode(path.read_bytes()))
                return pixels, pixels.shape[2] in (2, 4), name, (dpi[0], dpi[1])
            return *_pixels(path, file), name, (dpi[0], dpi[1])
    except UnidentifiedImageError as error:
        raise SlideError(
            f"{path} is not a slide or an image that restain knows (it starts with {_start(path, 8)!r})",
            fix="pass a slide (SVS, NDPI, MRXS, SCN, DICOM, TIFF) or an image (PNG, JPEG)",
        ) from error
    except Pillow.DecompressionBombError as error:
        raise SlideError(
            f"{path} claims more pixels than an image without tiles may have ({error})",
            fix="convert it to a tiled TIFF (for example vips tiffsave --tile --pyramid --bigtiff)",
        ) from error
    except (OSError, SyntaxError, ValueError, RuntimeError, EOFError) as error:
        raise SlideError(f"{path} cannot be decoded ({error})", fix=DAMAGED) from error


def _pixels(path: Path, file: Pillow.Image) -> tuple[Image, bool]:
    if file.mode in ("P", "PA") or "transparency" in file.info:
        file = file.convert("RGBA" if file.has_transparency_data else "RGB")
    match file.mode:
        case "1":
            file = file.convert("L")
        case "CMYK" | "YCbCr" | "LAB" | "HSV" | "RGBX":
            file = file.convert("RGB")
        case "RGBa":
            file = file.convert("RGBA")
        case "La":
            file = file.convert("LA")
    pixels: np.ndarray[Any, np.dtype[Any]] = np.atleast_3d(np.array(file))
    if pixels.dtype.kind in "iu" and pixels.dtype.itemsize > 1 and pixels.min() >= 0 and pixels.max() <= 65535:
        pixels = pixels.astype(np.uint16)
    if pixels.dtype not in (np.uint8, np.uint16):
        raise SlideError(
            f"{path} holds pixels of mode {file.mode} that do not fit 16 bits", fix="convert it to 8 or 16 bits"
        )
    return pixels, file.mode in ("RGBA", "LA")


def _is_deep_png(path: Path) -> bool:
    """Whether this is a PNG of 16 bits, which Pillow would cut down to 8 where it has colour."""
    start = _start(path, 25)
    return start.startswith(_PNG) and start[24:] == b"\x10"


def _start(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def _refuse_alpha_only(path: Path, pixels: Image) -> None:
    colour, alpha = pixels[..., :-1], pixels[..., -1]
    if not alpha.any() or (alpha.min() != alpha.max() and (colour == colour[0, 0]).all()):
        raise SlideError(
            f"{path} holds its picture in the transparency alone, its colour is one and the same everywhere",
            fix="export it without transparency",
        )
