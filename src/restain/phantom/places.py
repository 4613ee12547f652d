"""Where cells can be: along the walls of glands, and on jittered lattices in the stroma.

A place has a number made of the kind of cell, its lattice row and column, and a slot within. A section keeps the number
of a nucleus that reaches it, and writes its own number in front where the place is filled anew (``Section``).
"""

from dataclasses import dataclass
from typing import Self, final

import numpy as np
from numpy.typing import NDArray

from restain.phantom.glands import block_of, gland_places, plan_of
from restain.phantom.kinds import EPITHELIUM, LYMPHOCYTE, STROMA
from restain.phantom.lattice import key_of, normal, uniform
from restain.phantom.micrometres import Box
from restain.phantom.section import Section
from restain.phantom.tissue import Tissue

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

_HALF = 1 << 20
"""Rows and columns of lattices run from minus this to this, which is 8 metres of lymphocytes each way."""

_MASK = (1 << 21) - 1

EDGE_MARGIN = 4.0
"""No centre is nearer to the edge of the tissue, in micrometres."""


@final
@dataclass(frozen=True, slots=True)
class Places:
    """Possible cells, one per entry; lengths in micrometres of the block.

    Args:
        id: number of the cell.
        kind: of cell.
        y: centre.
        x: centre.
        angle: of the long axis, in radians from the x axis towards the y axis.
    """

    id: Ints
    kind: NDArray[np.int8]
    y: Floats
    x: Floats
    angle: Floats

    @classmethod
    def of(cls, kind: int, id_: Ints, y: Floats, x: Floats, angle: Floats) -> Self:
        """Return places of one kind."""
        return cls(id_, np.full(len(id_), kind, np.int8), y, x, angle)

    @classmethod
    def joined(cls, parts: list["Places"]) -> Self:
        """Return all places of several lists, ordered by number."""
        id_ = np.concatenate([part.id for part in parts])
        order = np.argsort(id_)
        return cls(
            id_[order],
            np.concatenate([part.kind for part in parts])[order],
            np.concatenate([part.y for part in parts])[order],
            np.concatenate([part.x for part in parts])[order],
            np.concatenate([part.angle for part in parts])[order],
        )

    def take(self, which: NDArray[np.bool_]) -> "Places":
        """Return the places that a mask marks."""
        return Places(self.id[which], self.kind[which], self.y[which], self.x[which], self.angle[which])


def places(tissue: Tissue, section: Section, box: Box) -> Places:
    """Return the possible cells of a section whose centres lie in a box of the block, ordered by number."""
    return Places.joined(
        [_along_walls(tissue, section, box), _lymphocytes(tissue, section, box), _stroma(tissue, section, box)]
    )


def _numbered(tissue: Tissue, section: Section, kind: int, row: Ints, column: Ints, slot: Ints | int) -> Ints:
    """Return the ids of places: 3 bits of section, 2 of kind, 21 of row, 21 of column, 16 of slot."""
    place: Ints = (((kind << 21 | (row + _HALF)) << 21 | (column + _HALF)) << 16) | slot
    if section.number == 0:
        return place
    return np.where(section.lasts(tissue.seed, place), place, place | (section.number << 60))


def _lattice(low: float, high: float, spacing: float) -> Ints:
    return np.arange(np.floor(low / spacing) - 1, np.floor(high / spacing) + 2).astype(np.int64)


def _along_walls(tissue: Tissue, section: Section, box: Box) -> Places:
    """Rows of nuclei along the walls of the glands, and further in where the gland is crowded or solid."""
    seed, shape = tissue.seed, tissue.shape
    step = 25.0
    plan = Box.around(*plan_of(seed, *box.probes(step))).grow(1.5 * step)
    rows, columns = (
        _lattice(plan.top, plan.bottom, shape.gland_pitch),
        _lattice(plan.left, plan.right, shape.gland_pitch),
    )
    glands = gland_places(seed, shape, np.repeat(rows, len(columns)), np.tile(columns, len(rows)))
    turn = np.arange(97) * (2 * np.pi / 96)
    dy, dx = np.sin(turn), np.cos(turn)
    found = [Places.of(EPITHELIUM, np.zeros(0, np.int64), np.zeros(0), np.zeros(0), np.zeros(0))]
    for g in np.flatnonzero(glands.present):
        u = (glands.cosine[g] * dx + glands.sine[g] * dy) / glands.long[g]
        v = (glands.cosine[g] * dy - glands.sine[g] * dx) / glands.short[g]
        relative = np.sqrt(u * u + v * v)
        ray = glands.wall(u / relative, v / relative, np.full(len(u), g)) / relative
        y, x, reach = glands.y[g], glands.x[g], ray.max()
        if y + reach < plan.top or y - reach > plan.bottom or x + reach < plan.left or x - reach > plan.right:
            continue
        for layer in range(9):
            depth = 6.8 + 7.6 * layer
            if depth + 5 > glands.thickness[g] or ray.min() - depth < 2:
                break
            # Equal steps along a copy of the wall that lies ``depth`` further in, each a little off.
            wall_y, wall_x = (ray - depth) * dy, (ray - depth) * dx
            length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(wall_y), np.diff(wall_x)))])
            count = int(length[-1] / shape.nucleus_spacing)
            slot = np.arange(count) + 512 * layer
            id_ = _numbered(tissue, section, EPITHELIUM, glands.row[g], glands.column[g], slot)
            at = (np.arange(count) + 0.5 + 0.35 * (uniform(key_of(seed, "slot"), id_) - 0.5)) * (
                length[-1] / max(count, 1)
            )
            at_y, at_x = np.interp(at, length, wall_y), np.interp(at, length, wall_x)
            distance = np.sqrt(at_y**2 + at_x**2) + 1e-9
            push = (1.0 + 1.3 * glands.layers[g]) * normal(key_of(seed, "push"), id_, limit=1.8)
            factor = np.maximum(distance - push, 0) / distance
            filled = uniform(key_of(seed, "filled"), id_) < (0.97 if layer == 0 else 0.93 * glands.layers[g])
            lean = 0.25 if glands.thickness[g] < 100 else 1.2
            angle = np.arctan2(at_y, at_x) + lean * normal(key_of(seed, "lean"), id_, limit=3)
            found.append(Places.of(EPITHELIUM, id_, y + factor * at_y, x + factor * at_x, angle).take(filled))
    on_plan = Places.joined(found)
    y, x = block_of(seed, on_plan.y, on_plan.x)
    cells = Places(on_plan.id, on_plan.kind, y, x, on_plan.angle).take(box.holds(y, x))
    where = tissue.depth(cells.y, cells.x)
    mine = (where.row == (cells.id >> 37 & _MASK) - _HALF) & (where.column == (cells.id >> 16 & _MASK) - _HALF)
    inside = tissue.inside(cells.y, cells.x) > EDGE_MARGIN
    return cells.take(mine & (where.depth > 3.2) & (where.lumen < -2) & inside)


def _jittered(tissue: Tissue, section: Section, box: Box, kind: int, spacing: float, jitter: float) -> Places:
    rows, columns = _lattice(box.top, box.bottom, spacing), _lattice(box.left, box.right, spacing)
    row, column = np.repeat(rows, len(columns)), np.tile(columns, len(rows))
    id_ = _numbered(tissue, section, kind, row, column, 0)
    y = (row + 0.5 + jitter * (uniform(key_of(tissue.seed, "place y"), id_) - 0.5)) * spacing
    x = (column + 0.5 + jitter * (uniform(key_of(tissue.seed, "place x"), id_) - 0.5)) * spacing
    return Places.of(kind, id_, y, x, np.zeros(len(id_))).take(box.holds(y, x))


def _lymphocytes(tissue: Tissue, section: Section, box: Box) -> Places:
    cells = _jittered(tissue, section, box, LYMPHOCYTE, tissue.shape.lymphocyte_spacing, 0.62)
    filled = uniform(key_of(tissue.seed, "filled"), cells.id) < tissue.lymphoid(cells.y, cells.x)
    cells = cells.take(filled)
    in_stroma = tissue.depth(cells.y, cells.x).depth < -3
    cells = cells.take(in_stroma & (tissue.inside(cells.y, cells.x) > EDGE_MARGIN))
    angle = np.pi * uniform(key_of(tissue.seed, "angle"), cells.id)
    return Places(cells.id, cells.kind, cells.y, cells.x, angle)


def _stroma(tissue: Tissue, section: Section, box: Box) -> Places:
    cells = _jittered(tissue, section, box, STROMA, tissue.shape.stroma_spacing, 0.8)
    filled = uniform(key_of(tissue.seed, "filled"), cells.id) < 0.85 * (1 - tissue.lymphoid(cells.y, cells.x))
    cells = cells.take(filled)
    depth = tissue.depth(cells.y, cells.x).depth
    kept = (depth < -3) & (tissue.inside(cells.y, cells.x) > EDGE_MARGIN)
    cells, depth = cells.take(kept), depth[kept]
    # Along the fibres: across the gradient of their potential.
    here = tissue.fibres(cells.y, cells.x, depth)[0]
    down = tissue.fibres(cells.y + 1, cells.x, tissue.depth(cells.y + 1, cells.x).depth)[0] - here
    right = tissue.fibres(cells.y, cells.x + 1, tissue.depth(cells.y, cells.x + 1).depth)[0] - here
    angle = np.arctan2(-right, down) + 0.15 * normal(key_of(tissue.seed, "lean"), cells.id, limit=3)
    return Places(cells.id, cells.kind, cells.y, cells.x, angle)
