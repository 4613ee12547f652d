"""Whether two readings of the same cases agree: by how much they differ, and what share of their spread is shared.

Correlation is blind to a reading that is always ten points too high; these are not.

Sources: J. M. Bland and D. G. Altman, Statistical methods for assessing agreement between two methods of clinical
measurement, Lancet 327, 1986; P. E. Shrout and J. L. Fleiss, Intraclass correlations: uses in assessing rater
reliability, Psychological Bulletin 86(2), 1979; J. Cohen, Weighted kappa, Psychological Bulletin 70(4), 1968.
"""

import math
from dataclasses import dataclass
from typing import Any, Literal, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restain.errors import DataError
from restain.metrics.resampling import Resampled, resampled

LIMIT = 1.96
"""Deviations from the mean within which 95 % of Gaussian differences lie."""

Weighting = Literal["linear", "quadratic"]
"""How disagreement grows with the number of classes between."""

Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, slots=True)
class BlandAltman:
    """Differences of two readings.

    Args:
        bias: mean of pred minus target; positive where pred is the higher.
        lower: lower limit of agreement, bias - 1.96 s; NaN for fewer than two cases.
        upper: upper limit; 95 % of differences lie between, if they are Gaussian and do not depend on the size.
    """

    bias: float
    lower: float
    upper: float


@final
@dataclass(frozen=True, slots=True)
class Intraclass:
    """Intraclass correlations of single readings: the share of variance that is between cases. 1 is best.

    Args:
        one_way: ICC(1,1), whoever read what.
        agreement: ICC(2,1), two-way random, absolute agreement: a reader who is always higher counts as error.
        consistency: ICC(3,1), two-way mixed: one who is always higher by the same does not.
    """

    one_way: float
    agreement: float
    consistency: float


@final
@dataclass(frozen=True, slots=True)
class Agreement:
    """Agreement of two readings in numbers, each with a 95 % interval over patients; see the two classes above."""

    n: int
    bias: Resampled
    lower: Resampled
    upper: Resampled
    icc: Resampled
    icc_consistency: Resampled


@final
@dataclass(frozen=True, slots=True)
class ClassAgreement:
    """Agreement of two readings in ordered classes, each with a 95 % interval over patients.

    Args:
        n: cases.
        exact: share of cases in the same class.
        linear: weighted kappa; a miss by two classes counts twice.
        quadratic: weighted kappa; a miss by two classes counts four times.
    """

    n: int
    exact: Resampled
    linear: Resampled
    quadratic: Resampled


def bland_altman(pred: ArrayLike, target: ArrayLike) -> BlandAltman:
    """Return bias and 95 % limits of agreement.

    Args:
        pred: (n,) one number per case.
        target: (n,) that of its truth.

    Raises:
        DataError: no cases, not as many of each, or numbers that are not finite.
    """
    x, y = _pair(pred, target)
    difference = x - y
    bias = float(difference.mean())
    reach = LIMIT * float(difference.std(ddof=1)) if len(x) > 1 else math.nan
    return BlandAltman(bias, bias - reach, bias + reach)


def intraclass(ratings: NDArray[Any]) -> Intraclass:
    """Return the intraclass correlations of single readings.

    Args:
        ratings: (n, k), of n cases by k readers.

    Returns:
        NaN for fewer than two cases or readers, and where nothing varies.

    Raises:
        DataError: another shape, or numbers that are not finite.
    """
    x = np.asarray(ratings, np.float64)
    if x.ndim != 2 or not np.isfinite(x).all():
        raise DataError(f"ratings of shape {x.shape} are not (n, k) finite numbers", fix="give one row per case")
    n, k = x.shape
    if n < 2 or k < 2:
        return Intraclass(math.nan, math.nan, math.nan)
    grand, cases, readers = x.mean(), x.mean(axis=1), x.mean(axis=0)
    between = k * float(((cases - grand) ** 2).sum()) / (n - 1)  # BMS
    within = float(((x - cases[:, None]) ** 2).sum()) / (n * (k - 1))  # WMS
    judges = n * float(((readers - grand) ** 2).sum()) / (k - 1)  # JMS
    error = float(((x - cases[:, None] - readers + grand) ** 2).sum()) / ((n - 1) * (k - 1))  # EMS
    return Intraclass(
        one_way=_ratio(between - within, between + (k - 1) * within),
        agreement=_ratio(between - error, between + (k - 1) * error + k * (judges - error) / n),
        consistency=_ratio(between - error, between + (k - 1) * error),
    )


def weighted_kappa(
    pred: NDArray[np.integer[Any]],
    target: NDArray[np.integer[Any]],
    classes: int,
    weighting: Weighting = "linear",
) -> float:
    """Return the agreement of ordered classes beyond that of chance.

    Args:
        pred: (n,) classes 0, 1, ..., classes - 1.
        target: (n,) those of the truth.
        classes: how many there are, whether or not they occur.
        weighting: how disagreement grows.

    Returns:
        At most 1, which is perfect; 0 is chance. NaN where both have one and the same class throughout.

    Raises:
        DataError: no cases, not as many of each, or other classes.
    """
    x, y = np.asarray(pred), np.asarray(target)
    both = np.concatenate([x.ravel(), y.ravel()])
    if x.ndim != 1 or x.shape != y.shape or not len(x) or not np.isin(both, range(classes)).all():
        raise DataError(
            f"classes of shape {x.shape} and {y.shape} cannot be compared",
            fix=f"give one whole number from 0 to {classes - 1} per case",
        )
    observed = np.zeros((classes, classes))
    np.add.at(observed, (x, y), 1)
    expected = np.outer(observed.sum(axis=1), observed.sum(axis=0)) / len(x)
    apart = np.abs(np.subtract.outer(np.arange(classes), np.arange(classes))).astype(np.float64)
    weights = apart if weighting == "linear" else apart**2
    chance = float((weights * expected).sum())
    return 1 - float((weights * observed).sum()) / chance if chance else math.nan  # 1 - sum(w O) / sum(w E)


def agreement(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    generator: np.random.Generator,
    patients: NDArray[np.integer[Any]] | None = None,
    resamples: int = 2000,
) -> Agreement:
    """Return how two readings in numbers agree.

    Args:
        pred: (n,) one number per image.
        target: (n,) that of its truth.
        generator: draws the resamples.
        patients: (n,) equal for images of one patient; None where each is of another.
        resamples: behind the intervals.

    Raises:
        DataError: as in ``bland_altman``, or fewer than two patients.

    Warns:
        SmallSampleWarning: fewer than ten patients.
    """
    x, y = _pair(pred, target)

    def numbers(rows: NDArray[np.intp]) -> tuple[float, ...]:
        differences = bland_altman(x[rows], y[rows])
        shared = intraclass(np.stack([x[rows], y[rows]], axis=1))
        return differences.bias, differences.lower, differences.upper, shared.agreement, shared.consistency

    return Agreement(len(x), *resampled(numbers, patients, len(x), generator=generator, resamples=resamples))


def class_agreement(
    pred: NDArray[np.integer[Any]],
    target: NDArray[np.integer[Any]],
    classes: int,
    *,
    generator: np.random.Generator,
    patients: NDArray[np.integer[Any]] | None = None,
    resamples: int = 2000,
) -> ClassAgreement:
    """Return how two readings in ordered classes agree; arguments as in ``agreement`` and ``weighted_kappa``."""

    def numbers(rows: NDArray[np.intp]) -> tuple[float, ...]:
        x, y = pred[rows], target[rows]
        linear, quadratic = (weighted_kappa(x, y, classes, weighting) for weighting in ("linear", "quadratic"))
        return float((x == y).mean()), linear, quadratic

    return ClassAgreement(len(pred), *resampled(numbers, patients, len(pred), generator=generator, resamples=resamples))


def _pair(pred: ArrayLike, target: ArrayLike) -> tuple[Floats, Floats]:
    x, y = np.asarray(pred, np.float64), np.asarray(target, np.float64)
    if x.ndim != 1 or x.shape != y.shape or not len(x) or not (np.isfinite(x).all() and np.isfinite(y).all()):
        raise DataError(
            f"readings of shape {x.shape} and {y.shape} cannot be compared", fix="give one finite number per case"
        )
    return x, y


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole else math.nan
