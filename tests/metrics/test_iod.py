"""Integrated optical density where it is known, and the recipe step by step."""

import math

import numpy as np
import pytest

from restain.colour import H_DAB_FIJI, HE_FIJI, compose, od_from_rgb, rgb_from_od, separate
from restain.errors import DataError
from restain.metrics import IodDab, IodDeviation, IodWhole, dab_grey, dab_mask, iod


def stained(dab: float, hematoxylin: float = 0.0, shape: tuple[int, int] = (64, 64)) -> np.ndarray:
    """An image of uniform stain."""
    return np.broadcast_to(rgb_from_od(compose(np.array([hematoxylin, dab]), H_DAB_FIJI)), (*shape, 3))


@pytest.fixture
def pictures() -> tuple[np.ndarray, np.ndarray]:
    amounts = np.random.default_rng(0).gamma(1.5, 0.2, (2, 60, 80, 2))
    return tuple(rgb_from_od(compose(each, H_DAB_FIJI)) for each in amounts)


def test_the_grey_image_is_the_amount_of_dab_as_transmission(pictures):
    for image in pictures:
        amounts = separate(od_from_rgb(image).astype(float), H_DAB_FIJI)[..., 1]
        np.testing.assert_array_equal(dab_grey(image), np.rint(255 * 10**-amounts).clip(0, 255))


def test_a_uniform_grey_of_100_has_the_density_of_its_formula():
    image = stained(math.log10(2.55))
    assert (dab_grey(image) == 100).all()
    assert iod(image) == pytest.approx(4096 * math.log10(2.55), rel=1e-12)
    assert iod(image) == pytest.approx(1665.19, abs=0.005)
    assert dab_mask(image).all()
    assert not dab_mask(stained(0.35)).any()


def test_a_grey_of_zero_counts_as_one_half():
    image = np.zeros((2, 2, 3), np.uint8)
    image[..., 0] = 255  # yields far more DAB than 8 bits can show
    assert (dab_grey(image) == 0).all()
    assert iod(image) == pytest.approx(4 * 2.70757, abs=1e-4)


def test_white_has_no_density_and_hematoxylin_hardly_any():
    assert iod(np.full((8, 8, 3), 255, np.uint8)) == 0
    assert iod(stained(0, hematoxylin=0.5)) / 4096 < 0.01


def test_eosin_reads_as_dab_but_not_as_much_of_it():
    """The recipe knows two stains. An H&E image passed through unchanged is not empty, which the page warns of."""
    image = np.broadcast_to(rgb_from_od(compose(np.array([0.0, 0.3]), HE_FIJI)), (8, 8, 3))
    assert 0.05 < iod(image) / 64 < 0.3
    assert not dab_mask(image).any()


def test_density_grows_with_area_and_adds_up_over_tiles(pictures):
    image, _ = pictures
    assert iod(np.concatenate([image, image])) == pytest.approx(2 * iod(image), rel=1e-15)
    tiles = [image[y : y + 20, x : x + 33] for y in range(0, 60, 20) for x in range(0, 80, 33)]
    assert sum(map(iod, tiles)) == pytest.approx(iod(image), rel=1e-14)


def test_masks_choose_pixels(pictures):
    image, _ = pictures
    mask = np.random.default_rng(1).random(image.shape[:2]) < 0.3
    assert iod(image, mask) + iod(image, ~mask) == pytest.approx(iod(image), rel=1e-14)
    assert iod(image, np.zeros_like(mask)) == 0
    assert iod(image, dab_mask(image)) < iod(image)


def test_metrics_are_the_difference_of_densities_per_pixel(pictures):
    pred, target = pictures
    pixels = pred.shape[0] * pred.shape[1]
    assert IodWhole().of(pred, target) == pytest.approx((iod(pred) - iod(target)) / pixels, rel=1e-12)
    dark = [iod(image, dab_mask(image)) for image in pictures]
    assert IodDab().of(pred, target) == pytest.approx((dark[0] - dark[1]) / pixels, rel=1e-12)
    for metric in (IodWhole(), IodDab()):
        assert metric.of(pred, target) == -metric.of(target, pred) != 0


def test_too_little_stain_is_negative():
    assert IodWhole().of(stained(0.3), stained(0.5)) == pytest.approx(-0.2, abs=0.01)


def test_deviation_over_a_set_is_what_its_fields_say():
    """Two images of 100 pixels and one of 400."""
    deviation = IodDeviation.of([10, 60, 40], [20, 40, 80], [100, 100, 400])
    assert deviation.n == 3
    assert deviation.total == pytest.approx((-0.1 + 0.2 - 0.1) * 1024**2 / 1e7, abs=1e-15)
    assert deviation.per_pixel == pytest.approx(-30 / 600)
    assert deviation.relative == pytest.approx(-30 / 140)
    assert deviation.absolute == pytest.approx((0.1 + 0.2 + 0.1) / 3)
    assert deviation.correlation == pytest.approx(np.corrcoef([0.1, 0.6, 0.1], [0.2, 0.4, 0.2])[0, 1])


def test_the_sum_has_the_size_that_papers_print():
    """564 images of 1024 x 1024 with 0.019 OD less per pixel are -1.1 in 10^7."""
    pixels = [1024**2] * 564
    deviation = IodDeviation.of([0.081 * n for n in pixels], [0.1 * n for n in pixels], pixels)
    assert deviation.total == pytest.approx(-1.12, abs=0.01)
    small = IodDeviation.of([0.081 * 256**2] * 564, [0.1 * 256**2] * 564, [256**2] * 564)
    assert small.total == pytest.approx(deviation.total)


def test_a_set_against_itself_has_no_deviation_and_the_sign_turns_with_the_order():
    one, other, pixels = [3.0, 5.0, 9.0], [4.0, 4.0, 7.0], [50, 50, 50]
    same = IodDeviation.of(one, one, pixels)
    assert (same.total, same.per_pixel, same.relative, same.absolute) == (0, 0, 0, 0)
    assert same.correlation == pytest.approx(1)
    there, back = IodDeviation.of(one, other, pixels), IodDeviation.of(other, one, pixels)
    assert (there.total, there.per_pixel) == (-back.total, -back.per_pixel)
    assert there.absolute == back.absolute


def test_what_is_undefined_is_nan():
    assert math.isnan(IodDeviation.of([1.0], [2.0], [10]).correlation)
    assert math.isnan(IodDeviation.of([1.0, 2.0], [0.0, 0.0], [10, 10]).relative)


def test_what_does_not_fit_is_refused(pictures):
    image, _ = pictures
    with pytest.raises(DataError, match="not 8-bit colour"):
        iod(image.astype(np.uint16))
    with pytest.raises(DataError, match="not 8-bit colour"):
        dab_grey(image[..., :1])
    with pytest.raises(DataError, match="does not fit"):
        iod(image, np.ones((60, 79), bool))
    with pytest.raises(DataError, match="does not fit"):
        iod(image, np.ones((60, 80), np.uint8))
    with pytest.raises(DataError, match="2, 1 and 2 images"):
        IodDeviation.of([1, 2], [1], [3, 4])
    with pytest.raises(DataError, match="0, 0 and 0 images"):
        IodDeviation.of([], [], [])


def test_real_positive_nuclei_are_the_dark_pixels_of_the_dab_image(shared_data):
    """Masks of DeepLIIF: red is a positive nucleus, blue a negative one."""
    from PIL import Image

    positive, negative = [], []
    for path in sorted((shared_data / "ihc_ki67_deepliif" / "ihc").iterdir()):
        cells = np.asarray(Image.open(path.parents[1] / "cells" / path.name).convert("RGB"))
        image = np.asarray(Image.open(path).convert("RGB"))
        positive.append(iod(image, cells[..., 0] > 128) / max(1, (cells[..., 0] > 128).sum()))
        negative.append(iod(image, cells[..., 2] > 128) / max(1, (cells[..., 2] > 128).sum()))
    assert np.mean(positive) > 0.41 > 2 * np.mean(negative)
