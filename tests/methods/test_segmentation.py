"""The segmentation: what it returns, what it learns from wrong labels, and one-channel images from end to end."""

import numpy as np
import pytest
import torch
from PIL import Image as Pillow

from restain.bundle import load_bundle
from restain.config import parse_config
from restain.diffusion import RandomNoise, Sampling
from restain.geometry import Mpp
from restain.inference import Stainer, StainOptions, run
from restain.methods import Batch, build_method
from restain.training import TrainConfig, fit

UNET = {"width": 8, "multipliers": [1, 2, 4], "blocks": 1, "attention": [], "middle_attention": False}


def squares(count, seed, side=24):
    """Return grey images with bright squares, and where the squares are, as -1 and +1."""
    rng = np.random.default_rng(seed)
    masks = np.full((count, 1, side, side), -1, np.float32)
    for mask in masks:
        y, x = rng.integers(2, side - 12, 2)
        mask[0, y : y + 10, x : x + 10] = 1
    images = 0.5 * np.repeat(masks, 3, axis=1) + rng.normal(0, 0.1, (count, 3, side, side)).astype(np.float32)
    return torch.from_numpy(images.astype(np.float32)), torch.from_numpy(masks)


@pytest.mark.parametrize("loss", ["dice_bce", "generalised"])
def test_it_unlearns_labels_that_are_wrong_at_random(loss):
    torch.manual_seed(0)
    options = {"unet": {**UNET, "multipliers": [1, 2]}, "loss": loss}
    method = build_method("segmentation", options, source_channels=3, target_channels=1)
    optimiser, generator = torch.optim.Adam(method.parameters(), lr=5e-3), torch.Generator().manual_seed(3)
    for step in range(60):
        source, truth = squares(4, step)
        wrong = torch.rand(truth.shape, generator=generator) < 0.2
        terms = method.losses("model", Batch(source, torch.where(wrong, -truth, truth)), generator)
        optimiser.zero_grad()
        torch.stack(list(terms.values())).sum().backward()
        optimiser.step()
    unseen, expected = squares(8, 1000)
    with torch.no_grad():
        found = method.eval().stain(unseen, RandomNoise(0), Sampling()) > 0
    assert (found != (expected > 0)).float().mean() < 0.02


def test_it_returns_twice_the_probability_less_one():
    method = build_method("segmentation", {"unet": UNET}, source_channels=3, target_channels=1).eval()
    with torch.no_grad():  # a fresh network knows nothing
        assert (method.stain(torch.zeros(1, 3, 16, 16), RandomNoise(0), Sampling()) == 0).all()


def test_masks_of_one_channel_are_read_trained_on_saved_and_made(tmp_path):
    source, masks = squares(6, 2, side=48)
    for number, (image, mask) in enumerate(zip(source.numpy(), masks.numpy(), strict=True)):
        for folder, planes in (("ihc", image), ("masks", mask)):
            (tmp_path / folder).mkdir(exist_ok=True)
            levels = np.rint((planes.clip(-1, 1) + 1) * 127.5).astype(np.uint8).transpose(1, 2, 0)
            Pillow.fromarray(levels.squeeze()).save(tmp_path / folder / f"{number}.png")
    tree = {
        "name": "clean",
        "out": str(tmp_path / "run"),
        "source": {"name": "CK8/18"},
        "target": {"name": "mask", "channels": ["positive"], "background": 0},
        "data": {
            "kind": "folders",
            "source": str(tmp_path / "ihc"),
            "target": str(tmp_path / "masks"),
            "held_out": "5",
            "mpp": 0.5,
        },
        "method": {"name": "segmentation", "config": {"unet": {**UNET, "multipliers": [1, 2]}}},
        "training": {"images": 160, "batch": 4, "crop": 24, "rate": 5e-3, "warm_up": 20, "precision": "fp32"},
        "use": {"tile": 48, "halo": 8},
    }
    for _ in fit(parse_config(TrainConfig, tree, "the test")):
        pass
    model = load_bundle(tmp_path / "run" / "bundle")
    for _ in run(tmp_path / "ihc", Stainer(model, StainOptions(precision="fp32")), tmp_path / "clean", Mpp.square(0.5)):
        pass
    for number in range(6):
        made = Pillow.open(tmp_path / "clean" / f"{number}.png")
        assert made.mode == "L"
        assert ((np.asarray(made) > 127) == (masks[number, 0].numpy() > 0)).mean() > 0.97
