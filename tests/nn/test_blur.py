import numpy as np
import pytest
import torch
from scipy import ndimage

from restain.errors import DataError
from restain.nn import BINOMIAL_5, GAUSSIAN_3, blur, pyramid
from restain.nn.blur import BINOMIAL_3, BilinearDouble, BlurPool

KERNELS = [BINOMIAL_3, BINOMIAL_5, GAUSSIAN_3]


@pytest.mark.parametrize("kernel", KERNELS)
def test_it_is_scipys_correlation_with_mirrored_borders(kernel):
    image = torch.randn(2, 3, 11, 9, dtype=torch.float64)
    expected = image.numpy()
    for axis in (2, 3):
        expected = ndimage.correlate1d(expected, kernel, axis=axis, mode="mirror")
    np.testing.assert_allclose(blur(image, kernel).numpy(), expected, atol=1e-12)
    np.testing.assert_allclose(blur(image, kernel, stride=2).numpy(), expected[..., ::2, ::2], atol=1e-12)


def test_the_gaussian_has_sigma_one():
    assert sum(GAUSSIAN_3) == pytest.approx(1)
    assert GAUSSIAN_3[1] / GAUSSIAN_3[0] == pytest.approx(np.exp(0.5))


@pytest.mark.parametrize("kernel", KERNELS)
def test_a_constant_stays_at_every_level(kernel):
    for level in pyramid(torch.full((1, 2, 32, 32), 0.3), 4, kernel, times=2):
        torch.testing.assert_close(level, torch.full_like(level, 0.3))


def test_levels_halve_and_do_not_shift():
    """A ramp stays a ramp away from the borders, with twice the slope at every level."""
    ramp = torch.arange(128.0).expand(1, 1, 128, 128)
    levels = pyramid(ramp, 4, GAUSSIAN_3, times=4)
    assert [level.shape[3] for level in levels] == [128, 64, 32, 16]
    for k, level in enumerate(levels):
        columns = torch.arange(level.shape[3])[4:-5]
        torch.testing.assert_close(level[0, 0, 4:-5, 4:-5][0], (columns * 2**k).float(), atol=1e-3, rtol=0)


def test_the_finest_pattern_vanishes_before_it_is_halved():
    stripes = torch.tensor([1.0, -1.0]).repeat(8).expand(1, 1, 16, 16)
    assert BlurPool()(stripes).abs().max() < 1e-6


def test_doubling_is_the_blur_of_pixels_spread_apart():
    image = torch.randn(1, 1, 6, 7)
    b = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 4
    padded = torch.nn.functional.pad(image, (1, 1, 1, 1), mode="replicate")
    spread = torch.nn.functional.conv_transpose2d(padded, torch.outer(b, b)[None, None], stride=2)
    torch.testing.assert_close(BilinearDouble()(image), spread[..., 3:-3, 3:-3])


def test_autocast_changes_nothing():
    image = torch.randn(1, 2, 12, 12)
    with torch.autocast("cpu", torch.bfloat16):
        cast = blur(image, BINOMIAL_5)
        assert blur(image.bfloat16(), BINOMIAL_5).dtype == torch.bfloat16
    assert torch.equal(cast, blur(image, BINOMIAL_5))


def test_too_small_an_image_is_named():
    with pytest.raises(DataError, match="2 x 8 px is too small for a blur of 5 px"):
        blur(torch.zeros(1, 1, 8, 2), BINOMIAL_5)
