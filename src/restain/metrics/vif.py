"""Visual information fidelity in the pixel domain (VIFp): how much of what can be seen in one image is in another.

Source: H. R. Sheikh and A. C. Bovik, Image information and visual quality, IEEE Transactions on Image Processing 15(2),
2006, in the form of the authors' program ``vifp_mscale``: four scales, Gaussian windows, no wavelets. The VIF of the
paper itself, on a steerable pyramid, is another number.

Within a window the image is taken as pred = g target + blur noise, and both are seen through the noise of the eye, of
variance sigma_n^2 = 2 on the scale 0 .. 255. With the part of the variance of pred that target explains,
e = g^2 var(target) = cov^2 / var(target), the window holds

    log10(1 + e / (var(pred) - e + sigma_n^2))    of the    log10(1 + var(target) / sigma_n^2)

that can be seen in target. VIF is the ratio of the sums over all windows of all scales. It is no symmetric function:
target is the reference.
"""

from abc import abstractmethod
from math import ceil, inf
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Size
from restain.metrics.base import Metric, Tally
from restain.metrics.windows import gaussian_weights, in_steps, window_means
from restain.pixels import Image

EDGES = (17, 9, 5, 3)
"""Edge of the windows at each scale, in pixels of that scale; their sigma is a fifth of it."""

NOISE = 2.0
"""sigma_n^2, variance of the visual noise, in squared levels of 0 .. 255."""

FLAT = 1e-10
"""A smaller variance is rounding, and the window has no structure; the limit of torchmetrics."""

Planes = NDArray[np.float64]
"""(P, H, W), levels of 0 .. 255."""


def luma(image: Image) -> Planes:
    """Return the luma of 8-bit colour, (1, H, W): 0.299 R + 0.587 G + 0.114 B, as piq has it."""
    red, green, blue = image.transpose(2, 0, 1).astype(np.int64)
    levels: Planes = (299 * red + 587 * green + 114 * blue)[None] / 1000  # one rounding only
    return levels


def channel_levels(image: Image) -> Planes:
    """Return the channels of an image as planes, on the scale 0 .. 255 whatever its depth."""
    return image.transpose(2, 0, 1) * 255.0 / np.iinfo(image.dtype).max


def information(pred: Planes, target: Planes, weights: NDArray[np.float64]) -> tuple[Planes, Planes]:
    """Return, for every window, the information on the scene in pred and in target, in decimal digits.

    Args:
        pred: (P, H, W), levels of 0 .. 255.
        target: the reference, of the same shape.
        weights: (k,), the window is their outer product.

    Returns:
        Two arrays (P, H - k + 1, W - k + 1); the information in target is 0 where it is flat.
    """
    mu_x, mu_y = window_means(pred, weights), window_means(target, weights)
    var_x = np.maximum(window_means(pred**2, weights) - mu_x**2, 0)
    var_y = window_means(target**2, weights) - mu_y**2
    cov = np.maximum(window_means(pred * target, weights) - mu_x * mu_y, 0)  # g < 0 counts as noise
    structured = var_y > FLAT
    explained = np.where(structured, cov * (cov / np.where(structured, var_y, 1)), 0)  # e = g^2 var(target)
    in_pred = np.log10(1 + explained / (np.maximum(var_x - explained, 0) + NOISE))
    in_target = np.log10(1 + np.where(structured, var_y, 0) / NOISE)
    return in_pred, in_target


class _Vif(Metric):
    """What all profiles share. The tally is (in pred, in target) for every plane, in steps."""

    unit = ""
    better = "higher"
    bounds = (0.0, inf)
    window = 41  # the windows of the four scales look at 17, 25, 33 and 41 pixels of the image
    stride = 8  # and start at every 1st, 2nd, 4th and 8th

    @staticmethod
    @abstractmethod
    def _planes(image: Image) -> Planes:
        """Return the planes that are compared, (P, H, W)."""

    @final
    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        x, y = self._planes(pred), self._planes(target)
        sums = [[0, 0] for _ in x]
        for scale, edge in enumerate(EDGES):
            weights = gaussian_weights(edge, sigma=edge / 5)
            if scale > 0:
                x, y = window_means(x, weights)[:, ::2, ::2], window_means(y, weights)[:, ::2, ::2]
            # Windows of the finer scales that start beyond ``own`` belong to the neighbours.
            rows, columns = (ceil(length / 2**scale) + edge - 1 for length in (own.height, own.width))
            for k, maps in enumerate(information(x[:, :rows, :columns], y[:, :rows, :columns], weights)):
                for p, plane in enumerate(maps):
                    sums[p][k] += in_steps(plane)
        return tuple(number for pair in sums for number in pair)

    @final
    def value(self, tally: Tally) -> float:
        """Return the mean over the planes; a plane that is flat in target has nothing to lose, and keeps 1 of it."""
        pairs = list(zip(tally[::2], tally[1::2], strict=True))
        return sum(in_pred / in_target if in_target else 1.0 for in_pred, in_target in pairs) / len(pairs)


class _Luma(_Vif):
    rgb = True
    _planes = staticmethod(luma)


class _Channels(_Vif):
    _planes = staticmethod(channel_levels)


_SOURCE = "Sheikh and Bovik 2006, vifp_mscale: 4 scales, Gaussian windows 17, 9, 5, 3, noise 2 on 0 .. 255"


@final
class VifLuma(_Luma):
    """VIF of the luma, as in piq."""

    name = "vif_luma"
    source = f"{_SOURCE}; of the luma 0.299 R + 0.587 G + 0.114 B, as in piq"


@final
class VifChannels(_Channels):
    """The mean of the VIF of the channels, as in torchmetrics and sewar."""

    name = "vif_channels"
    source = f"{_SOURCE}; mean over channels, as in torchmetrics"


@final
class VifLumaSource(_Luma):
    """VIF of the luma against the image that was stained, which takes the place of the target."""

    name = "vif_luma_source"
    source = "vif_luma against the image that was stained, not against the truth"


@final
class VifChannelsSource(_Channels):
    """The mean of the VIF of the channels against the image that was stained, which takes the place of the target."""

    name = "vif_channels_source"
    source = "vif_channels against the image that was stained, not against the truth"
