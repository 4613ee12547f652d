"""What lies between the nuclei: the slow fields interpolated to the samples, fibres, and textures."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.grid import Grid
from restain.phantom.lattice import Taps, hashed, key_of, linear_taps, spread, value_noise
from restain.phantom.section import Section
from restain.phantom.tissue import PITCH, Tissue

Singles = NDArray[np.float32]
Floats = NDArray[np.float64]

PERIOD = 256
"""Side of the periodic table that fibres take their brightness from; warping hides the period."""


FINE = 0.9
"""Grain of the finest texture in micrometres, that of chromatin too."""

CRIMP_STEP = 2.0
"""Samples this far apart, in micrometres, do not show single fibres."""


@final
@dataclass(frozen=True, slots=True)
class Matrix:
    """Planes of the tissue on a grid, each (H, W) float32.

    Args:
        tissue: share of tissue, 0 on glass, 1 inside.
        epithelium: share of glands, their lumen included; the rest is stroma.
        lumen: share of lumen.
        wall: closeness to the basement membrane, 0 to 1.
        apex: closeness to the surface of the lumen, 0 to 1.
        fibre: brightness of fibres, zero mean, about unit variance.
        cleft: share of empty gaps between fibres.
        fine: noise with grains of 0.9 micrometres, zero mean, unit variance.
        coarse: noise with grains of 6 micrometres, zero mean, unit variance.
    """

    tissue: Singles
    epithelium: Singles
    lumen: Singles
    wall: Singles
    apex: Singles
    fibre: Singles
    cleft: Singles
    fine: Singles
    coarse: Singles


def draw_matrix(tissue: Tissue, section: Section, grid: Grid) -> Matrix:
    """Return the planes of a section on a grid; the section's deformation bends what is slow, textures are its own."""
    slow = _Lattice.of(tissue, section, grid)
    at_y, at_x = slow.y, slow.x
    where = tissue.depth(at_y, at_x)

    def textured(name: str, pitch: float) -> Singles:
        return texture(key_of(tissue.seed, *section.names(name)), grid, pitch)

    plane = slow.plane
    across, along = tissue.fibres(at_y, at_x, where.depth)
    fine = textured("fine", FINE)
    coarse = textured("coarse", 6.0)
    depth = plane(where.depth)
    lumen = plane(np.maximum(where.lumen, -100.0))
    lumen += coarse * np.float32(0.8)
    edge = plane(tissue.inside(at_y, at_x))
    edge += coarse * np.float32(2)
    loose = plane(tissue.loose(at_y, at_x))

    # Fibres crimp on the scale of a few micrometres, and every bundle has its own grain.
    across_plane, along_plane = plane(across), plane(along)
    crimp = textured("crimp", 11.0)
    across_plane += crimp * np.float32(1.9)
    fibre = np.zeros(grid.shape, np.float32)
    if grid.step < CRIMP_STEP:
        fibre = _fibre(key_of(tissue.seed, *section.names("fibre table")), across_plane, along_plane)
    fibre += fine * np.float32(0.22)
    fibre += crimp * np.float32(0.25)
    cleft = fibre * np.float32(-0.6)
    cleft += coarse * np.float32(0.55)
    cleft += loose * np.float32(1.15)
    cleft -= np.float32(2.0)
    cleft *= np.float32(1.6)
    _clip(cleft)

    wall = np.abs(depth - np.float32(0.3))
    wall *= np.float32(-1 / 1.6)
    wall += 1
    _clip(wall)
    apex = np.abs(lumen + np.float32(0.9))
    apex *= np.float32(-1 / 1.5)
    apex += 1
    _clip(apex)
    depth += np.float32(0.5)
    _clip(depth)
    lumen *= np.float32(0.8)
    lumen += np.float32(0.5)
    _clip(lumen)
    edge *= np.float32(0.5)
    edge += np.float32(0.5)
    _clip(edge)
    return Matrix(edge, depth, lumen, wall, apex, fibre, cleft, fine, coarse)


def texture(key: np.uint64, grid: Grid, pitch: float) -> Singles:
    """Return noise of unit variance with grains of a size in micrometres, (H, W); zero where samples are too coarse."""
    if pitch < grid.step / 2:  # so coarse a sample sees only the mean
        return np.zeros(grid.shape, np.float32)
    return value_noise(key, grid.y, grid.x, pitch)


def smooth_plane(tissue: Tissue, section: Section, grid: Grid, field: Callable[[Floats, Floats], Floats]) -> Singles:
    """Return a slow field of the block, given positions in micrometres, on the samples of a section."""
    slow = _Lattice.of(tissue, section, grid)
    return slow.plane(field(slow.y, slow.x))


@final
@dataclass(frozen=True, slots=True)
class _Lattice:
    """The points at which slow fields are taken: those of a global lattice around the samples.

    Args:
        rows: taps of the samples' rows.
        columns: taps of the samples' columns.
        y: (n,) points in micrometres of the block, row by row.
        x: (n,) points in micrometres of the block.
    """

    rows: Taps
    columns: Taps
    y: Floats
    x: Floats

    @classmethod
    def of(cls, tissue: Tissue, section: Section, grid: Grid) -> Self:
        pitch = max(PITCH, grid.step)
        rows, columns = linear_taps(grid.y, pitch), linear_taps(grid.x, pitch)
        y, x = np.meshgrid(rows.lattice * pitch, columns.lattice * pitch, indexing="ij")
        return cls(rows, columns, *section.block_of(tissue.seed, y.ravel(), x.ravel()))

    def plane(self, values: Floats) -> Singles:
        """Return values at the points interpolated to the samples."""
        return spread(values.reshape(self.rows.count, self.columns.count).astype(np.float32), self.rows, self.columns)


def _clip(plane: Singles) -> None:
    np.clip(plane, 0, 1, out=plane)


def _fibre(key: np.uint64, across: Singles, along: Singles) -> Singles:
    """Return brightness on a table whose one axis crosses the fibres every 1.7 um and whose other runs 17 um along."""
    places = np.arange(PERIOD)
    table = (hashed(key, places[:, None], places) >> np.uint64(40)).astype(np.float32)
    table *= np.float32(12**0.5 / 2**24 * 1.35)
    table -= np.float32(12**0.5 / 2 * 1.35)
    flat = table.ravel()
    u, v = across * np.float32(1 / 1.7), along * np.float32(1 / 17)
    left, top = np.floor(u), np.floor(v)
    u -= left
    v -= top
    one = left.astype(np.int32)
    one &= PERIOD - 1
    two = one + np.int32(1)
    two &= PERIOD - 1
    row = top.astype(np.int32)
    row &= PERIOD - 1
    below = row + np.int32(1)
    below &= PERIOD - 1
    row *= PERIOD
    below *= PERIOD
    upper: Singles = flat[row + one]
    upper += (flat[row + two] - upper) * u
    lower = flat[below + one]
    lower += (flat[below + two] - lower) * u
    lower -= upper
    lower *= v
    upper += lower
    return upper
