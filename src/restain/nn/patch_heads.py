"""Small networks over features at places, one per layer, in whose space patches are compared.

Source: Park et al., "Contrastive learning for unpaired image-to-image translation" (CUT, 2020), section 3.
"""

from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn

from restain.nn.convolution import fresh
from restain.nn.patch_nce import gather_places


@final
class PatchHeads(nn.Module):
    """Two linear layers per feature map: z = W_2 ReLU(W_1 f + b_1) + b_2.

    Args:
        widths: channels of the feature maps.
        out: width of the results.
    """

    def __init__(self, widths: Sequence[int], out: int) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(fresh(nn.Linear(width, out)), nn.ReLU(), fresh(nn.Linear(out, out))) for width in widths
        )

    def forward(self, maps: Sequence[Tensor], places: Sequence[Tensor]) -> list[Tensor]:
        """Return the results (B, N, out) at places (N,) of every map (B, C, H, W)."""
        return [
            head(gather_places(map_, at.expand(len(map_), -1)))
            for head, map_, at in zip(self.heads, maps, places, strict=True)
        ]


def draw_places(maps: Sequence[Tensor], count: int, generator: torch.Generator) -> list[Tensor]:
    """Return at most ``count`` different places (N,) of every map (B, C, H, W), the same for all images."""
    sizes = [(map_.shape[2] * map_.shape[3], map_.device) for map_ in maps]
    return [torch.randperm(size, generator=generator, device=device)[:count] for size, device in sizes]
