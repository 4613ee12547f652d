"""Mean absolute difference."""

from typing import final

from restain.geometry import Size
from restain.metrics.base import Metric, Tally
from restain.metrics.deviation import absolute_deviation
from restain.pixels import Image


@final
class L1(Metric):
    """mean |pred - target| in grey levels of 0 .. 255; deeper images are brought to that scale."""

    name = "l1"
    unit = "grey levels"
    better = "lower"
    bounds = (0.0, 255.0)
    source = "mean |pred - target| over all pixels and channels, 0 .. 255"

    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        return absolute_deviation(pred, target)

    def value(self, tally: Tally) -> float:
        """Return grey levels from (sum of absolute differences, samples x white)."""
        deviation, peak = tally
        return 255 * deviation / peak
