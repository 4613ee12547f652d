"""A calibration: how far the intervals of a model are widened so that enough of the truth lies inside.

Two forms are in use, and their lambdas mean different things, so a lambda is never without its form.
"""

from typing import Literal, final

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from restain.config import Config
from restain.errors import DataError
from restain.uncertainty.bounds import Bound
from restain.uncertainty.intervals import Interval, IntervalRule, Values

Form = Literal["centred", "multiplicative"]
"""How lambda widens an interval; see ``widen``."""

LEAST = 1e-6
"""Least distance of an end from the centre in the form ``centred``: multiples of nothing would stay nothing."""


@final
class Calibration(Config):
    """What was found on calibration images: part of what one must know to use a model's intervals."""

    lambda_: float = Field(ge=0)
    """How far intervals are widened; in the form `centred`, 1 leaves them as they are."""
    form: Form
    """What lambda multiplies: the distances from the centre, or the intensities."""
    interval: IntervalRule
    """The intervals for which it holds, number of samples included."""
    alpha: float = Field(gt=0, lt=1)
    """Share of pixels that may lie outside, in the mean over images."""
    delta: float = Field(gt=0, lt=1)
    """Chance, over the choice of calibration images, that more do."""
    n: int = Field(ge=1)
    """Calibration images, or slides where images come from the same ones; never pixels, which depend on each other."""
    risk: float = Field(ge=0, le=1)
    """Share of pixels outside, mean over the calibration images."""
    bound_by: Bound = "hoeffding_bentkus"
    """Which confidence bound."""
    bound: float = Field(ge=0, le=1)
    """Upper confidence bound of that share over all such images; at most alpha."""


def widen(interval: Interval, lambda_: float, form: Form) -> Interval:
    """Return wider (or, with a small lambda, narrower) intervals.

    ``centred`` (Angelopoulos et al. 2022, arXiv 2202.05265) multiplies the distances of both ends from the centre;
    where the zero of the scale lies does not matter. ``multiplicative`` (Horwitz & Hoshen 2022, arXiv 2211.09795, as
    in their code) multiplies the intensities of images in [0, 1]: it widens bright pixels more than dark ones, a black
    pixel not at all, and changes with the zero of the scale. It is here to compare.

    Args:
        interval: from ``interval_of``.
        lambda_: at least 0; in the form ``multiplicative`` above 0.
        form: which of the two.

    Returns:
        With the same centre.

    Raises:
        DataError: a lambda below that, or, in the form ``multiplicative``, values outside [0, 1].
    """
    if lambda_ < 0 or (form == "multiplicative" and lambda_ == 0):
        raise DataError(f"intervals cannot be widened by {lambda_}", fix="take a lambda from `calibrate`")
    f = interval.centre
    if form == "centred":
        low, high = _apart(interval)
        return Interval(f - lambda_ * (f - low), f, f + lambda_ * (high - f))
    _refuse_outside(interval.lower, interval.upper)
    return Interval((interval.lower / lambda_).clip(0, 1), f, (interval.upper * lambda_).clip(0, 1))


def least_lambda(interval: Interval, truth: NDArray[np.float64], form: Form) -> NDArray[np.float64]:
    """Return for each value the least lambda with which its widened interval holds the truth.

    Intervals only grow with lambda, so this one number tells of all lambdas whether the truth lies inside.

    Args:
        interval: (...) float64.
        truth: (...).
        form: how lambda widens.

    Returns:
        (...), infinite where no lambda is large enough.

    Raises:
        DataError: in the form ``multiplicative``, values outside [0, 1].
    """
    y, f = truth, interval.centre
    if form == "centred":
        low, high = _apart(interval)
        return np.where(y < f, (f - y) / (f - low), (y - f) / (high - f))
    _refuse_outside(interval.lower, interval.upper, truth)
    with np.errstate(divide="ignore", invalid="ignore"):  # 0 / 0 is only where the limits 0 and 1 hold the truth anyway
        below = np.where((interval.lower == 0) | (y == 1), 0, interval.lower / y)  # l / lambda <= y
        above = np.where(y == 0, 0, y / interval.upper)  # y <= u lambda
    return np.maximum(below, above)


def _apart(interval: Interval) -> tuple[Values, Values]:
    return np.minimum(interval.lower, interval.centre - LEAST), np.maximum(interval.upper, interval.centre + LEAST)


def _refuse_outside(*values: Values) -> None:
    if any(each.size and (each.min() < 0 or each.max() > 1) for each in values):
        raise DataError(
            "multiplicative intervals are of images in [0, 1], and some values lie outside",
            fix="divide by the value of white and clip the samples, or use the form centred",
        )
