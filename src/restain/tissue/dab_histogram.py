"""How dense DAB is over any number of images, as one fixed histogram: a data set or a slide needs no more memory."""

from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from restain.colour import H_DAB_FIJI, od_from_rgb, separate
from restain.errors import DataError

LOWEST, HIGHEST, BINS = -0.25, 1.0, 500
"""Ends of the histogram, as optical density, and its bins of 0.0025, finer than one of 256 levels above a density of
0.17. What lies beyond counts at the end: a pixel that lets through a tenth of the light is positive, however much
darker it is, and without this a few black pixels would move mean and deviation more than all others."""

TISSUE = 0.05
"""Optical density of the densest channel below which a pixel is glass (11 % absorbed)."""


def dab_density(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Return the optical density of DAB, base 10, by Fiji's vectors "H DAB"; unclipped.

    Args:
        image: (H, W, 3) uint8, a stain with hematoxylin and DAB.

    Returns:
        (H, W) float32.

    Raises:
        DataError: another shape or type.
    """
    return _dab(_density(image))


@final
class DabHistogram:
    """Counts of the density of DAB over the pixels of images.

    Args:
        tissue_only: whether glass is left out: how many pixels are positive then does not depend on how much glass
            surrounds the tissue. False counts all pixels, the literal reading of "mean over the slide".
    """

    centres: NDArray[np.float64] = LOWEST + (HIGHEST - LOWEST) * (np.arange(BINS) + 0.5) / BINS
    """(BINS,) densities in the middle of the bins."""

    def __init__(self, *, tissue_only: bool = True) -> None:
        self.tissue_only = tissue_only
        self.counts = np.zeros(BINS, np.int64)
        """(BINS,) pixels."""

    def add(self, image: NDArray[np.uint8]) -> None:
        """Count the pixels of one more image or tile.

        Args:
            image: (H, W, 3) uint8, a stain with hematoxylin and DAB.

        Raises:
            DataError: another shape or type.
        """
        density = _density(image)
        dab = _dab(density)
        if self.tissue_only:
            dab = dab[ndimage.gaussian_filter(density.max(axis=2), 1) > TISSUE]
        self.add_densities(dab)

    def add_densities(self, dab: NDArray[Any]) -> None:
        """Count densities of DAB that are known already, of any shape."""
        place = np.floor((dab.ravel() - LOWEST) * (BINS / (HIGHEST - LOWEST))).clip(0, BINS - 1).astype(np.int64)
        self.counts += np.bincount(place, minlength=BINS)

    @property
    def pixels(self) -> int:
        """How many were counted."""
        return int(self.counts.sum())

    @property
    def mean(self) -> float:
        """Mu, the mean density; NaN where nothing was counted."""
        return float((self.counts * self.centres).sum() / self.pixels) if self.pixels else float("nan")

    @property
    def deviation(self) -> float:
        """Sigma, the standard deviation of the density; NaN where nothing was counted."""
        if not self.pixels:
            return float("nan")
        return float(np.sqrt((self.counts * (self.centres - self.mean) ** 2).sum() / self.pixels))

    def quantile(self, share: float) -> float:
        """Return the density below which a share of the pixels lies, to a bin; NaN where nothing was counted."""
        if not self.pixels:
            return float("nan")
        place = int(np.searchsorted(np.cumsum(self.counts), share * self.pixels))
        return float(self.centres[min(place, BINS - 1)])

    def share_above(self, density: float) -> float:
        """Return the share of pixels that are denser, to a bin; NaN where nothing was counted."""
        return float(self.counts[self.centres > density].sum() / self.pixels) if self.pixels else float("nan")


def _density(image: NDArray[np.uint8]) -> NDArray[np.float32]:
    if image.ndim != 3 or image.shape[2] != 3 or image.size == 0:
        raise DataError(
            f"an image of shape {image.shape} is not (H, W, 3)", fix="pass a stain with DAB, in red, green and blue"
        )
    return od_from_rgb(image)


def _dab(density: NDArray[np.float32]) -> NDArray[np.float32]:
    dab: NDArray[np.float32] = separate(density, H_DAB_FIJI)[..., H_DAB_FIJI.names.index("dab")]
    return dab
