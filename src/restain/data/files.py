"""Pairs of image files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, final

from restain.data.pairs import Names, Pairs
from restain.errors import DataError
from restain.geometry import Region
from restain.pixels import Image
from restain.slides import open_slide, overview

MOST_KEPT = 4 * 2**30
"""Bytes of decoded images that are kept: half the memory of a small machine. The rest is decoded at every visit."""


class FilePair(NamedTuple):
    """Two files and the name of the pair they make."""

    name: str
    source: Path
    target: Path


@final
class FilePairs(Pairs):
    """Pairs of files.

    Memory: with ``keep`` the images that were read, decoded (0.2 MB for 256 px, 3 MB for 1024 px, 14 MB for 512 px of
    26 channels), up to ``MOST_KEPT``; else one pair.

    Args:
        files: the pairs; a file may be part of several.
        aligned: whether both sides show the same tissue at the same pixel.
        side: images are shrunk to this longer edge by the mean over areas; None takes them as they are.
        keep: whether files that were read are kept, as many as there is room for, or decoded again at every visit.
    """

    def __init__(self, files: Sequence[FilePair], *, aligned: bool, side: int | None = None, keep: bool = True) -> None:
        self.aligned = aligned
        self._files, self._side, self._keep = files, side, keep
        self._decoded: dict[Path, Image] = {}
        self._kept = 0

    def __len__(self) -> int:
        """Return the number of pairs."""
        return len(self._files)

    def name(self, index: int) -> str:
        """Return the name of one pair."""
        return self._files[index].name

    def read(self, index: int) -> tuple[Image, Image]:
        """Return source and target of one pair.

        Raises:
            SlideError: a file that cannot be decoded.
            DataError: an aligned pair of unequal sizes, or an image that cannot be shrunk as asked.
        """
        files = self._files[index]
        source, target = self._image(files.source), self._image(files.target)
        if self.aligned and source.shape[:2] != target.shape[:2]:
            raise DataError(
                f"{files.source} and its partner differ in size "
                f"({source.shape[1]} x {source.shape[0]} and {target.shape[1]} x {target.shape[0]} px)",
                fix="register and cut both to the same size",
            )
        return source, target

    def channels(self, index: int) -> tuple[Names, Names]:
        """Return the names that the files of one pair give the channels of both sides.

        Raises:
            SlideError: a file that cannot be opened.
        """
        files = self._files[index]
        with open_slide(files.source) as source, open_slide(files.target) as target:
            return source.info.channels, target.info.channels

    def _image(self, path: Path) -> Image:
        image = self._decoded.get(path)
        if image is None:
            image = _read(path, self._side)
            if self._keep and self._kept + image.nbytes <= MOST_KEPT:
                self._decoded[path] = image
                self._kept += image.nbytes
        return image


def _read(path: Path, side: int | None) -> Image:
    with open_slide(path) as reader:
        size = reader.info.levels[0]
        if side is None:
            return reader.read(Region.of(size))
        if max(size.width, size.height) % side:
            raise DataError(
                f"{path} of {size} px cannot be shrunk to {side} px evenly",
                fix="set data.size to a divisor of the side, or to null to take images as they are",
            )
        return overview(reader, side).image
