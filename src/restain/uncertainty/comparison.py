"""The pixels in which an interval is compared with the truth."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.uncertainty.intervals import Interval, Values

Mask = NDArray[np.bool_] | NDArray[np.integer[Any]]
"""Which pixels count: yes or no, or how much each in whole numbers (of which sums never round)."""


@final
@dataclass(frozen=True, slots=True)
class Comparison:
    """Values that count, in one line.

    Args:
        interval: of n values, float64.
        truth: (n,) float64.
        weight: (n,) int64, positive.
    """

    interval: Interval
    truth: NDArray[np.float64]
    weight: NDArray[np.int64]


def compared(interval: Interval, truth: Values, mask: Mask | None) -> Comparison:
    """Return the values of an interval and of the truth that count.

    Args:
        interval: (..., C).
        truth: (..., C) float, in the unit of the interval.
        mask: (...) of pixels, for all channels, or (..., C); None for all.

    Raises:
        DataError: shapes that do not fit, whole numbers as truth, a weight below zero, or values that are not finite.
    """
    shape = interval.centre.shape
    if truth.shape != shape or not np.issubdtype(truth.dtype, np.floating):
        raise DataError(
            f"a truth of shape {truth.shape} and type {truth.dtype} does not fit an interval of shape {shape}",
            fix="pass the truth of the same pixels and channels, divided by the value of white",
        )
    chosen: NDArray[Any] = np.ones(shape, np.int64) if mask is None else mask
    if chosen.dtype != np.bool_ and not np.issubdtype(chosen.dtype, np.integer):
        raise DataError(f"a mask of type {chosen.dtype} is not exact", fix="pass booleans or whole numbers")
    if chosen.shape == shape[:-1]:
        chosen = chosen[..., None]
    elif chosen.shape != shape:
        raise DataError(f"a mask of shape {chosen.shape} does not fit an interval of shape {shape}", fix="cut it alike")
    weight = np.broadcast_to(chosen, shape).astype(np.int64)
    if weight.size and weight.min() < 0:
        raise DataError("a mask holds weights below zero", fix="let 0 stand for a pixel that does not count")
    counts = weight > 0
    lower, centre, upper, truths = (
        values[counts].astype(np.float64) for values in (interval.lower, interval.centre, interval.upper, truth)
    )
    if not all(np.isfinite(values).all() for values in (lower, centre, upper, truths)):
        raise DataError(
            "an interval or its truth holds values that are not finite",
            fix="run the model in float32; if it stays, the weights are damaged",
        )
    return Comparison(Interval(lower, centre, upper), truths, weight[counts])
