"""Amounts of stain in H&E and in immunohistochemistry: what each part of the tissue binds.

Amounts are optical densities (stain vectors have length one) of a slide of average strength.
"""

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from restain.colour import DAB_FIJI, EOSIN_FIJI, HEMATOXYLIN_FIJI, HEMATOXYLIN_FIJI_HE, StainVectors
from restain.phantom.cells import CellTable
from restain.phantom.lattice import key_of, normal
from restain.phantom.matrix import Matrix
from restain.phantom.nuclei import Nuclei

Singles = NDArray[np.float32]

HE_STAINS = StainVectors(("hematoxylin", "eosin"), (HEMATOXYLIN_FIJI_HE, EOSIN_FIJI))
IHC_STAINS = StainVectors(("hematoxylin", "dab"), (HEMATOXYLIN_FIJI, DAB_FIJI))


def blend(matrix: Matrix, stroma: Singles, cytoplasm: Singles, lumen: float) -> Singles:
    """Return one quantity of the matrix from its values in stroma, cytoplasm and lumen; consumes its arguments."""
    # stroma + epithelium * (cytoplasm + lumen share * (lumen - cytoplasm) - stroma), times the share of tissue
    hole = np.float32(lumen) - cytoplasm
    hole *= matrix.lumen
    cytoplasm += hole
    cytoplasm -= stroma
    cytoplasm *= matrix.epithelium
    stroma += cytoplasm
    stroma *= matrix.tissue
    return stroma


def into_nuclei(plane: Singles, nuclei: Nuclei, value: Singles) -> None:
    """Let nuclei replace what they cover, in place: plane + cover * (value - plane)."""
    flat = plane.reshape(-1)
    there = flat[nuclei.flat]
    flat[nuclei.flat] = there + nuclei.cover * (value - there)


def hematoxylin_eosin(
    matrix: Matrix, nuclei: Nuclei, cells: CellTable, strength: tuple[float, ...]
) -> tuple[Singles, Singles]:
    """Return amounts of hematoxylin and eosin, (H, W) float32 each."""
    fibre, fine, coarse = matrix.fibre, matrix.fine, matrix.coarse
    stroma = fibre * np.float32(0.075)
    stroma += np.float32(0.255)
    stroma += coarse * np.float32(0.02)
    np.maximum(stroma, np.float32(0.06), out=stroma)
    stroma *= 1 - np.float32(0.93) * matrix.cleft
    cytoplasm = coarse * np.float32(0.035)
    cytoplasm += fine * np.float32(0.022)
    cytoplasm += np.float32(0.225)
    cytoplasm += matrix.apex * np.float32(0.12)
    eosin = blend(matrix, stroma, cytoplasm, 0.006)
    eosin += matrix.wall * np.float32(0.10) * matrix.tissue
    stroma = fibre * np.float32(0.012)
    stroma += np.float32(0.045)
    stroma *= 1 - np.float32(0.9) * matrix.cleft
    cytoplasm = fine * np.float32(0.02)
    cytoplasm += coarse * np.float32(0.02)
    cytoplasm += np.float32(0.14)
    hematoxylin = blend(matrix, stroma, cytoplasm, 0.004)
    into_nuclei(eosin, nuclei, np.float32(0.16) + np.float32(0.02) * nuclei.density)
    into_nuclei(hematoxylin, nuclei, nuclei.amount(cells.chromatin) * nuclei.density)
    hematoxylin *= np.float32(strength[0])
    eosin *= np.float32(strength[1])
    return hematoxylin, eosin


def counterstain(
    matrix: Matrix, nuclei: Nuclei, cells: CellTable, strength: float, seen: NDArray[np.float64]
) -> Singles:
    """Return the amount of hematoxylin beside DAB: lighter than in H&E, hardly any outside nuclei.

    Args:
        matrix: tissue.
        nuclei: where nuclei lie.
        cells: their cells.
        strength: of hematoxylin on the slide.
        seen: (n,) share of each nucleus' hematoxylin that binds; DAB in the nucleus keeps some away.
    """
    stroma = matrix.fibre * np.float32(0.005)
    stroma += np.float32(0.012)
    stroma *= 1 - np.float32(0.9) * matrix.cleft
    cytoplasm = matrix.coarse * np.float32(0.006)
    cytoplasm += np.float32(0.024)
    plane = blend(matrix, stroma, cytoplasm, 0.006)
    into_nuclei(plane, nuclei, nuclei.amount(np.float32(0.44) * cells.chromatin * seen) * nuclei.density)
    plane *= np.float32(strength)
    return plane


def background_dab(matrix: Matrix) -> Singles:
    """Return the faint unspecific DAB of the matrix."""
    stroma = matrix.fibre * np.float32(0.008)
    stroma += np.float32(0.028)
    stroma *= 1 - np.float32(0.9) * matrix.cleft
    cytoplasm = matrix.coarse * np.float32(0.008)
    cytoplasm += np.float32(0.038)
    return blend(matrix, stroma, cytoplasm, 0.008)


def intensity(seed: int, marker: str, cells: CellTable, median: float, spread: float) -> NDArray[np.float64]:
    """Return the amount of DAB that each cell would carry if positive, log-normal, cut at two deviations."""
    values: NDArray[np.float64] = median * np.exp(spread * normal(key_of(seed, "dose", marker), cells.id, limit=2))
    return values


def ki67(
    seed: int, matrix: Matrix, nuclei: Nuclei, cells: CellTable, strength: tuple[float, ...]
) -> tuple[Singles, Singles]:
    """Return amounts of hematoxylin and DAB: positive nuclei carry DAB, mottled like their chromatin."""
    hematoxylin = counterstain(matrix, nuclei, cells, strength[0], np.where(cells.ki67, 0.55, 1.0))
    dab = background_dab(matrix)
    dose = np.where(cells.ki67, intensity(seed, "ki67", cells, 0.80, 0.22), 0.03)
    into_nuclei(dab, nuclei, nuclei.amount(dose) * nuclei.density)
    dab *= np.float32(strength[1])
    return hematoxylin, dab


Painter = Callable[[int, Matrix, Nuclei, CellTable, tuple[float, ...]], tuple[Singles, Singles]]
