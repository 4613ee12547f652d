"""Blurring by a separable kernel, alone, before taking every second pixel, and over and over as a pyramid.

Sources: Zhang, "Making convolutional networks shift-invariant again" (2019), for `BlurPool`; Burt and Adelson, "The
Laplacian pyramid as a compact image code" (1983), for the pyramid.

Equations, with the border mirrored and its pixel not repeated, and D taking every second row and column::

    blur       b * x * b^T                     b has sum one
    blur pool  D (blur x)
    pyramid    g_0 = x,  g_(k+1) = D (blur^n g_k)
"""

import math
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from restain.errors import DataError

BINOMIAL_3 = (1 / 4, 2 / 4, 1 / 4)
"""Kernel of `BlurPool`; it leaves nothing of the frequency that taking every second pixel would fold onto zero."""

BINOMIAL_5 = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)
"""Kernel of Burt and Adelson's pyramid."""

GAUSSIAN_3 = tuple(math.exp(-x * x / 2) / (1 + 2 * math.exp(-1 / 2)) for x in (-1, 0, 1))
"""A Gaussian of sigma one pixel, cut to three."""


def blur(image: Tensor, kernel: Sequence[float], stride: int = 1) -> Tensor:
    """Blur every channel along both axes.

    Args:
        image: (B, C, H, W).
        kernel: b, of odd length and sum one.
        stride: every how many pixels there is a result.

    Raises:
        DataError: the image is smaller than half of the kernel.
    """
    radius, (height, width) = len(kernel) // 2, image.shape[2:]
    if min(height, width) <= radius:
        raise DataError(
            f"an image of {width} x {height} px is too small for a blur of {len(kernel)} px", fix="use larger crops"
        )
    b = torch.tensor(kernel, dtype=image.dtype, device=image.device)
    weight = torch.outer(b, b).expand(image.shape[1], 1, -1, -1)
    with torch.autocast(image.device.type, enabled=False):  # or distances would be those of rounded images
        padded = functional.pad(image, (radius,) * 4, mode="reflect")
        return functional.conv2d(padded, weight, stride=stride, groups=image.shape[1])


def pyramid(image: Tensor, levels: int, kernel: Sequence[float], times: int = 1) -> list[Tensor]:
    """Return g_0 to g_(levels - 1), linear in the image.

    Args:
        image: (B, C, H, W).
        levels: how many, the image itself included.
        kernel: of odd length and sum one.
        times: n, how often it blurs between two levels.

    Raises:
        DataError: the image is too small for so many levels.
    """
    found = [image]
    for _ in range(levels - 1):
        blurred = found[-1]
        for _ in range(times):
            blurred = blur(blurred, kernel)
        found.append(blurred[..., ::2, ::2])
    return found


@final
class BlurPool(nn.Module):
    """Halve the sides: blur by [1, 2, 1] / 4, then every second pixel."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, ceil(H / 2), ceil(W / 2))."""
        return blur(x, BINOMIAL_3, stride=2)


@final
class BilinearDouble(nn.Module):
    """Double the sides by bilinear interpolation, which is the blur [1, 3, 3, 1] / 4 of pixels spread apart."""

    def forward(self, x: Tensor) -> Tensor:
        """Map (B, C, H, W) to (B, C, 2H, 2W)."""
        return functional.interpolate(x, scale_factor=2.0, mode="bilinear")
