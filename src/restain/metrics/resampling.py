"""How sure a number about images is: bootstrap intervals over patients.

Images of one patient are alike, so chance takes or leaves a patient with all of their images (see ``groups.py``).
Intervals are percentiles of the resampled values (Efron and Tibshirani, An introduction to the bootstrap, 1993,
chapter 13). They are rough for a handful of patients, and too narrow: 10 patients are few.
"""

import math
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.errors import ConfigError, DataError, SmallSampleWarning
from restain.metrics.distribution import PERCENTILES
from restain.metrics.groups import FEWEST, as_groups, resampled_counts

FEW = 10
"""Patients below which a warning tells that intervals are rough."""

Statistic = Callable[[NDArray[np.intp]], Sequence[float]]
"""Rows of a table, some of them several times -> numbers."""


@final
@dataclass(frozen=True, slots=True)
class Resampled:
    """A number about images with its 95 % interval.

    Args:
        value: of all images.
        low: lower end; NaN where patients are too few or the number is undefined in most resamples.
        high: upper end.
    """

    value: float
    low: float = math.nan
    high: float = math.nan


def resampled(
    statistic: Statistic,
    patients: NDArray[np.integer[Any]] | None,
    n: int,
    *,
    generator: np.random.Generator,
    resamples: int = 2000,
) -> tuple[Resampled, ...]:
    """Return numbers about images with percentile intervals over patients.

    Args:
        statistic: takes rows and returns one or more numbers; NaN where a number is undefined.
        patients: (n,) whole numbers, equal for images of one patient; None where each is of another.
        n: images.
        generator: draws the resamples.
        resamples: their number; 2000 place the ends of an interval of 95 % to about a fiftieth of its width.

    Returns:
        One per number. With two or three patients there is no interval: chance has nothing to choose from.

    Raises:
        DataError: fewer than two patients, or patients that are not whole numbers, one per image.
        ConfigError: a negative number of resamples.

    Warns:
        SmallSampleWarning: fewer than ten patients.
    """
    if resamples < 0:
        raise ConfigError(f"{resamples} resamples cannot be drawn", fix="pass 0 for no intervals, or 1000 and more")
    groups = as_groups(patients, n)
    number = int(groups.max(initial=-1)) + 1
    if number < 2:
        raise DataError(
            f"{number} patient{'s' if number != 1 else ''} cannot tell how numbers vary between patients",
            fix="measure images of more patients, at least ten",
        )
    if number < FEW:
        warnings.warn(
            f"{number} patients are few: intervals "
            + ("cannot be given." if number < FEWEST else "are rough, and rather too narrow."),
            SmallSampleWarning,
            stacklevel=3,
        )
    rows = np.arange(n)
    values = [float(value) for value in statistic(rows)]
    if number < FEWEST or not resamples:
        return tuple(Resampled(value) for value in values)
    counts = resampled_counts(groups, resamples, generator)[:, 1:]
    drawn = np.array([statistic(np.repeat(rows, times)) for times in counts.T], np.float64)
    return tuple(_with_interval(value, column) for value, column in zip(values, drawn.T, strict=True))


def _with_interval(value: float, drawn: NDArray[np.float64]) -> Resampled:
    defined = drawn[np.isfinite(drawn)]
    if len(defined) < len(drawn) / 2:
        return Resampled(value)
    low, high = np.percentile(defined, PERCENTILES)
    return Resampled(value, float(low), float(high))
