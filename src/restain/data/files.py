"""Pairs of image files."""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple, final

from restain.data.pairs import Pairs
from restain.errors import DataError
from restain.geometry import Region
from restain.pixels import Image
from restain.slides import open_slide


class FilePair(NamedTuple):
    """Two files and the name of the pair they make."""

    name: str
    source: Path
    target: Path


@final
class FilePairs(Pairs):
    """Pairs of files; each file is decoded when it is first asked for and then kept.

    Memory: all images, decoded (0.2 MB for an image of 256 px).

    Args:
        files: the pairs; a file may be part of several.
        aligned: whether both sides show the same tissue at the same pixel.
    """

    def __init__(self, files: Sequence[FilePair], *, aligned: bool) -> None:
        self.aligned = aligned
        self._files = files
        self._decoded: dict[Path, Image] = {}

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
            DataError: an aligned pair of unequal sizes.
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

    def _image(self, path: Path) -> Image:
        if path not in self._decoded:
            with open_slide(path) as reader:
                self._decoded[path] = reader.read(Region.of(reader.info.levels[0]))
        return self._decoded[path]
