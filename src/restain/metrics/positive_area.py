"""Where an image is positive: the pixels with enough DAB.

Two rules. ``dark_dab`` is the threshold of integrated optical density (``restain.metrics.iod``): the DAB image of
Fiji's H DAB has a grey level of at most 100, a density of 0.41. It looks at single pixels, so an image may be measured
in parts.

``closed_hed`` is the rule by which StainDiffuser was evaluated: DAB of scikit-image's ``rgb2hed`` above 0.07, dilated
and eroded by 3 x 3 pixels, twice each, and a median of 5 x 5. Since version 0.18 scikit-image divides the absorbance
-ln(I) by -ln(1e-6) = 13.8, so 0.07 is an absorbance of 0.967, a density of 0.07 x 6 = 0.42; older versions had another
scale, in which 0.07 is another threshold. Its vectors have not length one: in ours the density is 0.421. It looks at
neighbours, so it is for whole tiles only; beyond their border it sees nothing, and the median sees the nearest pixels.
"""

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from restain.colour import HED, separate
from restain.errors import DataError
from restain.metrics.iod import dab_mask

AreaRule = Literal["dark_dab", "closed_hed"]
"""How positive pixels are found: by a threshold alone, or by threshold and morphology."""

DARKEST = 1e-6
"""Transmission at which a level of 0 counts, as in scikit-image."""

CLOSED_HED_DENSITY = -0.07 * np.log10(DARKEST) * float(np.linalg.norm([0.27, 0.57, 0.78]))
"""The optical density of DAB, base 10, that 0.07 of scikit-image is: 0.421, by a unit vector."""

_DENSITY = -np.log10(np.maximum(np.arange(256) / 255, DARKEST))
_SQUARE = np.ones((3, 3), bool)


def positive_area(image: NDArray[np.uint8], rule: AreaRule = "dark_dab") -> NDArray[np.bool_]:
    """Return the positive pixels of an image.

    Args:
        image: (H, W, 3) uint8, a stain with DAB.
        rule: how they are found.

    Returns:
        (H, W).

    Raises:
        DataError: the image is not 8-bit colour.
    """
    if image.ndim != 3 or image.shape[2] != 3 or image.dtype != np.uint8:
        raise DataError(
            f"an image of shape {image.shape} and type {image.dtype} is not 8-bit colour", fix="convert it to 8-bit RGB"
        )
    if rule == "dark_dab":
        return dab_mask(image)
    area = separate(_DENSITY[image], HED)[..., HED.names.index("dab")] > CLOSED_HED_DENSITY
    area = ndimage.binary_dilation(area, _SQUARE, iterations=2)
    area = ndimage.binary_erosion(area, _SQUARE, iterations=2, border_value=1)
    median: NDArray[np.uint8] = ndimage.median_filter(area.astype(np.uint8), 5, mode="nearest")
    return median > 0


def positive_share(image: NDArray[np.uint8], rule: AreaRule = "dark_dab") -> float:
    """Return the share of positive pixels, in [0, 1]; arguments and errors as in ``positive_area``.

    Over the images of a set, ``pearson`` of pred and target tells whether positive images are positive.
    """
    return float(positive_area(image, rule).mean())
