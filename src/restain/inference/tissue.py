"""Where on a slide there is tissue: to stain no glass, and to count none."""

from restain.slides import SlideReader, overview
from restain.tissue import Mask, tissue_mask

OVERVIEW_MPP = 10.0
"""Scale of the picture in which tissue is looked for: a cell per pixel."""

OVERVIEW_SIDE = 2048
"""Its longest edge, which bounds its memory at 200 MB, before the model needs any; slides of 20 mm or less fit."""

SMALLEST_OVERVIEW = 100
"""Slides shorter than a millimetre are stained wholly: there is little to save, and too little to tell glass by."""

SMALL_SIDE = 512
"""Longest edge of the picture in which the glass of such a small one is looked for, where it is only not to count."""

UNKNOWN_MPP = 0.5
"""Scale assumed for the overview alone where nobody knows it: that of a 20x scan."""


def tissue_to_stain(reader: SlideReader) -> Mask | None:
    """Return where there is tissue, at any resolution; None for a slide so small that it is stained wholly."""
    side = _side(reader)
    if side < SMALLEST_OVERVIEW:
        return None
    return tissue_mask(overview(reader, min(round(side), OVERVIEW_SIDE)).image)


def tissue_to_count(reader: SlideReader) -> Mask:
    """Return where there is tissue, at any resolution, also on a small picture.

    Of a slide of a millimetre or more it is the mask by which it is stained. A smaller one is looked at itself, at no
    more than ``SMALL_SIDE`` pixels: finer, so that the glass around a few cells is found.
    """
    mask = tissue_to_stain(reader)
    return tissue_mask(overview(reader, SMALL_SIDE).image) if mask is None else mask


def _side(reader: SlideReader) -> float:
    """Return the longer edge of the overview at its own scale, in pixels."""
    info = reader.info
    own = UNKNOWN_MPP if info.mpp is None else info.mpp.mean
    return max(info.size.width, info.size.height) * own / OVERVIEW_MPP
