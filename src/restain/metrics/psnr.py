"""Peak signal-to-noise ratio."""

import math
from typing import final

from restain.geometry import Size
from restain.metrics.base import Metric, Tally
from restain.metrics.deviation import squared_deviation
from restain.pixels import Image


def decibels(deviation: int, peak: int) -> float:
    """Return the ratio of peak to deviation in decibels; infinite where there is no deviation."""
    return 10 * math.log10(peak / deviation) if deviation else math.inf


@final
class Psnr(Metric):
    """10 log10(white^2 / MSE), the MSE over all pixels and channels; infinite for equal images."""

    name = "psnr"
    unit = "dB"
    better = "higher"
    bounds = (0.0, math.inf)
    source = "10 log10(white^2 / MSE) over all pixels and channels of the stored image, as in scikit-image"

    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        return squared_deviation(pred, target)

    def value(self, tally: Tally) -> float:
        """Return decibels from (sum of squares, samples x white^2)."""
        return decibels(*tally)
