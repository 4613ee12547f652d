import pytest
import torch
from torch import nn

from restain.errors import ConfigError
from restain.methods import Batch, build_method
from restain.methods.cyclegan import CycleGANConfig

TINY = {"generator": {"width": 2, "blocks": 1}, "discriminator": {"width": 2, "layers": 1}}


class Shift(nn.Module):
    """Adds a constant."""

    def __init__(self, by: float) -> None:
        super().__init__()
        self.by = by

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        return image + self.by


def shifting(there: float, back: float, **options: float) -> nn.Module:
    method = build_method("cyclegan", {**TINY, **options}, source_channels=3, target_channels=3)
    method.network, method.inverse = Shift(there), Shift(back)
    return method


def test_the_defaults_are_the_official_numbers():
    config = CycleGANConfig()
    assert (config.cycle_source, config.cycle_target, config.identity, config.pool) == (10, 10, 0.5, 50)
    assert config.generator.model_dump() == {
        "kind": "resnet", "width": 64, "blocks": 9, "norm": "instance", "dropout": 0, "antialias": False,
        "spectral": False,
    }  # fmt: skip
    assert (config.discriminator.width, config.discriminator.layers, config.discriminator.norm) == (64, 3, "instance")


def test_cycles_and_identities_of_shifts_are_what_one_reckons():
    """G adds 0.3 and F takes 0.1: both ways round end 0.2 off; alone they are off by 0.3 and 0.1."""
    method = shifting(0.3, -0.1, cycle_source=10.0, cycle_target=4.0, identity=0.5)
    batch = Batch(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
    losses = method.losses("generator", batch, torch.Generator())
    assert losses["cycle"].item() == pytest.approx(10 * 0.2 + 4 * 0.2)
    assert losses["identity"].item() == pytest.approx(0.5 * (4 * 0.3 + 10 * 0.1))


def test_a_wrong_pair_of_generators_is_as_consistent_as_the_right_one():
    """Why cells must be counted: whatever G adds, F can take away again."""
    batch = Batch(torch.rand(1, 3, 16, 16), torch.rand(1, 3, 16, 16))
    for by in (0.0, 0.5):
        cycle = shifting(by, -by).losses("generator", batch, torch.Generator())["cycle"]
        assert cycle.item() == pytest.approx(0, abs=1e-5)


def test_discriminators_see_images_of_earlier_steps():
    method = shifting(0.5, -0.5, pool=2)
    generator = torch.Generator().manual_seed(0)
    for step in range(12):
        image = torch.full((1, 3, 16, 16), step / 100)
        method.losses("discriminator", Batch(image, image), generator)
    held = method.target_pool.images[:, 0, 0, 0] - 0.5
    assert len(held) == 2
    assert held.max() > 0.03  # newer ones took the places of the first
    assert torch.allclose(method.source_pool.images[:, 0, 0, 0] + 0.5, (method.source_pool.images[:, 0, 5, 5] + 0.5))


def test_stains_of_other_channels_need_identity_zero():
    with pytest.raises(ConfigError, match=r"5 channels .* identity to 0"):
        build_method("cyclegan", TINY, source_channels=5, target_channels=3)
    method = build_method("cyclegan", {**TINY, "identity": 0}, source_channels=5, target_channels=3)
    batch = Batch(torch.rand(1, 5, 16, 16), torch.rand(1, 3, 16, 16))
    assert method.losses("generator", batch, torch.Generator()).keys() == {"adversarial", "cycle"}
