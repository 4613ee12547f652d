"""The encoder and the decoder of an autoencoder: convolutions that make an image smaller by a factor, and undo it.

    image -> fold -> conv -> [level 0 .. level n] -> two blocks -> norm, SiLU, conv -> mean, log variance
    image <- unfold <- conv <- [level 0 .. level n] <- two blocks <- conv <- latent

There are no skip connections, and no attention: what a latent says of a place depends on the neighbourhood alone, up to
the statistics of normalisation.
"""

from typing import Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from restain.config import Config
from restain.errors import DataError
from restain.nn.layers import Downsample, ResidualBlock, Upsample, group_norm


@final
class LatentConfig(Config):
    """Size and shape of an encoder and its decoder."""

    width: int = 64
    """Channels of the first level; 128 in the official networks."""
    multipliers: tuple[int, ...] = (1, 2, 4)
    """Width of each level as a multiple of `width`; three levels make images smaller by 4, as published for bridges."""
    blocks: int = Field(default=2, ge=1)
    """Residual blocks per level of the encoder; one more in the decoder."""
    channels: int = Field(default=3, ge=1)
    """Channels of the latent; with 3 at a quarter of the side it holds a sixteenth of the numbers of a colour image."""
    fold: int = Field(default=1, ge=1)
    """Side of the pixel squares folded into channels at the entrance; 2 saves the costly level of full resolution."""

    @property
    def factor(self) -> int:
        """By how much the sides shrink."""
        factor: int = self.fold * 2 ** (len(self.multipliers) - 1)
        return factor

    @property
    def widths(self) -> list[int]:
        """Channels of each level."""
        return [self.width * multiplier for multiplier in self.multipliers]

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if not self.multipliers or any(width < 4 or width % 4 for width in self.widths):
            raise ValueError(f"level widths {self.widths} must divide by 4, the size of a group of the normalisation")
        return self


@final
class LatentEncoder(nn.Module):
    """From images to the law of their latents.

    Args:
        config: size and shape.
        in_channels: channels of the images.
    """

    def __init__(self, config: LatentConfig, in_channels: int) -> None:
        super().__init__()
        self.fold, self.factor, widths = config.fold, config.factor, config.widths
        layers: list[nn.Module] = [nn.Conv2d(in_channels * config.fold**2, widths[0], 3, padding=1)]
        channels = widths[0]
        for level, width in enumerate(widths):
            if level:
                layers.append(Downsample(channels))
            for _ in range(config.blocks):
                layers.append(_block(channels, width))
                channels = width
        self.body = nn.Sequential(*layers, _block(channels, channels), _block(channels, channels))
        self.exit_norm = group_norm(channels)
        self.exit = nn.Conv2d(channels, 2 * config.channels, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, image: Tensor) -> tuple[Tensor, Tensor]:
        """Map (B, in_channels, H, W) to mean and logarithm of the variance, (B, latent channels, H / N, W / N) each.

        Raises:
            DataError: H or W is not a multiple of N, ``config.factor``.
        """
        if image.shape[2] % self.factor or image.shape[3] % self.factor:
            raise DataError(
                f"an image of {image.shape[3]} x {image.shape[2]} px does not fit an encoder that shrinks it by "
                f"{self.factor}",
                fix=f"use tiles with sides that are multiples of {self.factor}",
            )
        h = self.body(functional.pixel_unshuffle(image, self.fold))
        moments: Tensor = self.exit(functional.silu(self.exit_norm(h))).float()
        mean, log_variance = moments.chunk(2, dim=1)
        return mean, log_variance.clamp(-30, 20)  # the exponential stays finite


@final
class LatentDecoder(nn.Module):
    """From latents to images.

    Args:
        config: size and shape.
        out_channels: channels of the images.
    """

    def __init__(self, config: LatentConfig, out_channels: int) -> None:
        super().__init__()
        self.fold, widths = config.fold, config.widths
        channels = widths[-1]
        layers: list[nn.Module] = [nn.Conv2d(config.channels, channels, 3, padding=1)]
        layers += [_block(channels, channels), _block(channels, channels)]
        for level, width in reversed(list(enumerate(widths))):
            for _ in range(config.blocks + 1):
                layers.append(_block(channels, width))
                channels = width
            if level:
                layers.append(Upsample(channels))
        self.body = nn.Sequential(*layers)
        self.exit_norm = group_norm(channels)
        self.exit = nn.Conv2d(channels, out_channels * config.fold**2, 3, padding=1)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, latent: Tensor) -> Tensor:
        """Map (B, latent channels, H, W) to (B, out_channels, N H, N W), float32."""
        h = functional.silu(self.exit_norm(self.body(latent)))
        image: Tensor = functional.pixel_shuffle(self.exit(h), self.fold).float()
        return image


def _block(channels: int, out: int) -> ResidualBlock:
    return ResidualBlock(channels, out, embedding=0, dropout=0.0)
