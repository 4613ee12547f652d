"""Masks as planes, against a disc of known distances."""

import numpy as np
import pytest

from restain.errors import ConfigError, DataError
from restain.tissue import inside_distance, plane_of, signed_distance


@pytest.fixture
def disc():
    y, x = np.mgrid[-32:33, -32:33]
    return y**2 + x**2 <= 15**2


def test_the_middle_of_a_disc_is_its_radius_away(disc):
    assert signed_distance(disc, reach=64).max() * 64 == pytest.approx(15.03, abs=0.005)


def test_pixels_beside_the_border_are_one_pixel_away(disc):
    distance = signed_distance(disc) * 16
    assert distance[32, 32 + 15] == 1
    assert distance[32, 32 + 16] == -1


def test_the_sign_is_inside(disc):
    assert ((signed_distance(disc) > 0) == disc).all()


def test_the_inverse_mask_has_the_opposite_distance(disc):
    assert (signed_distance(~disc) == -signed_distance(disc)).all()


def test_distances_end_at_the_reach(disc):
    assert (signed_distance(disc).min(), signed_distance(disc, reach=8).max()) == (-1, 1)


def test_inside_the_unsigned_distance_is_the_signed_one_and_outside_it_is_nothing(disc):
    inside = inside_distance(disc)
    assert (inside[~disc] == -1).all()
    assert inside[disc] == pytest.approx(2 * signed_distance(disc)[disc] - 1)


@pytest.mark.parametrize("kind", ["mask", "signed_distance", "inside_distance"])
def test_planes_are_singles_between_minus_one_and_one_whatever_the_mask(kind, disc):
    for mask in (disc, disc & False, disc | True):
        plane = plane_of(mask, kind)
        assert (plane.dtype, plane.shape) == (np.float32, mask.shape)
        assert np.abs(plane).max() <= 1
    assert (plane_of(disc & False, kind) == -1).all()
    assert (plane_of(disc | True, kind) == 1).all()


def test_what_is_no_mask_is_refused():
    with pytest.raises(DataError, match="uint8"):
        plane_of(np.zeros((4, 4), np.uint8), "mask")
    with pytest.raises(DataError, match="reach"):
        signed_distance(np.ones((4, 4), bool), reach=0)
    with pytest.raises(ConfigError, match="'depth'"):
        plane_of(np.ones((4, 4), bool), "depth")
