import numpy as np
import pytest

from restain.colour import od_from_rgb, rgb_from_od
from restain.errors import DataError


def test_density_is_the_negative_decadic_logarithm_of_transmission():
    levels = np.arange(256, dtype=np.uint8).reshape(2, 128, 1)
    expected = -np.log10(np.maximum(levels.astype(np.float64), 1) / 255)
    np.testing.assert_allclose(od_from_rgb(levels), expected, atol=1e-7)
    assert od_from_rgb(levels).dtype == np.float32


def test_every_level_but_zero_survives_the_way_there_and_back():
    levels = np.arange(1, 256, dtype=np.uint8)
    np.testing.assert_array_equal(rgb_from_od(od_from_rgb(levels)), levels)
    assert rgb_from_od(od_from_rgb(np.zeros(1, np.uint8)))[0] == 1


def test_negative_density_is_white_and_infinite_density_black():
    np.testing.assert_array_equal(rgb_from_od(np.array([-0.3, 0.0, 9.0])), [255, 255, 0])


def test_sixteen_bits_are_refused():
    with pytest.raises(DataError, match="uint16"):
        od_from_rgb(np.zeros((2, 2, 3), np.uint16))
