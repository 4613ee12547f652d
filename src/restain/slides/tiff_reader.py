"""TIFF, read by tifffile tile by tile: OME-TIFF, QPTIFF, ImageJ and plain, with any number of channels."""

import os
import re
import struct
import xml.etree.ElementTree as ElementTree
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, final

import numpy as np
import tifffile
from numpy.typing import NDArray

from restain.errors import SlideError
from restain.geometry import Region, Size
from restain.pixels import Image
from restain.slides.cache import TileCache
from restain.slides.composite import on_white
from restain.slides.ome import parse_ome
from restain.slides.reader import DAMAGED, RGB, SlideInfo, SlideReader, background_of
from restain.slides.scale import UNKNOWN, Scale, believe, per_pixel

LARGEST_PIECE = 2**30
"""Decoded bytes of the largest tile or strip that is read: 1 GiB. Larger ones are damaged headers or untiled giants."""

TIFF_ERRORS = (
    tifffile.TiffFileError,
    ArithmeticError,
    AttributeError,
    LookupError,
    OSError,
    RuntimeError,
    TypeError,
    ValueError,
    struct.error,
)
"""What tifffile and its codecs raise on damaged files."""

_SVS_SCALE = re.compile(r"\|\s*MPP\s*=\s*([\d.]+)")
_UNITS = {2: "inch", 3: "cm"}
_WHITE_IS_ZERO, _RGB, _PALETTE, _YCBCR = 0, 2, 3, 6
_PREMULTIPLIED, _ALPHA = 1, 2
_APERIO_JPEG2000 = (33003, 33004, 33005)


@final
class TiffReader(SlideReader):
    """The largest image of a TIFF file, with the lower levels stored for it.

    Only the tiles (or strips) that a region touches are read and decoded. Channels may be interleaved, planar, or one
    directory each. An alpha channel is composited on white.

    Raises:
        SlideError: damaged, or of a kind that is not a picture: depth or time, signed or floating-point.
    """

    def __init__(self, path: Path) -> None:
        try:
            with tifffile.TiffFile(path) as file:
                series = max(file.series, key=_extent)
                self._levels = tuple(_level(path, level) for level in series.levels)
                scale = _scale(file, series)
                names = _channel_names(file, series)
                kind = series.kind
        except TIFF_ERRORS as error:
            raise SlideError(
                f"{path} cannot be opened as TIFF ({error})",
                fix=DAMAGED,
            ) from error
        base = self._levels[0]
        count = base.channels - base.alpha
        channels = RGB if base.colour else names if len(names) == count else _numbered(count)
        self.info = SlideInfo(
            path=path,
            format=f"{kind} TIFF (tifffile)",
            levels=tuple(level.size for level in self._levels),
            mpp=scale.mpp,
            channels=channels,
            dtype=base.dtype,
            background=background_of(channels, base.dtype),
            without_mpp=scale.reason,
        )
        self._file: int | None = os.open(path, os.O_RDONLY)
        self._cache = TileCache()

    def _read_inside(self, region: Region, level: int) -> Image:
        stored = self._levels[level]
        image = self._read_tile(region, stored)
        if image is None:
            image = np.empty((region.height, region.width, stored.channels), stored.dtype)
            for plane in range(stored.planes):
                for row in range(region.y // stored.piece.height, -(-region.bottom // stored.piece.height)):
                    for column in range(region.x // stored.piece.width, -(-region.right // stored.piece.width)):
                        self._paste(image, region, level, plane, column, row)
        return on_white(image, premultiplied=stored.premultiplied) if stored.alpha else image

    def _read_tile(self, region: Region, stored: "_Level") -> Image | None:
        """Return the pixels of a region that is one whole tile: nobody needs it twice, so nothing is copied or kept."""
        if stored.planes > 1 or region.size != stored.piece:
            return None
        if region.x % stored.piece.width or region.y % stored.piece.height:
            return None
        pixels = self._decode(stored, 0, region.x // stored.piece.width, region.y // stored.piece.height)
        return pixels if pixels.flags.writeable else pixels.copy()

    def _paste(self, image: Image, region: Region, level: int, plane: int, column: int, row: int) -> None:
        stored = self._levels[level]
        pixels = self._cache.get((level, plane, column, row), lambda: self._decode(stored, plane, column, row))
        at = Region(column * stored.piece.width, row * stored.piece.height, pixels.shape[1], pixels.shape[0])
        part = region.clip(at)
        target = Region(part.x - region.x, part.y - region.y, part.width, part.height).slices
        source = Region(part.x - at.x, part.y - at.y, part.width, part.height).slices
        if stored.planes == 1:
            image[target] = pixels[source]
        else:
            image[(*target, plane)] = pixels[(*source, 0)]

    def _decode(self, stored: "_Level", plane: int, column: int, row: int) -> Image:
        if self._file is None:
            raise SlideError(f"{self.info.path} is closed", fix="open it again before reading")
        directory, index = stored.locate(plane, column, row)
        try:
            data = os.pread(self._file, int(directory.lengths[index]), int(directory.offsets[index]))
            pixels = directory.decode(data or None, index, jpegtables=directory.jpeg_tables)[0]
        except TIFF_ERRORS as error:
            raise SlideError(
                f"{self.info.path}: tile {column}, {row} cannot be decoded ({error})",
                fix=DAMAGED,
            ) from error
        if pixels is None:  # a sparse file leaves out empty tiles
            shape = (stored.piece.height, stored.piece.width, stored.samples)
            return np.full(shape, self.info.background, stored.dtype)
        return stored.meaning(pixels[0])

    def close(self) -> None:
        """Let go of the file."""
        if self._file is not None:
            os.close(self._file)
            self._file = None


@final
@dataclass(frozen=True)
class _Plane:
    """The tiles (or strips) of one TIFF directory: where they lie in the file, row by row, and how to decode them."""

    offsets: NDArray[np.uint64]
    lengths: NDArray[np.uint64]
    decode: Callable[..., Any]
    jpeg_tables: bytes | None


@final
@dataclass(frozen=True)
class _Level:
    """One level of the pyramid; channels lie in the tiles (``samples``), over each other (``planes``), or both."""

    size: Size
    piece: Size
    """Extent of a tile; a strip is as wide as the image."""
    directories: tuple[_Plane, ...]
    """One for all planes, or one for each."""
    samples: int
    planes: int
    dtype: np.dtype[Any]
    photometric: int
    palette: NDArray[np.uint8] | None
    """(entries, 3), the colours that the stored numbers stand for."""
    alpha: bool
    premultiplied: bool

    @property
    def channels(self) -> int:
        return 3 if self.palette is not None else self.samples * self.planes

    @property
    def colour(self) -> bool:
        """Whether the channels, without alpha, are red, green, blue (the decoder has turned YCbCr into them)."""
        return self.photometric in (_RGB, _PALETTE, _YCBCR) and self.channels - self.alpha == 3

    def meaning(self, stored: Image) -> Image:
        """Return what the numbers of a decoded tile stand for: colours of a palette, or light where white is zero."""
        if self.palette is not None:
            return self.palette[stored[..., 0]]
        return np.invert(stored) if self.photometric == _WHITE_IS_ZERO else stored

    def locate(self, plane: int, column: int, row: int) -> tuple[_Plane, int]:
        """Return the directory and the index in it of a tile."""
        across, down = -(-self.size.width // self.piece.width), -(-self.size.height // self.piece.height)
        if len(self.directories) > 1:
            return self.directories[plane], row * across + column
        return self.directories[0], (plane * down + row) * across + column


def _level(path: Path, series: tifffile.TiffPageSeries) -> _Level:
    found, page = tuple(series.pages), series.keyframe
    pages = tuple(one for one in found if one is not None)
    count = page.samplesperpixel * len(pages)
    size, piece = Size(page.imagewidth, page.imagelength), _piece(page)
    depth = sum(length for axis, length in zip(series.axes, series.shape, strict=True) if axis in "ZT" and length > 1)
    if depth:
        raise SlideError(f"{path} has {depth} planes of depth or time", fix="save one of them as an image of its own")
    if not size.area:
        raise SlideError(f"{path} has no pixels ({size})", fix="export it again")
    if page.dtype not in (np.uint8, np.uint16):
        raise SlideError(f"{path} holds pixels of type {page.dtype}", fix="convert it to 8 or 16 bits")
    if page.compression in _APERIO_JPEG2000:
        raise SlideError(f"{path} holds JPEG 2000 in Aperio's colours", fix="install openslide-bin, which reads it")
    if len(pages) < len(found) or series.size != count * size.area or (len(pages) > 1 and page.samplesperpixel > 1):
        raise SlideError(
            f"{path} holds {len(pages)} directories of {count} channels for an image of shape {series.shape}",
            fix="save it again as OME-TIFF with its channels in one file",
        )
    if piece.area * page.samplesperpixel * page.dtype.itemsize > LARGEST_PIECE:
        raise SlideError(
            f"{path} is stored in pieces of {piece} pixels, too large to read one by one",
            fix="convert it to a tiled TIFF (for example vips tiffsave --tile --pyramid --bigtiff)",
        )
    palette = _palette(path, page) if page.photometric == _PALETTE else None
    level = _Level(
        size=size,
        piece=piece,
        directories=tuple(_directory(path, one, page) for one in pages),
        samples=page.samplesperpixel if page.planarconfig == tifffile.PLANARCONFIG.CONTIG else 1,
        planes=max(len(pages), 1 if page.planarconfig == tifffile.PLANARCONFIG.CONTIG else page.samplesperpixel),
        dtype=np.dtype(np.uint8) if palette is not None else page.dtype,
        palette=palette,
        photometric=page.photometric,
        alpha=page.extrasamples[-1:] in ((_PREMULTIPLIED,), (_ALPHA,)),
        premultiplied=page.extrasamples[-1:] == (_PREMULTIPLIED,),
    )
    expected = -(-size.width // piece.width) * -(-size.height // piece.height) * level.planes // len(pages)
    if any(len(directory.offsets) != expected for directory in level.directories):
        raise SlideError(f"{path} does not list its {expected} tiles", fix=DAMAGED)
    return level


def _palette(path: Path, page: tifffile.TiffPage) -> NDArray[np.uint8]:
    """Return (entries, 3): TIFF stores 16 bits per colour, of which the upper 8 count."""
    stored = np.asarray(page.colormap)
    if stored.shape != (3, 2**page.bitspersample) or page.samplesperpixel != 1:
        raise SlideError(f"{path} has a palette of shape {stored.shape}", fix=DAMAGED)
    return (stored >> 8).astype(np.uint8).T


def _piece(page: tifffile.TiffPage) -> Size:
    if page.is_tiled:
        return Size(page.tilewidth, page.tilelength)
    return Size(page.imagewidth, min(page.rowsperstrip, page.imagelength))


def _directory(path: Path, page: tifffile.TiffPage | tifffile.TiffFrame, key: tifffile.TiffPage) -> _Plane:
    offsets, lengths = np.array(page.dataoffsets, np.uint64), np.array(page.databytecounts, np.uint64)
    if offsets.shape != lengths.shape or (offsets + lengths).max(initial=0) > path.stat().st_size:
        raise SlideError(f"{path} ends before its last tile", fix=DAMAGED)
    return _Plane(offsets, lengths, key.decode, page.jpegtables)


def _extent(series: tifffile.TiffPageSeries) -> int:
    return int(series.keyframe.imagewidth) * int(series.keyframe.imagelength)


def _scale(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> Scale:
    """Return the scale from OME-XML, from Aperio's note, from ImageJ's unit, or from the resolution."""
    if file.ome_metadata is not None:
        scale = parse_ome(file.ome_metadata, file.series.index(series)).scale
        if scale != UNKNOWN:
            return scale
    if file.is_svs:
        edge = _SVS_SCALE.search(series.keyframe.description)
        return UNKNOWN if edge is None else believe(float(edge[1]), float(edge[1]))
    tags = series.keyframe.tags
    unit = (file.imagej_metadata or {}).get("unit", _UNITS.get(int(tags.valueof("ResolutionUnit", 1)), ""))
    x, y = (tags.valueof(name, (0, 1)) for name in ("XResolution", "YResolution"))
    return believe(*(per_pixel(top / bottom if bottom else 0, unit) for top, bottom in (x, y)))


def _channel_names(file: tifffile.TiffFile, series: tifffile.TiffPageSeries) -> tuple[str, ...]:
    """Return the names that OME-XML or QPTIFF give the channels; empty where there are none."""
    if file.ome_metadata is not None:
        return parse_ome(file.ome_metadata, file.series.index(series)).channels
    if file.is_qpi:
        return tuple(_qptiff_name(page) for page in series.pages if isinstance(page, tifffile.TiffPage))
    return ()


def _numbered(count: int) -> tuple[str, ...]:
    return tuple(f"channel {k}" for k in range(count)) if count > 1 else ("grey",)


def _qptiff_name(page: tifffile.TiffPage) -> str:
    try:
        name = ElementTree.fromstring(page.description.encode("utf-16")).findtext("Name")
    except ElementTree.ParseError:
        name = None
    return name or f"channel {page.index}"
