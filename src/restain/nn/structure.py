"""Structural proxies g(.): what two stains of one tissue share, as differentiable maps of an image.

Source: g of Liu et al., "Score-based diffusion model for unpaired virtual histology staining" (2025), who take the
gradient map of Ma et al., "Structure-preserving super resolution with gradient guidance" (2020).

Equations, with Y = 0.299 R + 0.587 G + 0.114 B (ITU-R BT.601) and the kernel d = [-1, 0, 1] / 2::

    luma_gradient   sqrt((d * Y)^2 + (d^T * Y)^2 + 1e-6)
    rgb_gradient    the same of every channel
    smoothed        Gaussian(2 px) * Y
    edges           tanh(|Sobel Y| / 0.1), between 0 and 1
"""

import math
from collections.abc import Mapping
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional

from restain.errors import DataError

Proxy = Literal["luma_gradient", "rgb_gradient", "smoothed", "edges"]
"""What stands for the structure of an image."""

PROXY_CHANNELS: Mapping[Proxy, int] = {"luma_gradient": 1, "rgb_gradient": 3, "smoothed": 1, "edges": 1}
"""Channels C_g of each proxy's map."""

LUMA = (0.299, 0.587, 0.114)
"""Weights of red, green and blue in ITU-R BT.601; they sum to one, so luma stays in [-1, 1]."""

FLAT = 1e-6
"""Added under the root, so that its slope is finite where the image is flat: a flat image has gradient 1e-3."""

SMOOTHING = 2.0
"""Sigma of ``smoothed`` in pixels: a third of a nucleus' radius at 0.5 um/px, so that nuclei stay and chromatin goes;
it divides the standard deviation of white noise by 4 sigma sqrt(pi) / 2 = 7."""

SATURATION = 0.1
"""Sobel magnitude (per pixel, of luma in [-1, 1]) at which ``edges`` reaches 0.76: half of a sharp nuclear border."""


def structure_map(image: Tensor, proxy: Proxy, *, blur: float = 0.0) -> Tensor:
    """Return the structural map of images.

    Args:
        image: (B, 3, H, W) in [-1, 1]; H and W at least 2.
        proxy: which map.
        blur: sigma in pixels of a Gaussian over the map, 0 for none; it trades places for robustness to noise.

    Returns:
        (B, C_g, H, W), differentiable in the image.

    Raises:
        DataError: not three channels, or an image narrower than the Gaussian is long (three sigma to each side).
    """
    if image.ndim != 4 or image.shape[1] != 3:
        raise DataError(
            f"images of shape {tuple(image.shape)} have no structural map", fix="pass colour images (B, 3, H, W)"
        )
    match proxy:
        case "luma_gradient":
            structure = _gradient(luma_of(image))
        case "rgb_gradient":
            structure = _gradient(image)
        case "smoothed":
            structure = _gaussian(luma_of(image), SMOOTHING)
        case "edges":
            structure = torch.tanh(_sobel(luma_of(image)) / SATURATION)
    return _gaussian(structure, blur) if blur else structure


def luma_of(image: Tensor) -> Tensor:
    """Return the luma (B, 1, H, W) of images (B, 3, H, W), in their range."""
    return LUMA[0] * image[:, 0:1] + LUMA[1] * image[:, 1:2] + LUMA[2] * image[:, 2:3]


def _gradient(image: Tensor) -> Tensor:
    """Return sqrt(gh^2 + gv^2 + 1e-6) of every channel from central differences; shifted views beat a convolution."""
    padded = functional.pad(image, (1, 1, 1, 1), mode="reflect")
    gh = (padded[..., 1:-1, 2:] - padded[..., 1:-1, :-2]) / 2
    gv = (padded[..., 2:, 1:-1] - padded[..., :-2, 1:-1]) / 2
    return torch.sqrt(gh.square() + gv.square() + FLAT)


def _sobel(image: Tensor) -> Tensor:
    """Return the magnitude of central differences that are smoothed by [1, 2, 1] / 4 along the other axis."""
    padded = functional.pad(image, (1, 1, 1, 1), mode="reflect")
    across = (padded[..., 2:] - padded[..., :-2]) / 2
    down = (padded[..., 2:, :] - padded[..., :-2, :]) / 2
    gh = (across[..., 2:, :] + 2 * across[..., 1:-1, :] + across[..., :-2, :]) / 4
    gv = (down[..., 2:] + 2 * down[..., 1:-1] + down[..., :-2]) / 4
    return torch.sqrt(gh.square() + gv.square() + FLAT)


def _gaussian(image: Tensor, sigma: float) -> Tensor:
    """Smooth every channel, mirrored at the border (the border pixel is not repeated)."""
    radius = math.ceil(3 * sigma)
    height, width = image.shape[2:]
    if radius >= min(height, width):
        raise DataError(
            f"a Gaussian of {sigma} px reaches beyond an image of {width} x {height} px",
            fix=f"use images of more than {radius} px, or a smaller sigma",
        )
    # Two products with banded matrices: on tiles, their gradient takes a tenth of the time of a convolution's.
    with torch.autocast(image.device.type, enabled=False):  # or networks would be trained on rounded maps
        return _band(height, sigma, radius, image).T @ image @ _band(width, sigma, radius, image)


def _band(size: int, sigma: float, radius: int, like: Tensor) -> Tensor:
    """Return the (size, size) matrix that smooths the rows it is multiplied to: smoothed unit vectors."""
    offsets = torch.arange(-radius, radius + 1, dtype=like.dtype, device=like.device)
    weights = torch.softmax(-0.5 * (offsets / sigma).square(), dim=0)  # exp(-x^2 / 2 sigma^2), of sum one
    units = torch.eye(size, dtype=like.dtype, device=like.device)[:, None]
    mirrored = functional.pad(units, (radius, radius), mode="reflect")
    return functional.conv1d(mirrored, weights[None, None])[:, 0]
