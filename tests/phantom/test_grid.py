import numpy as np
import pytest

from restain.geometry import Mpp, Region
from restain.phantom.grid import Frame
from restain.phantom.optics import MARGIN, gaussian_taps


@pytest.mark.parametrize("mpp", [0.25, 0.5, 0.7, 1.0, 2.0, 8.0])
def test_samples_tile_their_pixels(mpp):
    region = Region(-3, 11, 5, 4)
    frame = Frame.of(region, Mpp.square(mpp), MARGIN)
    grid = frame.grid
    columns = frame.samples[1]
    first = frame.left * columns
    x = grid.x[first : first + region.width * columns].reshape(region.width, columns)
    np.testing.assert_allclose(x.mean(axis=1), (np.arange(-3, 2) + 0.5) * mpp, atol=1e-9)
    if mpp <= 4:
        assert grid.step_x <= 0.5 + 1e-9


@pytest.mark.parametrize("mpp", [0.25, 0.33, 0.5, 0.7, 1.0, 2.0, 8.0])
def test_the_margin_holds_the_largest_blur(mpp):
    frame = Frame.of(Region(0, 0, 8, 8), Mpp.square(mpp), MARGIN)
    half = len(gaussian_taps(0.48 / frame.grid.step_y)) // 2
    assert half <= frame.above * frame.samples[0]


def test_oblong_pixels_have_oblong_samples():
    frame = Frame.of(Region(0, 0, 6, 4), Mpp(1.0, 0.5), MARGIN)
    assert frame.samples == (1, 2)
    assert (frame.grid.step_y, frame.grid.step_x) == (0.5, 0.5)
