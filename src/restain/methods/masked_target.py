"""A part of the target as a prior: what Diffusion-B/R of Sridhar et al. (2023) sees beside the source while it learns.

Their text: "a random part of the target image is masked and used as a prior; during inference, however, the prior is
completely masked". The law of the mask is not stated there; this one is ours. With probability ``full`` all is hidden,
else, with equal chance,

- a rectangle along the axes whose area is U(0.1, 0.9) of the image, its log aspect uniform, anywhere inside, or
- a half-plane of any direction, with the same law of its area.

Without full masks in training, staining would meet a condition that the network has never seen.
"""

from typing import final

import torch
from pydantic import Field
from torch import Tensor

from restain.config import Config

LEAST, MOST = 0.1, 0.9
"""Shares of the image that a partial mask hides, between which all are equally likely."""


@final
class MaskedTargetConfig(Config):
    """How much of the target a network sees while it learns; when it stains, it sees none of it."""

    full: float = Field(default=0.25, gt=0, le=1)
    """Share of images in training whose whole target is hidden, as it is when staining; so it is never 0."""


def random_masks(count: int, height: int, width: int, full: float, generator: torch.Generator) -> Tensor:
    """Draw masks.

    Args:
        count: B.
        height: of the images in pixels.
        width: of the images in pixels.
        full: probability that a mask hides all.
        generator: of the masks, on the device that is wanted.

    Returns:
        (B, 1, H, W) float32, 1 where the target is hidden.
    """
    device = generator.device
    draws = torch.rand(7, count, 1, 1, generator=generator, device=device)
    chooses_full, chooses_plane, level, aspect, top, left, turn = draws
    area = LEAST + (MOST - LEAST) * level
    y = torch.arange(height, device=device)[None, :, None]
    x = torch.arange(width, device=device)[None, None, :]

    # height h H and width w W with h w = area
    tall = (height * area**aspect).round().clamp(min=1)
    wide = (width * area ** (1 - aspect)).round().clamp(min=1)
    first_row, first_column = (top * (height - tall + 1)).floor(), (left * (width - wide + 1)).floor()
    rectangle = (y >= first_row) & (y < first_row + tall) & (x >= first_column) & (x < first_column + wide)

    angle = 2 * torch.pi * turn
    along = y * angle.sin() + x * angle.cos()  # how far a pixel lies in the direction of the mask
    ordered = along.flatten(1).sort(dim=1).values
    border = ordered.gather(1, (area.flatten(1) * height * width).long())[..., None]
    half_plane = along < border

    hidden: Tensor = torch.where(chooses_plane < 0.5, half_plane, rectangle) | (chooses_full < full)
    return hidden[:, None].float()


def masked_target(target: Tensor, mask: Tensor) -> Tensor:
    """Return what a network sees of the target, (B, C + 1, H, W): it, 0 where hidden, and the mask.

    Args:
        target: (B, C, H, W) in [-1, 1].
        mask: (B, 1, H, W), 1 where it is hidden.
    """
    return torch.cat([target * (1 - mask), mask], dim=1)
