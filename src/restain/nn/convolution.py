"""Convolutions as GANs of images have them: their start, their spectral norm, and what normalises after them."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from torch import nn
from torch.nn.utils import parametrizations

Norm = Literal["batch", "instance", "none"]
"""What normalises features: over the batch, within each image, or nothing."""

SPREAD = 0.02
"""Standard deviation of fresh weights (Radford et al., "Unsupervised representation learning with DCGANs", 2016)."""


def fresh(layer: nn.Conv2d | nn.ConvTranspose2d | nn.Linear, *, spectral: bool = False) -> nn.Module:
    """Start a layer at w ~ N(0, 0.02^2), b = 0.

    Args:
        layer: is changed and returned.
        spectral: divide its weights by their largest singular value (Miyato et al., 2018).
    """
    nn.init.normal_(layer.weight, std=SPREAD)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return parametrizations.spectral_norm(layer) if spectral else layer


def norm_layer(norm: Norm, channels: int) -> nn.Module:
    """Return what normalises; only `batch` has weights of its own, gains w ~ N(1, 0.02^2)."""
    if norm == "batch":
        layer = nn.BatchNorm2d(channels)
        nn.init.normal_(layer.weight, 1.0, SPREAD)
        return layer
    return nn.InstanceNorm2d(channels) if norm == "instance" else nn.Identity()


@contextmanager
def own_statistics(network: nn.Module) -> Iterator[None]:
    """Let batch norms take mean and deviation of what they are given, not their averages, which stay as they are."""
    norms = [layer for layer in network.modules() if isinstance(layer, nn.BatchNorm2d)]
    before = [(layer.training, layer.track_running_stats) for layer in norms]
    for layer in norms:
        layer.training, layer.track_running_stats = True, False
    try:
        yield
    finally:
        for layer, (training, tracks) in zip(norms, before, strict=True):
            layer.training, layer.track_running_stats = training, tracks
