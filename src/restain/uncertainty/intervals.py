"""The interval of each pixel and channel, from several samples of the same image.

NumPy, not torch: draws are blended over tile borders one by one before they may be compared (the quantile of blended
images is not the blend of quantiles), and what the blender hands over is NumPy; so is what reads slides and measures.
And ``torch.quantile`` refuses more than 2^24 values, which 20 samples of 530 x 530 pixels in colour are.
"""

from dataclasses import dataclass
from statistics import NormalDist
from typing import Any, Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from restain.config import Config
from restain.errors import DataError

Values = NDArray[np.floating[Any]]
"""Intensities, as fractions of white in [0, 1] unless said otherwise."""


@final
@dataclass(frozen=True, slots=True)
class Interval:
    """Where the truth should lie, for each pixel and channel.

    Args:
        lower: (...) its lower end.
        centre: (...) the mean of the samples, which of all single answers has the least squared error.
        upper: (...) its upper end. Of very skewed samples the mean may lie outside; ``widen`` brings it back.
    """

    lower: Values
    centre: Values
    upper: Values

    @property
    def width(self) -> Values:
        """(...) from the lower to the upper end."""
        return self.upper - self.lower


@final
class IntervalRule(Config):
    """How samples become an interval. A calibration holds for the rule it was made with, and for no other."""

    kind: Literal["quantile", "order_stat", "std"] = "quantile"
    """`quantile`: between two quantiles, as the published models do, and the default to be comparable with them;
    `order_stat`: between two of the samples, whose coverage is exact; `std`: mean +- z standard deviations."""
    level: float = Field(default=0.9, gt=0, lt=1)
    """Share of truths that should lie inside; 0.9 is the paper's, from the 5 % to the 95 % quantile."""
    samples: int = Field(default=20, ge=2)
    """How many samples; 20 is the paper's. More cost as much each, and bring `quantile` nearer to its level."""
    floor: float = Field(default=0, ge=0, le=1)
    """Added to both sides, as a fraction of white: for what no sample shows, such as the noise of a camera, which a
    small network smooths away. Where all samples agree, multiples of nothing hold nothing. 0 trusts the samples alone
    (the term beta of normalised conformal prediction, Papadopoulos et al. 2008)."""


@final
@dataclass(frozen=True, slots=True)
class OrderRanks:
    """Which of the ordered samples bound an interval.

    Args:
        low: rank a of the lower one; 1 is the smallest sample.
        high: rank b of the upper one.
        coverage: (b - a) / (K + 1), the chance that one more draw of the same law lies between them.
    """

    low: int
    high: int
    coverage: float


def order_ranks(samples: int, level: float) -> OrderRanks:
    """Return the ranks whose exact coverage is nearest to a level, in the middle of the ranks.

    A truth that is exchangeable with K samples without ties takes each of the K + 1 places among them with the same
    chance, whatever the law, so that b - a of them lie between the ranks a and b (Wilks 1941, Ann. Math. Statist. 12,
    91: tolerance limits).

    Args:
        samples: K, at least 2.
        level: the coverage that is wanted. Beyond (K - 1) / (K + 1), that of the smallest and the largest sample, no
            ranks reach it; these two are the nearest.

    Returns:
        The ranks. Where as many samples cannot lie below as above, one more lies above.

    Raises:
        DataError: fewer than two samples.

    >>> order_ranks(20, 0.9)
    OrderRanks(low=1, high=20, coverage=0.9047619047619048)
    """
    _refuse_few(samples)
    places = min(max(round(level * (samples + 1)), 1), samples - 1)
    low = (samples + 1 - places) // 2
    return OrderRanks(low, low + places, places / (samples + 1))


def interval_of(samples: Values, rule: IntervalRule = IntervalRule()) -> Interval:
    """Return the interval of each pixel and channel.

    Even a perfect sampler's quantiles cover less than their level, because K samples place them with an error:
    level (K - 1) / (K + 1) of uniform truths, 81 % with 20 samples instead of 90 %. ``order_stat`` has no such gap.

    Args:
        samples: (K, ...) float, one draw after another.
        rule: which interval; its ``samples`` must be K.

    Returns:
        (...) in the type of the samples.

    Raises:
        DataError: fewer than two samples, another number than the rule's, or integers (whose differences wrap round).
    """
    count = samples.shape[0] if samples.ndim else 0
    _refuse_few(count)
    if count != rule.samples:
        raise DataError(
            f"{count} samples are not the {rule.samples} of the rule, on which the width of an interval depends",
            fix="draw as many as the rule says, or calibrate again with as many as there are",
        )
    if not np.issubdtype(samples.dtype, np.floating):
        raise DataError(f"samples of type {samples.dtype} have no interval", fix="divide by the value of white first")
    centre = samples.mean(axis=0)
    if rule.kind == "std":
        reach = samples.std(axis=0, ddof=1) * NormalDist().inv_cdf((1 + rule.level) / 2) + rule.floor
        return Interval(centre - reach, centre, centre + reach)
    ordered = np.sort(samples, axis=0)  # faster than the selection of a few ranks, because few samples sort quickly
    if rule.kind == "order_stat":
        ranks = order_ranks(count, rule.level)
        return Interval(ordered[ranks.low - 1] - rule.floor, centre, ordered[ranks.high - 1] + rule.floor)
    tail = (1 - rule.level) / 2
    return Interval(_quantile(ordered, tail) - rule.floor, centre, _quantile(ordered, 1 - tail) + rule.floor)


def _quantile(ordered: Values, share: float) -> Values:
    """Return a quantile of ordered samples, linear between neighbours: type 7 of Hyndman & Fan 1996."""
    last = len(ordered) - 1
    place = share * last
    below = int(place)
    above = min(below + 1, last)
    step: Values = ordered[above] - ordered[below]
    quantile: Values = ordered[below] + (place - below) * step
    return quantile


def _refuse_few(samples: int) -> None:
    if samples < 2:
        raise DataError(
            f"an interval needs at least 2 samples, not {samples}",
            fix="draw more samples with a model that samples; one that computes a single answer has no interval",
        )
