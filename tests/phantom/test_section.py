import numpy as np
import pytest
from scipy.ndimage import gaussian_filter, map_coordinates

from restain.errors import DataError
from restain.geometry import Mpp, Region
from restain.phantom import REFERENCE, Phantom, Section

FIELD = Region(200, -700, 800, 800)
ONE = Mpp.square(1.0)


def test_the_reference_section_is_the_block():
    y, x = np.random.default_rng(0).uniform(-1e4, 1e4, (2, 50))
    assert not np.any(REFERENCE.displacement(1, y, x))
    assert REFERENCE.persistence == 1


@pytest.mark.parametrize("number", [1, 4, 7])
def test_positions_survive_the_way_to_the_block_and_back(number):
    section = Section(number)
    y, x = np.random.default_rng(0).uniform(-1e4, 1e4, (2, 500))
    back = section.section_of(3, *section.block_of(3, y, x))
    np.testing.assert_allclose(back, [y, x], atol=1e-3)


def test_sections_are_moved_by_micrometres_to_tens_of_them():
    y, x = np.random.default_rng(0).uniform(0, 5000, (2, 500))
    lengths = np.array(
        [np.hypot(*Section(number).displacement(seed, y, x)).mean() for seed in range(10) for number in (1, 2, 3)]
    )
    assert 5 < lengths.mean() < 40
    assert lengths.max() < 90


def test_the_deformation_is_smooth():
    y, x = np.meshgrid(np.arange(0, 800, 4.0), np.arange(0, 800, 4.0), indexing="ij")
    for part in Section(1).displacement(5, y, x):
        assert np.abs(np.gradient(part, 4.0)).max() < 0.25


@pytest.mark.parametrize("number", [1, 2])
def test_the_stated_share_of_cells_persists(number):
    phantom, section = Phantom(4), Section(number)
    before = phantom.cells(FIELD, ONE)
    after = phantom.cells(FIELD.grow(80), ONE, section)
    share = np.isin(before.id, after.id).mean()
    deviation = np.sqrt(section.persistence * (1 - section.persistence) / len(before))
    # A cell that ends also makes room, and a new one takes some: the rule against overlap moves the share a little.
    assert abs(share - section.persistence) < 5 * deviation + 0.04


def test_a_cell_that_persists_is_the_same_cell_moved_by_the_known_displacement():
    phantom, section = Phantom(4), Section(1)
    before, after = phantom.cells(FIELD, ONE), phantom.cells(FIELD, ONE, section)
    _, one, two = np.intersect1d(before.id, after.id, return_indices=True)
    assert len(one) > 500
    dy, dx = section.displacement(4, after.y[two], after.x[two])
    np.testing.assert_allclose(after.y[two] + dy, before.y[one], atol=1e-3)
    np.testing.assert_allclose(after.x[two] + dx, before.x[one], atol=1e-3)
    for name in ("radius", "chromatin", "ki67", "her2"):
        np.testing.assert_array_equal(getattr(before, name)[one], getattr(after, name)[two])


def test_what_ends_stays_ended():
    phantom = Phantom(4)
    ids = [set(phantom.cells(FIELD.grow(60 if number else 0), ONE, Section(number)).id) for number in (0, 1, 2)]
    came_back = (ids[0] & ids[2]) - ids[1]
    assert len(came_back) < 0.03 * len(ids[0])  # only those that the rule against overlap had dropped


def test_the_known_displacement_brings_the_section_onto_the_reference():
    phantom, section, region = Phantom(6), Section(1), Region(0, 0, 240, 240)
    mpp = Mpp.square(2.0)
    reference = phantom.render("he", region.grow(40), mpp)[..., 0].astype(float)
    moved = phantom.render("he", region, mpp, section)[..., 0].astype(float)
    displacement = phantom.displacement(region, mpp, section)
    rows, columns = np.mgrid[0:240, 0:240] + 40
    aligned = map_coordinates(reference, [rows + displacement[..., 1], columns + displacement[..., 0]], order=1)

    def likeness(image):
        return np.corrcoef(gaussian_filter(image, 2).ravel(), gaussian_filter(moved, 2).ravel())[0, 1]

    assert likeness(aligned) > 0.85
    assert likeness(aligned) > likeness(reference[40:-40, 40:-40]) + 0.1


@pytest.mark.parametrize("number", [-1, 8])
def test_other_sections_are_refused(number):
    with pytest.raises(DataError, match="no section"):
        Section(number)
