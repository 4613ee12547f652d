"""Structural similarity, with the two windows in use; they give different numbers, so each has its own name.

Source: Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli, Image quality assessment: from error visibility to
structural similarity, IEEE Transactions on Image Processing 13(4), 2004. Colour images: the mean over the channels.
Only windows that lie wholly inside the image count, as in scikit-image; nothing is padded.
"""

from typing import ClassVar, final

import numpy as np
from numpy.typing import NDArray

from restain.geometry import Size
from restain.metrics.base import Metric, Tally
from restain.metrics.windows import STEPS, gaussian_weights, in_steps, window_means
from restain.pixels import Image

K_1, K_2 = 0.01, 0.03
"""The stabilising constants of the paper, section III-B."""


def ssim_map(pred: Image, target: Image, weights: NDArray[np.float64], bessel: float) -> NDArray[np.float64]:
    """Return the SSIM of every window, eq. (13).

    Args:
        pred: (H, W, C), uint8 or uint16.
        target: the same shape and type.
        weights: (k,), the window is their outer product. Only their ratios matter.
        bessel: what the weighted (co)variances are multiplied with: n / (n - 1) for the sample (co)variance of n
            pixels, 1 for that of the population.

    Returns:
        (C, H - k + 1, W - k + 1), in [-1, 1].
    """
    white = np.iinfo(pred.dtype).max
    c_1, c_2 = (K_1 * white) ** 2, (K_2 * white) ** 2
    x, y = (np.ascontiguousarray(image.transpose(2, 0, 1), dtype=np.float64) for image in (pred, target))
    mu_x, mu_y = window_means(x, weights), window_means(y, weights)
    mu_xy, mu_xx_yy = mu_x * mu_y, mu_x**2 + mu_y**2
    covariance = bessel * (window_means(x * y, weights) - mu_xy)
    variances = bessel * (window_means(x**2 + y**2, weights) - mu_xx_yy)
    ssim: NDArray[np.float64] = (2 * mu_xy + c_1) * (2 * covariance + c_2) / ((mu_xx_yy + c_1) * (variances + c_2))
    return ssim


class _Ssim(Metric):
    """What both profiles share."""

    unit = ""
    better = "higher"
    bounds = (-1.0, 1.0)

    weights: ClassVar[NDArray[np.float64]]
    bessel: ClassVar[float]

    @final
    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        ssim = ssim_map(pred, target, self.weights, self.bessel)
        return sum(in_steps(plane) for plane in ssim), ssim.size

    @final
    def value(self, tally: Tally) -> float:
        """Return the mean from (sum in steps, number of windows and channels)."""
        steps, count = tally
        return steps / (count * STEPS)


@final
class SsimGaussian(_Ssim):
    """The window of the paper: 11 x 11, Gaussian with sigma 1.5, population covariance."""

    name = "ssim_gaussian"
    source = "Wang et al. 2004, eq. (13): Gaussian window 11 x 11, sigma 1.5, population covariance; mean over channels"
    window = 11
    weights = gaussian_weights(11, sigma=1.5)
    bessel = 1.0


@final
class SsimUniform(_Ssim):
    """The default of scikit-image, which most virtual-staining papers report: 7 x 7, uniform, sample covariance."""

    name = "ssim_uniform"
    source = "Wang et al. 2004, eq. (13): uniform window 7 x 7, sample covariance (default of scikit-image)"
    window = 7
    weights = np.ones(7)
    bessel = 49 / 48
