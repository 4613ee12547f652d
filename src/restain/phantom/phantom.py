"""The phantom: synthetic tissue whose every cell is known."""

from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Mpp, Region
from restain.phantom.cells import CellTable
from restain.phantom.micrometres import Box, Extent
from restain.phantom.morphology import Morphology
from restain.phantom.population import section_cells
from restain.phantom.retake import Retake
from restain.phantom.scene import Scene
from restain.phantom.section import REFERENCE, Section
from restain.phantom.stains import Stain
from restain.phantom.tissue import Tissue


@final
@dataclass(frozen=True)
class Phantom:
    """Synthetic tissue without end, or a slide of it; every region of it is drawn alone, always the same.

    The tissue lives in micrometres: at another scale the same cells are seen. Stains of one section are aligned to the
    pixel; another section is deformed and shows partly other cells (``Section``).

    Args:
        seed: everything is drawn from it: the tissue, the cells, and the look of every stain's slide.
        extent: None for tissue without end; else the size of a slide that tissue covers in part, from the origin.
        shape: knobs of the tissue.
        retake: the same tissue with all drawn anew that a picture of it does not tell; None for the first draw.
    """

    seed: int
    extent: Extent | None = None
    shape: Morphology = field(default_factory=Morphology)
    retake: Retake | None = None

    @property
    def tissue(self) -> Tissue:
        """The block that sections are cut from."""
        return Tissue(self.seed, self.shape, self.extent, self.retake)

    def scene(self, region: Region, mpp: Mpp, section: Section = REFERENCE) -> Scene:
        """Return a region to take several pictures and masks of; what they share is computed once."""
        return Scene(self.tissue, section, region, mpp)

    def render(self, stain: Stain, region: Region, mpp: Mpp, section: Section = REFERENCE) -> NDArray[Any]:
        """Return a region in one stain, (H, W, 3) uint8, or (H, W, 26) uint16 for autofluorescence."""
        return self.scene(region, mpp, section).image(stain)

    def cells(self, region: Region, mpp: Mpp, section: Section = REFERENCE) -> CellTable:
        """Return the cells whose centres lie in a region, so that every cell belongs to one tile of a partition."""
        return section_cells(self.tissue, section, Box.of(region, mpp))

    def displacement(self, region: Region, mpp: Mpp, section: Section) -> NDArray[np.float64]:
        """Return how far a section is displaced against the reference, (H, W, 2) in pixels, x then y.

        What the section shows at pixel p, the reference shows at p plus the displacement at p.
        """
        y, x = np.meshgrid(
            (np.arange(region.y, region.bottom) + 0.5) * mpp.y,
            (np.arange(region.x, region.right) + 0.5) * mpp.x,
            indexing="ij",
        )
        dy, dx = section.displacement(self.seed, y, x)
        return np.stack([dx / mpp.x, dy / mpp.y], axis=-1)
