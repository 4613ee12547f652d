"""Positive pixels: by the threshold of the recipe, and by the rule of a paper as scikit-image computes it."""

import numpy as np
import pytest
from skimage.color import rgb2hed
from skimage.filters import median
from skimage.morphology import dilation, erosion

from restain.colour import DAB, H_DAB_FIJI, compose, rgb_from_od
from restain.errors import DataError
from restain.metrics import dab_mask, positive_area, positive_share
from restain.metrics.positive_area import CLOSED_HED_DENSITY


def stained(dab: np.ndarray, hematoxylin: float = 0.1) -> np.ndarray:
    return rgb_from_od(compose(np.stack([np.full_like(dab, hematoxylin), dab], -1), H_DAB_FIJI))


def by_scikit_image(image: np.ndarray) -> np.ndarray:
    """DAB above 0.07, dilated and eroded twice by 3 x 3, median of 5 x 5; what is outside never decides."""
    area = (rgb2hed(image)[..., 2] > 0.07).astype(np.uint8)
    square = np.ones((3, 3), np.uint8)
    for step in (dilation, dilation, erosion, erosion):
        area = step(area, square)
    return median(area, np.ones((5, 5)), mode="nearest") > 0


@pytest.fixture
def random_image() -> np.ndarray:
    image = np.random.default_rng(0).integers(0, 256, (80, 96, 3), dtype=np.uint8)
    image[::7, ::5] = 0  # the darkest level, where the two packages clamp at different densities elsewhere
    return image


def test_the_threshold_looks_at_single_pixels(random_image):
    np.testing.assert_array_equal(positive_area(random_image), dab_mask(random_image))
    np.testing.assert_array_equal(positive_area(stained(np.array([[0.3, 0.39, 0.42, 0.8]]))), [[0, 0, 1, 1]])


def test_the_papers_rule_is_what_scikit_image_computes(random_image):
    np.testing.assert_array_equal(positive_area(random_image, "closed_hed"), by_scikit_image(random_image))


def test_the_papers_rule_is_what_scikit_image_computes_on_real_stains(shared_data):
    from PIL import Image

    for path in sorted((shared_data / "ihc_ki67_deepliif" / "ihc").iterdir()):
        image = np.asarray(Image.open(path).convert("RGB"))
        np.testing.assert_array_equal(positive_area(image, "closed_hed"), by_scikit_image(image))


def test_what_the_papers_threshold_is_as_an_optical_density():
    """0.07 of scikit-image is 0.07 ln(1e6) = 0.967 of absorbance, 0.42 base 10; by a vector of length one, 0.421."""
    density = CLOSED_HED_DENSITY
    assert density == pytest.approx(0.4213, abs=5e-5)
    for amount, expected in ((0.42, False), (0.423, True)):
        absorbed = 10 ** (-amount * np.array(DAB))  # a float image, to see the threshold without the steps of 8 bits
        assert (rgb2hed(absorbed[None, None])[0, 0, 2] > 0.07) == expected
    absorbance = np.log(10) * density / np.linalg.norm([0.27, 0.57, 0.78])
    assert absorbance == pytest.approx(0.07 * np.log(1e6), rel=1e-12)


def test_the_papers_rule_closes_holes_and_drops_specks():
    dab = np.zeros((60, 60))
    dab[10:30, 10:30] = 0.8
    dab[18:20, 18:20] = 0  # a hole
    dab[45, 45] = 0.8  # a speck
    area = positive_area(stained(dab), "closed_hed")
    assert area[12:28, 12:28].all()
    assert not area[35:].any()
    assert positive_area(stained(dab))[45, 45]
    assert not positive_area(stained(dab))[18, 18]


def test_the_border_of_a_tile_neither_grows_nor_shrinks_an_area():
    for level in (0.0, 0.8):
        area = positive_area(stained(np.full((20, 20), level)), "closed_hed")
        assert area.all() == (level > 0)
        assert area.any() == (level > 0)


def test_the_share_counts_pixels():
    dab = np.zeros((10, 20))
    dab[:5, :8] = 0.8
    assert positive_share(stained(dab)) == 0.2


@pytest.mark.parametrize("rule", ["dark_dab", "closed_hed"])
def test_what_is_no_colour_is_refused(rule):
    for image in (np.zeros((4, 4), np.uint8), np.zeros((4, 4, 1), np.uint8), np.zeros((4, 4, 3), np.uint16)):
        with pytest.raises(DataError, match="not 8-bit colour"):
            positive_area(image, rule)
