"""The books of one metric over many images."""

import math
from dataclasses import dataclass
from typing import final

from restain.metrics.base import Metric, Tally, add


@final
@dataclass(frozen=True, slots=True)
class Summary:
    """One metric over a set of images.

    Args:
        mean: of the values of the images; infinite if one of them is, NaN if no image has a value.
        std: their standard deviation with n - 1 in the denominator; NaN for a single image or where the mean is
            infinite.
        n: number of images that have a value.
        without: number of images that have none (NaN), because there is nothing to measure in them. They enter neither
            mean nor std; their pixels are in ``pooled``.
        pooled: the metric of all pixels of all images taken as one, so that large images count more. It differs from
            the mean even for images of equal size where the metric is not linear (PSNR, L2).
    """

    mean: float
    std: float
    n: int
    without: int
    pooled: float


@final
class Scores:
    """Collects one metric image by image; memory grows by one number per image.

    >>> from restain.metrics import L1
    >>> import numpy as np
    >>> scores = Scores(L1())
    >>> black = np.zeros((4, 4, 3), np.uint8)
    >>> [scores.add(scores.metric.tally(black, black + level)) for level in (1, 3)]
    [1.0, 3.0]
    >>> scores.result().mean
    2.0
    """

    def __init__(self, metric: Metric) -> None:
        self.metric = metric
        self._values: list[float] = []
        self._total: Tally = ()

    def add(self, tally: Tally) -> float:
        """Enter one image by its tally and return its value, NaN if it has none."""
        value = self.metric.value(tally)
        self._values.append(value)
        self._total = add(self._total, tally)
        return value

    def result(self) -> Summary:
        """Return the summary of at least one image."""
        values = [value for value in self._values if not math.isnan(value)]
        n = len(values)
        mean = math.fsum(values) / n if n else math.nan
        std = math.nan
        if n > 1 and math.isfinite(mean):
            std = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
        return Summary(mean, std, n, len(self._values) - n, self.metric.value(self._total))
