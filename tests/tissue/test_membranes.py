import numpy as np
import pytest

from restain.colour import H_DAB_FIJI, compose, rgb_from_od
from restain.errors import DataError
from restain.geometry import Mpp
from restain.tissue import MembraneRule, read_membranes

MPP = Mpp.square(0.5)


def cell(dab, turn=1.0, width=1.0, veil=0.0):
    """Return the image and the nucleus of one cell: a membrane 4 um around its middle, over a share of its turn."""
    y, x = np.mgrid[-30:31, -30:31] * 0.5
    radius, angle = np.hypot(y, x), np.arctan2(y, x) / (2 * np.pi) % 1
    membrane = np.where((abs(radius - 4) < width / 2) & (angle < turn), dab, 0.0)
    amounts = np.stack([np.where(radius < 2, 0.4, 0.0), np.maximum(membrane, np.where(radius < 4, veil, 0))], axis=-1)
    return rgb_from_od(compose(amounts, H_DAB_FIJI)), (radius < 2).astype(np.int32)


def read(*arguments, **more):
    return read_membranes(*cell(*arguments, **more), MPP)


def test_a_whole_membrane_is_complete_and_half_of_it_is_not():
    assert read(0.8).completeness(0.1) == 1
    assert read(0.8, turn=0.5).completeness(0.1) == pytest.approx(0.5, abs=0.13)  # the ends are seen from a sector away
    assert read(0.0).completeness(0.05) == 0


def test_intensity_rises_with_the_stain():
    faint, moderate, intense = (float(read(dab).intensity[0]) for dab in (0.15, 0.5, 1.0))
    assert 0 < faint < moderate < intense < 1
    assert moderate == pytest.approx(intense / 2, rel=0.05)


@pytest.mark.parametrize(
    ("dab", "turn", "grade"), [(0.0, 1, 0), (0.2, 0.5, 1), (0.25, 1, 2), (1.0, 1, 3), (1.0, 0.5, 1)]
)
def test_cells_are_graded_by_completeness_and_intensity(dab, turn, grade):
    assert read(dab, turn=turn).grades() == grade


def test_brown_cytoplasm_is_no_membrane():
    assert read(0.0, veil=0.6).intensity < 0.25 * read(0.6).intensity
    assert read(0.9, veil=0.3).grades() == 3


def test_limits_are_options():
    assert read(0.25).grades(MembraneRule(intense=0.05)) == 3
    assert read(0.25).grades(MembraneRule(weak=0.9)) == 1


def test_neighbours_share_the_membrane_between_them():
    image, nucleus = cell(0.0)
    image[:, 30 + 7 : 30 + 9] = rgb_from_od(compose(np.array([0.0, 0.9]), H_DAB_FIJI))
    nuclei = nucleus + 2 * np.roll(nucleus, 16, axis=1)
    left, right = read_membranes(image, nuclei, MPP).completeness(0.1)
    assert 0.1 < left == pytest.approx(right, abs=0.1)


def test_pixels_need_not_be_square_nor_cells_be_there():
    image, nucleus = cell(0.8)
    tall = np.repeat(image, 2, axis=0), np.repeat(nucleus, 2, axis=0)
    assert read_membranes(*tall, Mpp(0.5, 0.25)).completeness(0.1) == 1
    assert read_membranes(image, np.zeros_like(nucleus), MPP).grades().shape == (0,)
    with pytest.raises(DataError, match="do not fit"):
        read_membranes(image[1:], nucleus, MPP)
