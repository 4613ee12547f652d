"""The network that has learned to tell facts of synthetic tissue, its card, and its files."""

from pathlib import Path
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from restain.features.network_files import NetworkCard, load_network_card, load_weights

FOLD = 4
"""Side of the pixel squares folded into channels at the entrance: nuclei are about 14 pixels wide."""


@final
class PhantomCard(NetworkCard):
    """What stands beside the weights.

    Its metrics are, on held-out slides, the share of stains told rightly, and of every fact the share of its variance
    that is told (R2).
    """

    stains: tuple[str, ...]
    """What it tells apart."""
    facts: tuple[str, ...]
    """What else it tells."""


@final
class PhantomNetwork(nn.Module):
    """A residual network whose features are means over the places of its last map (as those of Inception are).

    Batches are normalised while it learns, by constants afterwards. A norm per image would hide contrast and colour.

    Attributes:
        mean: of every fact; with ``spread``, what turns a standardised fact into one in its own unit.
        spread: standard deviation of every fact.

    Args:
        stains: how many stains it tells apart.
        facts: how many facts it tells.
        width: channels of the first stage; twice as many features.
    """

    mean: Tensor
    spread: Tensor

    def __init__(self, stains: int, facts: int, width: int = 64) -> None:
        super().__init__()
        self.dimension = 2 * width
        self.body = nn.Sequential(
            nn.PixelUnshuffle(FOLD),
            _convolution(3 * FOLD**2, width),
            nn.ReLU(),
            _Residual(width),
            _convolution(width, self.dimension, stride=2),
            nn.ReLU(),
            _Residual(self.dimension),
            _Residual(self.dimension),
        )
        self.register_buffer("mean", torch.zeros(facts))
        self.register_buffer("spread", torch.ones(facts))
        self.stain = nn.Linear(self.dimension, stains)
        self.facts = nn.Linear(self.dimension, facts)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """Return (B, dimension) of images (B, 3, H, W) in [-1, 1], sides multiples of ``FOLD``."""
        places: Tensor = self.body(x)
        return places.float().mean((2, 3))

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Return the logits of the stains and the standardised facts."""
        features = self.features(x)
        return self.stain(features), self.facts(features)


@final
class _Residual(nn.Module):
    """Two convolutions beside a skip (He et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = _convolution(channels, channels)
        self.second = _convolution(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(x + self.second(functional.relu(self.first(x))))


def _convolution(channels: int, out: int, stride: int = 1) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, 3, stride, padding=1, bias=False), nn.BatchNorm2d(out))


def load_phantom_network(folder: Path) -> tuple[PhantomCard, PhantomNetwork]:
    """Read and verify card and weights.

    Raises:
        BundleError: one is missing, or the weights are not those of the card.
        ConfigError: the card is malformed.
    """
    again = "install restain again"
    card = load_network_card(PhantomCard, folder, again)
    network = PhantomNetwork(len(card.stains), len(card.facts))
    load_weights(folder, network, again)
    return card, network
