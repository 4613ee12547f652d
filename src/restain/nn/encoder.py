"""The way down of a UNet: features of every level, to be skipped to the way up, or to condition another network."""

from collections.abc import Callable
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from restain.errors import DataError
from restain.nn.layers import Downsample, ResidualBlock, SelfAttention
from restain.nn.unet_config import UNetConfig

Modulate = Callable[[int, Tensor], Tensor]
"""(level, its last feature map) -> the map that takes its place."""


@final
class Encoder(nn.Module):
    """Residual blocks on levels whose sides halve, each block followed by self-attention where asked.

    Args:
        config: size and shape; the way up plays no part.
        in_channels: channels of the input.
        embedding: width of what blocks are told (a time); 0 for none.
    """

    def __init__(self, config: UNetConfig, in_channels: int, *, embedding: int = 0) -> None:
        super().__init__()
        widths = config.widths
        self.fold, self.per_level = config.fold, config.blocks
        self.multiple = config.fold * 2 ** (len(widths) - 1)
        """Sides of the input must be multiples of this."""
        self.entrance = nn.Conv2d(in_channels * config.fold**2, widths[0], 3, padding=1)
        self.blocks, self.attention, self.shrink = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        channels, self.skip_widths = widths[0], [widths[0]]
        for level, width in enumerate(widths):
            if level:
                self.shrink.append(Downsample(channels))
                self.skip_widths.append(channels)
            for _ in range(config.blocks):
                self.blocks.append(ResidualBlock(channels, width, embedding=embedding, dropout=config.dropout))
                self.attention.append(attend(config, level))
                channels = width
                self.skip_widths.append(channels)
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, embedded: Tensor | None = None, modulate: Modulate | None = None) -> list[Tensor]:
        """Return every feature map on the way down, the first at the entrance.

        Args:
            x: (B, in_channels, H, W).
            embedded: what blocks are told, (B, embedding).
            modulate: changes the last map of every level.

        Raises:
            DataError: H or W is not a multiple of ``multiple``.
        """
        if x.shape[2] % self.multiple or x.shape[3] % self.multiple:
            raise DataError(
                f"an image of {x.shape[3]} x {x.shape[2]} px does not fit a network that shrinks it by {self.multiple}",
                fix=f"use tiles with sides that are multiples of {self.multiple}",
            )
        h = self.entrance(functional.pixel_unshuffle(x, self.fold).contiguous(memory_format=torch.channels_last))
        maps = [h]
        for index, (block, attention) in enumerate(zip(self.blocks, self.attention, strict=True)):
            level, place = divmod(index, self.per_level)
            if level and not place:
                h = self.shrink[level - 1](h)
                maps.append(h)
            h = attention(block(h, embedded))
            if modulate is not None and place == self.per_level - 1:
                h = modulate(level, h)
            maps.append(h)
        return maps

    def features(self, x: Tensor, embedded: Tensor | None = None) -> list[Tensor]:
        """Return the last feature map of every level, finest first: F_1, F_2, ..."""
        maps: list[Tensor] = self(x, embedded)
        return maps[self.per_level :: self.per_level + 1]


def attend(config: UNetConfig, level: int) -> nn.Module:
    """Return the self-attention of a level, or what takes its place where none is asked for."""
    return SelfAttention(config.widths[level], config.heads) if level in config.attention else nn.Identity()
