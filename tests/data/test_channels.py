import warnings

import numpy as np
import pytest

from restain.data.channels import check_values
from restain.errors import EmptyChannelWarning, SaturationWarning
from restain.slides import contradict

NAMES = ("AF01", "AF02", "AF03")


def counts(bits=16):
    """Three images of three channels, well inside the range of a camera."""
    rng = np.random.default_rng(0)
    return [rng.integers(20, 2**bits - 100, (50, 40, 3)).astype(np.uint16) for _ in range(3)]


def test_images_well_inside_the_range_pass_in_silence():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_values(counts(), NAMES, "images")


@pytest.mark.parametrize("bits", [8, 12, 14, 16])
def test_a_channel_at_the_limit_of_its_camera_is_named_with_its_share(bits):
    images = counts(bits)
    images[1][:12, :, 1] = 2**bits - 1  # 480 of 6000 pixels
    with pytest.warns(SaturationWarning, match=rf"slide X: .* AF02 \(8\.0% at {2**bits - 1}\);"):
        check_values(images, NAMES, "slide X")


def test_a_bright_channel_whose_highest_value_is_no_cameras_limit_is_not_saturated():
    images = counts(12)
    for image in images:
        image[:12, :, 1] = 5000
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_values(images, NAMES, "images")


def test_single_bright_grains_do_not_saturate_a_channel():
    images = counts(12)
    images[0][0, :20, 2] = 4095  # 20 of 6000 pixels
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        check_values(images, NAMES, "images")


def test_a_channel_in_which_nothing_was_recorded_is_named():
    images = counts()
    for image in images:
        image[..., 0] = 3
    with pytest.warns(EmptyChannelWarning, match=r"AF01 \(always 3\)"):
        check_values(images, NAMES, "images")


@pytest.mark.parametrize(
    ("found", "wanted", "differ"),
    [
        (("DAPI", "FITC"), ("DAPI", "FITC"), False),
        (("FITC", "DAPI"), ("DAPI", "FITC"), True),
        (("dapi", "Cy 5"), ("DAPI", "CY5"), False),
        (("channel 0", "channel 1"), ("DAPI", "FITC"), False),
        (("Channel:0:0", "Channel:0:1"), ("DAPI", "FITC"), False),
        (("grey",), ("DAPI",), False),
        (("AF01", "AF02"), ("AF02", "AF01"), True),
    ],
)
def test_names_contradict_where_both_sides_have_some_and_they_differ(found, wanted, differ):
    assert contradict(found, wanted) == differ
