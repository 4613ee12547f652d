"""ResNet-18: He et al., "Deep residual learning for image recognition" (2016), table 1, with a choice of width.

A stem of 7 x 7 pixels halves the image twice, four stages of two blocks each double the channels and halve the sides,
and the features are the means over the places of the last map.
"""

from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

STAGES = 4
"""Each doubles the channels; the stem and the stages but the first halve the sides, so one place stands for 32 px."""


@final
class ResNet18(nn.Module):
    """Images to features, and to the logits of classes.

    Batches are normalised while it learns, by constants afterwards. A norm per image would hide contrast and colour.

    Attributes:
        dimension: numbers per image, 8 times the width.

    Args:
        classes: how many it tells apart.
        width: channels of the first stage; 64 in the paper.
    """

    def __init__(self, classes: int, width: int = 64) -> None:
        super().__init__()
        widths = [width * 2**stage for stage in range(STAGES)]
        self.dimension = widths[-1]
        self.stem = _convolution(3, width, side=7, stride=2)
        self.stages = nn.Sequential(
            *(
                nn.Sequential(_Block(before, after, stride=1 if stage == 0 else 2), _Block(after, after, stride=1))
                for stage, (before, after) in enumerate(zip([width, *widths], widths, strict=False))
            )
        )
        self.head = nn.Linear(self.dimension, classes)
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                nn.init.kaiming_normal_(module.weight, mode="fan_out", nonlinearity="relu")
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def features(self, x: Tensor) -> Tensor:
        """Return (B, dimension) of images (B, 3, H, W) in [-1, 1]."""
        x = functional.max_pool2d(functional.relu(self.stem(x)), 3, stride=2, padding=1)
        places: Tensor = self.stages(x)
        return places.float().mean((2, 3))

    def forward(self, x: Tensor) -> Tensor:
        """Return the logits (B, classes) of images (B, 3, H, W) in [-1, 1]."""
        logits: Tensor = self.head(self.features(x))
        return logits


@final
class _Block(nn.Module):
    """Two convolutions beside a skip, which is a convolution of one pixel where the shape changes (option B)."""

    def __init__(self, channels: int, out: int, stride: int) -> None:
        super().__init__()
        self.first = _convolution(channels, out, side=3, stride=stride)
        self.second = _convolution(out, out, side=3, stride=1)
        changes = stride > 1 or channels != out
        self.skip = _convolution(channels, out, side=1, stride=stride) if changes else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.skip(x) + self.second(functional.relu(self.first(x))))


def _convolution(channels: int, out: int, *, side: int, stride: int) -> nn.Sequential:
    return nn.Sequential(nn.Conv2d(channels, out, side, stride, side // 2, bias=False), nn.BatchNorm2d(out))
