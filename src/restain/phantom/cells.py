"""The cells: where they are, what they look like, which markers they carry."""

import csv
from dataclasses import dataclass, fields
from pathlib import Path
from typing import final

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from restain.phantom.glands import block_of, gland_places, plan_of
from restain.phantom.kinds import EPITHELIUM, KIND_NAMES, LYMPHOCYTE, STROMA
from restain.phantom.lattice import key_of, noise_at, normal, uniform
from restain.phantom.markers import CD3, CK818, HER2_STEPS, KI67
from restain.phantom.tissue import Tissue

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]

REACH = 12.0
"""No cell touches the nucleus of another whose centre is further away, in micrometres."""

RADIUS = (3.55, 2.75, 2.75)
"""Median radius of the disc of equal area per kind, in micrometres."""

RADIUS_SPREAD = 0.15
"""Relative change of the radius per standard deviation."""

CHROMATIN = (0.58, 0.86, 0.66)
"""Median optical density of hematoxylin in the nucleus per kind."""

CHROMATIN_SPREAD = 0.26
"""Change of the density's natural logarithm per standard deviation."""


ACTIVE_SHARE = 0.035
"""Share of large, dark nuclei among lymphocytes and stromal cells."""


@final
@dataclass(frozen=True, slots=True)
class Box:
    """A rectangle in micrometres; lower ends are inside, upper ends are not."""

    top: float
    left: float
    bottom: float
    right: float

    def grow(self, margin: float) -> "Box":
        """Return the box with a margin on all sides."""
        return Box(self.top - margin, self.left - margin, self.bottom + margin, self.right + margin)

    def holds(self, y: Floats, x: Floats) -> NDArray[np.bool_]:
        """Return which points lie inside."""
        return (y >= self.top) & (y < self.bottom) & (x >= self.left) & (x < self.right)


@final
@dataclass(frozen=True, slots=True)
class CellTable:
    """Cells, one per entry, ordered by ``id``. Lengths in micrometres.

    Args:
        id: number that is unique in the phantom.
        kind: 0 epithelium, 1 lymphocyte, 2 stroma; see ``KIND_NAMES``.
        y: centre of the nucleus in the section.
        x: centre of the nucleus in the section.
        radius: of the disc of the same area as the nucleus.
        aspect: long axis by short axis.
        angle: of the long axis in radians, from the x axis towards the y axis.
        z_radius: radius in standard deviations of its kind.
        chromatin: optical density of hematoxylin in the nucleus, before the stain's strength on the slide.
        z_chromatin: chromatin in standard deviations of its kind.
        clumps: relative strength of the chromatin's texture.
        nucleolus: size of the nucleolus, 0 for none.
        ki67_probability: of being Ki67 positive, given the look.
        ki67: whether the nucleus is positive.
        cd3_probability: of being CD3 positive, given the look.
        cd3: whether the membrane is positive.
        ck818_probability: of being CK8/18 positive, given the look.
        ck818: whether the cytoplasm is positive.
        her2_probability: (n, 3) of a membrane score of at least 1+, 2+, 3+.
        her2: score, 0 to 3.
    """

    id: Ints
    kind: NDArray[np.int8]
    y: Floats
    x: Floats
    radius: Floats
    aspect: Floats
    angle: Floats
    z_radius: Floats
    chromatin: Floats
    z_chromatin: Floats
    clumps: Floats
    nucleolus: Floats
    ki67_probability: Floats
    ki67: NDArray[np.bool_]
    cd3_probability: Floats
    cd3: NDArray[np.bool_]
    ck818_probability: Floats
    ck818: NDArray[np.bool_]
    her2_probability: Floats
    her2: NDArray[np.int8]

    def __len__(self) -> int:
        return len(self.id)

    def take(self, which: NDArray[np.bool_] | Ints) -> "CellTable":
        """Return some of the cells: a mask or indices."""
        return CellTable(*(getattr(self, field.name)[which] for field in fields(self)))

    def to_csv(self, path: Path) -> None:
        """Write one line per cell, kinds by name, with a header line."""
        names = [field.name for field in fields(self)]
        with path.open("w", newline="", encoding="utf-8") as file:
            writer = csv.writer(file)
            columns = []
            header = []
            for name in names:
                values = getattr(self, name)
                if name == "kind":
                    header.append(name)
                    columns.append([KIND_NAMES[kind] for kind in values])
                elif name == "her2_probability":
                    for step in range(3):
                        header.append(f"her2_probability_{step + 1}")
                        columns.append(values[:, step].tolist())
                else:
                    header.append(name)
                    columns.append((values.astype(np.int8) if values.dtype == bool else values).tolist())
            writer.writerow(header)
            writer.writerows(zip(*columns, strict=True))


def block_cells(tissue: Tissue, box: Box) -> CellTable:
    """Return the cells of the block whose centres lie in a box.

    Args:
        tissue: the block.
        box: in micrometres of the block.
    """
    wide = box.grow(REACH)
    parts = [_epithelium(tissue, wide), _lymphocytes(tissue, wide), _stroma(tissue, wide)]
    id_, kind, y, x, angle = (np.concatenate([part[k] for part in parts]) for k in range(5))
    order = np.argsort(id_)
    id_, kind, y, x, angle = id_[order], kind[order].astype(np.int8), y[order], x[order], angle[order]
    seed = tissue.seed

    z_radius, z_chromatin = _look(seed, id_, kind, y, x)
    radius = np.asarray(RADIUS)[kind] * (1 + RADIUS_SPREAD * z_radius)
    chromatin = np.asarray(CHROMATIN)[kind] * np.exp(CHROMATIN_SPREAD * z_chromatin)

    keep = _without_overlap(id_, kind, y, x, radius, uniform(key_of(seed, "priority"), id_)) & box.holds(y, x)
    id_, kind, y, x, angle = id_[keep], kind[keep], y[keep], x[keep], angle[keep]
    z_radius, z_chromatin, radius, chromatin = z_radius[keep], z_chromatin[keep], radius[keep], chromatin[keep]

    elongation = uniform(key_of(seed, "aspect"), id_)
    aspect = np.choose(kind, [1.12 + 0.45 * elongation, 1.0 + 0.22 * elongation, 1.7 + 1.9 * elongation])
    clumps = np.asarray((0.24, 0.14, 0.16))[kind] * (0.6 + 0.8 * uniform(key_of(seed, "clumps"), id_))
    nucleolus = np.where(kind == EPITHELIUM, np.clip(2.2 * uniform(key_of(seed, "nucleolus"), id_) - 1.2, 0, 1), 0.0)

    def has(name: str, probability: Floats) -> NDArray[np.bool_]:
        return uniform(key_of(seed, "marker", name), id_) < probability

    ki67, cd3, ck818 = (law.probability(kind, z_chromatin, z_radius) for law in (KI67, CD3, CK818))
    her2 = np.stack([law.probability(kind, z_chromatin, z_radius) for law in HER2_STEPS], axis=-1)
    score = (uniform(key_of(seed, "marker", "her2"), id_)[:, None] < her2).sum(axis=-1).astype(np.int8)
    return CellTable(
        id=id_, kind=kind, y=y, x=x, radius=radius, aspect=aspect, angle=angle, z_radius=z_radius,
        chromatin=chromatin, z_chromatin=z_chromatin, clumps=clumps, nucleolus=nucleolus,
        ki67_probability=ki67, ki67=has("ki67", ki67), cd3_probability=cd3, cd3=has("cd3", cd3),
        ck818_probability=ck818, ck818=has("ck818", ck818), her2_probability=her2, her2=score,
    )  # fmt: skip


Places = tuple[Ints, Ints, Floats, Floats, Floats]
"""Ids, kinds, rows, columns and angles of candidates."""


def _number(kind: int, row: Ints, column: Ints, slot: Ints | int) -> Ints:
    half = 1 << 20
    packed: Ints = (((kind << 21 | (row + half)) << 21 | (column + half)) << 16) | slot
    return packed


def _epithelium(tissue: Tissue, box: Box) -> Places:
    """Rows of nuclei along the walls of the glands, and further in where the gland is crowded or solid."""
    seed, shape = tissue.seed, tissue.shape
    pitch, spacing = shape.gland_pitch, shape.nucleus_spacing
    plan = _plan_box(seed, box)
    rows = np.arange(np.floor(plan.top / pitch) - 1, np.floor(plan.bottom / pitch) + 2).astype(np.int64)
    columns = np.arange(np.floor(plan.left / pitch) - 1, np.floor(plan.right / pitch) + 2).astype(np.int64)
    glands = gland_places(seed, shape, np.repeat(rows, len(columns)), np.tile(columns, len(rows)))
    turn = np.arange(97) * (2 * np.pi / 96)
    dy, dx = np.sin(turn), np.cos(turn)
    found: list[Places] = []
    for g in np.flatnonzero(glands.present):
        u = (glands.cosine[g] * dx + glands.sine[g] * dy) / glands.long[g]
        v = (glands.cosine[g] * dy - glands.sine[g] * dx) / glands.short[g]
        relative = np.sqrt(u * u + v * v)
        ray = glands.wall(u / relative, v / relative, np.full(len(u), g)) / relative
        y, x = glands.y[g], glands.x[g]
        reach = ray.max()
        if y + reach < plan.top or y - reach > plan.bottom or x + reach < plan.left or x - reach > plan.right:
            continue
        for layer in range(9):
            depth = 6.8 + 7.6 * layer
            if depth + 5 > glands.thickness[g] or ray.min() - depth < 2:
                break
            wall_y, wall_x = (ray - depth) * dy, (ray - depth) * dx
            length = np.concatenate([[0.0], np.cumsum(np.hypot(np.diff(wall_y), np.diff(wall_x)))])
            count = int(length[-1] / spacing)
            slot = np.arange(count) + 512 * layer
            id_ = _number(EPITHELIUM, glands.row[g], glands.column[g], slot)
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
            found.append(
                (id_[filled], np.full(filled.sum(), EPITHELIUM), (y + factor * at_y)[filled],
                 (x + factor * at_x)[filled], angle[filled])
            )  # fmt: skip
    id_, kind, y, x, angle = (
        (np.concatenate([part[k] for part in found]) if found else np.zeros(0, np.int64 if k < 2 else np.float64))
        for k in range(5)
    )
    y, x = block_of(seed, y, x)
    close = box.holds(y, x)
    id_, kind, y, x, angle = id_[close], kind[close], y[close], x[close], angle[close]
    where = tissue.depth(y, x)
    mine = (where.row == (id_ >> 37 & 0x1FFFFF) - (1 << 20)) & (where.column == (id_ >> 16 & 0x1FFFFF) - (1 << 20))
    keep = mine & (where.depth > 3.2) & (where.lumen < -2) & (tissue.inside(y, x) > 4)
    return id_[keep], kind[keep], y[keep], x[keep], angle[keep]


def _plan_box(seed: int, box: Box) -> Box:
    """Return a box on the plan of the glands that holds everything a box in the block shows."""
    step = 25.0
    y, x = np.meshgrid(
        np.append(np.arange(box.top, box.bottom, step), box.bottom),
        np.append(np.arange(box.left, box.right, step), box.right),
        indexing="ij",
    )
    plan_y, plan_x = plan_of(seed, y.ravel(), x.ravel())
    return Box(plan_y.min(), plan_x.min(), plan_y.max(), plan_x.max()).grow(1.5 * step)


def _jittered(tissue: Tissue, box: Box, kind: int, spacing: float, jitter: float) -> Places:
    row = np.arange(np.floor(box.top / spacing) - 1, np.floor(box.bottom / spacing) + 2).astype(np.int64)
    column = np.arange(np.floor(box.left / spacing) - 1, np.floor(box.right / spacing) + 2).astype(np.int64)
    id_ = _number(kind, np.repeat(row, len(column)), np.tile(column, len(row)), 0)
    rows, columns = np.repeat(row, len(column)), np.tile(column, len(row))
    y = (rows + 0.5 + jitter * (uniform(key_of(tissue.seed, "place y"), id_) - 0.5)) * spacing
    x = (columns + 0.5 + jitter * (uniform(key_of(tissue.seed, "place x"), id_) - 0.5)) * spacing
    keep = box.holds(y, x)
    return id_[keep], np.full(keep.sum(), kind), y[keep], x[keep], np.zeros(keep.sum())


def _lymphocytes(tissue: Tissue, box: Box) -> Places:
    id_, kind, y, x, _ = _jittered(tissue, box, LYMPHOCYTE, tissue.shape.lymphocyte_spacing, 0.62)
    keep = uniform(key_of(tissue.seed, "filled"), id_) < tissue.lymphoid(y, x)
    id_, kind, y, x = id_[keep], kind[keep], y[keep], x[keep]
    keep = (tissue.depth(y, x).depth < -3) & (tissue.inside(y, x) > 4)
    angle = np.pi * uniform(key_of(tissue.seed, "angle"), id_)
    return id_[keep], kind[keep], y[keep], x[keep], angle[keep]


def _stroma(tissue: Tissue, box: Box) -> Places:
    id_, kind, y, x, _ = _jittered(tissue, box, STROMA, tissue.shape.stroma_spacing, 0.8)
    keep = uniform(key_of(tissue.seed, "filled"), id_) < 0.85 * (1 - tissue.lymphoid(y, x))
    id_, kind, y, x = id_[keep], kind[keep], y[keep], x[keep]
    depth = tissue.depth(y, x).depth
    keep = (depth < -3) & (tissue.inside(y, x) > 4)
    id_, kind, y, x, depth = id_[keep], kind[keep], y[keep], x[keep], depth[keep]
    # Along the fibres: across the gradient of their potential.
    here = tissue.fibres(y, x, depth)[0]
    down = tissue.fibres(y + 1, x, tissue.depth(y + 1, x).depth)[0] - here
    right = tissue.fibres(y, x + 1, tissue.depth(y, x + 1).depth)[0] - here
    angle = np.arctan2(-right, down) + 0.15 * normal(key_of(tissue.seed, "lean"), id_, limit=3)
    return id_, kind, y, x, angle


def _look(seed: int, id_: Ints, kind: NDArray[np.int8], y: Floats, x: Floats) -> tuple[Floats, Floats]:
    """Return the standardised radius and chromatin: a mixture of resting nuclei and of large, dark ones.

    The share of large, dark nuclei among epithelium follows a slow field and differs from slide to slide.
    """
    slide = 0.45 * float(normal(key_of(seed, "activity of the slide"), 0, limit=2)[0])
    activity = slide + 0.7 * noise_at(key_of(seed, "activity"), y, x, 260)
    share = np.where(kind == EPITHELIUM, 1 / (1 + np.exp(1.05 - activity)), ACTIVE_SHARE)
    active = uniform(key_of(seed, "active"), id_) < share

    def drawn(name: str) -> Floats:
        draw = normal(key_of(seed, name), id_, limit=2)
        return np.where(active, 1.25 + 0.55 * draw, -0.45 + 0.65 * draw)

    return drawn("radius"), drawn("chromatin")


def _without_overlap(
    id_: Ints, kind: NDArray[np.int8], y: Floats, x: Floats, radius: Floats, priority: Floats
) -> NDArray[np.bool_]:
    """Drop every cell that overlaps one of higher priority, dropped or not: a rule that needs only its neighbours.

    Matérn's second hard-core process; epithelium goes before lymphocytes, these before stroma.
    """
    keep = np.ones(len(id_), np.bool_)
    if len(id_) < 2:
        return keep
    pairs = cKDTree(np.stack([y, x], -1)).query_pairs(2 * float(radius.max()), output_type="ndarray")
    one, two = pairs[:, 0], pairs[:, 1]
    distance = np.sqrt((y[one] - y[two]) ** 2 + (x[one] - x[two]) ** 2)
    close = distance < 0.76 * (radius[one] + radius[two])
    one, two = one[close], two[close]
    rank = -kind + priority
    loser = np.where(rank[one] < rank[two], one, two)
    keep[loser] = False
    return keep
