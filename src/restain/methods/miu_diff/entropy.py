"""The entropy H(y) of an image taken as a cloud of colours: a part of what MIU-Diff calls the staining information.

The paper names no estimator; these are smooth, cheap and have closed forms to be held against.
"""

import math
from collections.abc import Callable, Mapping
from typing import Literal

import torch
from torch import Tensor

Entropy = Literal["gauss3", "softhist", "od_gauss"]
"""Names of the estimators."""

RIDGE = 1e-4
"""Added to the variance of every colour direction, so that a grey image has an entropy too."""

BIN = 2 / 128
"""Width of the bins of ``softhist``, and of the Gaussian that softens them: 128 bins over [-1, 1]."""

REACH = 4
"""Bins to each side that a softened value reaches: the Gaussian has 6e-5 of its mass beyond."""

DARKEST = 1 / 255
"""Least intensity of which an optical density is taken; the density there is 2.4."""


def gauss3(y: Tensor) -> Tensor:
    """Return the entropy of a normal distribution with the covariance of the image's colours.

    H = 1/2 log det(2 pi e (C + ridge I)); its gradient in pixel p is (C + ridge I)^-1 (y_p - mean) / n.

    Args:
        y: (B, C, H, W).

    Returns:
        (B,) nats per pixel.
    """
    pixels = y.flatten(2)
    centred = pixels - pixels.mean(2, keepdim=True)
    covariance = centred @ centred.transpose(1, 2) / pixels.shape[2]
    channels = y.shape[1]
    covariance = covariance + RIDGE * torch.eye(channels, dtype=y.dtype, device=y.device)
    return 0.5 * (channels * math.log(2 * math.pi * math.e) + torch.logdet(covariance))


def softhist(y: Tensor) -> Tensor:
    """Return the mean entropy of the channels, each by a softened histogram.

    H = -sum_b p_b log p_b + log(bin), where every value is spread over its neighbouring bins by a Gaussian as wide as a
    bin. Softening adds its own variance: 1e-4 nats to N(0, 0.3^2), 0.014 to the uniform law on [-1, 1]. On a GPU the
    sums run in any order, so that the last digits are not the same every time.

    Args:
        y: (B, C, H, W), |y| below 8 (noisy images are wider than [-1, 1]).

    Returns:
        (B,) nats per pixel and channel.
    """
    batch, channels, values = y.shape[0], y.shape[1], y.flatten(2)
    place = values.clamp(-8, 8) / BIN
    nearest = place.detach().round().long()
    steps = torch.arange(-REACH, REACH + 1, device=y.device)
    bins = nearest[..., None] + steps
    spread = torch.softmax(-0.5 * (place[..., None] - bins) ** 2, dim=-1)
    reach = math.ceil(8 / BIN) + REACH
    counts = y.new_zeros(batch, channels, 2 * reach + 1)
    counts = counts.scatter_add(2, (bins + reach).flatten(2), spread.flatten(2))
    p = counts / values.shape[2]
    entropy: Tensor = -torch.special.xlogy(p, p).sum(2).mean(1) + math.log(BIN)
    return entropy


def od_gauss(y: Tensor) -> Tensor:
    """Return ``gauss3`` of the optical densities.

    Separating the densities into stains would only add the logarithm of a determinant, which no gradient sees.

    Args:
        y: (B, 3, H, W), nominally in [-1, 1].

    Returns:
        (B,) nats per pixel.
    """
    intensity = (0.5 * (y + 1)).clamp(DARKEST, 1)
    return gauss3(-torch.log10(intensity))


ENTROPIES: Mapping[Entropy, Callable[[Tensor], Tensor]] = {
    "gauss3": gauss3,
    "softhist": softhist,
    "od_gauss": od_gauss,
}
"""Name -> estimator."""
