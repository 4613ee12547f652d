"""What a pathologist reads from a nuclear or membrane marker: which cells are positive, and how many.

The density of DAB comes from colour separation after Ruifrok and Johnston, Quantification of histochemical staining by
color deconvolution, 2001. Cells come as an instance mask; the same mask for the virtual and the real stain, so that
finding cells and reading them are not confused.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.colour import H_DAB_FIJI, StainVectors, od_from_rgb, separate
from restain.errors import DataError

Flags = NDArray[np.bool_]
"""(n,), one per cell."""


@final
@dataclass(frozen=True, slots=True)
class CellDensity:
    """The DAB of each cell.

    Args:
        labels: (n,) of the cells in the instance mask, increasing.
        density: (n,) float64, mean optical density of DAB over the pixels of the cell, base 10. Unclipped: a cell
            without DAB may lie slightly below 0.
    """

    labels: NDArray[Any]
    density: NDArray[np.float64]

    def is_positive(self, threshold: float) -> Flags:
        """Return which cells have more DAB than a threshold, in optical density."""
        return self.density > threshold


def cell_density(image: NDArray[np.uint8], cells: NDArray[Any], stains: StainVectors = H_DAB_FIJI) -> CellDensity:
    """Return the mean optical density of DAB in every cell.

    Args:
        image: (H, W, 3) uint8, a stain with DAB.
        cells: (H, W) integers: 0 outside of cells, else the label of the cell.
        stains: the stains in the image; one is named ``"dab"``.

    Raises:
        DataError: image and mask differ in size, the mask is not of integers, or no stain is named ``"dab"``.
    """
    if image.shape != (*cells.shape, 3) or not np.issubdtype(cells.dtype, np.integer):
        raise DataError(
            f"an image of shape {image.shape} and a cell mask of {cells.shape} and type {cells.dtype} do not fit",
            fix="pass an (H, W, 3) image and an (H, W) mask of integers",
        )
    if "dab" not in stains.names:
        raise DataError(f"DAB is not among the stains {', '.join(stains.names)}", fix="choose vectors that have it")
    inside = cells != 0
    amounts = separate(od_from_rgb(image[inside]), stains)[:, stains.names.index("dab")]
    labels, place, pixels = np.unique(cells[inside], return_inverse=True, return_counts=True)
    return CellDensity(labels, np.bincount(place, amounts, len(labels)) / pixels)


def percent_positive(positive: Flags) -> float:
    """Return the percentage of positive cells.

    Raises:
        DataError: there are no cells.
    """
    if not len(positive):
        raise DataError("there is no cell to count", fix="choose a region with cells")
    return 100 * float(positive.mean())


def balanced_accuracy(positive: Flags, truth: Flags) -> float:
    """Return the mean of sensitivity and specificity: 1 is perfect, 0.5 is a guess, whatever the prevalence.

    Args:
        positive: (n,) what was read.
        truth: (n,) what is.

    Raises:
        DataError: the numbers of cells differ, or the truth lacks one of the two classes.
    """
    if positive.shape != truth.shape:
        raise DataError(
            f"{len(positive)} cells were read where {len(truth)} are known", fix="read both with one cell mask"
        )
    if truth.all() or not truth.any():
        raise DataError(
            "balanced accuracy needs positive and negative cells, and the truth has only one kind",
            fix="choose a larger region",
        )
    return (float(positive[truth].mean()) + float((~positive[~truth]).mean())) / 2
