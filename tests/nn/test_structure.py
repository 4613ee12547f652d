import numpy as np
import pytest
import torch
from scipy import ndimage
from skimage.color import rgb2gray
from skimage.filters import sobel

from restain.errors import DataError
from restain.nn import PROXY_CHANNELS, structure_map

PROXIES = sorted(PROXY_CHANNELS)


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.rand(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64) * 2 - 1


def ramp(slope: float, side: int = 16) -> torch.Tensor:
    return (slope * torch.arange(side, dtype=torch.float64)).expand(2, 3, side, side)


@pytest.mark.parametrize("proxy", ["luma_gradient", "rgb_gradient"])
@pytest.mark.parametrize("slope", [0.05, -0.1])
def test_a_ramp_has_its_slope_as_gradient(proxy, slope):
    inside = structure_map(ramp(slope), proxy)[..., 1:-1]
    assert inside.square().sub(1e-6).sqrt().allclose(torch.tensor(abs(slope), dtype=torch.float64), rtol=0, atol=1e-12)


def test_a_ramp_has_its_slope_as_edge_strength_before_saturation():
    inside = structure_map(ramp(0.05), "edges")[..., 1:-1]
    assert inside.allclose(torch.tensor((0.05**2 + 1e-6) ** 0.5 / 0.1, dtype=torch.float64).tanh(), rtol=0, atol=1e-12)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_a_turn_by_90_degrees_turns_the_map(proxy, blur):
    image = noise(2, 3, 20, 20)
    turned = structure_map(image.rot90(1, (2, 3)), proxy, blur=blur)
    torch.testing.assert_close(turned, structure_map(image, proxy, blur=blur).rot90(1, (2, 3)), rtol=0, atol=1e-6)


@pytest.mark.parametrize("proxy", PROXIES)
@pytest.mark.parametrize("blur", [0.0, 1.5])
def test_the_gradient_is_that_of_finite_differences(proxy, blur):
    image = noise(1, 3, 8, 9).requires_grad_()
    assert torch.autograd.gradcheck(lambda x: structure_map(x, proxy, blur=blur), (image,))


@pytest.mark.parametrize("proxy", PROXIES)
def test_a_flat_image_has_a_finite_gradient(proxy):
    image = torch.zeros(1, 3, 16, 16, requires_grad=True)
    structure_map(image, proxy).sum().backward()
    assert image.grad is not None
    assert image.grad.isfinite().all()


@pytest.mark.parametrize("proxy", PROXIES)
def test_maps_have_the_channels_that_are_told(proxy):
    assert structure_map(noise(2, 3, 16, 18), proxy).shape == (2, PROXY_CHANNELS[proxy], 16, 18)


def test_edges_are_the_sobel_magnitude_of_scikit_image_saturated():
    image = noise(1, 3, 24, 31) * 0.2
    luma = np.tensordot(image[0].numpy(), [0.299, 0.587, 0.114], (0, 0))
    # scikit-image does not halve the differences but divides the magnitude by sqrt(2).
    theirs = np.sqrt((sobel(luma, mode="mirror") / np.sqrt(2)) ** 2 + 1e-6)
    ours = structure_map(image, "edges")[0, 0].numpy()
    np.testing.assert_allclose(ours, np.tanh(theirs / 0.1), rtol=0, atol=1e-12)


def test_smoothing_and_blur_are_the_gaussian_of_scipy():
    image = noise(1, 3, 40, 33)
    luma = np.tensordot(image[0].numpy(), [0.299, 0.587, 0.114], (0, 0))
    theirs = ndimage.gaussian_filter(luma, 2.0, mode="mirror", truncate=3)
    np.testing.assert_allclose(structure_map(image, "smoothed")[0, 0], theirs, rtol=0, atol=1e-12)
    sharp = structure_map(image, "rgb_gradient")[0, 1].numpy()
    theirs = ndimage.gaussian_filter(sharp, 1.0, mode="mirror", truncate=3)
    np.testing.assert_allclose(structure_map(image, "rgb_gradient", blur=1.0)[0, 1], theirs, rtol=0, atol=1e-12)


def test_smoothing_divides_white_noise_by_seven():
    image = torch.randn(1, 1, 300, 300, generator=torch.Generator().manual_seed(0)).expand(1, 3, -1, -1)
    assert image.std() / structure_map(image, "smoothed").std() == pytest.approx(2 * 2 * np.sqrt(np.pi), rel=0.03)


def test_luma_keeps_grey_and_knows_green_as_the_brightest():
    grey = structure_map(torch.full((1, 3, 16, 16), -0.3), "smoothed")
    torch.testing.assert_close(grey, torch.full_like(grey, -0.3))
    pure = torch.eye(3)[:, :, None, None].expand(3, 3, 16, 16)
    assert structure_map(pure, "smoothed").mean((1, 2, 3)).argmax() == 1
    # Not the luminance of BT.709, which scikit-image calls grey.
    assert rgb2gray(np.array([0.0, 1.0, 0.0])) > structure_map(pure, "smoothed")[1].mean() + 0.1


def test_lower_precision_around_it_does_not_round_the_map():
    image = noise(1, 3, 32, 32).float()
    with torch.autocast("cpu", torch.bfloat16):
        lowered = structure_map(image, "luma_gradient", blur=1.0)
    assert lowered.equal(structure_map(image, "luma_gradient", blur=1.0))


def test_images_that_have_no_map_are_refused():
    with pytest.raises(DataError, match="no structural map"):
        structure_map(noise(1, 1, 16, 16), "luma_gradient")
    with pytest.raises(DataError, match="reaches beyond"):
        structure_map(noise(1, 3, 6, 16), "smoothed")
