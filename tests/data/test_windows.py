import json

import numpy as np
import pytest

from restain.bundle import load_bundle
from restain.config import parse_config
from restain.data import Crops, Pairs, source_window
from restain.errors import ConfigError, DataError
from restain.pixels import planes_from_image
from restain.slides import save_image
from restain.training import TrainConfig, fit


class Few(Pairs):
    """Three images whose channels have ranges of their own, far below 65535."""

    aligned = True

    def __init__(self, dtype=np.uint16, channels=3):
        rng = np.random.default_rng(0)
        top = np.minimum(2000 * (1 + np.arange(channels)), np.iinfo(dtype).max)
        self.images = [rng.integers(50, top, (40, 30 + k, channels)).astype(dtype) for k in range(3)]

    def __len__(self):
        return len(self.images)

    def read(self, index):
        return self.images[index], self.images[index]

    def name(self, index):
        return str(index)


@pytest.mark.parametrize(("dtype", "channels"), [(np.uint8, 1), (np.uint16, 4), (np.uint16, 26)])
def test_a_window_is_made_of_the_percentiles_of_all_pixels(dtype, channels):
    pairs = Few(dtype, channels)
    pixels = np.concatenate([image.reshape(-1, channels) for image in pairs.images])
    expected = np.percentile(pixels, [0.1, 99.9], axis=0, method="inverted_cdf").T
    np.testing.assert_array_equal(source_window(pairs, (0.1, 99.9)), expected)


def test_a_channel_that_is_the_same_everywhere_has_a_window_all_the_same():
    pairs = Few()
    for image in pairs.images:
        image[..., 1] = 7
    assert source_window(pairs, (0.1, 99.9))[1] == (7, 8)


def test_images_of_two_types_have_no_common_window():
    pairs = Few()
    pairs.images[2] = pairs.images[2].astype(np.uint8)
    with pytest.raises(DataError, match="source image 2 has 3 channels of uint8"):
        source_window(pairs, (1, 99))


def test_a_window_maps_its_ends_to_minus_one_and_one_and_clips_the_rest():
    image = np.array([[[0, 100], [200, 300], [1200, 500], [4095, 501]]], np.uint16)
    planes = planes_from_image(image, ((200, 1200), (100, 500)))
    np.testing.assert_allclose(planes[:, 0], [[-1, -1, 1, 1], [-1, 0, 1, 1]], atol=1e-6)
    whole = np.random.default_rng(0).integers(0, 65536, (4, 5, 2), dtype=np.uint16)
    np.testing.assert_allclose(planes_from_image(whole, ((0, 65535),) * 2), planes_from_image(whole), atol=1e-6)
    with pytest.raises(DataError, match="an image of 2 channels does not fit a window of 1"):
        planes_from_image(image, ((0, 1),))


def test_crops_show_the_source_through_the_window_and_the_target_as_it_is():
    pairs = Few()
    pairs.images = [np.full((8, 8, 3), 1000, np.uint16)]
    source, target = Crops(pairs, 8, seed=0, window=((0, 1000), (0, 2000), (1000, 4000)))[0][:2]
    assert source[:, 0, 0].tolist() == [1, 0, -1]
    assert target.mean() == pytest.approx(1000 / 32767.5 - 1)


def config(tmp_path, **changes):
    tree = {
        "name": "tiny",
        "out": str(tmp_path / "run"),
        "source": {"name": "AF", "channels": ["a", "b"], "background": 0},
        "target": {"name": "grey", "channels": ["grey"]},
        "data": {"kind": "folders", "source": str(tmp_path / "s"), "target": str(tmp_path / "t"), "held_out": "b*"},
        "method": {"name": "regression", "config": {"unet": {"width": 4, "multipliers": [1], "attention": []}}},
        "training": {"images": 8, "batch": 4, "crop": 16, "percentiles": [0.1, 99.9]},
        "use": {"tile": 16, "halo": 4},
    }
    return parse_config(TrainConfig, {**tree, **changes}, "test")


def test_a_run_keeps_its_window_and_its_card_states_it(tmp_path):
    rng = np.random.default_rng(0)
    for name in ("a1", "a2", "b1"):
        (tmp_path / "s").mkdir(exist_ok=True)
        (tmp_path / "t").mkdir(exist_ok=True)
        save_image(
            tmp_path / "s" / f"{name}.ome.tiff", rng.integers(100, 4096, (32, 32, 2), dtype=np.uint16), None, ("a", "b")
        )
        save_image(tmp_path / "t" / f"{name}.png", rng.integers(0, 256, (32, 32, 1), dtype=np.uint8))
    list(fit(config(tmp_path)))
    card = load_bundle(tmp_path / "run" / "bundle").card
    kept = json.loads((tmp_path / "run" / "windows.json").read_text())
    assert kept["channels"] == ["a", "b"]
    assert [list(each) for each in card.source.window] == kept["window"]
    assert all(100 <= low < 110 and 4085 < high <= 4095 for low, high in kept["window"])


def test_a_window_that_is_given_cannot_also_be_found(tmp_path):
    source = {"name": "AF", "channels": ["a", "b"], "window": [[0, 1], [0, 1]]}
    with pytest.raises(ConfigError, match=r"source\.window is given"):
        config(tmp_path, source=source)
    with pytest.raises(ConfigError, match="window of AF has 1 channels, not 2"):
        config(tmp_path, source={**source, "window": [[0, 1]]})
