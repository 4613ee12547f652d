"""``restain calibrate`` from the command line."""

import json

import pytest
import torch

from restain.bundle import Card, Model, Stain, load_card, save_bundle
from restain.config import Config
from restain.diffusion import Sampling
from restain.methods import Method, build_method

TINY = {"unet": {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}}

CONFIG = """
name: x
out: x
source: {name: H&E}
target: {name: Ki67}
data: {kind: phantom, slides: 4, held_out_slides: 6, test_slides: 2, side: 32}
method: {name: conditional}
training: {images: 8}
"""


class Guess(Method):
    """Draws around grey, widely."""

    config_type = Config
    summary = "For tests."
    citation = "@misc{nobody}"
    samples = True
    paired = True
    multiple = 1

    def __init__(self):
        super().__init__(Config(), source_channels=3, target_channels=3)

    def losses(self, player, batch, generator):
        raise NotImplementedError

    def stain(self, source, noise, sampling):
        return 0.5 + 0.3 * noise(source, 0)


@pytest.fixture
def bundle(tmp_path, monkeypatch):
    torch.manual_seed(0)
    card = Card(
        name="tiny",
        summary="A test.",
        source=Stain(name="H&E"),
        target=Stain(name="Ki67"),
        mpp=0.5,
        tile=32,
        halo=0,
        sampling=Sampling(steps=2),
        method="conditional",
        method_config=TINY,
        training={"data": {"kind": "phantom", "slides": 4}},
        metrics={},
        licence="CC0-1.0",
    )
    folder = tmp_path / "tiny"
    save_bundle(folder, card, build_method("conditional", TINY, source_channels=3, target_channels=3))
    (tmp_path / "train.yaml").write_text(CONFIG)
    monkeypatch.setattr("restain.bundle.load_bundle", lambda place: Model(load_card(place), Guess().eval()))
    return folder


def test_a_calibration_goes_into_the_card(restain, bundle, tmp_path):
    data = ["--data", tmp_path / "train.yaml", "data.test_slides=3", "--test-part", "test"]
    options = ["--alpha", 0.3, "--delta", 0.3, "--samples", 4, "--device", "cpu", "--out", tmp_path / "out"]
    found = restain("calibrate", bundle, *data, *options)
    assert found.code == 0, found.err
    record, tree = load_card(bundle).calibration, json.loads((tmp_path / "out" / "calibration.json").read_text())
    assert tree["calibration"]["lambda"] == record.calibration.lambda_
    assert record.calibration.n == 6
    assert (record.sampler, record.steps) == (load_card(bundle).sampling.sampler, 2)
    assert tree["test"]["calibrated"]["n"] == 3
    assert f"lambda {record.calibration.lambda_:.3f}" in found.out
    assert "3 test images" in found.out
    assert "inside, mean" in found.out


@pytest.mark.parametrize(
    ("options", "problem"),
    [
        (["--samples", 1], "'interval.samples' does not fit"),
        ([], "pass --data or --pairs"),
        (["--data", "train.yaml", "--part", "train"], "choose part held_out or test"),
        (["--data", "train.yaml", "--part", "tests"], "there is no part 'tests'"),
        (["--data", "train.yaml", "--by", "tissue"], "pass the table with --groups"),
        (["--data", "train.yaml"], "holds 6 images, and a calibration with alpha 0.1 and delta 0.1 needs at least 22"),
        (["--pairs", "none", "none"], "none"),
    ],
)
def test_what_cannot_work_is_said_in_a_sentence(restain, bundle, tmp_path, monkeypatch, options, problem):
    monkeypatch.chdir(tmp_path)
    found = restain("calibrate", bundle, *options, "--out", "out")
    assert found.code == 2
    assert problem in found.err
    assert load_card(bundle).calibration is None
