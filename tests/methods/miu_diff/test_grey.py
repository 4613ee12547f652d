"""Colour removal against scikit-image."""

import numpy as np
import pytest
import torch
from skimage.color import rgb2lab

from restain.colour import HED
from restain.errors import ConfigError
from restain.methods.miu_diff.grey import (
    KNOTS,
    match_moments,
    match_quantiles,
    moments,
    quantiles,
    without_colour,
)
from restain.nn import luma_of


@pytest.fixture
def image():
    return torch.rand(2, 3, 8, 9, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 - 1


@pytest.mark.parametrize("how", ["luma601", "lab_L", "hematoxylin"])
def test_what_is_left_is_grey_and_in_range(image, how):
    grey = without_colour(image, how)
    assert grey.shape == image.shape
    assert torch.equal(grey[:, 0], grey[:, 1])
    assert torch.equal(grey[:, 0], grey[:, 2])
    assert float(grey.min()) >= -1
    assert float(grey.max()) <= 1


def test_luma_is_that_of_television(image):
    red = torch.tensor([1.0, -1.0, -1.0], dtype=torch.float64).reshape(1, 3, 1, 1)
    assert float(without_colour(red, "luma601")[0, 0, 0, 0]) == pytest.approx(2 * 0.299 - 1)


def test_lightness_is_that_of_scikit_image(image):
    rgb = (0.5 * (image + 1)).permute(0, 2, 3, 1).numpy()
    ours = 50 * (without_colour(image, "lab_L")[:, 0].numpy() + 1)
    np.testing.assert_allclose(ours, rgb2lab(rgb)[..., 0], atol=2e-3)


def test_the_grey_of_hematoxylin_sees_no_other_stain():
    density = torch.tensor(HED.matrix(), dtype=torch.float64)  # rows: a unit of hematoxylin, eosin, DAB
    image = (2 * 10 ** (-0.5 * density) - 1)[:, :, None, None]
    hematoxylin, eosin, dab = without_colour(image, "hematoxylin")[:, 0, 0, 0]
    assert float(hematoxylin) == pytest.approx(2 * 10 ** (-0.5 / 3**0.5) - 1)
    assert float(eosin) == pytest.approx(1)
    assert float(dab) == pytest.approx(1)


def test_matching_moments_reaches_them(image):
    grey = 0.2 * without_colour(image, "luma601")
    matched = match_moments(grey, torch.tensor([0.3, 0.1], dtype=torch.float64))
    for one in matched:
        torch.testing.assert_close(moments(luma_of(one[None])), torch.tensor([0.3, 0.1], dtype=torch.float64))


def test_quantiles_are_those_of_numpy(image):
    expected = np.quantile(image.numpy(), np.linspace(0, 1, KNOTS))
    np.testing.assert_allclose(quantiles(image).numpy(), expected, atol=1e-6)


def test_matching_quantiles_carries_one_distribution_to_another():
    generator = torch.Generator().manual_seed(1)
    dark = -0.5 + 0.2 * torch.rand(1, 1, 100, 100, generator=generator)
    bright = 0.3 + 0.5 * torch.rand(1, 1, 100, 100, generator=generator) ** 2
    carried = match_quantiles(dark, quantiles(dark), quantiles(bright))
    torch.testing.assert_close(quantiles(carried), quantiles(bright), atol=0.01, rtol=0)
    order = dark.flatten().argsort()
    assert bool((carried.flatten()[order].diff() >= 0).all())


def test_one_map_of_quantiles_serves_all_images():
    """An image without dark places gets none, which matching image by image would give it."""
    known, wanted = torch.linspace(-1, 1, KNOTS), torch.linspace(-0.5, 0.5, KNOTS)
    pale = torch.full((1, 1, 4, 4), 0.8)
    torch.testing.assert_close(match_quantiles(pale, known, wanted), torch.full((1, 1, 4, 4), 0.4))
    beyond = torch.tensor([-3.0, 3.0]).reshape(1, 1, 1, 2)
    assert match_quantiles(beyond, known, wanted).flatten().tolist() == [-0.5, 0.5]


def test_none_keeps_the_image(image):
    assert torch.equal(without_colour(image, "none"), image)


def test_colour_is_not_removed_from_what_has_none():
    with pytest.raises(ConfigError, match="26 channels"):
        without_colour(torch.zeros(1, 26, 4, 4), "luma601")
