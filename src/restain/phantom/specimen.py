"""A piece of a section on a grid of samples: what all its stains and masks share, each part drawn when first needed."""

from functools import cached_property
from typing import final

from restain.phantom.cells import CellTable
from restain.phantom.grid import Grid
from restain.phantom.lattice import key_of
from restain.phantom.matrix import FINE, Matrix, draw_matrix, texture
from restain.phantom.micrometres import Box
from restain.phantom.nuclei import Nuclei, Reach, draw_nuclei, reach_of
from restain.phantom.population import section_cells
from restain.phantom.retake import renamed
from restain.phantom.section import Section
from restain.phantom.territories import REACH as TERRITORY_REACH
from restain.phantom.territories import Territories, draw_territories
from restain.phantom.tissue import Tissue

NUCLEUS_REACH = 12.0
"""No nucleus, and no membrane around a lymphocyte, reaches further from its centre, in micrometres."""

RING = 1.6
"""Distance from the nucleus within which a lymphocyte's membrane lies, in micrometres."""


@final
class Specimen:
    """A piece of a section.

    Args:
        tissue: the block.
        section: the cut.
        grid: samples.
    """

    def __init__(self, tissue: Tissue, section: Section, grid: Grid) -> None:
        self.tissue = tissue
        self.section = section
        self.grid = grid

    @property
    def seed(self) -> int:
        """Seed of the phantom."""
        return self.tissue.seed

    @cached_property
    def cells(self) -> CellTable:
        """All cells whose nuclei may touch the samples; none in an overview."""
        box = Box(0, 0, 0, 0) if self.grid.overview else self.grid.box.grow(NUCLEUS_REACH)
        return section_cells(self.tissue, self.section, box)

    @cached_property
    def matrix(self) -> Matrix:
        """What lies between the nuclei."""
        return draw_matrix(self.tissue, self.section, self.grid)

    @cached_property
    def nuclei(self) -> Nuclei:
        """The samples that nuclei of ``cells`` cover."""
        names = renamed(self.tissue.retake, *self.section.names("fine"), inside_nuclei=True)
        grain = texture(key_of(self.seed, *names), self.grid, FINE)
        return draw_nuclei(self.seed, self.cells, self.grid, grain, self.tissue.retake)

    @cached_property
    def rings(self) -> Reach:
        """The samples in and closely around nuclei of ``cells``."""
        return reach_of(self.seed, self.cells, self.grid, RING)

    @cached_property
    def neighbourhood(self) -> CellTable:
        """All cells whose territories may touch the samples: more than ``cells``."""
        return section_cells(self.tissue, self.section, self.grid.box.grow(TERRITORY_REACH))

    @cached_property
    def territories(self) -> Territories:
        """The cells of ``neighbourhood`` that the samples belong to."""
        return draw_territories(self.neighbourhood, self.grid)
