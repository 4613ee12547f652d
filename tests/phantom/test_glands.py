import numpy as np
import pytest

from restain.phantom.glands import OUTSIDE, SEPTUM, block_of, gland_depth, gland_places, plan_of
from restain.phantom.morphology import Morphology

SHAPE = Morphology()


@pytest.fixture(scope="module")
def lattice():
    y, x = np.meshgrid(np.arange(-600, 600, 2.0), np.arange(2000, 3200, 2.0), indexing="ij")
    return y, x, gland_depth(1, SHAPE, y.ravel(), x.ravel())


def test_the_plan_is_bent_one_to_one():
    random = np.random.default_rng(0)
    plan = random.uniform(-20_000, 20_000, (2, 20_000))
    there = plan_of(4, *block_of(4, *plan))
    error = np.hypot(there[0] - plan[0], there[1] - plan[1])
    assert np.median(error) < 1e-4
    assert np.mean(error > 1) < 3e-3


def test_every_gland_is_deepest_near_its_centre():
    rows, columns = (axis.ravel() for axis in np.meshgrid(np.arange(6), np.arange(6)))
    glands = gland_places(1, SHAPE, rows, columns)
    found = gland_depth(1, SHAPE, *block_of(1, glands.y, glands.x))
    centres = glands.present & (found.row == rows) & (found.column == columns)
    assert centres.sum() >= 0.9 * glands.present.sum()
    lower = 0.6 * glands.short[centres] / 2  # at worst half-way to a neighbour
    assert (found.depth[centres] > lower - SEPTUM).all()
    assert (found.depth[centres] < 1.3 * glands.long[centres]).all()


def test_depth_is_a_distance_near_the_wall(lattice):
    y, _, found = lattice
    depth = found.depth.reshape(y.shape)
    down, right = depth[1:, :-1] - depth[:-1, :-1], depth[:-1, 1:] - depth[:-1, :-1]
    slope = np.hypot(down, right) / 2
    near = np.abs(depth[:-1, :-1]) < 5
    # Measured along rays, on a plan that is bent: not quite one, and never a step.
    assert 0.8 < np.median(slope[near]) < 1.25
    assert slope[near].max() < 3


def test_glands_cover_a_good_part_of_the_tissue(lattice):
    _, _, found = lattice
    assert 0.25 < (found.depth > 0).mean() < 0.6
    assert found.depth.min() >= OUTSIDE


def test_stroma_lies_between_any_two_glands(lattice):
    y, _, found = lattice
    depth = found.depth.reshape(y.shape)
    owner = (found.row * 10_000 + found.column).reshape(y.shape)
    for axis in (0, 1):
        one, two = np.take(depth, range(599), axis), np.take(depth, range(1, 600), axis)
        border = np.diff(owner, axis=axis) != 0
        assert np.minimum(one, two)[border].max() <= 0.5


def test_lumen_is_depth_beyond_the_epithelium(lattice):
    _, _, found = lattice
    places, which = np.unique(np.stack([found.row, found.column]), axis=1, return_inverse=True)
    glands = gland_places(1, SHAPE, places[0], places[1])
    inside = found.depth > 3
    thickness = (found.depth - found.lumen)[inside]
    own = glands.thickness[which.ravel()[inside]]
    # Where neighbours press on the wall the depth is cut, the lumen is not.
    assert (thickness <= own + 1e-9).all()
    assert np.median(own - thickness) < 1e-9
    assert (glands.thickness[glands.thickness < 100] >= 17).all()
