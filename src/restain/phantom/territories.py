"""Which cell the cytoplasm belongs to, and where the membranes between cells run.

Every epithelial cell owns the points nearest to its nucleus, where distance counts half along the nucleus' long axis:
a columnar cell reaches from the basement membrane to the lumen. Borders lie where two cells are equally near.
They are found on a lattice of ``PITCH`` and interpolated to the samples.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Region
from restain.phantom.cells import CellTable
from restain.phantom.grid import Grid
from restain.phantom.kinds import EPITHELIUM
from restain.phantom.lattice import linear_taps, spread
from restain.phantom.nuclei import winners

Singles = NDArray[np.float32]

PITCH = 1.0
"""Spacing of the lattice in micrometres."""

STRETCH = 1.6
"""How much further a cell reaches along the long axis of its nucleus."""

NEAREST = 17.0
"""Points further than this from all nuclei, in the stretched distance, belong to no cell, in micrometres."""

REACH = NEAREST * STRETCH + 2 * PITCH
"""No cell reaches further from its centre, in micrometres."""

CHUNK = 1 << 17
"""Lattice points handled at once."""


@final
@dataclass(frozen=True, slots=True)
class Territories:
    """Epithelial cells beyond their nuclei, on the samples of a grid.

    Args:
        cell: (H, W) int32, row of the cell table that owns the sample, or -1.
        lead: (H, W) float32, by how many micrometres the owner is nearer than the next cell: zero on borders.
    """

    cell: NDArray[np.int32]
    lead: Singles


def draw_territories(cells: CellTable, grid: Grid) -> Territories:
    """Return the territories of epithelial cells.

    Args:
        cells: all cells within ``REACH`` of the grid.
        grid: samples.
    """
    rows, columns = linear_taps(grid.y, PITCH), linear_taps(grid.x, PITCH)
    # Sample i of a grid with steps of one pitch lies at (i + 1/2) pitches; lattice point i lies at i pitches.
    lattice = Region(columns.first, rows.first, columns.count, rows.count)
    members = np.flatnonzero(cells.kind == EPITHELIUM)
    half = int(np.ceil(NEAREST * STRETCH / PITCH))
    step = max(1, CHUNK // (2 * half + 1) ** 2)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))]
    for start in range(0, len(members), step):
        parts.append(_near(cells, members[start : start + step], lattice, half))
    flat, cell, distance = (np.concatenate([part[k] for part in parts]) for k in range(3))
    size = lattice.size.area
    first = winners(flat, cell, -distance, size)
    owner = np.full(size, -1, np.int32)
    owner[flat[first]] = cell[first]
    nearest, second = np.full(size, NEAREST, np.float32), np.full(size, NEAREST, np.float32)
    nearest[flat[first]] = distance[first]
    others = cell != owner[flat]
    np.minimum.at(second, flat[others], distance[others])
    lead = spread((second - nearest).reshape(rows.count, columns.count), rows, columns)
    # The owner of a sample is the owner of the nearest lattice point.
    row = rows.index[0] + (rows.weight[1] > 0.5)
    column = columns.index[0] + (columns.weight[1] > 0.5)
    return Territories(owner.reshape(rows.count, columns.count)[row[:, None], column], lead)


def _near(
    cells: CellTable, members: NDArray[np.int64], lattice: Region, half: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], Singles]:
    """Return the lattice points near some cells, and their stretched distance from the edge of a round nucleus."""
    y, x = cells.y[members], cells.x[members]
    row = np.rint(y / PITCH).astype(np.int64)[:, None] + np.arange(-half, half + 1)
    column = np.rint(x / PITCH).astype(np.int64)[:, None] + np.arange(-half, half + 1)
    dy, dx = (row * PITCH - y[:, None]).astype(np.float32), (column * PITCH - x[:, None]).astype(np.float32)
    cosine, sine = (
        value.astype(np.float32)[:, None] for value in (np.cos(cells.angle[members]), np.sin(cells.angle[members]))
    )
    short = np.float32(1 / STRETCH)
    along = (dx * cosine * short)[:, None, :] + (dy * sine * short)[:, :, None]
    across = (dy * cosine)[:, :, None] - (dx * sine)[:, None, :]
    along *= along
    across *= across
    along += across
    row -= lattice.y
    column -= lattice.x
    near = along < np.float32(NEAREST**2)
    near &= ((row >= 0) & (row < lattice.height))[:, :, None]
    near &= ((column >= 0) & (column < lattice.width))[:, None, :]
    which, up, left = np.nonzero(near)
    distance = np.sqrt(along[near]) - np.float32(0.5) * cells.radius[members].astype(np.float32)[which]
    return row[which, up] * lattice.width + column[which, left], members[which].astype(np.int32), distance
