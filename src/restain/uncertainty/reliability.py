"""How good intervals are, on images with known truth: coverage, width, and whether wide ones are where the errors are.

All sums are whole numbers, so a slide in parts gives exactly what the whole slide gives, in the same memory.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.uncertainty.comparison import Mask, compared
from restain.uncertainty.intervals import Interval, IntervalRule, Values, interval_of, order_ranks

EDGES = 2.0 ** (np.arange(12 * 24 + 1) / 12 - 20)
"""Borders of the bins of widths and errors: from 1e-6 to 16 times white in steps of 6 %: ranks know no scale."""

UNIT = 2.0**-24
"""Widths are summed in multiples of this, 6e-8 of white, as integers."""

LEVELS = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)
"""The levels of a reliability plot."""


@final
@dataclass(frozen=True, slots=True)
class ReliabilitySummary:
    """How good intervals are.

    Args:
        coverage: share of values inside; a narrow interval that holds as much is the better one.
        width: mean width, in the unit of the images.
        risk_by_width: share of values outside among the quarter with the narrowest intervals, the next, and so on
            ("size-stratified risk", Angelopoulos et al. 2022, arXiv 2202.05265). Good intervals have the
            same in all; often the narrow ones hide what is missing in the mean.
        widths: the three widths that part the quarters, to within a bin of 6 %.
        rank_correlation: Spearman's, of width and absolute error of the centre: whether the model knows where it errs.
            In [-1, 1]; NaN where one of them is the same everywhere. Of perfect intervals it is far from 1, because
            errors are random.
        weight: values counted, or the sum of their weights.
    """

    coverage: float
    width: float
    risk_by_width: tuple[float, float, float, float]
    widths: tuple[float, float, float]
    rank_correlation: float
    weight: int


@final
class Reliability:
    """Collects how good intervals are, image by image or tile by tile."""

    def __init__(self) -> None:
        bins = len(EDGES) + 1
        self._joint = np.zeros((bins, bins), np.int64)
        """Weight of values by bins of width and of absolute error."""
        self._outside = np.zeros(bins, np.int64)
        """Weight of those outside by width."""
        self._width = 0

    def add(self, interval: Interval, truth: Values, mask: Mask | None = None) -> None:
        """Enter an image or a part of it.

        Args:
            interval: (..., C), as it is to be judged, so widened if it was calibrated.
            truth: (..., C) float, in the unit of the interval.
            mask: which pixels count: (...) or (..., C), booleans or whole numbers as weights.

        Raises:
            DataError: shapes or types that do not fit, or values that are not finite.
        """
        values = compared(interval, truth, mask)
        y, span, bins = values.truth, values.interval, len(EDGES) + 1
        width = np.searchsorted(EDGES, span.width)
        error = np.searchsorted(EDGES, np.abs(y - span.centre))
        joint = np.bincount(width * bins + error, values.weight, bins * bins)
        self._joint += joint.reshape(bins, bins).astype(np.int64)
        is_outside = (y < span.lower) | (y > span.upper)
        self._outside += np.bincount(width, values.weight * is_outside, bins).astype(np.int64)
        self._width += int((np.rint(span.width / UNIT).astype(np.int64) * values.weight).sum())

    def result(self) -> ReliabilitySummary:
        """Return the summary.

        Raises:
            DataError: no value was counted.
        """
        widths, errors = self._joint.sum(axis=1), self._joint.sum(axis=0)
        total = int(widths.sum())
        if total == 0:
            raise DataError("no pixel counts, so intervals cannot be judged", fix="check the mask")
        # Cumulated over the widths and linear within a bin: where many widths are equal, quarters share them evenly.
        below = np.concatenate(([0], np.cumsum(widths)))
        quarters = np.interp(np.arange(5) * total / 4, below, np.concatenate(([0], np.cumsum(self._outside))))
        risks = np.diff(quarters) / (total / 4)
        borders = np.exp2(np.interp(np.arange(1, 4) * total / 4, below[1:-1], np.log2(EDGES)))
        return ReliabilitySummary(
            coverage=1 - int(self._outside.sum()) / total,
            width=self._width * UNIT / total,
            risk_by_width=(float(risks[0]), float(risks[1]), float(risks[2]), float(risks[3])),
            widths=(float(borders[0]), float(borders[1]), float(borders[2])),
            rank_correlation=_correlation(self._joint, _ranks(widths), _ranks(errors)),
            weight=total,
        )


@final
@dataclass(frozen=True, slots=True)
class ReliabilityPoint:
    """One point of a reliability plot.

    Args:
        nominal: the level that was asked for; of ``order_stat`` the exact coverage of its ranks.
        empirical: the share of values inside.
    """

    nominal: float
    empirical: float


@final
class ReliabilityCurve:
    """Collects the points of a reliability plot: of intervals of several levels, the share of the truth inside.

    A perfect sampler lies on the diagonal only with ``order_stat``, or with many samples: the quantiles of K samples
    hold level (K - 1) / (K + 1) of uniform truths.

    Args:
        rule: how intervals are made; its level is replaced by the others.
        levels: the levels.
    """

    def __init__(self, rule: IntervalRule = IntervalRule(), levels: Sequence[float] = LEVELS) -> None:
        self._rules = [rule.model_copy(update={"level": level}) for level in levels]
        self._counts = np.zeros(len(levels) + 1, np.int64)
        """Weight inside for each level; the last is that of all values."""

    def add(self, samples: Values, truth: Values, mask: Mask | None = None) -> None:
        """Enter an image or a part of it.

        Args:
            samples: (K, ..., C) float.
            truth: (..., C) float, in the unit of the samples.
            mask: which pixels count: (...) or (..., C), booleans or whole numbers as weights.

        Raises:
            DataError: as ``interval_of`` and ``Reliability.add``.
        """
        for place, rule in enumerate(self._rules):
            values = compared(interval_of(samples, rule), truth, mask)
            is_inside = (values.interval.lower <= values.truth) & (values.truth <= values.interval.upper)
            self._counts[place] += values.weight[is_inside].sum()
        self._counts[-1] += values.weight.sum()

    @property
    def counts(self) -> NDArray[np.int64]:
        """What was collected, to be kept in a file: (levels + 1,), see ``add_counts``."""
        return self._counts.copy()

    def add_counts(self, counts: NDArray[np.int64]) -> None:
        """Enter what another of the same rule and levels has collected."""
        self._counts += counts

    def points(self) -> tuple[ReliabilityPoint, ...]:
        """Return a point per level.

        Raises:
            DataError: no value was counted.
        """
        *inside, total = (int(count) for count in self._counts)
        if total == 0:
            raise DataError("no pixel counts, so intervals cannot be judged", fix="check the mask")
        return tuple(
            ReliabilityPoint(_nominal(rule), count / total) for rule, count in zip(self._rules, inside, strict=True)
        )


def _nominal(rule: IntervalRule) -> float:
    return order_ranks(rule.samples, rule.level).coverage if rule.kind == "order_stat" else rule.level


def _ranks(counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the rank that all values of a bin share, from the middle of all ranks."""
    ranks = np.cumsum(counts) - counts / 2 - counts.sum() / 2
    return np.asarray(ranks, np.float64)


def _correlation(joint: NDArray[np.int64], x: NDArray[np.float64], y: NDArray[np.float64]) -> float:
    """Return Pearson's correlation of a table of counts, of rows x and columns y with mean zero."""
    x_square, y_square = joint.sum(axis=1) @ x**2, joint.sum(axis=0) @ y**2
    if x_square == 0 or y_square == 0:
        return math.nan
    return float(np.clip(x @ joint @ y / math.sqrt(x_square * y_square), -1, 1))
