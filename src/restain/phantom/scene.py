"""One region of a section at one scale: its pictures, its masks, its cells."""

from functools import cached_property
from typing import Any, final, get_args

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom.autofluorescence import autofluorescence
from restain.phantom.cells import CellTable
from restain.phantom.grid import Frame
from restain.phantom.immuno import MEMBRANE
from restain.phantom.kinds import CYTOPLASM, FIRST_NUCLEUS, GLASS, LUMEN, STROMA_MATRIX
from restain.phantom.lattice import key_of
from restain.phantom.look import look_of
from restain.phantom.optics import MARGIN, brightfield
from restain.phantom.overview import overview_amounts
from restain.phantom.retake import renamed
from restain.phantom.section import Section
from restain.phantom.specimen import Specimen
from restain.phantom.stains import BRIGHTFIELD, Stain
from restain.phantom.tissue import Tissue


@final
class Scene:
    """One region; what its pictures and masks share is computed once and kept.

    Memory: about 150 bytes per sample (see ``Frame``), so cut large regions into tiles.

    Args:
        tissue: the block.
        section: the cut.
        region: in pixels at ``mpp``; it may lie anywhere.
        mpp: scale.

    Raises:
        DataError: a region without extent.
    """

    def __init__(self, tissue: Tissue, section: Section, region: Region, mpp: Mpp) -> None:
        if region.width <= 0 or region.height <= 0:
            raise DataError(f"a region of {region.size} pixels is empty", fix="ask for at least one pixel")
        self.region = region
        self.mpp = mpp
        self._frame = Frame.of(region, mpp, MARGIN)
        self._specimen = Specimen(tissue, section, self._frame.grid)

    @property
    def cells(self) -> CellTable:
        """All cells whose nuclei may touch the region; the centres of some lie outside it."""
        return self._specimen.cells

    @cached_property
    def instances(self) -> NDArray[np.int32]:
        """(H, W) int32: 0, or one plus the row in ``cells`` of the nucleus that covers the pixel's centre.

        The numbers hold within this scene; ``cells.id`` gives those that hold everywhere.
        """
        nuclei = self._specimen.nuclei
        plane = np.zeros(self._frame.grid.region.size.area, np.int32)
        inside = nuclei.cover > 0.5
        plane[nuclei.flat[inside]] = nuclei.cell[inside] + 1
        return self._frame.centres(plane.reshape(self._frame.grid.shape))

    @cached_property
    def membranes(self) -> NDArray[np.int32]:
        """(H, W) int32: 0, or one plus the row in ``cells`` of the cell whose membrane covers the pixel's centre.

        Only epithelial cells have one, here only those in ``cells``. Where two cells meet, each has its half. Where a
        nucleus reaches the border of its cell, the membrane runs over it.
        """
        territories, matrix = self._specimen.territories, self._specimen.matrix
        owners = self._specimen.neighbourhood.id
        number = np.where(np.isin(owners, self.cells.id), np.searchsorted(self.cells.id, owners) + 1, 0)
        number = np.append(number, 0).astype(np.int32)  # the last is for owner -1, nobody
        covered = (territories.lead < MEMBRANE) & (matrix.epithelium > 0.5) & (matrix.lumen <= 0.5)
        return self._frame.centres(number[territories.cell] * covered)

    @cached_property
    def classes(self) -> NDArray[np.uint8]:
        """(H, W) uint8: what the pixel's centre shows; see ``CLASS_NAMES``."""
        matrix = self._specimen.matrix
        plane = np.where(matrix.epithelium > 0.5, np.where(matrix.lumen > 0.5, LUMEN, CYTOPLASM), STROMA_MATRIX)
        plane[matrix.tissue < 0.5] = GLASS
        classes = self._frame.centres(plane.astype(np.uint8))
        nucleus = self.instances > 0
        classes[nucleus] = FIRST_NUCLEUS + self.cells.kind[self.instances[nucleus] - 1]
        return classes

    def image(self, stain: Stain) -> NDArray[Any]:
        """Return the region in one stain.

        Returns:
            (H, W, 3) uint8; for autofluorescence (H, W, 26) uint16.

        Raises:
            DataError: no such stain.
        """
        specimen, retake = self._specimen, self._specimen.tissue.retake
        again = None if retake is not None and retake.source == stain else retake
        noise = key_of(specimen.seed, *renamed(again, *specimen.section.names(stain), "sensor"))
        if stain == "autofluorescence":
            return autofluorescence(specimen, self._frame, noise)
        if stain not in BRIGHTFIELD:
            raise DataError(f"a phantom has no stain {stain!r}", fix=f"choose one of {', '.join(get_args(Stain))}")
        dyes = BRIGHTFIELD[stain]
        look = look_of(specimen.seed, stain, dyes.vectors, retake)
        amounts = overview_amounts(specimen, stain) if specimen.grid.overview else dyes.amounts(specimen)
        for amount, strength in zip(amounts, look.strength, strict=True):
            amount *= np.float32(strength)
        return brightfield(amounts, look.stains, look.optics, self._frame, noise)
