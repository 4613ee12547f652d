"""Where the glands lie: jittered places on a square lattice, each an ellipse with a wavy wall.

The lattice lives on a plan that is bent smoothly into the block, so that its rows do not show; see ``plan_of``.
The depth of a point is measured along the ray from the gland's centre: positive inside, zero on the basement membrane.
Angles enter as cosines and sines and their powers, so no arc tangent has to be taken per point.
"""

from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.lattice import key_of, noise_at, normal, uniform
from restain.phantom.morphology import Morphology

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

OUTSIDE = -60.0
"""Depth is exact down to this distance outside a gland, in micrometres, and this value beyond."""

SEPTUM = 1.6
"""Half the thickness of the stroma that stays between two touching glands, in micrometres."""

HARMONICS = (2, 3, 5)
"""Waves of the wall per turn."""


BEND, BEND_PITCH = 55.0, 330.0
"""Standard deviation and grain of the shift between the plan and the block, in micrometres."""


def plan_of(seed: int, y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Return the positions on the plan of the glands of positions in the block, in micrometres."""
    return (
        y + BEND * noise_at(key_of(seed, "bend y"), y, x, BEND_PITCH),
        x + BEND * noise_at(key_of(seed, "bend x"), y, x, BEND_PITCH),
    )


def block_of(seed: int, plan_y: Floats, plan_x: Floats) -> tuple[Floats, Floats]:
    """Return the positions in the block of positions on the plan: the inverse of ``plan_of``.

    Fixed-point steps; each shrinks the error by the slope of the bend, 0.2 on average, so 16 of them leave nothing but
    where the bend is steepest: more than a micrometre at one place in a thousand.
    """
    y, x = plan_y, plan_x
    for _ in range(16):
        there_y, there_x = plan_of(seed, y, x)
        y, x = y + plan_y - there_y, x + plan_x - there_x
    return y, x


@final
@dataclass(frozen=True, slots=True)
class Glands:
    """Glands, one per entry; see ``gland_places``.

    Args:
        row: lattice row.
        column: lattice column.
        present: whether the place holds a gland.
        y: centre.
        x: centre.
        long: half the long axis.
        short: half the short axis.
        cosine: of the long axis' angle.
        sine: of the long axis' angle.
        wave: (H, n, 2) cosine and sine amplitude of each harmonic of the wall.
        thickness: of the epithelium.
        layers: of nuclei: 0 for one row, 1 for crowded pseudostratified rows.
    """

    row: Ints
    column: Ints
    present: NDArray[np.bool_]
    y: Floats
    x: Floats
    long: Floats
    short: Floats
    cosine: Floats
    sine: Floats
    wave: Floats
    thickness: Floats
    layers: Floats

    def wall(self, cosine: Floats, sine: Floats, which: NDArray[np.int64]) -> Floats:
        """Return the relative radius of the wall in directions of the ellipse's own unit circle.

        Args:
            cosine: of the direction.
            sine: of the direction.
            which: index of the gland of each direction.
        """
        radius = np.ones(np.shape(cosine))
        c, s, order = cosine, sine, 1
        for harmonic, wave in zip(HARMONICS, self.wave, strict=True):
            while order < harmonic:
                c, s, order = c * cosine - s * sine, s * cosine + c * sine, order + 1
            radius += wave[which, 0] * c + wave[which, 1] * s
        return radius


def gland_places(seed: int, shape: Morphology, row: Ints, column: Ints) -> Glands:
    """Return the glands at lattice places.

    Args:
        seed: of the phantom.
        shape: knobs.
        row: (n,) lattice rows.
        column: (n,) lattice columns.
    """

    def draw(name: str) -> Floats:
        return uniform(key_of(seed, "gland", name), row, column)

    pitch = shape.gland_pitch
    y = (row + 0.5 + 0.5 * (draw("y") - 0.5)) * pitch
    x = (column + 0.5 + 0.5 * (draw("x") - 0.5)) * pitch
    # Glands come in districts: the share of filled places follows a slow field around its mean.
    district = 0.22 * noise_at(key_of(seed, "gland district"), y, x, 5 * pitch)
    present = draw("present") < shape.gland_fraction + district
    size = pitch * (0.30 + 0.17 * draw("size"))
    stretch = np.sqrt(1 + 0.9 * draw("stretch") ** 2)
    turn = 2 * np.pi * draw("turn")
    wave = np.stack(
        [
            amplitude * np.stack([normal(key_of(seed, "wave", k, part), row, column, limit=1.8) for part in "cs"], -1)
            for k, amplitude in zip(HARMONICS, (0.055, 0.045, 0.02), strict=True)
        ]
    )
    solid = draw("solid") < shape.solid_fraction
    thickness = np.where(solid, 1e3, 17 + 19 * draw("thickness"))
    layers = np.where(solid, 1.0, draw("layers") ** 1.5)
    return Glands(
        row, column, present, y, x, size * stretch, size / stretch, np.cos(turn), np.sin(turn), wave, thickness, layers
    )


@final
@dataclass(frozen=True, slots=True)
class Depth:
    """How deep points lie in their gland.

    Args:
        depth: micrometres inside the basement membrane of the gland nearest in that sense; negative in the stroma.
        lumen: depth less the thickness of that gland's epithelium: positive in its lumen.
        row: lattice row of that gland.
        column: lattice column of that gland.
    """

    depth: Floats
    lumen: Floats
    row: Ints
    column: Ints


def gland_depth(seed: int, shape: Morphology, y: Floats, x: Floats) -> Depth:
    """Return the depth of points in the glands around them.

    Args:
        seed: of the phantom.
        shape: knobs.
        y: (n,) micrometres.
        x: (n,) micrometres.
    """
    pitch = shape.gland_pitch
    y, x = plan_of(seed, y, x)
    row, column = np.floor(y / pitch).astype(np.int64), np.floor(x / pitch).astype(np.int64)
    if not row.size:
        return Depth(np.zeros(0), np.zeros(0), row, column)
    top, left = int(row.min()) - 1, int(column.min()) - 1
    width = int(column.max()) + 2 - left
    rows, columns = np.divmod(np.arange((int(row.max()) + 2 - top) * width), width)
    glands = gland_places(seed, shape, rows + top, columns + left)

    best, second = np.full(y.shape, OUTSIDE), np.full(y.shape, OUTSIDE)
    owner = (row - top) * width + column - left
    for dy in (-1, 0, 1):
        for dx in (-1, 0, 1):
            which = (row + dy - top) * width + (column + dx - left)
            near = np.flatnonzero(glands.present[which])
            which = which[near]
            depth = _ray_depth(glands, which, y[near], x[near])
            deeper = depth > best[near]
            second[near] = np.where(deeper, best[near], np.maximum(second[near], depth))
            best[near] = np.where(deeper, depth, best[near])
            owner[near] = np.where(deeper, which, owner[near])
    # Two glands that touch leave a septum: the wall runs where both are equally deep.
    depth = np.minimum(best, (best - second) / 2 - SEPTUM)
    return Depth(depth, best - glands.thickness[owner], glands.row[owner], glands.column[owner])


def _ray_depth(glands: Glands, which: Ints, y: Floats, x: Floats) -> Floats:
    dy, dx = y - glands.y[which], x - glands.x[which]
    cosine, sine = glands.cosine[which], glands.sine[which]
    u = (cosine * dx + sine * dy) / glands.long[which]
    v = (cosine * dy - sine * dx) / glands.short[which]
    relative = np.sqrt(u * u + v * v) + 1e-9
    distance = np.sqrt(dx * dx + dy * dy) + 1e-9 * glands.short[which]
    wall = glands.wall(u / relative, v / relative, which)
    return (wall - relative) * (distance / relative)
