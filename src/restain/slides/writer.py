"""The contract of everything that a slide can be written to."""

from abc import ABC, abstractmethod
from types import TracebackType
from typing import Self

from restain.geometry import Point, Size
from restain.pixels import Image


class SlideWriter(ABC):
    """A slide being written, tile by tile in any order; a context manager.

    Nothing stands under the final name before ``close``. Leaving the context by an exception keeps the tiles written so
    far beside the output, and a new writer with the same arguments takes them up again (``has``).

    A subclass sets ``size``, ``tile`` and writes the abstract methods.
    """

    size: Size
    """Extent of the slide in pixels."""

    tile: int
    """Edge of a tile in pixels."""

    @abstractmethod
    def write(self, pixels: Image, at: Point) -> None:
        """Take one block of pixels.

        Args:
            pixels: (H, W, C) of the slide's type. H and W are multiples of ``tile``, except where the block ends at the
                right or bottom edge of the slide.
            at: its top left corner on the slide, both coordinates multiples of ``tile``.

        Raises:
            OutputError: a block that does not fit the grid, or a disk that does not take it.
        """

    @abstractmethod
    def has(self, at: Point) -> bool:
        """Return whether the tile with this top left corner is written, perhaps by an earlier call that was killed."""

    @abstractmethod
    def close(self) -> None:
        """Build the pyramid and move the finished slide to its final name; calling it again does nothing.

        Raises:
            OutputError: tiles are missing, or the disk does not take the result.
        """

    @abstractmethod
    def suspend(self) -> None:
        """Let go of the output without finishing it; what was written waits for the next call."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if kind is None:
            self.close()
        else:
            self.suspend()
