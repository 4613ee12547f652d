"""A classifier of noisy images: the encoder half of a UNet that knows the noise, then a mean over places.

Source: Dhariwal and Nichol, "Diffusion models beat GANs on image synthesis" (2021), section 4, made small.
"""

from typing import Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from restain.config import Config
from restain.errors import DataError
from restain.nn.layers import Downsample, ResidualBlock, TimeEmbedding, group_norm


@final
class NoiseClassifierConfig(Config):
    """Size of a classifier of noisy images."""

    width: int = Field(default=32, gt=0)
    """Channels of the first level; with the other defaults 0.4 M parameters, enough to tell two stains apart."""
    multipliers: tuple[int, ...] = Field(default=(1, 2, 4), min_length=1)
    """Width of each level as a multiple of `width`; the sides halve between levels."""
    fold: int = Field(default=2, gt=0)
    """Side of the pixel squares folded into channels at the entrance; 2 makes a full-resolution network 4x cheaper."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if widths := [self.width * multiplier for multiplier in self.multipliers if self.width * multiplier % 4]:
            raise ValueError(f"level widths {widths} do not divide by 4 (groups of four)")
        return self


@final
class NoiseClassifier(nn.Module):
    """Which of two kinds a noisy image is of.

    Args:
        config: size.
        channels: of the images.
    """

    def __init__(self, config: NoiseClassifierConfig, channels: int) -> None:
        super().__init__()
        embedding = 4 * config.width
        widths = [config.width * multiplier for multiplier in config.multipliers]
        self.fold = config.fold
        self.multiple = config.fold * 2 ** (len(widths) - 1)
        """Sides of the images must be multiples of this; it is also the distance of the feature map's places."""
        self.time = TimeEmbedding(config.width, embedding)
        self.entrance = nn.Conv2d(channels * config.fold**2, widths[0], 3, padding=1)
        pairs = zip([widths[0], *widths], widths, strict=False)
        self.blocks = nn.ModuleList(ResidualBlock(i, o, embedding=embedding, dropout=0.0) for i, o in pairs)
        self.shrink = nn.ModuleList(Downsample(width) for width in widths[:-1])
        self.norm = group_norm(widths[-1])
        self.head = nn.Linear(widths[-1], 2)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        """Return the logits (B, 2) of images (B, C, H, W) at times (B,) in [0, 1]."""
        h = functional.silu(self.norm(self.features(x, time))).mean((2, 3))
        logits: Tensor = self.head(h)
        return logits

    def features(self, x: Tensor, time: Tensor) -> Tensor:
        """Return the map that the head judges, (B, C', H / multiple, W / multiple).

        Raises:
            DataError: H or W is not a multiple of ``multiple``.
        """
        if x.shape[2] % self.multiple or x.shape[3] % self.multiple:
            raise DataError(
                f"an image of {x.shape[3]} x {x.shape[2]} px does not fit a classifier that shrinks it by "
                f"{self.multiple}",
                fix=f"use tiles with sides that are multiples of {self.multiple}",
            )
        embedded = self.time(time)
        h: Tensor = self.entrance(
            functional.pixel_unshuffle(x, self.fold).contiguous(memory_format=torch.channels_last)
        )
        for level, block in enumerate(self.blocks):
            if level:
                h = self.shrink[level - 1](h)
            h = block(h, embedded)
        return h
