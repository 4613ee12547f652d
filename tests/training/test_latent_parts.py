"""A bridge between latents: its autoencoder is trained first, held, and travels along."""

import pytest
import torch

from restain.bundle import load_bundle
from restain.config import parse_config
from restain.diffusion import RandomNoise, Sampling
from restain.errors import ConfigError
from restain.training import TrainConfig, fit

pytestmark = pytest.mark.slow  # several seconds on a busy machine: everything here trains

UNET = {"width": 8, "multipliers": [1, 2], "blocks": 1, "attention": [], "middle_attention": False}
DATA = {"kind": "phantom", "source": "he", "target": "ck818", "slides": 2, "held_out_slides": 1, "side": 64}
COURSE = {
    "images": 16,
    "batch": 4,
    "crop": 32,
    "precision": "fp32",
    "log_every": 4,
    "checkpoint_every": 8,
    "picture_every": 8,
}
AUTOENCODER = {"name": "autoencoder", "config": {"latent": {"width": 8, "multipliers": [1, 2], "fold": 2}}}


def config_of(out, method, **changes):
    tree = {
        "name": method["name"],
        "out": str(out),
        "source": {"name": "H&E"},
        "target": {"name": "CK8/18"},
        "data": DATA,
        "method": method,
        "training": COURSE,
        "use": {"tile": 64, "halo": 8, "sampling": {"sampler": "bridge", "steps": 3}},
        **changes,
    }
    return parse_config(TrainConfig, tree, "test")


def bridge_of(out, autoencoder, **changes):
    method = {"name": "latent_bridge", "config": {"unet": UNET}}
    return config_of(out, method, parts={"autoencoder": str(autoencoder)}, **changes)


def train(config, until=None):
    for progress in fit(config):
        if progress.images == until:
            break
    return config.out / "bundle"


@pytest.fixture(scope="module")
def autoencoder(tmp_path_factory):
    """The bundle of a tiny autoencoder."""
    return train(config_of(tmp_path_factory.mktemp("autoencoder"), AUTOENCODER))


def test_the_autoencoder_is_held_as_it_was_measured(tmp_path, autoencoder):
    held = load_bundle(autoencoder).method
    assert bool((held.spread != 1).all())
    whole = load_bundle(train(bridge_of(tmp_path, autoencoder))).method
    for name, value in held.state_dict().items():
        assert torch.equal(whole.state_dict()[f"autoencoder.{name}"], value)
    x = torch.rand(1, 3, 64, 64)
    sampling = Sampling(sampler="bridge", steps=3)
    once, again = (load_bundle(tmp_path / "bundle").method.stain(x, RandomNoise(0), sampling) for _ in range(2))
    assert torch.equal(once, again)


def test_a_bridge_goes_on_from_a_checkpoint_as_if_never_stopped(tmp_path, autoencoder):
    whole = load_bundle(train(bridge_of(tmp_path / "whole", autoencoder))).method.state_dict()
    train(bridge_of(tmp_path / "part", autoencoder), until=12)
    resumed = load_bundle(train(bridge_of(tmp_path / "part", autoencoder))).method.state_dict()
    assert all(torch.equal(value, whole[name]) for name, value in resumed.items())


def test_an_autoencoder_of_other_stains_is_refused(tmp_path, autoencoder):
    message = r"parts.autoencoder is of method 'autoencoder' and CK8/18 \(3 channels\), H&E \(3 channels\), not of"
    with pytest.raises(ConfigError, match=message):
        train(bridge_of(tmp_path, autoencoder, target={"name": "HER2"}))


def test_an_autoencoder_serves_both_directions(tmp_path, autoencoder):
    course = {**COURSE, "images": 4}
    changes = {"source": {"name": "CK8/18"}, "target": {"name": "H&E"}, "training": course}
    assert train(bridge_of(tmp_path, autoencoder, **changes)).is_dir()


def test_a_prior_is_no_autoencoder(tmp_path):
    prior = train(config_of(tmp_path / "prior", {"name": "prior", "config": {"unet": UNET}}))
    with pytest.raises(ConfigError, match="not of method 'autoencoder' and CK8/18"):
        train(bridge_of(tmp_path / "bridge", prior))
