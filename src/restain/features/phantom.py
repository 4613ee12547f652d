"""The extractor that comes with the package and needs no network connection."""

from pathlib import Path
from typing import final

import torch
from torch import Tensor

from restain.features.extractor import Extractor, refuse_small
from restain.features.phantom_network import FOLD, load_phantom_network

SHIPPED = Path(__file__).parent / "weights" / "phantom"
"""Where its card and weights come with the package."""

LEAST = 32
"""Smallest side in pixels: two nuclei."""


@final
class PhantomExtractor(Extractor):
    """Features that have learned to tell what synthetic tissue shows: cells, markers, colours, blur; 128 numbers.

    Images are taken as they are, at least ``LEAST`` pixels wide and high; it learned at 0.5 um per pixel.

    Args:
        folder: of card and weights.
        device: where the network runs.

    Raises:
        BundleError: card or weights are missing, changed or damaged.
    """

    def __init__(self, folder: Path = SHIPPED, device: torch.device | str = "cpu") -> None:
        super().__init__(device)
        card, network = load_phantom_network(folder)
        self._network = network.to(self.device)
        self.name = card.name
        self.dimension = network.dimension
        self.side = card.tile
        self.resizes = False
        self.digest = card.digest

    def _features(self, x: Tensor) -> Tensor:
        height, width = (length - length % FOLD for length in x.shape[2:])
        refuse_small(x, LEAST)
        images = (2 * x - 1)[:, :, :height, :width].contiguous(memory_format=torch.channels_last)
        return self._network.features(images)
