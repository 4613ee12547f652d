"""The contract of a metric that compares an image with the truth, pixel by pixel or window by window.

Every such metric is a function of a few sums over the image. We keep these sums as Python integers, which never round
and never overflow. So the sums of the parts of an image add up to those of the whole to the last bit, however one cuts
it: a slide of any size is measured in bounded memory with exactly the result of the whole image.
"""

from abc import ABC, abstractmethod
from typing import Any, ClassVar, Literal, final

import numpy as np

from restain.errors import DataError
from restain.geometry import Region, Size
from restain.pixels import Image

Tally = tuple[int, ...]
"""The sums behind a metric; what they count is each metric's own business."""

BLOCK = 512
"""Edge in pixels of the blocks in which images are measured: the float64 work space then stays in the processor's cache
(256 and 1024 were slower), and no sum within a block can overflow 64 bits."""


class Metric(ABC):
    """One number that says how well ``pred`` reproduces ``target``.

    A subclass states the facts and writes ``_tally_block`` and ``value``. It has no state: ``Scores`` keeps the books.
    """

    name: ClassVar[str]
    """How tables and files call it: lower case, no spaces."""

    unit: ClassVar[str]
    """The unit, or an empty string for a pure number."""

    better: ClassVar[Literal["higher", "lower", "nearer 0"]]
    """Which value is the better one."""

    bounds: ClassVar[tuple[float, float]]
    """The least and the largest possible value."""

    source: ClassVar[str]
    """Where the definition comes from, with the choices that definition leaves open."""

    window: ClassVar[int] = 1
    """Edge in pixels of the largest square that a local value looks at; 1 for a metric that looks at single pixels."""

    stride: ClassVar[int] = 1
    """Windows start in rows and columns that are multiples of this or of a divisor of it."""

    rgb: ClassVar[bool] = False
    """Whether it is about colour, so that only 8-bit red, green and blue have a value."""

    @abstractmethod
    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        """Return the sums over all windows that lie inside a small block and start in its upper left part.

        At the far border of an image a block may hold no window; its sums are zero.

        Args:
            pred: (H, W, C), uint8 or uint16.
            target: the truth, of the same shape and type.
            own: the part in which windows start. The block is larger by ``window - 1`` pixels to the right and
                downwards, as far as the image goes; so windows of that size are simply all that lie inside, and only
                a metric with windows of several sizes has to look at ``own``.
        """

    @abstractmethod
    def value(self, tally: Tally) -> float:
        """Return the metric from its sums; NaN where the sums say that there is nothing to measure, as in 0 / 0."""

    @final
    def misfit(self, size: Size, channels: int, dtype: np.dtype[Any]) -> str | None:
        """Return what is wrong with such an image, as the end of "it ...", or None if the metric has a value for it."""
        if min(size.width, size.height) < self.window:
            return f"has {size} pixels, less than a window of {self.window}"
        if self.rgb and not (channels == 3 and dtype == np.uint8):
            return f"is {channels} x {dtype}, no 8-bit colour"
        return None

    @final
    def tally(self, pred: Image, target: Image, own: Size | None = None) -> Tally:
        """Return the sums over all windows that lie inside an image.

        Args:
            pred: (H, W, C), uint8 or uint16.
            target: the truth, of the same shape and type.
            own: to measure an image in parts: cut it into tiles whose corners lie at multiples of ``stride``; for each
                tile pass its size here, and the pixels of ``reach`` as images. ``add`` the tallies.

        Returns:
            Integers.

        Raises:
            DataError: shapes or types differ or are not those of an image, or such images have no value (``misfit``).
        """
        _check(pred, target)
        size = Size(pred.shape[1], pred.shape[0])
        # A part at the border may be smaller than the window.
        if problem := self.misfit(size if own is None else Size(self.window, self.window), pred.shape[2], pred.dtype):
            raise DataError(f"{self.name} has no value for an image that {problem}", fix="choose another metric")
        total: Tally = ()
        for tile in Region.of(own or size).tiles(BLOCK):
            block = reach(tile, size, self.window)
            total = add(total, self._tally_block(pred[block.slices], target[block.slices], tile.size))
        return total

    @final
    def of(self, pred: Image, target: Image) -> float:
        """Return the metric of one image; arguments and errors as in ``tally``."""
        return self.value(self.tally(pred, target))


def add(one: Tally, other: Tally) -> Tally:
    """Add two tallies of one metric; the empty tally is zero."""
    return tuple(a + b for a, b in zip(one, other, strict=True)) if one and other else one or other


def reach(tile: Region, size: Size, window: int) -> Region:
    """Return the pixels that hold all windows whose upper left corner lies in a tile of an image.

    Args:
        tile: a part of the image.
        size: of the image.
        window: edge of the largest windows.

    Returns:
        The tile, larger by ``window - 1`` pixels to the right and downwards as far as the image goes.

    >>> reach(Region(4, 0, 4, 3), Size(9, 3), window=3)
    Region(x=4, y=0, width=5, height=3)
    """
    return Region(tile.x, tile.y, tile.width + window - 1, tile.height + window - 1).clip(Region.of(size))


def _check(pred: Image, target: Image) -> None:
    if pred.shape != target.shape:
        raise DataError(
            f"an image of shape {pred.shape} cannot be compared with one of {target.shape}",
            fix="compare images of equal height, width and number of channels",
        )
    if pred.dtype != target.dtype or pred.dtype not in (np.uint8, np.uint16) or pred.ndim != 3 or pred.size == 0:
        raise DataError(
            f"images of shape {pred.shape} and type {pred.dtype} against {target.dtype} cannot be compared",
            fix="pass two images (H, W, C), both uint8 or both uint16; fractions of white are no levels",
        )
