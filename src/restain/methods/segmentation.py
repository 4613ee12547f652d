"""Segmentation: the same UNet without time, trained on coarse masks; its predictions are cleaner than its labels.

Source: Kataria et al., "StainDiffuser: MultiTask Diffusion Model for Virtual Staining" (2024), supplement, for CD3:
a segmentation network is trained on masks from thresholding and morphology, and its predictions become the masks.
Neither network nor loss is stated there. The widths are those of the segmentation network in public code of that group.

A network of limited size, trained for a limited time, learns first what masks have in common; what a mask has by
accident - a gland dropped, a speck, an outline that is a bit off - differs from image to image (Arpit et al., A closer
look at memorization in deep networks, 2017). So it must not be trained until it knows every mask by heart.
"""

from typing import ClassVar, Literal, final

import torch
from pydantic import Field
from torch import Tensor

from restain.config import Config
from restain.diffusion import Noise, Sampling
from restain.methods.base import Batch, Method
from restain.nn import UNet, UNetConfig, generalised_cross_entropy, smoothed_cross_entropy, soft_dice


@final
class SegmentationConfig(Config):
    """Options of the segmentation."""

    unet: UNetConfig = UNetConfig(
        width=16, multipliers=(1, 2, 4, 8, 16), blocks=1, attention=(), middle_attention=False
    )
    """The network: widths 16 to 256 over five levels, two convolutions in each, no attention: narrow where it is fine,
    so that outlines are learnt slowly, and wide enough of view to know a gland."""
    loss: Literal["dice_bce", "generalised"] = "dice_bce"
    """dice_bce: Dice, which ignores how rare the marker is, plus cross-entropy with smoothed labels. generalised:
    generalised cross-entropy, which gives up on pixels whose label the network finds very unlikely; where many are."""
    smoothing: float = Field(default=0.1, ge=0, lt=1)
    """Of labels in dice_bce: no more than 95 % sure of a label that may be wrong."""
    q: float = Field(default=0.7, gt=0, le=1)
    """Of generalised: 0 would be cross-entropy, 1 is mean absolute error, which learns slowly; 0.7 is the authors'."""


@final
class Segmentation(Method):
    """P(pixel is positive | image)."""

    config_type: ClassVar[type[Config]] = SegmentationConfig
    summary: ClassVar[str] = "UNet that learns from coarse masks of a stain, and predicts cleaner ones."
    citation: ClassVar[str] = """@article{kataria2024staindiffuser,
  title   = {StainDiffuser: MultiTask Diffusion Model for Virtual Staining},
  author  = {Kataria, Tushar and Knudsen, Beatrice and Elhabian, Shireen Y.},
  journal = {arXiv preprint arXiv:2403.11340},
  year    = {2024}
}"""
    samples: ClassVar[bool] = False
    paired: ClassVar[bool] = True

    def __init__(self, config: SegmentationConfig, *, source_channels: int, target_channels: int) -> None:
        super().__init__(config, source_channels=source_channels, target_channels=target_channels)
        self.network = UNet(config.unet, source_channels, target_channels, time=False)
        self.multiple = self.network.multiple

    def losses(self, player: str, batch: Batch, generator: torch.Generator) -> dict[str, Tensor]:
        """Return how far the probabilities are from the masks, which are -1 outside and +1 inside."""
        logits, labels = self.network(batch.source).float(), (batch.target + 1) / 2
        if self.config.loss == "generalised":
            return {"generalised": generalised_cross_entropy(logits, labels, self.config.q)}
        return {
            "dice": soft_dice(logits, labels),
            "cross_entropy": smoothed_cross_entropy(logits, labels, self.config.smoothing),
        }

    def stain(self, source: Tensor, noise: Noise, sampling: Sampling) -> Tensor:
        """Return 2 p - 1: above 0, and above 127 in 8 bits, is positive; noise and sampling play no part."""
        logits: Tensor = self.network(source).float()
        return 2 * torch.sigmoid(logits) - 1
