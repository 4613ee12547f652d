"""One model of several stains, from its configuration to its bundle."""

import sys

import numpy as np
import pytest
import torch
import yaml
from PIL import Image

from restain.bundle import aimed, load_bundle
from restain.cli import main
from restain.config import parse_config
from restain.errors import ConfigError
from restain.geometry import Mpp
from restain.inference import StainOptions, stain
from restain.methods import Batch
from restain.training import TrainConfig, new_method
from restain.training.log import read_log
from restain.training.preview import save_samples

UNET = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}
FIELD = {"kind": "phantom", "slides": 2, "held_out_slides": 2, "side": 64}
TINY = {
    "name": "tiny",
    "source": {"name": "H&E"},
    "target": [{"name": "CK8/18"}, {"name": "CD3"}],
    "data": {"kind": "uniplex", "stains": {"CK8/18": {**FIELD, "target": "ck818"}, "CD3": {**FIELD, "target": "cd3"}}},
    "method": {"name": "stain_diffuser", "config": {"unet": UNET, "modulation": {"window": 4}, "stains": 2}},
    "training": {"images": 8, "batch": 4, "crop": 16, "log_every": 4, "checkpoint_every": 4, "picture_every": 8},
    "use": {"tile": 64, "halo": 8, "sampling": {"steps": 2}},
}


def config_of(folder, **changes):
    return parse_config(TrainConfig, {**TINY, "out": str(folder / "run"), **changes}, "test")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """The folder of a run of ``restain train``."""
    folder = tmp_path_factory.mktemp("training")
    path = folder / "tiny.yaml"
    path.write_text(yaml.safe_dump({**TINY, "out": str(folder / "run")}, sort_keys=False))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["restain", "train", str(path)])
        with pytest.raises(SystemExit) as end:
            main()
    assert not end.value.code
    return folder / "run"


def test_training_leaves_a_bundle_of_all_stains(trained):
    model = load_bundle(trained / "bundle")
    assert [target.name for target in model.card.targets] == ["CK8/18", "CD3"]
    assert (model.card.made, model.method.stains) == ("CK8/18, CD3", 2)
    image = np.full((40, 40, 3), 120, np.uint8)
    options = StainOptions(device="cpu", precision="fp32")
    both, cd3 = (stain(image, each, mpp=Mpp.square(0.5), options=options) for each in (model, aimed(model, "CD3")))
    assert both.shape == (40, 40, 6)
    assert np.array_equal(both[..., 3:], cd3)


def test_losses_are_logged_for_each_stain(trained):
    names = set().union(*read_log(trained))
    assert {f"{part}model.generation_{k}" for part in ("", "held_out.") for k in (0, 1)} <= names


def test_a_sample_shows_the_stain_that_is_known(trained, tmp_path):
    with Image.open(trained / "samples" / "000000000008.png") as picture:
        assert picture.size == (3 * 16, 8 * 16)

    class Known(torch.nn.Module):
        def stain(self, source, noise, sampling):
            return torch.cat([torch.full_like(source, value) for value in (-1.0, 1.0)], dim=1)

    batch = Batch(torch.zeros(3, 3, 16, 16), torch.zeros(3, 3, 16, 16), stain=torch.tensor([1, 0, 1]))
    save_samples(tmp_path / "picture.png", Known(), batch, config_of(tmp_path))
    with Image.open(tmp_path / "picture.png") as picture:
        virtual = np.asarray(picture)[:, 16:32]
    assert [virtual[row * 16 : row * 16 + 16].mean() for row in range(3)] == [255, 0, 255]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"target": [{"name": "CD3"}, {"name": "CK8/18"}]}, "target names CD3, CK8/18, and data.stains CK8/18, CD3"),
        ({"target": {"name": "CD3"}}, "target names CD3, and data.stains CK8/18, CD3"),
        ({"data": {**FIELD, "target": "cd3"}}, "only data of kind uniplex"),
        (
            {"target": [{"name": "CK8/18"}, {"name": "CD3", "channels": ["brown"]}]},
            r"equally many channels, not \[1, 3\]",
        ),
    ],
)
def test_stains_that_do_not_fit_the_data_are_refused(tmp_path, changes, words):
    with pytest.raises(ConfigError, match=words):
        config_of(tmp_path, **changes)


@pytest.mark.parametrize(
    ("method", "words"),
    [
        ({**TINY["method"]["config"], "stains": 3}, "6 target channels|makes 3 stains, and target names 2"),
        ({**TINY["method"]["config"], "stains": 1}, "makes 1 stains, and target names 2"),
        ({**TINY["method"]["config"], "make": [1]}, "makes 1 stains, and target names 2"),
    ],
)
def test_a_method_of_another_number_of_stains_is_refused(tmp_path, method, words):
    with pytest.raises(ConfigError, match=words):
        new_method(config_of(tmp_path, method={"name": "stain_diffuser", "config": method}))


def test_a_method_of_one_stain_is_refused_for_several(tmp_path):
    with pytest.raises(ConfigError, match="'conditional' as configured makes 1 stains"):
        new_method(config_of(tmp_path, method={"name": "conditional", "config": {"unet": UNET}}))
