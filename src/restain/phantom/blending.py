"""Putting one quantity together from its values in stroma, cytoplasm, lumen and nuclei."""

import numpy as np
from numpy.typing import NDArray

from restain.phantom.matrix import Matrix
from restain.phantom.nuclei import Nuclei

Singles = NDArray[np.float32]


def blended(matrix: Matrix, stroma: Singles, cytoplasm: Singles, lumen: float) -> Singles:
    """Return a quantity of the matrix; nothing of it on glass.

    Args:
        matrix: tissue.
        stroma: (H, W) value in the stroma; overwritten.
        cytoplasm: (H, W) value in the epithelium; overwritten.
        lumen: value in the lumen.
    """
    # tissue * (stroma + epithelium * (cytoplasm + lumen share * (lumen - cytoplasm) - stroma))
    hole = np.float32(lumen) - cytoplasm
    hole *= matrix.lumen
    cytoplasm += hole
    cytoplasm -= stroma
    cytoplasm *= matrix.epithelium
    stroma += cytoplasm
    stroma *= matrix.tissue
    return stroma


def fibrous(matrix: Matrix, mean: float, contrast: float, cleft: float) -> Singles:
    """Return a quantity of the stroma that follows its fibres.

    Args:
        matrix: tissue.
        mean: value.
        contrast: change per standard deviation of the fibres' brightness.
        cleft: share that is missing in clefts.
    """
    stroma = matrix.fibre * np.float32(contrast)
    stroma += np.float32(mean)
    stroma *= 1 - np.float32(cleft) * matrix.cleft
    return stroma


def into_nuclei(plane: Singles, nuclei: Nuclei, value: Singles) -> None:
    """Let nuclei replace what they cover, in place: plane + cover * (value - plane)."""
    flat = plane.reshape(-1)
    there = flat[nuclei.flat]
    flat[nuclei.flat] = there + nuclei.cover * (value - there)
