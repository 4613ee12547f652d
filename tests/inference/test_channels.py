"""Images of other channels than red, green and blue: their windows, their names, and what a camera did to them."""

import warnings

import numpy as np
import pytest

from restain.bundle import Model
from restain.errors import BundleError, EmptyChannelWarning, SaturationWarning
from restain.geometry import Mpp, Point, Region, Size
from restain.inference import stain
from restain.inference.source import Source
from restain.slides import RGB, create_slide, open_slide

NAMES = ("Ex340 Em400", "Ex340 Em460", "Ex405 Em590", "Ex450 Em535")


def counts(top=4000):
    return np.random.default_rng(0).integers(100, top, (48, 48, 4)).astype(np.uint16)


def dark(models, window=None):
    """A model of four fluorescence channels whose stain is the first three."""
    model = models.of(lambda source, noise: source[:, :3].clone(), channels=(NAMES, RGB), mpp=None)
    source = model.card.source.model_copy(update={"background": 0, "window": window})
    return Model(model.card.model_copy(update={"source": source}), model.method)


def written(path, image, names):
    with create_slide(path, Size(48, 48), Mpp.square(0.5), names, image.dtype, "zstd") as writer:
        writer.write(image, Point(0, 0))
    return path


def test_twelve_of_sixteen_bits_fill_the_range_of_the_network_through_the_window_of_the_card(models, exact):
    image, options = counts(), exact()
    seen = stain(image, dark(models, ((100, 3999),) * 4), options=options)
    assert seen.min() == 0
    assert seen.max() == 255
    expected = np.rint((image[..., :3].astype(float) - 100) / 3899 * 255)
    assert np.abs(seen - expected).max() <= 1
    assert stain(image, dark(models), options=options).max() <= 16


def test_a_file_with_the_channels_of_the_model_in_another_order_is_refused(models, tmp_path):
    card = dark(models).card
    shuffled = (NAMES[0], NAMES[2], NAMES[1], NAMES[3])
    with (
        open_slide(written(tmp_path / "a.ome.tiff", counts(), shuffled)) as slide,
        pytest.raises(BundleError, match="another order: channel 2 is 'Ex405 Em590', not 'Ex340 Em460'"),
    ):
        Source(slide, card)
    for name, names in (("b", NAMES), ("c", ("channel 0", "channel 1", "channel 2", "channel 3"))):
        with open_slide(written(tmp_path / f"{name}.ome.tiff", counts(), names)) as slide:
            assert Source(slide, card).planes(Region(0, 0, 8, 8)).shape == (4, 8, 8)


def test_a_saturated_and_an_empty_channel_are_told_when_staining(models, exact):
    image = counts()
    image[:5, :, 1], image[..., 3] = 4095, 0
    with (
        pytest.warns(SaturationWarning, match=r"Ex340 Em460 \(\d+\.\d% at 4095\)"),
        pytest.warns(EmptyChannelWarning, match=r"Ex450 Em535 \(always 0\)"),
    ):
        stain(image, dark(models), options=exact())


def test_white_glass_is_not_a_saturated_channel(models, exact, tissue):
    image = tissue(64, 64)
    image[:20] = 255
    with warnings.catch_warnings():
        warnings.simplefilter("error", SaturationWarning)
        stain(image, models.copy(mpp=None), options=exact())
