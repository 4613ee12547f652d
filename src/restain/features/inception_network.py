"""The Inception-v3 of the FID: Szegedy et al., Rethinking the Inception architecture, 2016, as Heusel et al. used it.

The weights are those of TensorFlow's network of 2015-12-05, and names of the parts are those of the file that carries
them to torch. Two things differ from other Inception-v3s: averages over 3 x 3 places leave out what lies beyond the
border, and the last block takes the maximum over them instead.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

CLASSES = 1008
"""Outputs of the head in the file; it is not used here."""


@final
@dataclass(frozen=True, slots=True)
class _Step:
    """One convolution of a block.

    Args:
        name: in the file.
        after: name of the step whose result it takes; "" for what enters the block, "pool" for its pooled form.
        channels: that it makes.
        kernel: height and width.
        stride: 1, with the border padded, or 2, without.
    """

    name: str
    after: str
    channels: int
    kernel: tuple[int, int] = (1, 1)
    stride: int = 1


def _pool(channels: int) -> _Step:
    return _Step("branch_pool", "pool", channels)


def _fine(pooled: int) -> tuple[_Step, ...]:
    """Return the blocks of 35 x 35 places (figure 5 of the paper)."""
    return (
        _Step("branch1x1", "", 64),
        _Step("branch5x5_1", "", 48),
        _Step("branch5x5_2", "branch5x5_1", 64, (5, 5)),
        _Step("branch3x3dbl_1", "", 64),
        _Step("branch3x3dbl_2", "branch3x3dbl_1", 96, (3, 3)),
        _Step("branch3x3dbl_3", "branch3x3dbl_2", 96, (3, 3)),
        _pool(pooled),
    )


def _middle(inner: int) -> tuple[_Step, ...]:
    """Return the blocks of 17 x 17 places, with 7 x 7 windows split in rows and columns (figure 6)."""
    row, column = (1, 7), (7, 1)
    return (
        _Step("branch1x1", "", 192),
        _Step("branch7x7_1", "", inner),
        _Step("branch7x7_2", "branch7x7_1", inner, row),
        _Step("branch7x7_3", "branch7x7_2", 192, column),
        _Step("branch7x7dbl_1", "", inner),
        _Step("branch7x7dbl_2", "branch7x7dbl_1", inner, column),
        _Step("branch7x7dbl_3", "branch7x7dbl_2", inner, row),
        _Step("branch7x7dbl_4", "branch7x7dbl_3", inner, column),
        _Step("branch7x7dbl_5", "branch7x7dbl_4", 192, row),
        _pool(192),
    )


FIRST_SHRINK = (
    _Step("branch3x3", "", 384, (3, 3), 2),
    _Step("branch3x3dbl_1", "", 64),
    _Step("branch3x3dbl_2", "branch3x3dbl_1", 96, (3, 3)),
    _Step("branch3x3dbl_3", "branch3x3dbl_2", 96, (3, 3), 2),
)
"""From 35 to 17 places (figure 10)."""

SECOND_SHRINK = (
    _Step("branch3x3_1", "", 192),
    _Step("branch3x3_2", "branch3x3_1", 320, (3, 3), 2),
    _Step("branch7x7x3_1", "", 192),
    _Step("branch7x7x3_2", "branch7x7x3_1", 192, (1, 7)),
    _Step("branch7x7x3_3", "branch7x7x3_2", 192, (7, 1)),
    _Step("branch7x7x3_4", "branch7x7x3_3", 192, (3, 3), 2),
)
"""From 17 to 8 places."""

COARSE = (
    _Step("branch1x1", "", 320),
    _Step("branch3x3_1", "", 384),
    _Step("branch3x3_2a", "branch3x3_1", 384, (1, 3)),
    _Step("branch3x3_2b", "branch3x3_1", 384, (3, 1)),
    _Step("branch3x3dbl_1", "", 448),
    _Step("branch3x3dbl_2", "branch3x3dbl_1", 384, (3, 3)),
    _Step("branch3x3dbl_3a", "branch3x3dbl_2", 384, (1, 3)),
    _Step("branch3x3dbl_3b", "branch3x3dbl_2", 384, (3, 1)),
    _pool(192),
)
"""The blocks of 8 x 8 places, with windows side by side (figure 7)."""


@final
class InceptionNetwork(nn.Module):
    """Images to the 2048 means over the places of the last map (``pool3``)."""

    dimension = 2048

    def __init__(self) -> None:
        super().__init__()
        self.Conv2d_1a_3x3 = _Convolution(3, 32, (3, 3), stride=2)
        self.Conv2d_2a_3x3 = _Convolution(32, 32, (3, 3))
        self.Conv2d_2b_3x3 = _Convolution(32, 64, (3, 3), padding=(1, 1))
        self.Conv2d_3b_1x1 = _Convolution(64, 80, (1, 1))
        self.Conv2d_4a_3x3 = _Convolution(80, 192, (3, 3))
        self.Mixed_5b = _Block(192, _fine(32))
        self.Mixed_5c = _Block(256, _fine(64))
        self.Mixed_5d = _Block(288, _fine(64))
        self.Mixed_6a = _Block(288, FIRST_SHRINK)
        self.Mixed_6b = _Block(768, _middle(128))
        self.Mixed_6c = _Block(768, _middle(160))
        self.Mixed_6d = _Block(768, _middle(160))
        self.Mixed_6e = _Block(768, _middle(192))
        self.Mixed_7a = _Block(768, SECOND_SHRINK)
        self.Mixed_7b = _Block(1280, COARSE)
        self.Mixed_7c = _Block(2048, COARSE, largest=True)
        self.fc = nn.Linear(self.dimension, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        """Return (B, 2048) of images (B, 3, H, W) in [-1, 1], at least 75 pixels wide and high; the FID takes 299."""
        x = self.Conv2d_2b_3x3(self.Conv2d_2a_3x3(self.Conv2d_1a_3x3(x)))
        x = self.Conv2d_4a_3x3(self.Conv2d_3b_1x1(functional.max_pool2d(x, 3, stride=2)))
        x = functional.max_pool2d(x, 3, stride=2)
        for block in (self.Mixed_5b, self.Mixed_5c, self.Mixed_5d, self.Mixed_6a, self.Mixed_6b, self.Mixed_6c):
            x = block(x)
        for block in (self.Mixed_6d, self.Mixed_6e, self.Mixed_7a, self.Mixed_7b, self.Mixed_7c):
            x = block(x)
        return x.mean((2, 3))


@final
class _Block(nn.Module):
    """Chains of convolutions side by side; what no step takes up, and a pool where a block shrinks, leaves it.

    Args:
        channels: that enter.
        steps: in the order in which results are stacked.
        largest: whether the pool of a block that does not shrink is the maximum instead of the mean.
    """

    def __init__(self, channels: int, steps: tuple[_Step, ...], *, largest: bool = False) -> None:
        super().__init__()
        self.steps, self.largest = steps, largest
        self.shrinks = any(step.stride > 1 for step in steps)
        widths = {"": channels, "pool": channels} | {step.name: step.channels for step in steps}
        for step in steps:
            padding = (0, 0) if step.stride > 1 else (step.kernel[0] // 2, step.kernel[1] // 2)
            self.add_module(
                step.name, _Convolution(widths[step.after], step.channels, step.kernel, step.stride, padding)
            )

    def forward(self, x: Tensor) -> Tensor:
        results = {"": x, "pool": self._pool(x)}
        for step in self.steps:
            results[step.name] = getattr(self, step.name)(results[step.after])
        taken = {step.after for step in self.steps}
        leaving = [results[step.name] for step in self.steps if step.name not in taken]
        return torch.cat(leaving if "pool" in taken else [*leaving, results["pool"]], dim=1)

    def _pool(self, x: Tensor) -> Tensor:
        if self.shrinks:
            return functional.max_pool2d(x, 3, stride=2)
        if self.largest:
            return functional.max_pool2d(x, 3, stride=1, padding=1)
        return functional.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


@final
class _Convolution(nn.Module):
    """Convolution, norm by constants, ReLU."""

    def __init__(
        self,
        channels: int,
        out: int,
        kernel: tuple[int, int],
        stride: int = 1,
        padding: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.conv = nn.Conv2d(channels, out, kernel, stride, padding, bias=False)
        self.bn = nn.BatchNorm2d(out, eps=0.001)

    def forward(self, x: Tensor) -> Tensor:
        return functional.relu(self.bn(self.conv(x)))
