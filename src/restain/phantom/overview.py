"""Overviews: pixels so large that a nucleus is less than one of them.

Cells are not drawn there. Every stain is a sum of three parts, epithelium, stroma, and what lymphocytes add to it, with
weights fitted once by least squares to 8 um means of slides drawn cell by cell. So an overview costs what its pixels
cost, not what the tissue under it costs, and looks like the slide from afar.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.matrix import smooth_plane
from restain.phantom.specimen import Specimen
from restain.phantom.stains import Stain

Singles = NDArray[np.float32]


@final
@dataclass(frozen=True, slots=True)
class Mean:
    """Mean amount of something in the three parts of the tissue."""

    stroma: float
    epithelium: float
    lymphocytes: float

    def plane(self, specimen: Specimen) -> Singles:
        """Return the amount on the samples of an overview, (H, W) float32.

        ``lymphocytes`` counts as often as their places in the stroma are filled.
        """
        matrix = specimen.matrix
        crowd = smooth_plane(specimen.tissue, specimen.section, specimen.grid, specimen.tissue.lymphoid)
        stroma = (1 - matrix.epithelium) * (1 - np.float32(0.9) * matrix.cleft)
        plane: Singles = stroma * (np.float32(self.stroma) + np.float32(self.lymphocytes) * crowd)
        plane += np.float32(self.epithelium) * matrix.epithelium * (1 - matrix.lumen)
        plane *= matrix.tissue
        return plane


NUCLEI = Mean(0.063, 0.316, 0.198)
"""Share of the area that nuclei cover."""

DYES: dict[Stain, tuple[Mean, Mean]] = {
    "he": (Mean(0.073, 0.265, 0.117), Mean(0.250, 0.216, -0.011)),
    "ki67": (Mean(0.026, 0.084, 0.059), Mean(0.030, 0.094, 0.008)),
    "her2": (Mean(0.026, 0.099, 0.061), Mean(0.030, 0.080, 0.003)),
    "cd3": (Mean(0.026, 0.095, 0.061), Mean(0.028, 0.037, 0.121)),
    "ck818": (Mean(0.026, 0.125, 0.061), Mean(0.030, 0.407, 0.009)),
}
"""Amounts of the two dyes of each stain in transmitted light."""


def overview_amounts(specimen: Specimen, stain: Stain) -> tuple[Singles, Singles]:
    """Return the amounts of the two dyes of a stain, (H, W) float32 each."""
    first, second = DYES[stain]
    return first.plane(specimen), second.plane(specimen)
