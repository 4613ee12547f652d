"""Membranes of cells: how much of each is stained, and how darkly.

A nucleus tells where a cell is, not where its membrane runs. So every cell looks around in sectors: in each, the
darkest line of DAB within reach is its membrane there. Places nearer to another nucleus belong to that cell, but the
line between two is both's, so it is seen from a micrometre away. Brown that is wider than a line, as in the cytoplasm
or on fibres, is taken off first (a white top-hat: what an opening removes): a membrane is thin, and a pathologist
leaves the cytoplasm out too.

Densities are therefore those of a line over its surroundings, at the scale of the image and after its blur: at
0.5 um/px half or less of what the bare membrane absorbs.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field
from scipy import ndimage
from skimage.segmentation import expand_labels

from restain.config import Config
from restain.errors import DataError
from restain.geometry import Mpp
from restain.tissue.dab_histogram import dab_density
from restain.tissue.nuclei import Labels, centres

SECTORS = 16
"""Directions in which a cell looks: at 5 um from its centre one is 2 um wide, some pixels at 0.5 um/px."""

SMOOTH = 0.25
"""Deviation in micrometres of the Gaussian over the density: noise of single pixels goes, a membrane stays."""

LINE = 2.0
"""Radius in micrometres of the opening: brown that is twice as wide is no membrane. Those of two cells that touch are
about 1.5 um."""

LOOK = 1.0
"""A membrane is seen from this far, in micrometres: from both of the cells between which it runs, although the middle
between two nuclei is not exactly where it does."""

RIM = 0.75
"""Deeper than this inside a nucleus, in micrometres, nobody looks for a membrane."""

Singles = NDArray[np.float32]


@final
class MembraneRule(Config):
    """From which density and extent on a membrane counts, so that words of the guideline become numbers.

    No source fixes these densities: a pathologist grades by eye. They are those with which fields of the phantom all of
    whose cells have one score are read as that score (seeds 100 to 109), and cells of mixed fields most often. So
    choose them anew on real images of a laboratory, and use the same for virtual ones.
    """

    faint: float = Field(default=0.07, gt=0)
    """Least density of a stained membrane; real tissue without HER2 has lines of 0.04 to 0.06 by noise and fibres."""
    some: float = Field(default=0.5, gt=0, le=1)
    """Least share of a membrane that is stained for the cell to count as stained; single sectors touch a neighbour's
    membrane, or a fibre."""
    weak: float = Field(default=0.12, gt=0)
    """Density above which staining is no longer faint, so that a complete membrane of it is 2+."""
    complete: float = Field(default=0.75, gt=0, le=1)
    """Least share of a complete membrane; not 1, because the foot of a cell and its free side are paler."""
    intense: float = Field(default=0.30, gt=0)
    """Median density from which on staining is intense."""


@final
@dataclass(frozen=True, slots=True)
class Membranes:
    """The membranes of cells.

    Args:
        strength: (n, SECTORS) optical density of DAB of the membrane over its surroundings, in each sector; NaN where
            the cell has no room, as between two nuclei that touch.
    """

    strength: NDArray[np.float64]

    def completeness(self, density: float) -> NDArray[np.float64]:
        """Return the share of the membrane that is denser, (n,) in [0, 1]; 0 for a cell without room for one."""
        seen = np.isfinite(self.strength).sum(axis=1)
        with np.errstate(invalid="ignore"):
            stained = (self.strength > density).sum(axis=1)
        return np.asarray(stained / np.maximum(seen, 1))

    def grades(self, rule: MembraneRule = MembraneRule()) -> NDArray[np.int64]:
        """Return how each cell is stained, as the words of the guideline for HER2 have it.

        Returns:
            (n,): 0 not stained; 1 incomplete and faint; 2 complete and weak to moderate; 3 complete and intense.
        """
        is_complete = self.completeness(rule.weak) >= rule.complete
        grades = np.where(self.completeness(rule.faint) >= rule.some, 1, 0)
        grades = np.where(is_complete, 2, grades)
        return np.where(is_complete & (self.intensity >= rule.intense), 3, grades).astype(np.int64)

    @property
    def intensity(self) -> NDArray[np.float64]:
        """(n,) the median density over the sectors, so that of a complete membrane; 0 for a cell without room."""
        filled = np.sort(np.where(np.isfinite(self.strength), self.strength, np.inf), axis=1)
        seen = np.isfinite(filled).sum(axis=1)
        rows = np.arange(len(filled))
        middle = (filled[rows, np.maximum(seen - 1, 0) // 2] + filled[rows, np.minimum(seen // 2, SECTORS - 1)]) / 2
        return np.where(seen > 0, middle, 0.0)


def read_membranes(image: NDArray[np.uint8], nuclei: Labels, mpp: Mpp, reach: float = 5.0) -> Membranes:
    """Read the membrane of every cell.

    Args:
        image: (H, W, 3) uint8, hematoxylin and DAB.
        nuclei: (H, W), 0 outside of nuclei, else numbers 1, 2, 3, ... without gaps.
        mpp: scale.
        reach: how far a cell reaches beyond its nucleus, in micrometres.

    Raises:
        DataError: image and nuclei differ in size, or the image is not 8-bit colour.
    """
    if image.shape[:2] != nuclei.shape:
        raise DataError(
            f"an image of shape {image.shape} and nuclei of {nuclei.shape} do not fit", fix="find nuclei in the image"
        )
    strength = np.full((int(nuclei.max(initial=0)), SECTORS), -np.inf)
    if not len(strength):
        return Membranes(strength)
    lines = _lines(dab_density(image), mpp)
    cells = expand_labels(nuclei, reach, spacing=(mpp.y, mpp.x))  # type: ignore[no-untyped-call]  # no types
    depth = ndimage.distance_transform_edt(nuclei > 0, sampling=(mpp.y, mpp.x))
    row, column = np.nonzero((cells > 0) & (depth <= RIM))
    owner = cells[row, column] - 1
    middle = centres(nuclei, mpp)[owner]
    angle = np.arctan2((row + 0.5) * mpp.y - middle[:, 0], (column + 0.5) * mpp.x - middle[:, 1])
    sector = np.floor(angle / (2 * np.pi) * SECTORS).astype(np.int64) % SECTORS
    np.maximum.at(strength, (owner, sector), lines[row, column])
    return Membranes(np.where(np.isfinite(strength), strength, np.nan))


def _lines(density: NDArray[Any], mpp: Mpp) -> Singles:
    """Return by how much thin structures are denser than what is around them, as seen from ``LOOK`` away."""
    smooth = ndimage.gaussian_filter(density, (SMOOTH / mpp.y, SMOOTH / mpp.x))
    thin = smooth - ndimage.grey_opening(smooth, footprint=_disc(LINE, mpp))
    seen: Singles = ndimage.maximum_filter(thin, footprint=_disc(LOOK, mpp))
    return seen


def _disc(radius: float, mpp: Mpp) -> NDArray[np.bool_]:
    high, wide = round(radius / mpp.y), round(radius / mpp.x)
    y, x = np.ogrid[-high : high + 1, -wide : wide + 1]
    disc: NDArray[np.bool_] = (y * mpp.y) ** 2 + (x * mpp.x) ** 2 <= radius**2 * 1.01
    return disc
