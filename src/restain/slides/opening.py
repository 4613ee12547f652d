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
_APERIO = "aperio"
_EITHER = ("generic-tiff", _APERIO)


def open_slide(path: Path, mpp: Mpp | None = None) -> SlideReader:
    """Open a slide or an image.

    The rule, in this order:

    1. What OpenSlide knows by its vendor (NDPI, MRXS, SCN, DICOM ...) is read by OpenSlide.
    2. Any other TIFF (OME, QPTIFF, ImageJ, plain) and Aperio's SVS is read by tifffile: five times faster than
       OpenSlide where both can, and with all channels, 16 bits, SubIFD levels and WebP where OpenSlide cannot.
       OpenSlide takes over for SVS in JPEG 2000, whose colours tifffile does not convert, and wherever it sees more
       levels (those chained behind OME-XML).
    3. All else is read by Pillow.

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
    reader: SlideReader
    if vendor is not None and vendor not in _EITHER:
        reader = _open_vendor(path)
    elif head in _TIFF:
        reader = _open_tiff(path, vendor)
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


def _open_vendor(path: Path) -> SlideReader:
    reader = OpenSlideReader(path)
    if reader.mistaken_colours:
        warnings.warn(
            f"{path} calls its pixels RGB, but they are YCbCr; they are converted.", RestainWarning, stacklevel=3
        )
    return reader


def _open_tiff(path: Path, vendor: str | None) -> SlideReader:
    try:
        reader = TiffReader(path)
    except SlideError as refused:
        if vendor != _APERIO:
            raise
        try:
            return OpenSlideReader(path)
        except SlideError:
            raise refused from None
    if vendor is not None and reader.info.channels == RGB and reader.info.dtype.itemsize == 1:
        try:
            other = OpenSlideReader(path)
        except SlideError:
            return reader
        if len(other.info.levels) > len(reader.info.levels):
            reader.close()
            return other
        other.close()
    return reader
