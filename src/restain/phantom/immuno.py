"""Immunohistochemistry: amounts of hematoxylin and DAB, as optical densities, on a slide of average strength.

DAB lies where the marker lies: in nuclei (Ki67), on the membranes of epithelium (HER2) or of lymphocytes (CD3), in the
cytoplasm of epithelium (CK8/18). How much a positive cell carries varies. A little DAB lies everywhere.
"""

import numpy as np
from numpy.typing import NDArray

from restain.colour import H_DAB_FIJI
from restain.phantom.blending import blended, fibrous, into_nuclei
from restain.phantom.cells import CellTable
from restain.phantom.kinds import LYMPHOCYTE
from restain.phantom.lattice import key_of, normal
from restain.phantom.retake import renamed
from restain.phantom.specimen import Specimen

Singles = NDArray[np.float32]

IHC_STAINS = H_DAB_FIJI
"""Vectors of an average slide."""

HER2_DOSE = (0.02, 0.16, 0.42, 0.95)
"""Median DAB of the membrane for scores 0, 1+, 2+, 3+."""

MEMBRANE = 1.7
"""Two cells' distances differ by less than this on the membrane between them, in micrometres: it is half as thick."""


def ki67(specimen: Specimen) -> tuple[Singles, Singles]:
    """Return hematoxylin and DAB: positive nuclei carry DAB, mottled like their chromatin."""
    cells, nuclei = specimen.cells, specimen.nuclei
    hematoxylin = _counterstain(specimen, np.where(cells.ki67, 0.55, 1.0))
    dab = _background(specimen)
    dose = np.where(cells.ki67, _dose(specimen, "ki67", cells, 0.80, 0.22), 0.03)
    into_nuclei(dab, nuclei, nuclei.amount(dose) * nuclei.density)
    return hematoxylin, dab


def her2(specimen: Specimen) -> tuple[Singles, Singles]:
    """Return hematoxylin and DAB: a mesh of membranes, as dark as each cell's score; thin and broken for 1+."""
    matrix, territories, cells = specimen.matrix, specimen.territories, specimen.neighbourhood
    hematoxylin = _counterstain(specimen, np.ones(len(specimen.cells)))
    dab = _background(specimen)
    edge = territories.lead * np.float32(-1 / MEMBRANE)
    edge += 1
    np.clip(edge, 0, 1, out=edge)
    np.maximum(edge, np.float32(0.6) * matrix.apex, out=edge)
    np.maximum(edge, np.float32(0.5) * matrix.wall, out=edge)
    edge *= matrix.epithelium * (1 - matrix.lumen)
    dose = np.asarray(HER2_DOSE)[cells.her2] * _dose(specimen, "her2", cells, 1.0, 0.12)
    broken = np.where(cells.her2 == 1, 0.45, 0.12)
    amount = _of_owner(territories.cell, dose)
    amount *= edge
    amount *= 1 + _of_owner(territories.cell, broken) * matrix.fine
    np.maximum(amount, 0, out=amount)
    amount *= matrix.tissue
    dab += amount
    into_nuclei(
        dab,
        specimen.nuclei,
        np.full(len(specimen.nuclei.flat), 0.03, np.float32) + amount.ravel()[specimen.nuclei.flat] * np.float32(0.6),
    )
    return hematoxylin, dab


def cd3(specimen: Specimen) -> tuple[Singles, Singles]:
    """Return hematoxylin and DAB: a ring around every T cell, a veil over its nucleus."""
    cells, rings = specimen.cells, specimen.rings
    positive = cells.cd3 & (cells.kind == LYMPHOCYTE)
    hematoxylin = _counterstain(specimen, np.where(positive, 0.8, 1.0))
    dab = _background(specimen)
    into_nuclei(dab, specimen.nuclei, np.full(len(specimen.nuclei.flat), 0.03, np.float32))
    dose = np.where(positive, _dose(specimen, "cd3", cells, 0.80, 0.18), 0.0).astype(np.float32)[rings.cell]
    # Darkest half a micrometre outside the nucleus; the membrane above and below veils the nucleus.
    profile = 1 - np.abs(rings.inside + np.float32(0.45)) / np.float32(1.1)
    np.maximum(profile, np.float32(0.42) * (rings.inside > 0), out=profile)
    flat = dab.reshape(-1)
    flat[rings.flat] += dose * profile * (1 + np.float32(0.15) * specimen.matrix.fine.reshape(-1)[rings.flat])
    return hematoxylin, dab


def ck818(specimen: Specimen) -> tuple[Singles, Singles]:
    """Return hematoxylin and DAB: the cytoplasm of positive epithelium, finely fibrillar; nuclei stay clear."""
    matrix, territories, cells = specimen.matrix, specimen.territories, specimen.neighbourhood
    hematoxylin = _counterstain(specimen, np.ones(len(specimen.cells)))
    dab = _background(specimen)
    dose = np.where(cells.ck818, _dose(specimen, "ck818", cells, 0.62, 0.16), 0.0)
    amount = _of_owner(territories.cell, dose)
    amount *= 1 + np.float32(0.18) * matrix.fine + np.float32(0.08) * matrix.coarse
    amount *= matrix.epithelium * (1 - matrix.lumen)
    amount *= matrix.tissue
    dab += amount
    into_nuclei(dab, specimen.nuclei, np.full(len(specimen.nuclei.flat), 0.06, np.float32))
    return hematoxylin, dab


def _counterstain(specimen: Specimen, seen: NDArray[np.float64]) -> Singles:
    """Return the amount of hematoxylin beside DAB: lighter than in H&E, hardly any outside nuclei.

    Args:
        specimen: what is stained.
        seen: (n,) share of each nucleus' hematoxylin that binds; DAB in the nucleus keeps some away.
    """
    matrix, nuclei = specimen.matrix, specimen.nuclei
    cytoplasm = matrix.coarse * np.float32(0.006)
    cytoplasm += np.float32(0.024)
    plane = blended(matrix, fibrous(matrix, 0.012, 0.005, 0.9), cytoplasm, 0.006)
    into_nuclei(plane, nuclei, nuclei.amount(np.float32(0.44) * specimen.cells.chromatin * seen) * nuclei.density)
    return plane


def _background(specimen: Specimen) -> Singles:
    """Return the faint unspecific DAB between the nuclei."""
    cytoplasm = specimen.matrix.coarse * np.float32(0.008)
    cytoplasm += np.float32(0.038)
    return blended(specimen.matrix, fibrous(specimen.matrix, 0.028, 0.008, 0.9), cytoplasm, 0.008)


def _dose(specimen: Specimen, marker: str, cells: CellTable, median: float, spread: float) -> NDArray[np.float64]:
    """Return the DAB that each cell would carry if positive: log-normal, cut at two deviations."""
    values: NDArray[np.float64] = median * np.exp(
        spread * normal(key_of(specimen.seed, *renamed(specimen.tissue.retake, "dose", marker)), cells.id, limit=2)
    )
    return values


def _of_owner(owner: NDArray[np.int32], per_cell: NDArray[np.float64]) -> Singles:
    """Return a quantity of the cells at the samples they own, zero where nobody does."""
    return np.append(per_cell, 0.0).astype(np.float32)[owner]
