"""The U-Net of pix2pix: halved down to a single pixel, with a skip connection at every resolution.

Source: Isola et al., "Image-to-image translation with conditional adversarial networks" (2017), section 3.2.1 and
appendix 6.1.1: `unet_256` has 8 halvings, `unet_128` 7.

Plan, for n halvings and width w, where level i has w_i = w min(2^i, 8) channels::

    down_0    conv 4, /2                         up_0    ReLU -> transposed conv 4, x2 -> tanh
    down_i    LeakyReLU -> conv 4, /2 -> norm    up_i    ReLU -> transposed conv 4, x2 -> norm, dropout from level 4 on
    down_n-1  LeakyReLU -> conv 4, /2            up_n-1  ReLU -> transposed conv 4, x2 -> norm

up_i takes what up_(i+1) made and what down_i made. Norms are over the batch; the deepest map has none, since it may be
a single pixel.
"""

from typing import Literal, final

import torch
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from restain.config import Config
from restain.errors import DataError
from restain.nn.convolution import fresh, norm_layer
from restain.nn.patch_discriminator import SLOPE

FIRST_WITH_DROPOUT = 4


@final
class UNetGeneratorConfig(Config):
    """Size and shape of the U-Net of pix2pix."""

    kind: Literal["unet"] = "unet"
    """Tells the generators apart."""
    width: int = Field(default=64, ge=1)
    """Channels of the first level; 64 is that of the paper."""
    downs: int = Field(default=8, ge=2)
    """Halvings: 8 for crops of 256 px (`unet_256`), 7 for 128 px; sides must be multiples of 2^downs."""
    dropout: float = Field(default=0.5, ge=0, lt=1)
    """In the innermost levels while training; 0.5 is that of the paper."""


@final
class UNetGenerator(nn.Module):
    """An image from an image.

    Args:
        config: size and shape.
        in_channels: channels of the input.
        out_channels: channels of the result.
    """

    def __init__(self, config: UNetGeneratorConfig, in_channels: int, out_channels: int) -> None:
        super().__init__()
        last = config.downs - 1
        widths = [config.width * min(2**level, 8) for level in range(config.downs)]
        self.multiple = 2**config.downs
        """Sides of the input must be multiples of this."""
        self.down, self.up = nn.ModuleList(), nn.ModuleList()
        for level, width in enumerate(widths):
            outer = widths[level - 1] if level else in_channels
            conv = fresh(nn.Conv2d(outer, width, 4, stride=2, padding=1, bias=False))
            self.down.append(nn.Sequential(conv, norm_layer("batch" if 0 < level < last else "none", width)))

            inside, out = width if level == last else 2 * width, outer if level else out_channels
            grow = fresh(nn.ConvTranspose2d(inside, out, 4, stride=2, padding=1, bias=level == 0))
            after = [norm_layer("batch", out)] if level else [nn.Tanh()]
            drop = [nn.Dropout(config.dropout)] if FIRST_WITH_DROPOUT <= level < last else []
            self.up.append(nn.Sequential(grow, *after, *drop))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W) in [-1, 1].

        Raises:
            DataError: H or W is not a multiple of ``multiple``.
        """
        if image.shape[2] % self.multiple or image.shape[3] % self.multiple:
            raise DataError(
                f"an image of {image.shape[3]} x {image.shape[2]} px does not fit a network that shrinks it by "
                f"{self.multiple}",
                fix=f"use tiles with sides that are multiples of {self.multiple}, or fewer downs",
            )
        skips = [image]
        for level, down in enumerate(self.down):
            skips.append(down(functional.leaky_relu(skips[-1], SLOPE) if level else image))
        h = self.up[-1](functional.relu(skips.pop()))
        for up in reversed(self.up[:-1]):
            h = up(functional.relu(torch.cat([skips.pop(), h], dim=1)))
        made: Tensor = h
        return made
