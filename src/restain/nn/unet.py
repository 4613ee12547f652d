"""The one UNet that serves every method: with or without time, any number of channels, levels and attention levels.

Plan (Ho et al. 2020; Dhariwal and Nichol 2021)::

    x -> fold -> conv -> [level 0 .. level n] -> middle -> [level n .. level 0] -> norm, SiLU, conv -> unfold -> y
                              |____________ skip connections _____________|

Each level is some residual blocks, each followed by self-attention where asked; the sides halve between levels.
"""

from typing import Self, final

import torch
from pydantic import model_validator
from torch import Tensor, nn
from torch.nn import functional

from restain.config import Config
from restain.errors import DataError
from restain.nn.layers import Downsample, ResidualBlock, SelfAttention, TimeEmbedding, Upsample, group_norm, zero_init


@final
class UNetConfig(Config):
    """Size and shape of a UNet, except its input and output channels, which the method knows."""

    width: int = 64
    """Channels of the first level; 64 trains overnight on one GPU at 128 px."""
    multipliers: tuple[int, ...] = (1, 2, 4, 8)
    """Width of each level as a multiple of `width`; its length is the number of levels."""
    blocks: int = 2
    """Residual blocks per level on the way down; one more on the way up."""
    attention: tuple[int, ...] = (3,)
    """Levels with self-attention; the cost grows with the fourth power of the side, so low resolutions only."""
    heads: int | None = None
    """Attention heads; None gives heads of 64 channels, the fastest on every device."""
    middle_attention: bool = True
    """Self-attention between the two middle blocks; without any attention a tile is indifferent to its extent."""
    dropout: float = 0.0
    """Dropout in residual blocks; diffusion models on more than a few thousand tiles rarely need it."""
    fold: int = 1
    """Side of the pixel squares folded into channels at the entrance; 2 makes a full-resolution network 4x cheaper."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(not 0 <= level < len(self.multipliers) for level in self.attention):
            raise ValueError(f"attention names a level outside 0 .. {len(self.multipliers) - 1}")
        widths = [self.width * multiplier for multiplier in self.multipliers]
        if any(width % (self.heads or 4) for width in widths):
            raise ValueError(f"level widths {widths} do not divide by {self.heads or 4} (heads, or groups of four)")
        return self


@final
class UNet(nn.Module):
    """A UNet with scale-shift time conditioning.

    Args:
        config: size and shape.
        in_channels: channels of the input.
        out_channels: channels of the output.
        time: whether the network knows a time; regression does not.
    """

    def __init__(self, config: UNetConfig, in_channels: int, out_channels: int, *, time: bool) -> None:
        super().__init__()
        embedding = 4 * config.width if time else 0
        widths = [config.width * multiplier for multiplier in config.multipliers]

        def block(channels: int, out: int) -> ResidualBlock:
            return ResidualBlock(channels, out, embedding=embedding, dropout=config.dropout)

        def attend(level: int) -> nn.Module:
            return SelfAttention(widths[level], config.heads) if level in config.attention else nn.Identity()

        self.fold = config.fold
        self.multiple = config.fold * 2 ** (len(widths) - 1)
        """Sides of the input must be multiples of this."""
        self.time = TimeEmbedding(config.width, embedding) if time else None
        self.entrance = nn.Conv2d(in_channels * config.fold**2, widths[0], 3, padding=1)

        self.down, self.down_attention, self.shrink = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        channels, skips = widths[0], [widths[0]]
        for level, width in enumerate(widths):
            if level:
                self.shrink.append(Downsample(channels))
                skips.append(channels)
            for _ in range(config.blocks):
                self.down.append(block(channels, width))
                self.down_attention.append(attend(level))
                channels = width
                skips.append(channels)

        self.middle_in, self.middle_out = block(channels, channels), block(channels, channels)
        self.middle_attention = SelfAttention(channels, config.heads) if config.middle_attention else nn.Identity()

        self.up, self.up_attention, self.grow = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(widths))):
            for _ in range(config.blocks + 1):
                self.up.append(block(channels + skips.pop(), widths[level]))
                self.up_attention.append(attend(level))
                channels = widths[level]
            if level:
                self.grow.append(Upsample(channels))

        self.exit_norm = group_norm(channels)
        self.exit = zero_init(nn.Conv2d(channels, out_channels * config.fold**2, 3, padding=1))
        self._blocks = config.blocks
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(self, x: Tensor, time: Tensor | None = None) -> Tensor:
        """Map (B, in_channels, H, W) at a time (B,) in [0, 1] to (B, out_channels, H, W).

        Raises:
            DataError: H or W is not a multiple of ``multiple``.
        """
        embedded, skips = self._embed(time), self._encode(x, time)
        h = self.middle_out(self.middle_attention(self.middle_in(skips[-1], embedded)), embedded)
        per_level = self._blocks + 1
        for index, (block, attention) in enumerate(zip(self.up, self.up_attention, strict=True)):
            if index and index % per_level == 0:
                h = self.grow[index // per_level - 1](h)
            h = attention(block(torch.cat([h, skips.pop()], dim=1), embedded))
        y: Tensor = self.exit(functional.silu(self.exit_norm(h)))
        return functional.pixel_shuffle(y, self.fold)

    def features(self, x: Tensor, time: Tensor | None = None) -> list[Tensor]:
        """Return the last feature map of every level on the way down, finest first (for contrastive losses)."""
        skips = self._encode(x, time)
        return skips[self._blocks :: self._blocks + 1]

    def _embed(self, time: Tensor | None) -> Tensor | None:
        return self.time(time) if self.time is not None and time is not None else None

    def _encode(self, x: Tensor, time: Tensor | None) -> list[Tensor]:
        if x.shape[2] % self.multiple or x.shape[3] % self.multiple:
            raise DataError(
                f"an image of {x.shape[3]} x {x.shape[2]} px does not fit a network that shrinks it by {self.multiple}",
                fix=f"use tiles with sides that are multiples of {self.multiple}",
            )
        embedded = self._embed(time)
        h = self.entrance(functional.pixel_unshuffle(x, self.fold).contiguous(memory_format=torch.channels_last))
        skips = [h]
        for index, (block, attention) in enumerate(zip(self.down, self.down_attention, strict=True)):
            if index and index % self._blocks == 0:
                h = self.shrink[index // self._blocks - 1](h)
                skips.append(h)
            h = attention(block(h, embedded))
            skips.append(h)
        return skips
