"""The one UNet that serves every method: with or without time, any number of channels, levels and attention levels.

Plan (Ho et al. 2020; Dhariwal and Nichol 2021)::

    x -> fold -> conv -> [level 0 .. level n] -> middle -> [level n .. level 0] -> norm, SiLU, conv -> unfold -> y
                              |____________ skip connections _____________|

Each level is some residual blocks, each followed by self-attention where asked; the sides halve between levels. The way
down is an ``Encoder``. Another network may modulate its last feature map on every level, see ``modulation``.
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from restain.nn.encoder import Encoder, attend
from restain.nn.layers import ResidualBlock, SelfAttention, TimeEmbedding, Upsample, group_norm, zero_init
from restain.nn.modulation import Context, Modulation
from restain.nn.unet_config import UNetConfig


@final
class UNet(nn.Module):
    """A UNet with scale-shift time conditioning.

    Args:
        config: size and shape.
        in_channels: channels of the input.
        out_channels: channels of the output.
        time: whether the network knows a time; regression does not.
        labels: number of labels it can be told beside the time, such as directions or stains; 0 for none.
        modulations: what lets the features of another network act on the way down, one per level; none if empty.
    """

    def __init__(
        self,
        config: UNetConfig,
        in_channels: int,
        out_channels: int,
        *,
        time: bool,
        labels: int = 0,
        modulations: Sequence[Modulation] = (),
    ) -> None:
        super().__init__()
        embedding = config.embedding if time or labels else 0

        def block(channels: int, out: int) -> ResidualBlock:
            return ResidualBlock(channels, out, embedding=embedding, dropout=config.dropout)

        self.fold = config.fold
        self.time = TimeEmbedding(config.width, embedding) if time else None
        self.label = nn.Embedding(labels, embedding) if labels else None
        self.down = Encoder(config, in_channels, embedding=embedding)
        self.modulations = nn.ModuleList(modulations)
        self.multiple = self.down.multiple
        """Sides of the input must be multiples of this."""

        channels, skips = config.widths[-1], list(self.down.skip_widths)
        self.middle_in, self.middle_out = block(channels, channels), block(channels, channels)
        self.middle_attention = SelfAttention(channels, config.heads) if config.middle_attention else nn.Identity()

        self.up, self.up_attention, self.grow = nn.ModuleList(), nn.ModuleList(), nn.ModuleList()
        for level in reversed(range(len(config.widths))):
            for _ in range(config.blocks + 1):
                self.up.append(block(channels + skips.pop(), config.widths[level]))
                self.up_attention.append(attend(config, level))
                channels = config.widths[level]
            if level:
                self.grow.append(Upsample(channels))

        self.exit_norm = group_norm(channels)
        self.exit = zero_init(nn.Conv2d(channels, out_channels * config.fold**2, 3, padding=1))
        self._per_level = config.blocks + 1
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def forward(
        self,
        x: Tensor,
        time: Tensor | None = None,
        *,
        label: Tensor | None = None,
        context: Sequence[Context] = (),
    ) -> Tensor:
        """Map (B, in_channels, H, W) to (B, out_channels, H, W).

        Args:
            x: the images.
            time: (B,) in [0, 1].
            label: (B,) integers.
            context: from ``contexts``, for a network with modulations.

        Raises:
            DataError: H or W is not a multiple of ``multiple``.
        """
        embedded = self._embed(time, label)

        def modulate(level: int, h: Tensor) -> Tensor:
            modulated: Tensor = self.modulations[level](h, context[level])
            return modulated

        skips: list[Tensor] = self.down(x, embedded, modulate if context else None)
        h = self.middle_out(self.middle_attention(self.middle_in(skips[-1], embedded)), embedded)
        for index, (block, attention) in enumerate(zip(self.up, self.up_attention, strict=True)):
            if index and index % self._per_level == 0:
                h = self.grow[index // self._per_level - 1](h)
            h = attention(block(torch.cat([h, skips.pop()], dim=1), embedded))
        y: Tensor = self.exit(functional.silu(self.exit_norm(h)))
        return functional.pixel_shuffle(y, self.fold)

    def features(self, x: Tensor, time: Tensor | None = None) -> list[Tensor]:
        """Return the last feature map of every level on the way down, finest first (for contrastive losses)."""
        return self.down.features(x, self._embed(time, None))

    def contexts(self, features: Sequence[Tensor]) -> list[Context]:
        """Return what the modulations need of another network's features, F_1, F_2, ...: once for all times."""
        found = []
        for modulation, feature in zip(self.modulations, features, strict=True):
            assert isinstance(modulation, Modulation)
            found.append(modulation.prepare(feature))
        return found

    def _embed(self, time: Tensor | None, label: Tensor | None) -> Tensor | None:
        told: list[Tensor] = []
        if self.time is not None and time is not None:
            told.append(self.time(time))
        if self.label is not None and label is not None:
            told.append(self.label(label))
        return torch.stack(told).sum(0) if told else None
