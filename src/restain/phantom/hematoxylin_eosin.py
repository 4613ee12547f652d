"""Hematoxylin and eosin: amounts, as optical densities, on a slide of average strength."""

import numpy as np
from numpy.typing import NDArray

from restain.colour import HE_FIJI
from restain.phantom.blending import blended, fibrous, into_nuclei
from restain.phantom.specimen import Specimen

Singles = NDArray[np.float32]

HE_STAINS = HE_FIJI
"""Vectors of an average slide."""


def hematoxylin_eosin(specimen: Specimen) -> tuple[Singles, Singles]:
    """Return the amounts of hematoxylin and of eosin, (H, W) float32 each."""
    matrix, nuclei = specimen.matrix, specimen.nuclei
    stroma = matrix.fibre * np.float32(0.075)
    stroma += np.float32(0.255)
    stroma += matrix.coarse * np.float32(0.02)
    np.maximum(stroma, np.float32(0.06), out=stroma)
    stroma *= 1 - np.float32(0.93) * matrix.cleft
    cytoplasm = matrix.coarse * np.float32(0.035)
    cytoplasm += matrix.fine * np.float32(0.022)
    cytoplasm += np.float32(0.225)
    cytoplasm += matrix.apex * np.float32(0.12)
    eosin = blended(matrix, stroma, cytoplasm, 0.006)
    eosin += matrix.wall * np.float32(0.10) * matrix.tissue
    into_nuclei(eosin, nuclei, np.float32(0.16) + np.float32(0.02) * nuclei.density)

    cytoplasm = matrix.fine * np.float32(0.02)
    cytoplasm += matrix.coarse * np.float32(0.02)
    cytoplasm += np.float32(0.14)
    hematoxylin = blended(matrix, fibrous(matrix, 0.045, 0.012, 0.9), cytoplasm, 0.004)
    into_nuclei(hematoxylin, nuclei, nuclei.amount(specimen.cells.chromatin) * nuclei.density)
    return hematoxylin, eosin
