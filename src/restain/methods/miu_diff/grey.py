"""Colour removal: what is left of the source when its stain is gone, and where MIU-Diff starts from.

Source: Wang, Zhao and Xing, "StyleDiffusion" (2023), as cited by Liu et al. (2025); theirs is ITU-R BT.601 luma.
"""

import math
from typing import Literal

import torch
from torch import Tensor

from restain.colour import HED
from restain.errors import ConfigError
from restain.nn import luma_of

ColourRemoval = Literal["luma601", "lab_L", "hematoxylin", "none"]
"""Ways to remove colour; ``none`` keeps the image as it is."""

LINEAR_LUMINANCE = (0.2126729, 0.7151522, 0.0721750)
"""Luminance of linear sRGB under D65 (IEC 61966-2-1)."""

KNOTS = 65
"""Quantiles that stand for a distribution of luma: every 1.6 %."""

DARKEST = 1 / 255
"""Least intensity of which an optical density is taken."""


def without_colour(image: Tensor, how: ColourRemoval) -> Tensor:
    """Return images of the same size with three equal channels.

    Args:
        image: (B, 3, H, W) in [-1, 1].
        how: which grey; ``lab_L`` is CIELAB lightness, even to the eye; ``hematoxylin`` shows that stain alone.

    Returns:
        (B, 3, H, W) in [-1, 1].

    Raises:
        ConfigError: not three channels, unless nothing is removed.
    """
    if how == "none":
        return image
    if image.shape[1] != 3:
        raise ConfigError(
            f"colour cannot be removed from images of {image.shape[1]} channels",
            fix="set colour_removal to none for a source that is not a colour image",
        )
    rgb = 0.5 * (image + 1)
    match how:
        case "luma601":
            grey = luma_of(rgb)
        case "lab_L":
            grey = _lightness(rgb)
        case "hematoxylin":
            grey = _hematoxylin(rgb)
    return (2 * grey - 1).clamp(-1, 1).expand(-1, 3, -1, -1)


def moments(luma: Tensor) -> Tensor:
    """Return mean and standard deviation of all values of a set of grey images, as (2,)."""
    return torch.stack([luma.mean(), luma.std(correction=0)])


def match_moments(grey: Tensor, wanted: Tensor) -> Tensor:
    """Return grey images whose mean and standard deviation, each over one image, are those given.

    Args:
        grey: (B, C, H, W).
        wanted: (2,), mean and standard deviation.
    """
    mean = grey.mean((1, 2, 3), keepdim=True)
    std = grey.std((1, 2, 3), keepdim=True, correction=0).clamp(min=1 / 255)
    return ((grey - mean) / std * wanted[1] + wanted[0]).clamp(-1, 1)


def quantiles(luma: Tensor) -> Tensor:
    """Return the quantiles of all values of a set of grey images, (KNOTS,), evenly spread from the least value up."""
    knots = torch.linspace(0, 1, KNOTS, dtype=torch.float64)
    values = luma.detach().cpu().flatten().double().sort().values
    place = knots * (len(values) - 1)
    below = place.floor().long().clamp(max=max(0, len(values) - 2))
    return torch.lerp(values[below], values[(below + 1).clamp(max=len(values) - 1)], place - below).float()


def match_quantiles(grey: Tensor, known: Tensor, wanted: Tensor) -> Tensor:
    """Return grey images whose values are carried from one distribution to another, the same way for every image.

    Args:
        grey: (B, C, H, W).
        known: (KNOTS,) quantiles of such images, increasing.
        wanted: (KNOTS,) quantiles that they are to have, increasing.
    """
    above = torch.searchsorted(known, grey.contiguous()).clamp(1, len(known) - 1)
    low, high = known[above - 1], known[above]
    part = ((grey - low) / (high - low).clamp(min=1e-6)).clamp(0, 1)
    return torch.lerp(wanted[above - 1], wanted[above], part)


def _mix(rgb: Tensor, weights: tuple[float, float, float]) -> Tensor:
    return (rgb * rgb.new_tensor(weights)[:, None, None]).sum(1, keepdim=True)


def _lightness(rgb: Tensor) -> Tensor:
    """Return L* / 100."""
    linear = torch.where(rgb <= 0.04045, rgb / 12.92, ((rgb.clamp(min=0) + 0.055) / 1.055) ** 2.4)
    luminance = _mix(linear, LINEAR_LUMINANCE)
    cubic = luminance.clamp(min=1e-8) ** (1 / 3)
    # L* = 116 f(Y) - 16 with f straight below (6 / 29)^3
    f = torch.where(luminance > (6 / 29) ** 3, cubic, luminance * (29 / 6) ** 2 / 3 + 4 / 29)
    return (116 * f - 16) / 100


def _hematoxylin(rgb: Tensor) -> Tensor:
    """Return the transmittance of the hematoxylin alone, as if it were grey."""
    density = -torch.log10(rgb.clamp(DARKEST, 1))
    unmix = torch.linalg.inv(torch.as_tensor(HED.matrix(), dtype=rgb.dtype, device=rgb.device))
    amount = (density * unmix[:, HED.names.index("hematoxylin"), None, None]).sum(1, keepdim=True)
    # A unit of stain has a density of one over three channels: 1 / sqrt(3) in each, were it grey.
    transmitted: Tensor = 10 ** (-amount.clamp(min=0) / math.sqrt(3))
    return transmitted
