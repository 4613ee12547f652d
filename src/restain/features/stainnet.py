"""StainNet: a classifier of slide-level scores, whose features make the Frechet StainNet distance (FSD).

Source: Sridhar et al., "Diffusion models for generative histopathology" (2023), section 3.3. They do not say which
network it is; here it is a ResNet-18, and the features are what its last layer reads.
"""

from pathlib import Path
from typing import final

import torch
from torch import Tensor

from restain.features.extractor import Extractor, refuse_small
from restain.features.inception import full_precision
from restain.features.network_files import NetworkCard, load_network_card, load_weights
from restain.nn import ResNet18

SHIPPED = Path(__file__).parent / "weights" / "stainnet"
"""Where the card and weights that come with the package are."""

LEAST = 32
"""Smallest side in pixels: what one place of the last map stands for."""


@final
class StainNetCard(NetworkCard):
    """What stands beside the weights of a StainNet."""

    width: int
    """Channels of the first stage of its ResNet-18."""
    scores: tuple[int, ...]
    """What it tells apart."""
    meaning: str
    """What the scores say of a slide."""


@final
class StainNetExtractor(Extractor):
    """The numbers that the last layer of a StainNet reads; their Frechet distance is the FSD.

    Images are taken as they are, at least ``LEAST`` pixels wide and high, whatever their scale.

    Args:
        folder: of card and weights; the one that comes with the package has learned from synthetic tissue.
        device: where the network runs.

    Raises:
        BundleError: card or weights are missing, changed or damaged.
        ConfigError: the card is not of a StainNet.
    """

    frechet = "fsd"

    def __init__(self, folder: Path = SHIPPED, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        card, network = load_stainnet(folder)
        self._network = network.to(self.device)
        self.name = card.name
        self.dimension = network.dimension
        self.side = card.tile
        self.resizes = False
        self.digest = card.digest

    def _features(self, x: Tensor) -> Tensor:
        refuse_small(x, LEAST)
        with full_precision():
            return self._network.features((2 * x - 1).contiguous(memory_format=torch.channels_last))


def load_stainnet(folder: Path) -> tuple[StainNetCard, ResNet18]:
    """Read and verify card and weights.

    Raises:
        BundleError: one is missing, changed or damaged.
        ConfigError: the card is not of a StainNet.
    """
    shipped = folder == SHIPPED
    again = "install restain again" if shipped else "pass the folder `bundle` of a run that trained a StainNet"
    card = load_network_card(StainNetCard, folder, again)
    network = ResNet18(len(card.scores), card.width)
    load_weights(folder, network, again)
    return card, network
