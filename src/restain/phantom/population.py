"""The cells of a section: places made into cells with a look and markers."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from restain.phantom.cells import CellTable
from restain.phantom.kinds import EPITHELIUM
from restain.phantom.lattice import key_of, noise_at, normal, uniform
from restain.phantom.markers import CD3, CK818, HER2_STEPS, KI67
from restain.phantom.micrometres import Box
from restain.phantom.places import Places, places
from restain.phantom.retake import renamed
from restain.phantom.section import Section
from restain.phantom.tissue import Tissue

Floats = NDArray[np.float64]

RADIUS = (3.55, 2.75, 2.75)
"""Radius of the disc of equal area at a standardised radius of zero, per kind, in micrometres."""

RADIUS_SPREAD = 0.15
"""Relative change of the radius per unit of the standardised radius."""

CHROMATIN = (0.58, 0.86, 0.66)
"""Optical density of hematoxylin in the nucleus at a standardised chromatin of zero, per kind."""

CHROMATIN_SPREAD = 0.26
"""Change of the density's natural logarithm per unit of the standardised chromatin."""

CLUMPS = (0.24, 0.14, 0.16)
"""Relative strength of the chromatin's texture, per kind."""

ACTIVE_SHARE = 0.035
"""Share of large, dark nuclei among lymphocytes and stromal cells."""

OVERLAP = 0.76
"""Two nuclei may not be closer than this times the sum of their radii."""

MARGIN = 12.0
"""Which of two cells goes is settled among cells within this distance, in micrometres."""


def section_cells(tissue: Tissue, section: Section, box: Box) -> CellTable:
    """Return the cells of a section whose centres lie in a box.

    Args:
        tissue: the block.
        section: the cut.
        box: in micrometres on the section.
    """
    seed = tissue.seed
    step = 50.0
    block = box
    if section.number:
        block = Box.around(*section.block_of(seed, *box.probes(step))).grow(step / 2)
    found = places(tissue, section, block.grow(MARGIN))
    z_radius, z_chromatin = _look(tissue, found)
    radius = np.asarray(RADIUS)[found.kind] * (1 + RADIUS_SPREAD * z_radius)
    keep = _without_overlap(found, radius, uniform(key_of(seed, "priority"), found.id))
    y, x = section.section_of(seed, found.y, found.x)
    keep &= box.holds(y, x)
    id_, kind, y, x, angle = found.id[keep], found.kind[keep], y[keep], x[keep], found.angle[keep]
    z_radius, z_chromatin, radius = z_radius[keep], z_chromatin[keep], radius[keep]

    elongation, dot = uniform(key_of(seed, "aspect"), id_), uniform(_inside(tissue, "nucleolus"), id_)
    return CellTable(
        id=id_,
        kind=kind,
        y=y,
        x=x,
        radius=radius,
        aspect=np.choose(kind, [1.12 + 0.45 * elongation, 1.0 + 0.22 * elongation, 1.7 + 1.9 * elongation]),
        angle=angle,
        z_radius=z_radius,
        chromatin=np.asarray(CHROMATIN)[kind] * np.exp(CHROMATIN_SPREAD * z_chromatin),
        z_chromatin=z_chromatin,
        clumps=np.asarray(CLUMPS)[kind] * (0.6 + 0.8 * uniform(_inside(tissue, "clumps"), id_)),
        nucleolus=np.where(kind == EPITHELIUM, np.clip(2.2 * dot - 1.2, 0, 1), 0.0),
        ki67_probability=(ki67 := KI67.probability(kind, z_chromatin, z_radius)),
        ki67=_draw(tissue, "ki67", id_) < ki67,
        cd3_probability=(cd3 := CD3.probability(kind, z_chromatin, z_radius)),
        cd3=_draw(tissue, "cd3", id_) < cd3,
        ck818_probability=(ck818 := CK818.probability(kind, z_chromatin, z_radius)),
        ck818=_draw(tissue, "ck818", id_) < ck818,
        her2_probability=(
            her2 := np.stack([law.probability(kind, z_chromatin, z_radius) for law in HER2_STEPS], axis=-1)
        ),
        her2=(_draw(tissue, "her2", id_)[:, None] < her2).sum(axis=-1).astype(np.int8),
    )


def _draw(tissue: Tissue, marker: str, id_: NDArray[np.int64]) -> Floats:
    """Return one uniform number per cell: the part of a marker that no image tells."""
    return uniform(key_of(tissue.seed, *renamed(tissue.retake, "marker", marker)), id_)


def _inside(tissue: Tissue, name: str) -> np.uint64:
    """Return the key of what is drawn inside nuclei, where not every stain shows it."""
    return key_of(tissue.seed, *renamed(tissue.retake, name, inside_nuclei=True))


RESTING, ACTIVE = (-0.45, 0.65), (1.25, 0.55)
"""Mean and standard deviation of the standardised radius, and of the standardised chromatin, of the two sorts of
nuclei; cut at two deviations."""


def _look(tissue: Tissue, cells: Places) -> tuple[Floats, Floats]:
    """Return the standardised radius and chromatin: a mixture of resting nuclei and of large, dark ones.

    The share of large, dark nuclei among epithelium follows a slow field and differs from slide to slide. In a retake
    that sees sizes alone, chromatin is drawn given the size.
    """
    seed = tissue.seed
    slide = 0.45 * float(normal(key_of(seed, "activity of the slide"), 0, limit=2)[0])
    activity = slide + 0.7 * noise_at(key_of(seed, "activity"), cells.y, cells.x, 260)
    share = np.where(cells.kind == EPITHELIUM, 1 / (1 + np.exp(1.05 - activity)), ACTIVE_SHARE)
    active = uniform(key_of(seed, "active"), cells.id) < share

    def drawn(key: np.uint64) -> Floats:
        draw = normal(key, cells.id, limit=2)
        return np.where(active, ACTIVE[0] + ACTIVE[1] * draw, RESTING[0] + RESTING[1] * draw)

    z_radius = drawn(key_of(seed, "radius"))
    if tissue.retake is not None and tissue.retake.source == "autofluorescence":
        active = uniform(_inside(tissue, "active"), cells.id) < _active_given(z_radius, share)
    return z_radius, drawn(_inside(tissue, "chromatin"))


def _active_given(z_radius: Floats, share: Floats) -> Floats:
    """Return the probability that a nucleus of some size is one of the large, dark ones, by Bayes' rule."""

    def density(mean: float, spread: float) -> Floats:
        z = (z_radius - mean) / spread
        return np.where(np.abs(z) <= 2, np.exp(-0.5 * z**2) / spread, 0.0)

    large, small = share * density(*ACTIVE), (1 - share) * density(*RESTING)
    return np.divide(large, large + small, out=share.copy(), where=large + small > 0)


def _without_overlap(cells: Places, radius: Floats, priority: Floats) -> NDArray[np.bool_]:
    """Drop every cell that overlaps one of higher priority, dropped or not: a rule that needs only its neighbours.

    Matérn's second hard-core process; epithelium goes before lymphocytes, these before stroma.
    """
    keep = np.ones(len(cells.id), np.bool_)
    if len(cells.id) < 2:
        return keep
    pairs = cKDTree(np.stack([cells.y, cells.x], -1)).query_pairs(2 * float(radius.max()), output_type="ndarray")
    one, two = pairs[:, 0], pairs[:, 1]
    distance = np.sqrt((cells.y[one] - cells.y[two]) ** 2 + (cells.x[one] - cells.x[two]) ** 2)
    close = distance < OVERLAP * (radius[one] + radius[two])
    one, two = one[close], two[close]
    rank = priority - cells.kind
    keep[np.where(rank[one] < rank[two], one, two)] = False
    return keep
