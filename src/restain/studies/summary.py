"""From the values of images to one number and how sure it is."""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal, final

import numpy as np

RESAMPLES = 2000
"""Of the bootstrap: enough for two digits of a 95 % interval."""


@final
@dataclass(frozen=True, slots=True)
class Summary:
    """A column of a cell.

    Attributes:
        value: mean or median over images, or the one value of all images together.
        error: standard error of a mean, s / sqrt(n); NaN of a median, of one image and of infinite values.
        low: lower end of the 95 % interval.
        high: its upper end.
        n: images that have a value; of a number of sets of images, tiles of the answers.
        floor: what real images reach against each other, of a number of sets of images; NaN of others.
    """

    value: float
    error: float
    low: float
    high: float
    n: int
    floor: float = math.nan


def summarise(values: Iterable[float], middle: Literal["mean", "median"], seed: int) -> Summary | None:
    """Summarise the values of images; those that are NaN have no value and are left out.

    The interval is that of the percentile bootstrap over images: it tells how much the number would change with other
    images of the same kind, not with other trainings.

    Args:
        values: one per image.
        middle: what becomes of them.
        seed: of the resampling.

    Returns:
        None where no image has a value.
    """
    x = np.array([value for value in values if not math.isnan(value)])
    if not len(x):
        return None
    take = np.mean if middle == "mean" else np.median
    value = float(take(x))
    if len(x) < 2 or not np.isfinite(x).all():
        return Summary(value, math.nan, math.nan, math.nan, len(x))
    draws = np.random.default_rng(seed).integers(len(x), size=(RESAMPLES, len(x)))
    low, high = np.percentile(take(x[draws], axis=1), [2.5, 97.5])
    error = float(x.std(ddof=1) / math.sqrt(len(x))) if middle == "mean" else math.nan
    return Summary(value, error, float(low), float(high), len(x))
