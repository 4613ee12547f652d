"""The size and shape of a UNet."""

from typing import Self, final

from pydantic import model_validator

from restain.config import Config


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

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of every level."""
        return tuple(self.width * multiplier for multiplier in self.multipliers)

    @property
    def embedding(self) -> int:
        """Width of embeddings of time and of labels."""
        return 4 * self.width

    @model_validator(mode="after")
    def _fits(self) -> Self:
        if any(not 0 <= level < len(self.multipliers) for level in self.attention):
            raise ValueError(f"attention names a level outside 0 .. {len(self.multipliers) - 1}")
        widths = list(self.widths)
        if any(width % (self.heads or 4) for width in widths):
            raise ValueError(f"level widths {widths} do not divide by {self.heads or 4} (heads, or groups of four)")
        return self
