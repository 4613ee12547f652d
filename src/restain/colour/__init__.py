"""Colour: optical density, published stain vectors, and the way between stain amounts and density.

Optical density is base 10 throughout, as in the papers on colour deconvolution: OD = -log10(I / 255). A stain of amount
``a`` adds ``a`` times its vector to the density of red, green and blue (Beer-Lambert), and vectors have length one, so
an amount is a density too.
"""

from restain.colour.density import od_from_rgb, rgb_from_od
from restain.colour.separation import compose, separate
from restain.colour.vectors import (
    DAB,
    DAB_FIJI,
    EOSIN,
    EOSIN_FIJI,
    H_DAB_FIJI,
    HE,
    HE_FIJI,
    HED,
    HEMATOXYLIN,
    HEMATOXYLIN_FIJI,
    HEMATOXYLIN_FIJI_HE,
    StainVectors,
    unit_vector,
)

__all__ = [
    "DAB",
    "DAB_FIJI",
    "EOSIN",
    "EOSIN_FIJI",
    "HE",
    "HED",
    "HEMATOXYLIN",
    "HEMATOXYLIN_FIJI",
    "HEMATOXYLIN_FIJI_HE",
    "HE_FIJI",
    "H_DAB_FIJI",
    "StainVectors",
    "compose",
    "od_from_rgb",
    "rgb_from_od",
    "separate",
    "unit_vector",
]
