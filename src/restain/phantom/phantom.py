"""The phantom: a section of synthetic tissue whose every cell is known."""

from dataclasses import dataclass, field
from functools import cached_property
from typing import Literal, final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Mpp, Region
from restain.phantom.brightfield import HE_STAINS, IHC_STAINS, hematoxylin_eosin, ki67
from restain.phantom.cells import Box, CellTable, block_cells
from restain.phantom.grid import grid_of, samples_per_pixel
from restain.phantom.kinds import CYTOPLASM, FIRST_NUCLEUS, GLASS, LUMEN, STROMA_MATRIX
from restain.phantom.lattice import key_of
from restain.phantom.look import LARGEST_BLUR, look_of
from restain.phantom.matrix import Matrix, draw_matrix
from restain.phantom.morphology import Morphology
from restain.phantom.nuclei import Nuclei, draw_nuclei
from restain.phantom.optics import MARGIN_IN_BLURS, develop
from restain.phantom.tissue import Extent, Tissue

Stain = Literal["he", "ki67"]

NUCLEUS_REACH = 12.0
"""No nucleus reaches further from its centre, in micrometres."""


@final
@dataclass(frozen=True)
class Phantom:
    """Synthetic tissue without end, or a slide of it; every region of it can be drawn alone.

    Args:
        seed: everything is drawn from it: the tissue, the cells, and the look of the slide.
        extent: None for tissue without end; else the size of a slide that tissue covers in part.
        shape: knobs of the tissue.
    """

    seed: int
    extent: Extent | None = None
    shape: Morphology = field(default_factory=Morphology)

    @property
    def tissue(self) -> Tissue:
        """The block that sections are cut from."""
        return Tissue(self.seed, self.shape, self.extent)

    def scene(self, region: Region, mpp: Mpp) -> "Scene":
        """Return a region to draw pictures and masks of; what these share is computed once."""
        return Scene(self, region, mpp)

    def cells(self, region: Region, mpp: Mpp) -> CellTable:
        """Return the cells whose centres lie in a region, so that every cell belongs to one tile of a partition."""
        box = _box(region, mpp)
        table = block_cells(self.tissue, box)
        return table.take(box.holds(table.y, table.x))


@final
class Scene:
    """One region of a phantom at one scale.

    Args:
        phantom: the tissue.
        region: in pixels at ``mpp``; it may lie anywhere.
        mpp: scale.
    """

    def __init__(self, phantom: Phantom, region: Region, mpp: Mpp) -> None:
        self.phantom = phantom
        self.region = region
        self.mpp = mpp
        self._grid, self._above, self._left = grid_of(region, mpp, MARGIN_IN_BLURS * LARGEST_BLUR + 0.5)
        self._samples = samples_per_pixel(mpp)

    @cached_property
    def cells(self) -> CellTable:
        """The cells whose nuclei may touch the region; their centres may lie outside it."""
        samples = self._grid.region
        box = _box(samples, Mpp(self._grid.step_x, self._grid.step_y)).grow(NUCLEUS_REACH)
        return block_cells(self.phantom.tissue, box)

    @cached_property
    def matrix(self) -> Matrix:
        """The tissue between the nuclei, on the samples."""
        return draw_matrix(self.phantom.tissue, self._grid)

    @cached_property
    def nuclei(self) -> Nuclei:
        """The samples covered by nuclei."""
        return draw_nuclei(self.phantom.seed, self.cells, self._grid, self.matrix.fine)

    @cached_property
    def instances(self) -> NDArray[np.int32]:
        """(H, W) int32: 0, or one plus the row of ``cells`` whose nucleus covers the pixel's centre."""
        plane = np.zeros(self._grid.region.size.area, np.int32)
        inside = self.nuclei.cover > 0.5
        plane[self.nuclei.flat[inside]] = self.nuclei.cell[inside] + 1
        return self._pixels(plane.reshape(self._grid.shape))

    @cached_property
    def classes(self) -> NDArray[np.uint8]:
        """(H, W) uint8: what the pixel's centre shows; see ``CLASS_NAMES``."""
        matrix = self.matrix
        plane = np.where(matrix.epithelium > 0.5, np.where(matrix.lumen > 0.5, LUMEN, CYTOPLASM), STROMA_MATRIX)
        plane[matrix.tissue < 0.5] = GLASS
        classes = self._pixels(plane.astype(np.uint8))
        nucleus = self.instances > 0
        classes[nucleus] = FIRST_NUCLEUS + self.cells.kind[self.instances[nucleus] - 1]
        return classes

    def image(self, stain: Stain) -> NDArray[np.uint8]:
        """Return the region in one stain, (H, W, 3) uint8."""
        seed = self.phantom.seed
        stains = HE_STAINS if stain == "he" else IHC_STAINS
        look = look_of(seed, stain, stains)
        if stain == "he":
            amounts = hematoxylin_eosin(self.matrix, self.nuclei, self.cells, look.strength)
        else:
            amounts = ki67(seed, self.matrix, self.nuclei, self.cells, look.strength)
        return develop(
            amounts,
            look.stains,
            look.optics,
            self._grid,
            self._samples,
            (self._left, self._above, self.region.width, self.region.height),
            key_of(seed, stain, "sensor"),
        )

    def _pixels(self, plane: NDArray[np.int32] | NDArray[np.uint8]) -> NDArray[np.int32] | NDArray[np.uint8]:
        """Return the sample at the centre of each pixel of the region."""
        rows, columns = self._samples
        top, left = self._above * rows, self._left * columns
        return np.ascontiguousarray(
            plane[
                top + rows // 2 : top + self.region.height * rows : rows,
                left + columns // 2 : left + self.region.width * columns : columns,
            ]
        )


def _box(region: Region, mpp: Mpp) -> Box:
    return Box(region.y * mpp.y, region.x * mpp.x, region.bottom * mpp.y, region.right * mpp.x)
