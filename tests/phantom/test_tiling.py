"""Any region is drawn alone, and is the same to the bit whatever the tiling."""

import numpy as np
import pytest

from restain.geometry import Mpp, Point, Region
from restain.phantom import Extent, Phantom, Scene, Section

WHOLE = Region(-37, 211, 131, 97)
STAINS = ("he", "ki67", "her2", "cd3", "ck818", "autofluorescence")


def ids(scene: Scene) -> np.ndarray:
    """Return the instance mask in the numbers that hold everywhere."""
    return np.append(scene.cells.id, -1)[scene.instances - 1]


CASES = [
    (Phantom(3), Mpp.square(0.5), Section(0), STAINS, 64),
    (Phantom(3), Mpp.square(0.25), Section(0), ("he", "ki67"), 57),
    (Phantom(4), Mpp.square(0.7), Section(0), ("he", "her2"), 91),
    (Phantom(5, Extent(300, 200)), Mpp(1.0, 1.5), Section(0), ("he", "ki67"), 77),
    (Phantom(6), Mpp.square(2.0), Section(0), ("he",), 80),
    (Phantom(7), Mpp.square(8.0), Section(0), STAINS, 50),
    (Phantom(8), Mpp.square(0.5), Section(2), ("he", "ki67", "cd3"), 83),
]


@pytest.mark.parametrize(("phantom", "mpp", "section", "stains", "side"), CASES)
def test_tiles_equal_the_whole(phantom, mpp, section, stains, side):
    whole = phantom.scene(WHOLE, mpp, section)
    pictures = {stain: whole.image(stain) for stain in stains}
    for region in WHOLE.tiles(side):
        tile = phantom.scene(region, mpp, section)
        there = region.shift(Point(-WHOLE.x, -WHOLE.y)).slices
        for stain, picture in pictures.items():
            np.testing.assert_array_equal(tile.image(stain), picture[there], err_msg=stain)
        np.testing.assert_array_equal(ids(tile), ids(whole)[there])
        np.testing.assert_array_equal(tile.classes, whole.classes[there])


def test_one_stain_does_not_depend_on_which_were_drawn_before():
    region = Region(0, 0, 60, 50)
    scene = Phantom(1).scene(region, Mpp.square(0.5))
    drawn = [scene.image(stain) for stain in (*STAINS, *STAINS)]
    for first, second, stain in zip(drawn[:6], drawn[6:], STAINS, strict=True):
        np.testing.assert_array_equal(first, second)
        np.testing.assert_array_equal(first, Phantom(1).render(stain, region, Mpp.square(0.5)))


def test_another_seed_is_another_tissue():
    region = Region(0, 0, 200, 200)
    one, two = (Phantom(seed).render("he", region, Mpp.square(1.0))[..., 0].astype(float) for seed in (1, 2))
    assert abs(np.corrcoef(one.ravel(), two.ravel())[0, 1]) < 0.2


@pytest.mark.parametrize("section", [Section(0), Section(3)])
def test_every_cell_belongs_to_one_tile_of_a_partition(section):
    phantom, mpp, region = Phantom(9), Mpp.square(0.5), Region(-301, 77, 533, 401)
    whole = phantom.cells(region, mpp, section)
    tiles = [phantom.cells(tile, mpp, section) for tile in region.tiles(149)]
    order = np.argsort(np.concatenate([tile.id for tile in tiles]))
    for name in ("id", "y", "x", "radius", "chromatin", "ki67", "her2", "ki67_probability"):
        joined = np.concatenate([getattr(tile, name) for tile in tiles])[order]
        np.testing.assert_array_equal(joined, getattr(whole, name), err_msg=name)


@pytest.mark.parametrize("mpp", [0.25, 0.5, 2.0])
def test_the_cells_do_not_depend_on_the_scale(mpp):
    phantom = Phantom(10)
    reference = phantom.cells(Region(0, 400, 400, 400), Mpp.square(0.5))
    side = round(200 / mpp)
    cells = phantom.cells(Region(0, side, side, side), Mpp.square(mpp))
    np.testing.assert_array_equal(cells.id, reference.id)
    np.testing.assert_array_equal(cells.x, reference.x)
    np.testing.assert_array_equal(cells.ki67, reference.ki67)


def test_finer_pixels_show_the_same_tissue():
    region = Region(100, 50, 100, 80)
    coarse = Phantom(2).render("he", region, Mpp.square(1.0)).astype(float)
    fine = Phantom(2).render("he", Region(400, 200, 400, 320), Mpp.square(0.25)).astype(float)
    mean = fine.reshape(80, 4, 100, 4, 3).mean(axis=(1, 3))
    assert np.abs(coarse - mean).mean() < 2.5
    assert np.corrcoef(coarse.ravel(), mean.ravel())[0, 1] > 0.99
