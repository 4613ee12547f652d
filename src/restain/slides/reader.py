"""The contract of everything that can be read as a slide."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Any, Self, final

import numpy as np

from restain.errors import ScaleError, SlideError
from restain.geometry import Mpp, Region, Size
from restain.pixels import Image

RGB = ("red", "green", "blue")
"""The channel names of a colour image."""


DAMAGED = "the file is damaged or incomplete, so copy it again from its source"
"""The fix of a file that breaks off or does not decode."""


@final
@dataclass(frozen=True)
class SlideInfo:
    """What is known of a slide before a pixel is read.

    Args:
        path: the file, or the folder of a format that needs one.
        format: what the file is, in words, for example ``"Aperio SVS"``.
        levels: the extents of the pyramid, largest first; never empty.
        mpp: the scale of level 0, or None where the file does not give a plausible one.
        channels: one name per channel.
        dtype: uint8 or uint16.
        background: the value that fills what lies outside the slide: white for colour, black for everything else.
        without_mpp: why ``mpp`` is None, as the rest of a sentence that starts with the path.
    """

    path: Path
    format: str
    levels: tuple[Size, ...]
    mpp: Mpp | None
    channels: tuple[str, ...]
    dtype: np.dtype[Any]
    background: int
    without_mpp: str = "does not say how many micrometres a pixel covers"

    @property
    def size(self) -> Size:
        """Extent of level 0."""
        return self.levels[0]

    @cached_property
    def downsamples(self) -> tuple[float, ...]:
        """How many level-0 pixels one pixel of each level covers along an edge; 1 for level 0.

        Vendors round the extents of lower levels up or down, so a ratio is taken as the whole number that it is within
        one pixel of, where there is one, and of several as a power of two.
        """
        return tuple(_downsample(self.size, level) for level in self.levels)

    def require_mpp(self) -> Mpp:
        """Return the scale of level 0.

        Raises:
            ScaleError: the file does not give a plausible one and the user gave none.
        """
        if self.mpp is None:
            raise ScaleError(
                f"{self.path} {self.without_mpp}",
                fix="pass the true scale with --mpp (about 0.25 for a 40x scan, 0.5 for 20x)",
            )
        return self.mpp


class SlideReader(ABC):
    """An open slide; a context manager. Reading is safe from several threads.

    A subclass sets ``info`` and writes ``_read_inside`` and ``close``.
    """

    info: SlideInfo

    @final
    def read(self, region: Region, level: int = 0) -> Image:
        """Read a rectangle of one pyramid level.

        Args:
            region: in pixels of that level; what lies outside the slide is filled with ``info.background``.
            level: index into ``info.levels``.

        Returns:
            (height, width, channels) of ``info.dtype``, the caller's own, writable array.

        Raises:
            SlideError: no such level, a region without extent, or pixels that cannot be decoded.
        """
        info = self.info
        if not 0 <= level < len(info.levels):
            raise SlideError(f"{info.path} has no level {level}", fix=f"choose one from 0 to {len(info.levels) - 1}")
        if region.width <= 0 or region.height <= 0:
            raise SlideError(f"a region of {region.size} pixels is empty", fix="ask for at least one pixel")
        inside = region.clip(Region.of(info.levels[level]))
        if inside == region:
            return self._read_inside(region, level)
        image = np.full((region.height, region.width, len(info.channels)), info.background, dtype=info.dtype)
        if inside.size.area:
            image[Region(inside.x - region.x, inside.y - region.y, inside.width, inside.height).slices] = (
                self._read_inside(inside, level)
            )
        return image

    @abstractmethod
    def _read_inside(self, region: Region, level: int) -> Image:
        """Read a non-empty region that lies wholly inside the level."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the file; calling it again does nothing."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def background_of(channels: tuple[str, ...], dtype: np.dtype[Any]) -> int:
    """Return the value of empty glass: white for 8-bit colour, black (no signal) for everything else."""
    return 255 if channels == RGB and dtype == np.uint8 else 0


def _downsample(size: Size, level: Size) -> float:
    ratio = (size.width / level.width + size.height / level.height) / 2
    for whole in (2 ** round(math.log2(ratio)), round(ratio)):
        if abs(size.width / whole - level.width) < 1 and abs(size.height / whole - level.height) < 1:
            return float(whole)
    return ratio
