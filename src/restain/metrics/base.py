"""The contract of a metric that compares an image with the truth, pixel by pixel or window by window.

Every such metric is a function of a few sums over the image. We keep these sums as Python integers, which never round
and never overflow. So the sums of the parts of an image add up to those of the whole to the last bit, however one cuts
it: a slide of any size is measured in bounded memory with exactly the result of the whole image.
"""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from typing import ClassVar, final

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

    higher_is_better: ClassVar[bool]
    """Which way lies the better image."""

    bounds: ClassVar[tuple[float, float]]
    """The least and the largest possible value."""

    source: ClassVar[str]
    """Where the definition comes from, with the choices that definition leaves open."""

    window: ClassVar[int] = 1
    """Edge in pixels of the square that one local value looks at; 1 for a metric that looks at single pixels."""

    @abstractmethod
    def _tally_block(self, pred: Image, target: Image) -> Tally:
        """Return the sums over all windows that lie inside a small block."""

    @abstractmethod
    def value(self, tally: Tally) -> float:
        """Return the metric from its sums."""

    @final
    def tally(self, pred: Image, target: Image) -> Tally:
        """Return the sums over all windows that lie inside an image.

        Args:
            pred: (H, W, C), uint8 or uint16.
            target: the truth, of the same shape and type.

        Returns:
            Integers. To measure an image in parts, cut it with ``blocks`` and ``add`` the tallies of the parts.

        Raises:
            DataError: shapes or types differ or are not those of an image, or the image is smaller than the window.
        """
        _check(pred, target, self)
        height, width, _ = pred.shape
        total: Tally = ()
        for block in blocks(Size(width, height), self.window, BLOCK):
            total = add(total, self._tally_block(pred[block.slices], target[block.slices]))
        return total

    @final
    def of(self, pred: Image, target: Image) -> float:
        """Return the metric of one image; arguments and errors as in ``tally``."""
        return self.value(self.tally(pred, target))


def add(one: Tally, other: Tally) -> Tally:
    """Add two tallies of one metric; the empty tally is zero."""
    return tuple(a + b for a, b in zip(one, other, strict=True)) if one and other else one or other


def block_of(tile: Region, size: Size, window: int) -> Region | None:
    """Return the pixels that hold all windows whose upper left corner lies in a tile of an image.

    Args:
        tile: a part of the image.
        size: of the image.
        window: edge of the windows.

    Returns:
        The tile, larger by ``window - 1`` pixels to the right and downwards as far as the image goes; None if no window
        fits in.
    """
    reach = Region(tile.x, tile.y, tile.width + window - 1, tile.height + window - 1).clip(Region.of(size))
    return reach if min(reach.width, reach.height) >= window else None


def blocks(size: Size, window: int, side: int) -> Iterator[Region]:
    """Cut an image so that every window lies wholly inside exactly one block, row by row.

    >>> [block.width for block in blocks(Size(10, 3), window=3, side=4)]
    [6, 6]
    """
    for tile in Region.of(size).tiles(side):
        if block := block_of(tile, size, window):
            yield block


def _check(pred: Image, target: Image, metric: Metric) -> None:
    if pred.shape != target.shape:
        raise DataError(
            f"an image of shape {pred.shape} cannot be compared with one of {target.shape}",
            fix="compare images of equal height, width and number of channels",
        )
    if pred.dtype != target.dtype or pred.dtype not in (np.uint8, np.uint16) or pred.ndim != 3:
        raise DataError(
            f"images of shape {pred.shape} and type {pred.dtype} against {target.dtype} cannot be compared",
            fix="pass two images (H, W, C), both uint8 or both uint16",
        )
    if min(pred.shape[:2]) < metric.window or pred.size == 0:
        raise DataError(
            f"an image of {pred.shape[1]} x {pred.shape[0]} pixels is smaller than the window of {metric.name}, "
            f"{metric.window} pixels",
            fix="compare larger images",
        )
