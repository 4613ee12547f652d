"""Drawing nuclei: which pixels each covers, how fully, and how dense its chromatin is there."""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.cells import CellTable
from restain.phantom.grid import Grid
from restain.phantom.lattice import key_of, normal, uniform
from restain.phantom.retake import Retake, renamed

Singles = NDArray[np.float32]

EDGE = 0.45
"""Half the width of a nucleus' soft edge in micrometres: the membrane is cut at an angle."""

FACTOR = 1.3
"""How far, in radii, the window of a nucleus reaches: waves of its outline and its edge."""

CHUNK = 1 << 16
"""Samples handled at once, so that intermediate results stay in the processor's cache."""


@final
@dataclass(frozen=True, slots=True)
class Nuclei:
    """The samples covered by nuclei, each by one nucleus: the one it lies deepest in.

    Args:
        flat: (k,) indices, each once, into the flattened grid.
        cell: (k,) rows of the cell table.
        cover: (k,) float32 in (0, 1]: fully inside is one.
        density: (k,) float32 around one: chromatin relative to the nucleus' mean.
    """

    flat: NDArray[np.int64]
    cell: NDArray[np.int32]
    cover: Singles
    density: Singles

    def amount(self, per_cell: NDArray[np.float64]) -> Singles:
        """Return a quantity of cells at the covered samples."""
        return per_cell.astype(np.float32)[self.cell]


@final
@dataclass(frozen=True, slots=True)
class Reach:
    """The samples near nuclei, each with the one nucleus it lies deepest in or nearest to.

    Args:
        flat: (k,) indices into the flattened grid, each once.
        cell: (k,) rows of the cell table.
        inside: (k,) micrometres inside the outline of the nucleus, negative outside.
    """

    flat: NDArray[np.int64]
    cell: NDArray[np.int32]
    inside: Singles


def reach_of(seed: int, cells: CellTable, grid: Grid, outside: float) -> Reach:
    """Return the samples inside nuclei or less than a distance outside.

    Args:
        seed: of the phantom, for outlines.
        cells: all cells that may reach the grid.
        grid: samples.
        outside: distance from the outline in micrometres.
    """
    long = cells.radius * np.sqrt(cells.aspect)
    half_y = np.ceil((long * FACTOR * 0.9 + outside) / grid.step_y).astype(np.int64)
    half_x = np.ceil((long * FACTOR * 0.9 + outside) / grid.step_x).astype(np.int64)
    # Cells share a window size with others of about the same size, so that each batch is one block of arrays.
    batch = np.ceil(np.maximum(half_y, half_x) / 3).astype(np.int64)
    wave = np.stack(
        [
            amplitude * normal(key_of(seed, "outline", name), cells.id, limit=2)
            for name, amplitude in (("c2", 0.05), ("s2", 0.05), ("c3", 0.035), ("s3", 0.035))
        ]
    ).astype(np.float32)
    parts = [(np.zeros(0, np.int64), np.zeros(0, np.int32), np.zeros(0, np.float32))]
    for size in np.unique(batch):
        members = np.flatnonzero(batch == size)
        high, wide = int(half_y[members].max()), int(half_x[members].max())
        step = max(1, CHUNK // ((2 * high + 1) * (2 * wide + 1)))
        for start in range(0, len(members), step):
            parts.append(_draw(cells, members[start : start + step], grid, high, wide, wave, outside))
    flat, cell, inside = (np.concatenate([part[k] for part in parts]) for k in range(3))
    won = winners(flat, cell, inside, grid.region.size.area)
    return Reach(flat[won], cell[won], inside[won])


def winners(flat: NDArray[np.int64], cell: NDArray[np.int32], score: Singles, size: int) -> NDArray[np.int64]:
    """Return the entries that hold their sample: those with the highest score there, of equals the latest cell.

    Args:
        flat: (k,) samples, several entries each.
        cell: (k,) rows of the cell table.
        score: (k,) higher is stronger.
        size: number of samples.
    """
    highest = np.full(size, -np.inf, np.float32)
    np.maximum.at(highest, flat, score)
    won = np.flatnonzero(score == highest[flat])
    latest = np.full(size, -1, np.int32)
    np.maximum.at(latest, flat[won], cell[won])
    owners: NDArray[np.int64] = won[cell[won] == latest[flat[won]]]
    return owners


def draw_nuclei(seed: int, cells: CellTable, grid: Grid, grain: Singles, retake: Retake | None = None) -> Nuclei:
    """Return the samples that nuclei cover.

    Args:
        seed: of the phantom, for outlines.
        cells: all cells whose nuclei may touch the grid.
        grid: samples.
        grain: noise of unit variance on the grid, for the texture of chromatin.
        retake: may place nucleoli elsewhere.
    """
    reach = reach_of(seed, cells, grid, EDGE)
    cover = np.clip(reach.inside / np.float32(2 * EDGE) + np.float32(0.5), 0, 1)
    clumps = cells.clumps.astype(np.float32)[reach.cell]
    rim = np.maximum(1 - np.abs(reach.inside - np.float32(0.55)) / np.float32(0.75), 0)
    density = 1 + clumps * (grain.reshape(-1)[reach.flat] + np.float32(1.1) * rim - np.float32(0.35))
    density += _nucleoli(seed, cells, grid, reach, retake)
    np.maximum(density, np.float32(0.15), out=density)
    return Nuclei(reach.flat, reach.cell, cover, density)


def _draw(
    cells: CellTable, members: NDArray[np.int64], grid: Grid, high: int, wide: int, wave: Singles, outside: float
) -> tuple[NDArray[np.int64], NDArray[np.int32], Singles]:
    """Return the samples near some nuclei, and how far inside the outline each lies in micrometres."""
    y, x = cells.y[members], cells.x[members]
    row = np.floor(y / grid.step_y).astype(np.int64)[:, None] + np.arange(-high, high + 1)
    column = np.floor(x / grid.step_x).astype(np.int64)[:, None] + np.arange(-wide, wide + 1)
    dy = ((row + 0.5) * grid.step_y - y[:, None]).astype(np.float32)
    dx = ((column + 0.5) * grid.step_x - x[:, None]).astype(np.float32)
    root = np.sqrt(cells.aspect[members])
    long, short = cells.radius[members] * root, cells.radius[members] / root
    cosine, sine = np.cos(cells.angle[members]), np.sin(cells.angle[members])

    def scaled(value: NDArray[np.float64]) -> Singles:
        return value.astype(np.float32)[:, None]

    u = (dx * scaled(cosine / long))[:, None, :] + (dy * scaled(sine / long))[:, :, None]
    v = (dy * scaled(cosine / short))[:, :, None] - (dx * scaled(sine / short))[:, None, :]
    square = u * u
    square += v * v
    near = square < np.float32(FACTOR**2) if outside <= EDGE else np.ones(square.shape, np.bool_)
    row -= grid.region.y
    column -= grid.region.x
    near &= ((row >= 0) & (row < grid.region.height))[:, :, None]
    near &= ((column >= 0) & (column < grid.region.width))[:, None, :]
    which, up, left = np.nonzero(near)
    u, v, square = u[near], v[near], square[near]
    cell = members[which]
    relative = np.sqrt(square) + np.float32(1e-6)
    u /= relative
    v /= relative
    c2, s2 = u * u - v * v, 2 * u * v
    waves = wave[:, cell]
    outline = 1 + waves[0] * c2 + waves[1] * s2
    outline += waves[2] * (c2 * u - s2 * v)
    outline += waves[3] * (s2 * u + c2 * v)
    # Distance inside the outline, along the ray from the centre.
    inside = (outline - relative) * _ray_length(u, v, long.astype(np.float32)[which], short.astype(np.float32)[which])
    covered = inside > np.float32(-outside)
    flat = row[which, up] * grid.region.width + column[which, left]
    return flat[covered], cell[covered].astype(np.int32), inside[covered]


def _ray_length(u: Singles, v: Singles, long: Singles, short: Singles) -> Singles:
    """Return micrometres per relative radius in a direction of the ellipse's own unit circle."""
    length: Singles = np.sqrt((u * long) ** 2 + (v * short) ** 2)
    return length


def _nucleoli(seed: int, cells: CellTable, grid: Grid, reach: Reach, retake: Retake | None) -> Singles:
    """Return the extra density of nucleoli: one small dark dot off the centre of some nuclei."""
    shift = 0.35 * cells.radius
    off_y, off_x = (
        shift * (2 * uniform(key_of(seed, *renamed(retake, name, inside_nuclei=True)), cells.id) - 1)
        for name in ("nucleolus y", "nucleolus x")
    )
    y = (cells.y + off_y) / grid.step_y - grid.region.y - 0.5
    x = (cells.x + off_x) / grid.step_x - grid.region.x - 0.5
    extra = np.zeros(len(reach.flat), np.float32)
    some = np.flatnonzero((cells.nucleolus > 0)[reach.cell])
    row, column = np.divmod(reach.flat[some], grid.region.width)
    which = reach.cell[some]
    square = ((row - y[which]) * grid.step_y) ** 2 + ((column - x[which]) * grid.step_x) ** 2
    extra[some] = 0.75 * cells.nucleolus[which] * np.exp(-square / (2 * 0.55**2))
    return extra
