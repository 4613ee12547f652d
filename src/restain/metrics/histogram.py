"""How alike the distributions of colour are, wherever in the image the colours lie.

Sources: correlation and Bhattacharyya distance as in OpenCV (``HISTCMP_CORREL``, ``HISTCMP_BHATTACHARYYA``).
Given a histogram of several dimensions, the Python interface of OpenCV takes the last for channels and returns numbers
beyond [-1, 1]; here it is flattened, as is meant.
"""

import math
from abc import abstractmethod
from collections.abc import Sequence
from typing import final

import numpy as np

from restain.geometry import Size
from restain.metrics.base import Metric, Tally
from restain.pixels import Image

BINS = 256
"""Of the histograms of single channels: one per level."""

JOINT = 8
"""Of the joint histogram, per channel."""


def correlation(one: Sequence[int], other: Sequence[int]) -> float:
    """Return Pearson's correlation of two histograms of n bins, from exact sums.

    Where one is the same in all bins the formula is 0 / 0. Two such histograms are alike, 1; one alone has nothing in
    common with the other, 0 (OpenCV says 1).
    """
    n, sum_a, sum_b = len(one), sum(one), sum(other)
    cov = n * sum(a * b for a, b in zip(one, other, strict=True)) - sum_a * sum_b
    var_a, var_b = n * sum(a * a for a in one) - sum_a**2, n * sum(b * b for b in other) - sum_b**2
    if not (var_a and var_b):
        return float(var_a == var_b)
    return math.copysign(math.sqrt(cov**2 / (var_a * var_b)), cov)  # of integers, so never beyond 1


def bhattacharyya(one: Sequence[int], other: Sequence[int]) -> float:
    """Return the Bhattacharyya distance of OpenCV, Hellinger's to others: sqrt(1 - sum sqrt(p q)), in [0, 1]."""
    p, q = (np.sqrt(np.array(counts) / sum(counts)) for counts in (one, other))
    return min(1.0, math.sqrt(float(((p - q) ** 2).sum()) / 2))  # the same, and exactly 0 for equal histograms


class _Channels(Metric):
    """A measure of the histograms of red, green and blue, averaged. The tally is six histograms, first pred's."""

    rgb = True

    @staticmethod
    @abstractmethod
    def _compare(one: Sequence[int], other: Sequence[int]) -> float:
        """Return the measure of two histograms."""

    @final
    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        planes = (image[..., c].ravel() for image in (pred, target) for c in range(3))
        return tuple(count for plane in planes for count in np.bincount(plane, minlength=BINS).tolist())

    @final
    def value(self, tally: Tally) -> float:
        """Return the mean over the channels."""
        histograms = [tally[start : start + BINS] for start in range(0, len(tally), BINS)]
        return sum(self._compare(histograms[c], histograms[c + 3]) for c in range(3)) / 3


@final
class HistCorrelation(_Channels):
    """The correlation of the histograms of red, green and blue, averaged."""

    name = "hist_correlation"
    unit = ""
    better = "higher"
    bounds = (-1.0, 1.0)
    source = "correlation of the histograms of a channel, 256 bins, as in OpenCV; mean over red, green and blue"
    _compare = staticmethod(correlation)


@final
class HistBhattacharyya(_Channels):
    """The Bhattacharyya distance of the histograms of red, green and blue, averaged."""

    name = "hist_bhattacharyya"
    unit = ""
    better = "lower"
    bounds = (0.0, 1.0)
    source = (
        "sqrt(1 - sum sqrt(p q)) of the histograms of a channel, 256 bins, as in OpenCV; mean over red, green and blue"
    )
    _compare = staticmethod(bhattacharyya)


@final
class HistCorrelationJoint(Metric):
    """The correlation of the joint histograms of red, green and blue. The tally is both histograms."""

    name = "hist_correlation_joint"
    unit = ""
    better = "higher"
    bounds = (-1.0, 1.0)
    source = "correlation of the joint histograms of red, green and blue, 8 x 8 x 8 bins, flattened"
    rgb = True

    def _tally_block(self, pred: Image, target: Image, own: Size) -> Tally:
        return *_joint(pred), *_joint(target)

    def value(self, tally: Tally) -> float:
        """Return the correlation of the two halves."""
        half = JOINT**3
        return correlation(tally[:half], tally[half:])


def _joint(image: Image) -> list[int]:
    red, green, blue = (image // (256 // JOINT)).reshape(-1, 3).T.astype(np.intp)
    counts: list[int] = np.bincount((red * JOINT + green) * JOINT + blue, minlength=JOINT**3).tolist()
    return counts
