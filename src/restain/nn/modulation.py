"""How the features of one network act on those of another, level by level.

Source: Kataria et al., "StainDiffuser: Multi-task diffusion model for virtual staining" (2024), who compute attention
from the features F_k of an encoder of the source, and let it modulate the features h of the network that denoises. They
do not print the formula; these are its readings::

    xattn    h + W_o softmax(Q(h) K(F)^T / sqrt(d) - s r^2) V(F)     what the source shows is looked up
    he_qk    h + W_o softmax(Q(F) K(F)^T / sqrt(d) - s r^2) V(h)     the source only routes: none of its content enters
    gate     h (1 + tanh G(F)) + S(F)                                pixel by pixel, without attention (as SPADE)

``r`` is the distance of two places in pixels of the level and ``s`` a rate of each head (after Press et al., "Train
short, test long", 2022). Without that term attention cannot tell that a place of h and the same place of F belong
together as long as h is noise, where sampling begins. It does not depend on the extent of a tile, as codes of absolute
position do.

Everything that depends on the source alone is prepared once and serves all steps of a sampler.
"""

import math
from abc import ABC, abstractmethod
from typing import Literal, Self, final

import torch
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from restain.config import Config
from restain.errors import ConfigError, DataError
from restain.nn.layers import HEAD_CHANNELS, group_norm, zero_init

Context = tuple[Tensor, ...]
"""What a modulation needs of the source's features."""

RATES = (0.05, 2.0)
"""Rates s of the widest and the narrowest head, the others between: they see 3 pixels, or half a pixel, around a
place."""


@final
class ModulationConfig(Config):
    """How the source's features act on the network that denoises."""

    form: Literal["xattn", "he_qk", "gate", "concat"] = "xattn"
    """`xattn` looks up what the source shows; `he_qk` is the literal reading, `gate` the cheapest; `concat` does
    without an encoder and lays the source beside the noisy target, which is the ablation."""
    window: int = Field(default=8, ge=1)
    """Side of the windows in which attention looks, in pixels of the level; full attention at full size is infeasible:
    16384^2 products at 128 x 128."""
    global_levels: tuple[int, ...] = ()
    """Levels where attention sees all of the tile instead, as the paper's lowest may; on slides windows make tiles of
    any size agree."""
    near: bool = True
    """Whether attention prefers near places, by the term - s r^2, which the paper does not have."""
    heads: int | None = Field(default=None, ge=1)
    """Attention heads; null gives heads of 64 channels, and two at least, one wide and one narrow."""

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if self.form in ("gate", "concat") and self.global_levels:
            raise ValueError(f"global_levels are of attention, which {self.form!r} has none of")
        return self


class Modulation(nn.Module, ABC):
    """Lets features of the source act on features of one level."""

    source_channels: int
    """Channels of the source's features."""

    @abstractmethod
    def prepare(self, feature: Tensor) -> Context:
        """Return what depends on the source's features (B, C', H, W) alone."""

    @abstractmethod
    def forward(self, h: Tensor, context: Context) -> Tensor:
        """Return the modulated h, (B, C, H, W) as it came."""


def build_modulation(config: ModulationConfig, level: int, channels: int, source_channels: int) -> Modulation:
    """Build the modulation of one level.

    Args:
        config: which form; not ``concat``.
        level: its number.
        channels: of h.
        source_channels: of the source's features.

    Raises:
        ValueError: ``concat``, which modulates nothing.
    """
    window = None if level in config.global_levels else config.window
    match config.form:
        case "xattn":
            return CrossAttention(
                channels, source_channels, LocalAttention(channels, config.heads, window, near=config.near)
            )
        case "he_qk":
            return RoutingAttention(
                channels, source_channels, LocalAttention(channels, config.heads, window, near=config.near)
            )
        case "gate":
            return Gate(channels, source_channels)
        case "concat":
            raise ValueError("the form concat has no modulation")


@final
class CrossAttention(Modulation):
    """Queries from h, keys and values from the source: h + W_o softmax(Q K^T / sqrt(d) - s r^2) V."""

    def __init__(self, channels: int, source_channels: int, attention: "LocalAttention") -> None:
        super().__init__()
        self.source_channels = source_channels
        self.norm, self.norm_source = nn.LayerNorm(channels), nn.LayerNorm(source_channels)
        self.query = nn.Linear(channels, channels)
        self.key_value = nn.Linear(source_channels, 2 * channels)
        self.out = _zero_linear(channels)
        self.attention = attention

    def prepare(self, feature: Tensor) -> Context:
        """Return keys and values, (windows, tokens, C)."""
        k, v = self.key_value(self.norm_source(self.attention.cut(feature))).chunk(2, dim=-1)
        return k, v

    def forward(self, h: Tensor, context: Context) -> Tensor:
        """Add what the source shows at and around every place."""
        k, v = context
        q = self.query(self.norm(self.attention.cut(h)))
        return h + self.attention.join(self.out(self.attention(q, k, v, h)), h)


@final
class RoutingAttention(Modulation):
    """Queries and keys from the source, values from h: h + W_o softmax(Q K^T / sqrt(d) - s r^2) V."""

    def __init__(self, channels: int, source_channels: int, attention: "LocalAttention") -> None:
        super().__init__()
        self.source_channels = source_channels
        self.norm, self.norm_source = nn.LayerNorm(channels), nn.LayerNorm(source_channels)
        self.query_key = nn.Linear(source_channels, 2 * channels)
        self.value = nn.Linear(channels, channels)
        self.out = _zero_linear(channels)
        self.attention = attention

    def prepare(self, feature: Tensor) -> Context:
        """Return queries and keys, (windows, tokens, C)."""
        q, k = self.query_key(self.norm_source(self.attention.cut(feature))).chunk(2, dim=-1)
        return q, k

    def forward(self, h: Tensor, context: Context) -> Tensor:
        """Mix places of h that the source finds alike."""
        q, k = context
        v = self.value(self.norm(self.attention.cut(h)))
        return h + self.attention.join(self.out(self.attention(q, k, v, h)), h)


@final
class Gate(Modulation):
    """A factor and a shift for every pixel: h (1 + tanh G(F)) + S(F)."""

    def __init__(self, channels: int, source_channels: int) -> None:
        super().__init__()
        self.source_channels = source_channels
        self.norm = group_norm(source_channels)
        self.factor = zero_init(nn.Conv2d(source_channels, channels, 1))
        self.shift = zero_init(nn.Conv2d(source_channels, channels, 1))

    def prepare(self, feature: Tensor) -> Context:
        """Return factor and shift."""
        return 1 + torch.tanh(self.factor(self.norm(feature))), self.shift(feature)

    def forward(self, h: Tensor, context: Context) -> Tensor:
        """Scale and shift."""
        factor, shift = context
        return h * factor + shift


@final
class LocalAttention(nn.Module):
    """Softmax attention within windows, or within the whole map, that prefers near places.

    Args:
        channels: width.
        heads: their number; None for heads of ``HEAD_CHANNELS`` channels, and two at least.
        window: side of the windows; None for the whole map.
        near: whether near places are preferred.

    Raises:
        ConfigError: heads that do not divide the width.
    """

    rates: Tensor

    def __init__(self, channels: int, heads: int | None, window: int | None, *, near: bool) -> None:
        super().__init__()
        self.heads = heads or max(2, channels // HEAD_CHANNELS)
        if channels % self.heads:
            raise ConfigError(
                f"{channels} channels cannot be shared among {self.heads} heads of attention",
                fix="set modulation.heads to a number that divides the widths of all levels",
            )
        self.window = window
        rates = torch.logspace(math.log10(RATES[0]), math.log10(RATES[1]), self.heads)
        self.register_buffer("rates", rates * near, persistent=False)

    def cut(self, x: Tensor) -> Tensor:
        """Cut a map (B, C, H, W) into windows of tokens, (windows, tokens, C).

        Raises:
            DataError: H or W is not a multiple of the window.
        """
        batch, channels, height, width = x.shape
        rows, columns = self._window(height, width)
        if height % rows or width % columns:
            raise DataError(
                f"windows of {rows} px do not fit a map of {width} x {height} px", fix="choose another window or tile"
            )
        shape = (batch, height // rows, rows, width // columns, columns, channels)
        return x.permute(0, 2, 3, 1).reshape(shape).transpose(2, 3).reshape(-1, rows * columns, channels)

    def join(self, tokens: Tensor, like: Tensor) -> Tensor:
        """Put windows together again as a map of the size of ``like``."""
        batch, channels, height, width = like.shape
        rows, columns = self._window(height, width)
        shape = (batch, height // rows, width // columns, rows, columns, channels)
        return tokens.reshape(shape).transpose(2, 3).reshape(batch, height, width, channels).permute(0, 3, 1, 2)

    def forward(self, q: Tensor, k: Tensor, v: Tensor, like: Tensor) -> Tensor:
        """Return softmax(q k^T / sqrt(d) - s r^2) v.

        Args:
            q: (windows, tokens, C), as k and v.
            k: keys.
            v: values.
            like: a map of the size of that which was cut into windows.
        """
        rows, columns = self._window(*like.shape[2:])
        nearness = -self.rates[:, None, None] * _squared_distance(rows, columns, q.device)
        # On CPUs the fused kernel goes back through float32 six times faster than through bfloat16.
        kind = torch.float32 if q.device.type == "cpu" else q.dtype
        with torch.autocast("cpu", enabled=False):
            shape = (*q.shape[:2], self.heads, -1)
            q_h, k_h, v_h = (each.to(kind).reshape(shape).transpose(1, 2) for each in (q, k, v))
            attended = functional.scaled_dot_product_attention(q_h, k_h, v_h, attn_mask=nearness.to(kind)[None])
        return attended.transpose(1, 2).flatten(2).to(v.dtype)

    def _window(self, height: int, width: int) -> tuple[int, int]:
        """Return height and width of windows: a map smaller than one is a window of its own."""
        if self.window is None:
            return height, width
        return min(self.window, height), min(self.window, width)


def _zero_linear(channels: int) -> nn.Linear:
    """Return a layer that starts at zero, so that its branch begins as the identity."""
    layer = nn.Linear(channels, channels)
    nn.init.zeros_(layer.weight)
    nn.init.zeros_(layer.bias)
    return layer


def _squared_distance(rows: int, columns: int, device: torch.device) -> Tensor:
    """Return r^2 between all pixels of a window, (tokens, tokens)."""
    y, x = torch.meshgrid(torch.arange(rows, device=device), torch.arange(columns, device=device), indexing="ij")
    place = torch.stack([y.flatten(), x.flatten()], dim=1).float()
    return (place[:, None] - place[None, :]).square().sum(-1)
