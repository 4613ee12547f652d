"""Several slides written as one, each of which takes its share of the channels."""

from collections.abc import Collection, Mapping, Sequence
from contextlib import ExitStack
from itertools import accumulate, pairwise
from pathlib import Path
from typing import final

from restain.errors import OutputError
from restain.geometry import Mpp, Point, Region, Size
from restain.pixels import Image
from restain.slides.codec import Compression
from restain.slides.ome_tiff_writer import create_slide
from restain.slides.reader import RGB
from restain.slides.spool import is_unfinished
from restain.slides.writer import SlideWriter


def create_slides(
    slides: Mapping[Path, tuple[str, ...]],
    size: Size,
    mpp: Mpp | None,
    *,
    compression: Compression | None = None,
    lossless: Collection[Path] = (),
    tile: int = 512,
    provenance: Mapping[str, str] | None = None,
) -> SlideWriter:
    """Begin a slide, or several that are written together, or go on with what an earlier call left unfinished.

    Several appear under their names one after another, at the end. Where an earlier call died in between, those that
    were done stay as they are: it is known by another one that waits with all its tiles.

    Args:
        slides: the channels of each, by its final name; see ``create_slide``.
        size: extent of all in pixels.
        mpp: their scale.
        compression: of all; None takes JPEG for colour and zstd, which is lossless, for others.
        lossless: those that get zstd instead of JPEG in any case.
        tile: edge of a tile.
        provenance: what made them.

    Returns:
        A writer of all channels, one slide after another.

    Raises:
        OutputError: as ``create_slide``.
    """

    def begin(path: Path) -> SlideWriter:
        channels = slides[path]
        chosen = compression or ("jpeg" if channels == RGB else "zstd")
        if path in lossless and chosen == "jpeg":
            chosen = "zstd"
        return create_slide(path, size, mpp, channels, compression=chosen, tile=tile, provenance=provenance)

    if len(slides) == 1:
        return begin(*slides)
    with ExitStack() as opened:
        writers: dict[Path, SlideWriter] = {}
        for path in sorted(slides, key=is_unfinished, reverse=True):
            if not (path.is_file() and not is_unfinished(path) and any(map(_is_whole, writers.values()))):
                writers[path] = begin(path)
                opened.callback(writers[path].suspend)
        opened.pop_all()
    return SplitWriter(size, tile, [(len(channels), writers.get(path)) for path, channels in slides.items()])


@final
class SplitWriter(SlideWriter):
    """Several writers behind one.

    Args:
        size: extent of all.
        tile: edge of the tiles of all.
        shares: how many channels each takes, in order, and its writer; None where a slide needs nothing more.
    """

    def __init__(self, size: Size, tile: int, shares: Sequence[tuple[int, SlideWriter | None]]) -> None:
        self.size = size
        self.tile = tile
        borders = list(accumulate((count for count, _ in shares), initial=0))
        self._channels = borders[-1]
        self._writers = [
            (slice(*border), writer)
            for border, (_, writer) in zip(pairwise(borders), shares, strict=True)
            if writer is not None
        ]

    def write(self, pixels: Image, at: Point) -> None:
        """Give each its channels of a block; see ``SlideWriter``."""
        if pixels.ndim != 3 or pixels.shape[2] != self._channels:
            raise OutputError(
                f"a block of shape {pixels.shape} has not the {self._channels} channels of all slides",
                fix="write the channels of all slides at once",
            )
        for channels, writer in self._writers:
            writer.write(pixels[..., channels], at)

    def has(self, at: Point) -> bool:
        """Return whether all have the tile with this top left corner."""
        return all(writer.has(at) for _, writer in self._writers)

    def close(self) -> None:
        """Finish one after another; see ``SlideWriter``."""
        try:
            for _, writer in self._writers:
                writer.close()
        except BaseException:
            self.suspend()
            raise

    def suspend(self) -> None:
        """Let go of those that are not finished."""
        for _, writer in self._writers:
            writer.suspend()


def _is_whole(writer: SlideWriter) -> bool:
    return all(writer.has(part.at) for part in Region.of(writer.size).tiles(writer.tile))
