import numpy as np
import pytest
from numpy.typing import NDArray
from skimage.color import rgb2lab

from restain.errors import DataError
from restain.reports import colour_scale, comparison, difference, visible
from restain.reports.picture import GAP, TITLE


def flat(level: int, height: int = 40, width: int = 60, dtype: type = np.uint8) -> NDArray:
    return np.full((height, width, 3), level, dtype)


def test_the_scale_rises_evenly_in_lightness_of_another_colour_space():
    lightness = rgb2lab(colour_scale(64)[None] / 255)[0, :, 0]
    steps = np.diff(lightness)
    assert (steps > 0).all()
    assert steps.max() < 2.5 * np.median(steps)
    assert lightness[0] < 8
    assert lightness[-1] > 90


def test_no_two_colours_of_the_scale_look_alike():
    lab = rgb2lab(colour_scale(16)[None] / 255)[0]
    distance = np.linalg.norm(lab[:, None] - lab[None], axis=2) + 1000 * np.eye(16)
    assert distance.min() > 5


def test_difference_places_known_deviations_on_the_scale():
    scale = colour_scale()
    assert (difference(flat(10), flat(10)) == scale[0]).all()
    assert (difference(flat(0), flat(100), limit=100) == scale[-1]).all()
    assert (difference(flat(100), flat(0), limit=200) == scale[128]).all()  # 127.5 rounds to even
    assert (difference(flat(0), flat(255), limit=100) == scale[-1]).all()


def test_difference_is_the_mean_over_channels():
    one, other = flat(0), flat(0)
    other[..., 1] = 60
    np.testing.assert_array_equal(difference(one, other), difference(flat(0), flat(20)))


def test_difference_of_sixteen_bits_is_that_of_eight():
    deep = difference(flat(0, dtype=np.uint16), flat(50 * 257, dtype=np.uint16))
    np.testing.assert_array_equal(deep, difference(flat(0), flat(50)))


def test_difference_of_unequal_images_is_refused():
    with pytest.raises(DataError, match="no difference"):
        difference(flat(0), flat(0, 41))


def test_colour_is_shown_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (9, 8, 3), dtype=np.uint8)
    np.testing.assert_array_equal(visible(image), image)


@pytest.mark.parametrize("channels", [1, 2, 4, 26])
def test_any_number_of_channels_becomes_colour(channels: int):
    ramp = np.linspace(500, 3000, 100).astype(np.uint16)
    picture = visible(np.broadcast_to(ramp[None, :, None], (10, 100, channels)))
    assert picture.shape == (10, 100, 3)
    assert picture[:, 0].max() == 0
    assert picture[:, -1].min() == 255


def test_channels_are_grouped_into_red_green_and_blue():
    image = np.zeros((4, 6, 6), np.uint16)
    for channel in range(6):
        image[:, channel, channel] = 1000
    picture = visible(image)
    assert (picture[0].argmax(axis=1) == [0, 0, 1, 1, 2, 2]).all()


def test_a_flat_image_is_shown_without_fault():
    assert (visible(flat(700, dtype=np.uint16)[..., :1]) == 0).all()


def test_panels_stand_side_by_side_at_one_length():
    sheet = comparison([("red", np.full((50, 100, 3), (200, 0, 0), np.uint8)), ("grey", flat(90, 300, 300))], side=200)
    assert sheet.shape == (TITLE + 200 + GAP, 2 * 200 + 3 * GAP, 3)
    assert (sheet[TITLE : TITLE + 100, GAP : GAP + 200] == (200, 0, 0)).all()
    assert (sheet[TITLE : TITLE + 200, 2 * GAP + 200 : 2 * GAP + 400] == 90).all()
    assert (sheet[:TITLE, GAP : GAP + 200] < 128).any()  # the title
    assert (sheet[TITLE + 100 : TITLE + 200, : GAP + 200] == 255).all()


def test_the_scale_is_drawn_below_the_last_panel():
    panels = [("a", flat(0)), ("difference", difference(flat(0), flat(9)))]
    plain, scaled = comparison(panels, side=256), comparison(panels, side=256, limit=96)
    height = plain.shape[0]
    np.testing.assert_array_equal(scaled[: height - GAP], plain[: height - GAP])
    below = scaled[height - GAP :]
    for colour in (colour_scale(256)[0], colour_scale(256)[-1]):
        assert (below == colour).all(axis=2).any()
    assert (below[:, : GAP + 256] == 255).all()
