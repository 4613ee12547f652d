"""How the pixels of a tile become bytes in a TIFF, and which tags say so."""

from dataclasses import dataclass
from typing import Any, Literal, final

import imagecodecs
import numpy as np

from restain.errors import OutputError
from restain.pixels import Image
from restain.slides.reader import RGB
from restain.slides.tiff_directory import Tag, shorts

Compression = Literal["jpeg", "deflate", "zstd"]

_CODES = {"jpeg": 7, "deflate": 8, "zstd": 50000}
_BLACK_IS_ZERO, _RGB, _YCBCR = 1, 2, 6
_DEFLATE_LEVEL = 6
_ZSTD_LEVEL = 3


@final
@dataclass(frozen=True)
class Codec:
    """The storage of tiles: RGB interleaved, any other channels as a plane each.

    JPEG keeps the full resolution of colour (4:4:4): the brown of a weak DAB stain lives in the chroma, which 4:2:0
    averages over 2 x 2 pixels. The lossless kinds store differences between neighbours (predictor 2).

    Args:
        compression: how.
        quality: of JPEG, 1 to 100; nothing to the others.
        channels: their names.
        dtype: uint8 or uint16.

    Raises:
        OutputError: JPEG is asked to store what it cannot, or an argument is out of range.
    """

    compression: Compression
    quality: int
    channels: tuple[str, ...]
    dtype: np.dtype[Any]

    def __post_init__(self) -> None:
        """Refuse combinations that cannot be stored."""
        if self.compression not in _CODES or not 1 <= self.quality <= 100:
            raise OutputError(
                f"compression {self.compression!r} with quality {self.quality} is unknown",
                fix=f"choose one of {', '.join(_CODES)} and a quality from 1 to 100",
            )
        if not self.channels or self.dtype not in (np.uint8, np.uint16):
            raise OutputError(
                f"{len(self.channels)} channels of {self.dtype} cannot be stored", fix="convert to uint8 or uint16"
            )
        if self.compression == "jpeg" and (
            self.dtype != np.uint8 or len(self.channels) not in (1, 3) or not self.whole
        ):
            raise OutputError(
                f"JPEG cannot store {len(self.channels)} channels of {self.dtype}",
                fix="choose deflate or zstd, which lose nothing",
            )

    @property
    def whole(self) -> bool:
        """Whether one directory holds all channels."""
        return self.channels == RGB or len(self.channels) == 1

    @property
    def planes(self) -> int:
        """Number of directories per level."""
        return 1 if self.whole else len(self.channels)

    def encode(self, pixels: Image) -> list[bytes]:
        """Return the bytes of one tile, one item per plane.

        Args:
            pixels: (tile, tile, C), contiguous.
        """
        if self.whole:
            return [self._encode(pixels)]
        return [self._encode(np.ascontiguousarray(pixels[..., k : k + 1])) for k in range(self.planes)]

    def _encode(self, pixels: Image) -> bytes:
        if self.compression == "jpeg":
            if not self._colour:
                return bytes(imagecodecs.jpeg8_encode(pixels[..., 0], level=self.quality))
            return bytes(imagecodecs.jpeg8_encode(pixels, level=self.quality, colorspace="rgb", subsampling="444"))
        steps = imagecodecs.delta_encode(pixels, axis=1).tobytes()
        if self.compression == "deflate":
            return bytes(imagecodecs.deflate_encode(steps, level=_DEFLATE_LEVEL))
        return bytes(imagecodecs.zstd_encode(steps, level=_ZSTD_LEVEL))

    def tags(self) -> list[Tag]:
        """Return the tags that tell a reader how to decode a plane."""
        samples = 3 if self._colour else 1
        jpeg = self.compression == "jpeg"
        tags = [
            shorts(258, *[8 * self.dtype.itemsize] * samples),
            shorts(259, _CODES[self.compression]),
            shorts(262, (_YCBCR if jpeg else _RGB) if self._colour else _BLACK_IS_ZERO),
            shorts(277, samples),
            shorts(284, 1),
            shorts(339, *[1] * samples),
        ]
        if jpeg and self._colour:
            tags.append(shorts(530, 1, 1))
        if not jpeg:
            tags.append(shorts(317, 2))
        return tags

    @property
    def _colour(self) -> bool:
        return self.channels == RGB
