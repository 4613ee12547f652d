import numpy as np
import pytest
from scipy.ndimage import gaussian_filter
from scipy.stats import kstest

from restain.colour import H_DAB_FIJI, HE_FIJI
from restain.geometry import Mpp, Region
from restain.phantom.grid import Frame
from restain.phantom.lattice import key_of
from restain.phantom.look import look_of
from restain.phantom.optics import (
    LARGEST_BLUR,
    MARGIN,
    Optics,
    blurred,
    brightfield,
    gaussian_taps,
    pooled,
    quantiles,
    sensor_words,
)

KEY = key_of(0, "sensor")
CLEAN = Optics(blur=0.4, white=(1.0, 1.0, 1.0), read_noise=0.0, shot_noise=0.0)


def test_blur_agrees_with_scipy():
    plane = np.random.default_rng(0).uniform(size=(60, 70)).astype(np.float32)
    taps = gaussian_taps(1.3)
    ours = blurred(blurred(plane, taps, 0), taps, 1)
    reach = len(taps) // 2
    theirs = gaussian_filter(plane.astype(np.float64), 1.3, radius=reach)[reach:-reach, reach:-reach]
    np.testing.assert_allclose(ours, theirs, atol=2e-6)


def test_pixels_are_the_means_of_their_samples():
    plane = np.random.default_rng(0).uniform(size=(12, 20)).astype(np.float32)
    np.testing.assert_allclose(
        pooled(plane, (3, 4)), plane.reshape(4, 3, 5, 4).mean(axis=(1, 3), dtype=np.float64), atol=1e-6
    )


def test_transmitted_light_follows_beer_and_lambert():
    frame = Frame.of(Region(0, 0, 16, 16), Mpp.square(0.5), MARGIN)
    for hematoxylin, dab in ((0.0, 0.0), (0.4, 0.0), (0.0, 0.9), (0.3, 0.5)):
        amounts = tuple(np.full(frame.grid.shape, amount, np.float32) for amount in (hematoxylin, dab))
        image = brightfield(amounts, H_DAB_FIJI, CLEAN, frame, KEY)
        h, d = (np.asarray(vector) for vector in H_DAB_FIJI.vectors)
        expected = np.rint(255 * 10 ** -(hematoxylin * h + dab * d))
        np.testing.assert_array_equal(image, np.broadcast_to(expected, image.shape))


def test_sensor_noise_is_normal_and_as_strong_as_stated():
    frame = Frame.of(Region(0, 0, 200, 200), Mpp.square(0.5), MARGIN)
    assert kstest(quantiles()[sensor_words(frame, KEY)[..., 1]].ravel(), "norm").pvalue > 1e-3
    optics = Optics(blur=0.4, white=(0.8, 0.8, 0.8), read_noise=0.01, shot_noise=0.02)
    amounts = (np.zeros(frame.grid.shape, np.float32),) * 2
    image = brightfield(amounts, HE_FIJI, optics, frame, KEY).astype(np.float64)
    expected = np.hypot(255 * 0.01 + 255 * 0.02 * np.sqrt(0.8), 1 / 12**0.5)  # and rounding
    np.testing.assert_allclose(image.std(axis=(0, 1)), expected, rtol=0.02)
    np.testing.assert_allclose(image.mean(axis=(0, 1)), 204, atol=0.1)


@pytest.mark.parametrize("stain", ["he", "ki67"])
def test_slides_differ_in_strength_and_hue_but_not_wildly(stain):
    looks = [look_of(seed, stain, HE_FIJI) for seed in range(300)]
    strength = np.array([look.strength for look in looks])
    np.testing.assert_allclose(np.log(strength).mean(axis=0), 0, atol=0.02)
    assert (np.log(strength).std(axis=0) > 0.08).all()
    assert strength.min() > 0.65
    assert strength.max() < 1.5
    cosines = np.array([np.sum(np.asarray(look.stains.vectors) * np.asarray(HE_FIJI.vectors), 1) for look in looks])
    assert cosines.min() > 0.99
    assert max(look.optics.blur for look in looks) <= LARGEST_BLUR
