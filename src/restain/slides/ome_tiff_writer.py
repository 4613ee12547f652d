"""Writing pyramidal, tiled OME-TIFF."""

import threading
from collections import deque
from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import DTypeLike

from restain import __version__
from restain.errors import OutputError
from restain.geometry import Mpp, Point, Region, Size
from restain.pixels import Image
from restain.slides.codec import Codec, Compression
from restain.slides.journal import TileKey
from restain.slides.ome import write_ome
from restain.slides.reader import RGB
from restain.slides.resampling import shrink
from restain.slides.spool import Spool
from restain.slides.tiff_directory import Directory, long8s, longs, pack_directories, rational, shorts, text
from restain.slides.writer import SlideWriter

WORKERS = 2
"""Threads that encode. The codecs let go of the interpreter; two keep up with any model."""

WAITING = 4
"""Tiles that may wait for a thread before ``write`` waits too: it bounds the memory."""


def create_slide(
    path: Path,
    size: Size,
    mpp: Mpp | None,
    channels: tuple[str, ...] = RGB,
    dtype: DTypeLike = np.uint8,
    compression: Compression = "jpeg",
    quality: int = 90,
    tile: int = 512,
    provenance: Mapping[str, str] | None = None,
) -> SlideWriter:
    """Begin a slide, or go on with one that an earlier call with the same arguments left unfinished.

    Args:
        path: the final name, ending in ``.tif`` or ``.tiff``. A file of that name is replaced at the end only.
        size: extent in pixels.
        mpp: its scale, written as PhysicalSizeX/Y and as TIFF resolution; None writes neither.
        channels: their names. Red, green, blue are stored as colour, any others as grey planes.
        dtype: uint8 or uint16.
        compression: ``"jpeg"`` (RGB or one channel, uint8), ``"deflate"`` or ``"zstd"`` (anything).
        quality: of JPEG.
        tile: edge of a tile, a multiple of 16.
        provenance: what made the slide, stored in its metadata. It is part of what tells one job from another, so put
            nothing in it that changes from call to call, such as the time.

    Raises:
        OutputError: arguments that cannot be stored, a place that cannot be written to, or another process writing it.
    """
    codec = Codec(compression, quality, tuple(channels), np.dtype(dtype))
    if path.suffix.lower() not in (".tif", ".tiff"):
        raise OutputError(f"slides are written as OME-TIFF, which {path.name} does not say", fix="end it in .ome.tiff")
    if path.is_dir():
        raise OutputError(f"{path} is a folder", fix="name a file in it")
    if size.width < 1 or size.height < 1:
        raise OutputError(f"a slide of {size} pixels is empty", fix="check the extent of the input")
    if tile < 16 or tile % 16:
        raise OutputError(f"tiles of {tile} pixels cannot be stored", fix="choose a multiple of 16, such as 512")
    return OmeTiffWriter(path, size, mpp, codec, tile, dict(provenance or {}))


@final
class OmeTiffWriter(SlideWriter):
    """A pyramid built while its base is written.

    When a tile comes, it is encoded, and its half (the mean of each 2 x 2 pixels) is kept until the other tiles under
    the same parent are there; then the parent is encoded, and so on upwards. Pixels wait on disk (``Spool``), so memory
    does not grow with the slide: it holds the tiles in work, and some numbers per finished tile for the directory.

    All levels hang on the first directory as SubIFDs, as OME-TIFF wants it; those of an RGB slide also follow it as
    directories of their own, where OpenSlide and most viewers look for them.
    """

    def __init__(
        self, path: Path, size: Size, mpp: Mpp | None, codec: Codec, tile: int, provenance: dict[str, str]
    ) -> None:
        self.size = size
        self.tile = tile
        self._path = path
        self._mpp = mpp
        self._codec = codec
        self._provenance = provenance
        self._levels = _levels(size, tile)
        half = (tile // 2) ** 2 * len(codec.channels) * codec.dtype.itemsize
        self._grids = [_grid(level, tile) for level in self._levels]
        self._spool = Spool(path, self._job(), self._grids, codec.planes, half)
        columns, rows = self._grids[0]
        self._given = (self._spool.index(0, 0)[0] > 0).reshape(rows, columns)
        self._rising: set[TileKey] = set()
        self._guard = threading.Lock()
        self._pool = ThreadPoolExecutor(WORKERS, thread_name_prefix="restain-encode")
        self._waiting: deque[Future[None]] = deque()
        self._failure: BaseException | None = None
        self._open = True
        try:
            self._raise_all()
        except BaseException:
            self.suspend()
            raise

    def write(self, pixels: Image, at: Point) -> None:
        """Take a block; see ``SlideWriter``. The array must not be changed afterwards. Tiles already there stay."""
        if not self._open:
            raise OutputError(f"{self._path} is closed", fix="create the slide again to go on with it")
        height, width = pixels.shape[:2]
        region = Region(at.x, at.y, width, height)
        self._check(pixels, region)
        for part in region.tiles(self.tile):
            key = TileKey(0, part.x // self.tile, part.y // self.tile)
            if self._given[key.row, key.column]:
                continue
            self._given[key.row, key.column] = True
            piece = pixels[part.y - at.y : part.bottom - at.y, part.x - at.x : part.right - at.x]
            while len(self._waiting) >= WAITING:
                self._settle()
            self._waiting.append(self._pool.submit(self._store, key, piece))

    def has(self, at: Point) -> bool:
        """Return whether the tile with this top left corner has been given or was written by an earlier call."""
        on_slide = 0 <= at.x < self.size.width and 0 <= at.y < self.size.height
        return on_slide and bool(self._given[at.y // self.tile, at.x // self.tile])

    def close(self) -> None:
        """Write the directories and move the slide into place; see ``SlideWriter``."""
        if not self._open:
            return
        try:
            while self._waiting:
                self._settle()
            if self._failure is not None:
                raise self._failure
            missing = self._given.size - np.count_nonzero(self._given)
            if missing:
                raise OutputError(
                    f"{missing} of {self._given.size} tiles of {self._path} were never written",
                    fix="write them, background too, before closing",
                )
            self._spool.finish(*pack_directories(self._directories(), self._spool.end))
        except BaseException:
            self.suspend()
            raise
        self._open = False
        self._pool.shutdown()

    def suspend(self) -> None:
        """Let go of the output without finishing it; what was written waits for the next call."""
        if self._open:
            self._open = False
            self._pool.shutdown()  # which ends the few tiles in work
            self._spool.close()

    def _check(self, pixels: Image, region: Region) -> None:
        fits = (
            pixels.ndim == 3
            and pixels.shape[2] == len(self._codec.channels)
            and pixels.dtype == self._codec.dtype
            and region.x % self.tile == region.y % self.tile == 0
            and region.clip(Region.of(self.size)) == region
            and (region.width % self.tile == 0 or region.right == self.size.width)
            and (region.height % self.tile == 0 or region.bottom == self.size.height)
        )
        if not fits:
            raise OutputError(
                f"a block of shape {pixels.shape} and type {pixels.dtype} at {region.x}, {region.y} does not fit "
                f"a slide of {self.size} pixels in tiles of {self.tile}",
                fix="write whole tiles on the grid, of the slide's channels and type",
            )

    def _store(self, key: TileKey, pixels: Image) -> None:
        """Encode a tile and its half, then whatever parents are complete by it."""
        padded = _pad(pixels, self.tile)
        needs_half = key.level + 1 < len(self._levels) and not self._spool.has(key.parent)
        half = shrink(padded, 2).tobytes() if needs_half else None
        self._spool.append(key, self._codec.encode(padded), half)
        self._raise(key.parent)

    def _raise(self, parent: TileKey) -> None:
        """Make a parent from the halves of its tiles, if they are all there and nobody else does."""
        if parent.level >= len(self._levels):
            return
        children = self._children(parent)
        with self._guard:
            if parent in self._rising or self._spool.has(parent) or not all(map(self._spool.has, children)):
                return
            self._rising.add(parent)
        edge = self.tile // 2
        size = self._levels[parent.level]
        whole = Region(parent.column * self.tile, parent.row * self.tile, self.tile, self.tile).clip(Region.of(size))
        pixels = np.empty((self.tile, self.tile, len(self._codec.channels)), self._codec.dtype)
        for child in children:
            x, y = child.column % 2 * edge, child.row % 2 * edge
            half = np.frombuffer(self._spool.half(child), self._codec.dtype)
            pixels[y : y + edge, x : x + edge] = half.reshape(edge, edge, -1)
        self._store(parent, pixels[: whole.height, : whole.width])
        self._rising.discard(parent)
        for child in children:
            self._spool.release(child)

    def _raise_all(self) -> None:
        """Make the parents that an earlier call had all tiles for when it died."""
        for level in range(1, len(self._levels)):
            columns, rows = self._grids[level]
            for row in range(rows):
                for column in range(columns):
                    self._raise(TileKey(level, column, row))

    def _children(self, parent: TileKey) -> list[TileKey]:
        columns, rows = self._grids[parent.level - 1]
        return [
            TileKey(parent.level - 1, column, row)
            for row in range(2 * parent.row, min(2 * parent.row + 2, rows))
            for column in range(2 * parent.column, min(2 * parent.column + 2, columns))
        ]

    def _settle(self) -> None:
        """Wait for the tile given first; what went wrong with one goes wrong with the slide, now and in ``close``."""
        try:
            self._waiting.popleft().result()
        except BaseException as error:
            self._failure = error
            raise

    def _job(self) -> dict[str, object]:
        """Return what makes two jobs the same, as JSON gives it back."""
        return {
            "restain": __version__,
            "size": [self.size.width, self.size.height],
            "mpp": None if self._mpp is None else [self._mpp.x, self._mpp.y],
            "channels": list(self._codec.channels),
            "dtype": self._codec.dtype.name,
            "compression": self._codec.compression,
            "quality": self._codec.quality,
            "tile": self.tile,
            "provenance": self._provenance,
        }

    def _directories(self) -> list[Directory]:
        """Return the directories that follow each other: one per plane, then, of an RGB slide, its lower levels."""
        software = f"restain {__version__}"
        codec = self._codec
        planes = []
        for plane in range(codec.planes):
            base, *lower = [self._directory(level, plane, software) for level in range(len(self._levels))]
            planes.append(Directory(base.tags, lower))
        xml = write_ome(self._path.name, self.size, self._mpp, codec.channels, codec.dtype, software, self._provenance)
        planes[0].tags.append(text(270, xml))
        return planes + planes[0].lower if codec.planes == 1 else planes

    def _directory(self, level: int, plane: int, software: str) -> Directory:
        size = self._levels[level]
        positions, lengths = self._spool.index(level, plane)
        tags = [
            longs(254, 1 if level else 0),
            longs(256, size.width),
            longs(257, size.height),
            text(305, software),
            longs(322, self.tile),
            longs(323, self.tile),
            long8s(324, positions),
            long8s(325, lengths),
            *self._codec.tags(),
        ]
        if self._mpp is not None:
            per_cm = 1e4 / 2**level
            tags += [rational(282, per_cm / self._mpp.x), rational(283, per_cm / self._mpp.y), shorts(296, 3)]
        return Directory(tags)


def _levels(size: Size, tile: int) -> list[Size]:
    """Return the extents of the pyramid: halved, rounded up, until one tile holds all."""
    levels = [size]
    while max(levels[-1].width, levels[-1].height) > tile:
        levels.append(Size(-(-levels[-1].width // 2), -(-levels[-1].height // 2)))
    return levels


def _grid(size: Size, tile: int) -> tuple[int, int]:
    return -(-size.width // tile), -(-size.height // tile)


def _pad(pixels: Image, tile: int) -> Image:
    """Fill a tile at the edge of the slide by repeating its last row and column."""
    height, width = pixels.shape[:2]
    if (height, width) == (tile, tile):
        return np.ascontiguousarray(pixels)
    return np.pad(pixels, ((0, tile - height), (0, tile - width), (0, 0)), mode="edge")
