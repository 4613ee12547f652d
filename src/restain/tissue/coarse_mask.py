"""Coarse masks of what a marker shows: threshold and morphology, no learning.

Thresholding and morphology on DAB are how StainDiffuser (Kataria et al., 2024) makes the labels of its segmentation
branch; sizes are not stated there. They are lengths and areas on the tissue here, so that one set of options serves
every scale. Discs are made from Euclidean distances. Beyond its edges an image is taken for mirrored: nothing is worn
away there, and a gap beside the edge closes where it would inside.
"""

import math
from typing import final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage

from restain.config import Config
from restain.geometry import Mpp
from restain.tissue.dab_histogram import dab_density
from restain.tissue.plan import Mask


@final
class CoarseMaskConfig(Config):
    """The steps from a thresholded image to a mask, in their order; 0 leaves a step out."""

    smooth: float = Field(default=0.25, ge=0)
    """Deviation in micrometres of the Gaussian over the density before the threshold: noise of single pixels goes, a
    membrane stays."""
    opening: float = Field(default=0.0, ge=0)
    """Radius in micrometres; what is thinner than twice this goes. 0 because membranes are thinner than any radius that
    has an effect; what is not the marker is small and goes as a speck."""
    closing: float = Field(default=1.0, ge=0)
    """Radius in micrometres; gaps narrower than twice this close, such as those in a broken membrane."""
    grow: float = Field(default=0.0, ge=0)
    """By how many micrometres the mask then grows; 0 because a mask that is larger than the marker is a wrong one."""
    median: float = Field(default=1.5, ge=0)
    """Width in micrometres of the window in which the majority decides; rounds corners. Membranes bear no more."""
    speck: float = Field(default=10.0, ge=0)
    """Parts of a smaller area, in square micrometres, are dropped: no cell is smaller."""
    fill: float = Field(default=0.0, ge=0)
    """Holes of at most this area, in square micrometres, are filled; 0 because the inside of a ring of membrane is not
    positive. See ``GLANDS``."""
    assumed_mpp: float = Field(default=0.5, gt=0)
    """Micrometres per pixel where nobody knows the scale; 0.5 is what 20x objectives give."""


GLANDS = CoarseMaskConfig(closing=5.0, median=2.5, fill=250.0)
"""For markers of cytoplasm (CK8/18): nuclei, which stay clear, become part of the gland; 5 um is the radius of a large
one, and closes those open to one side. Lumina stay open, all but the smallest."""

GLANDS_OF_CDX2 = CoarseMaskConfig(
    smooth=0, opening=1.25, closing=0, grow=3.75, median=12.75, speck=125, fill=float("inf"), assumed_mpp=0.25
)
"""What public code of that group does for glands by CDX2 at 0.25 um/px: erosion by 5 px, dilation by 20 (an opening by
5 and growth by 15), median of 51, no parts below 2000 px, no holes; with discs where it repeats squares of 3 x 3. Its
threshold is the mean density: give ``DabHistogram.mean`` for ``threshold``."""


def coarse_mask(
    image: NDArray[np.uint8], threshold: float, mpp: Mpp | None = None, options: CoarseMaskConfig | None = None
) -> Mask:
    """Return where a marker is.

    Args:
        image: (H, W, 3) uint8, a stain with hematoxylin and DAB.
        threshold: optical density of DAB above which a pixel is positive; see ``choose_threshold``.
        mpp: scale; None where nobody knows it, which takes ``options.assumed_mpp``.
        options: the steps; None takes the defaults.

    Returns:
        (H, W) bool.

    Raises:
        DataError: an image of another shape or type.
    """
    options = options or CoarseMaskConfig()
    scale = mpp or Mpp.square(options.assumed_mpp)
    area = scale.x * scale.y
    density = dab_density(image)
    if options.smooth:
        density = ndimage.gaussian_filter(density, (options.smooth / scale.y, options.smooth / scale.x))
    margin = [math.ceil(2 * max(options.opening, options.closing, options.grow) / step) for step in (scale.y, scale.x)]
    mask: Mask = np.pad(density > threshold, [(side, side) for side in margin], mode="symmetric")
    mask = _dilated(_eroded(mask, options.opening, scale), options.opening, scale)
    mask = _eroded(_dilated(mask, options.closing, scale), options.closing, scale)
    mask = _dilated(mask, options.grow, scale)
    mask = mask[margin[0] : mask.shape[0] - margin[0], margin[1] : mask.shape[1] - margin[1]]
    mask = _majority(mask, options.median, scale)
    mask = _without_parts(mask, options.speck / area)
    return ~_without_parts(~mask, options.fill / area, keep_border=True)


def _dilated(mask: Mask, radius: float, scale: Mpp) -> Mask:
    """Return what is at most the radius away from the mask."""
    if not radius or not mask.any():
        return mask
    near: Mask = ndimage.distance_transform_edt(~mask, sampling=(scale.y, scale.x)) <= radius
    return near


def _eroded(mask: Mask, radius: float, scale: Mpp) -> Mask:
    return ~_dilated(~mask, radius, scale)


def _majority(mask: Mask, width: float, scale: Mpp) -> Mask:
    """Return the median over a window: of a mask it is whether more than half of the window is set."""
    size = [int(width / step / 2) * 2 + 1 for step in (scale.y, scale.x)]
    share: NDArray[np.float32] = ndimage.uniform_filter(mask.astype(np.float32), size, mode="nearest")
    return share > 0.5


def _without_parts(mask: Mask, pixels: float, *, keep_border: bool = False) -> Mask:
    """Return the mask without parts of fewer pixels, or, with ``keep_border``, of no more; parts at the border stay.

    Parts of the mask touch at corners too, parts of the background at sides only: so a thin ring has an inside.
    """
    if not pixels:
        return mask
    parts, count = ndimage.label(mask, None if keep_border else np.ones((3, 3)))
    sizes = np.bincount(parts.ravel(), minlength=count + 1)
    kept = sizes > pixels if keep_border else sizes >= pixels
    if keep_border:
        border = np.concatenate([parts[0], parts[-1], parts[:, 0], parts[:, -1]])
        kept[border] = True
    kept[0] = False
    left: Mask = kept[parts]
    return left
