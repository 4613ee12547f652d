"""The parts of a UNet: residual block, self-attention, resampling, time embedding."""

import math
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

HEAD_CHANNELS = 64
"""Width of an attention head where the number of heads is not asked for: narrow heads waste time on every device."""


def group_norm(channels: int) -> nn.GroupNorm:
    """Return GroupNorm with groups of at least four channels and at most 32 groups (Wu and He, 2018)."""
    return nn.GroupNorm(math.gcd(32, channels // 4), channels)


def zero_init(layer: nn.Conv2d) -> nn.Conv2d:
    """Start a layer at zero, so that its branch begins as the identity."""
    nn.init.zeros_(layer.weight)
    if layer.bias is not None:
        nn.init.zeros_(layer.bias)
    return layer


@final
class TimeEmbedding(nn.Module):
    """Sinusoids of a time in [0, 1] and a two-layer network (Vaswani et al., 2017; Ho et al., 2020).

    Args:
        width: number of sinusoids; even.
        out: width of the result.
    """

    frequencies: Tensor

    def __init__(self, width: int, out: int) -> None:
        super().__init__()
        half = width // 2
        # 1000 t keeps the embedding equal to the usual one of integer steps 1 .. 1000, whatever the number of steps.
        frequencies = 1000 * torch.exp(-math.log(10_000) * torch.arange(half) / half)
        self.register_buffer("frequencies", frequencies, persistent=False)
        self.net = nn.Sequential(nn.Linear(width, out), nn.SiLU(), nn.Linear(out, out))

    def forward(self, time: Tensor) -> Tensor:
        """Embed a time (B,) in [0, 1] as (B, out)."""
        angle = time.float()[:, None] * self.frequencies
        embedded: Tensor = self.net(torch.cat([angle.cos(), angle.sin()], dim=1))
        return embedded


@final
class ResidualBlock(nn.Module):
    """GroupNorm - SiLU - convolution, twice; time enters as scale and shift of the second norm (Nichol, Dhariwal 2021).

    Args:
        channels: width of the input.
        out: width of the result.
        embedding: width of the time embedding, or 0 where there is no time.
        dropout: probability, before the second convolution.
    """

    def __init__(self, channels: int, out: int, *, embedding: int, dropout: float) -> None:
        super().__init__()
        self.norm_in = group_norm(channels)
        self.conv_in = nn.Conv2d(channels, out, 3, padding=1)
        self.norm_out = group_norm(out)
        self.dropout = nn.Dropout(dropout)
        self.conv_out = zero_init(nn.Conv2d(out, out, 3, padding=1))
        self.skip = nn.Conv2d(channels, out, 1) if channels != out else nn.Identity()
        self.scale_shift = nn.Linear(embedding, 2 * out) if embedding else None

    def forward(self, x: Tensor, embedded: Tensor | None = None) -> Tensor:
        """Map (B, channels, H, W) to (B, out, H, W)."""
        h = self.norm_out(self.conv_in(functional.silu(self.norm_in(x))))
        if self.scale_shift is not None and embedded is not None:
            scale, shift = self.scale_shift(functional.silu(embedded))[:, :, None, None].chunk(2, dim=1)
            h = h * (1 + scale) + shift
        residual: Tensor = self.conv_out(self.dropout(functional.silu(h)))
        skipped: Tensor = self.skip(x)
        return skipped + residual


@final
class SelfAttention(nn.Module):
    """Softmax attention of all pixels to all pixels, added to the input.

    Args:
        channels: width.
        heads: number of heads, or None for heads of ``HEAD_CHANNELS`` channels.
    """

    def __init__(self, channels: int, heads: int | None) -> None:
        super().__init__()
        self.heads = heads or max(1, channels // HEAD_CHANNELS)
        self.norm = group_norm(channels)
        self.qkv = nn.Conv2d(channels, 3 * channels, 1)
        self.out = zero_init(nn.Conv2d(channels, channels, 1))

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, channels, H, W) to the same shape."""
        batch, channels, height, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, 3, self.heads, channels // self.heads, height * width)
        q, k, v = qkv.transpose(3, 4).unbind(1)
        attended = functional.scaled_dot_product_attention(q, k, v)  # softmax(q k^T / sqrt(d)) v
        mixed: Tensor = self.out(attended.transpose(2, 3).reshape(batch, channels, height, width))
        return x + mixed


@final
class Downsample(nn.Module):
    """Halve the sides by a strided convolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, H/2, W/2)."""
        halved: Tensor = self.conv(x)
        return halved


@final
class Upsample(nn.Module):
    """Double the sides by repetition, then convolve, which leaves no checkerboard (Odena et al., 2016)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, 2H, 2W)."""
        doubled: Tensor = self.conv(functional.interpolate(x, scale_factor=2.0, mode="nearest"))
        return doubled
