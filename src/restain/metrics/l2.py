"""Root mean square difference."""

import math
from typing import final

from restain.geometry import Size
from restain.metrics.base import Metric, Tally
from restain.metrics.deviation import squared_deviation
from restain.pixels import Image


@final
class L2(Metric):
    """sqrt(mean (pred - target)^2) in grey levels of 0 .. 255; deeper images are brought to that scale."""

    name = "l2"
    unit = "grey levels"
    better = "lower"
    bounds = (0.0, 255.0)
    source = "sqrt(mean (pred - target)^2) over all pixels and channels, 0 .. 255"

    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        return squared_deviation(pred, target)

    def value(self, tally: Tally) -> float:
        """Return grey levels from (sum of squares, samples x white^2)."""
        deviation, peak = tally
        return 255 * math.sqrt(deviation / peak)
