"""Which reader opens which file: decided by the content of the file, never by its name."""

import warnings
from dataclasses import replace
from pathlib import Path

from openslide import OpenSlide

from restain.errors import RestainWarning, SlideError
from restain.geometry import Mpp
from restain.slides.openslide_reader import OpenSlideReader
from restain.slides.plain_reader import PlainReader
from restain.slides.reader import RGB, SlideReader
from restain.slides.tiff_reader import TiffReader

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")


def open_slide(path: Path, mpp: Mpp | None = None) -> SlideReader:
    """Open a slide or an image.

    The rule, in this order:

    1. What OpenSlide knows by its vendor (SVS, NDPI, MRXS, SCN, DICOM ...) is read by OpenSlide.
    2. Any other TIFF (plain, OME, QPTIFF, ImageJ) is read by tifffile: faster, with all channels, 16 bits and SubIFD
       levels. The exception is colour of 8 bits of which OpenSlide sees more levels (levels chained behind OME-XML).
    3. All else, and TIFF with a palette and the like, is read by Pillow.

    Args:
        path: the file; for MRXS the ``.mrxs`` file beside its folder, for DICOM any file of the series.
        mpp: the scale of level 0, which overrides the file's.

    Returns:
        An open reader; close it, or use it as a context manager.

    Raises:
        SlideError: missing, a folder, empty, unreadable, damaged, or not an image.
    """
    head = _head(path)
    vendor = OpenSlide.detect_format(path)
    if vendor is not None and vendor != "generic-tiff":
        reader = _open_vendor(path, is_tiff=head in _TIFF)
    elif head in _TIFF:
        reader = _open_tiff(path, openslide_knows=vendor is not None)
    else:
        reader = PlainReader(path)
    if mpp is not None:
        reader.info = replace(reader.info, mpp=mpp)
    return reader


def _head(path: Path) -> bytes:
    if path.is_dir():
        raise SlideError(f"{path} is a folder", fix="name one file in it")
    try:
        with path.open("rb") as file:
            head = file.read(4)
    except FileNotFoundError as error:
        raise SlideError(f"{path} does not exist", fix="check the path") from error
    except OSError as error:
        raise SlideError(f"{path} cannot be read ({error.strerror})", fix="check its permissions") from error
    if not head:
        raise SlideError(f"{path} is empty", fix="copy it again from its source")
    return head


def _open_vendor(path: Path, *, is_tiff: bool) -> SlideReader:
    try:
        reader = OpenSlideReader(path)
    except SlideError as refused:
        if not is_tiff:
            raise
        try:  # a vendor's TIFF with a compression that OpenSlide lacks
            return TiffReader(path)
        except SlideError:
            raise refused from None
    if reader.mistaken_colours:
        warnings.warn(
            f"{path} calls its pixels RGB, but they are YCbCr; they are converted.", RestainWarning, stacklevel=3
        )
    return reader


def _open_tiff(path: Path, *, openslide_knows: bool) -> SlideReader:
    try:
        reader = TiffReader(path)
    except SlideError as refused:
        try:
            return PlainReader(path)
        except SlideError:
            raise refused from None
    if openslide_knows and reader.info.channels == RGB and reader.info.dtype.itemsize == 1:
        try:
            other = OpenSlideReader(path)
        except SlideError:
            return reader
        if len(other.info.levels) > len(reader.info.levels):
            reader.close()
            return other
        other.close()
    return reader
