"""Controls of a reading: what agreement is worth nothing, and what is stained that never should be.

Two readings agree in part because all cases are alike. So the same number is taken of pairs that do not belong
together: what is left there is chance.
"""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import ArrayLike, NDArray

from restain.errors import DataError
from restain.metrics.agreement import intraclass
from restain.metrics.groups import as_groups
from restain.metrics.resampling import Resampled

Z = 1.959963984540054
"""The Gaussian quantile of an interval of 95 %."""


@final
@dataclass(frozen=True, slots=True)
class Shuffled:
    """Agreement of pairs that do not belong together.

    Args:
        icc: mean ICC(2,1) over shuffles; near 0, slightly below with few cases.
        low: 2.5 % quantile over shuffles.
        high: 97.5 % quantile; agreement below it may be chance.
        shuffles: their number.
    """

    icc: float
    low: float
    high: float
    shuffles: int


def mismatches(
    patients: NDArray[np.integer[Any]] | None, n: int, count: int, generator: np.random.Generator
) -> NDArray[np.intp]:
    """Return pairings in which no image meets one of its own patient.

    Patients change places so that none keeps theirs (a derangement); every image then meets one of the images of the
    patient in its place, at random, since patients differ in number of images.

    Args:
        patients: (n,) equal for images of one patient; None where each is of another.
        n: images.
        count: of pairings.
        generator: draws them.

    Returns:
        (count, n), the row that each image meets.

    Raises:
        DataError: fewer than two patients.
    """
    groups = as_groups(patients, n)
    number = int(groups.max(initial=-1)) + 1
    if number < 2:
        raise DataError("images of one patient cannot be mismatched", fix="measure images of more patients")
    members = [np.flatnonzero(groups == group) for group in range(number)]
    stay = np.arange(number)
    pairings = np.empty((count, n), np.intp)
    for pairing in pairings:
        while ((other := generator.permutation(number)) == stay).any():  # about every third has no fixed point
            pass
        pairing[:] = [generator.choice(members[other[group]]) for group in groups]
    return pairings


def shuffled_agreement(
    pred: ArrayLike,
    target: ArrayLike,
    *,
    generator: np.random.Generator,
    patients: NDArray[np.integer[Any]] | None = None,
    shuffles: int = 200,
) -> Shuffled:
    """Return the agreement of readings with the truth of other patients; arguments as in ``agreement``.

    Raises:
        DataError: fewer than two patients.
    """
    x, y = np.asarray(pred, np.float64), np.asarray(target, np.float64)
    found = np.array(
        [
            intraclass(np.stack([x, y[rows]], axis=1)).agreement
            for rows in mismatches(patients, len(x), shuffles, generator)
        ]
    )
    defined = found[np.isfinite(found)]
    if not len(defined):
        return Shuffled(np.nan, np.nan, np.nan, shuffles)
    low, high = np.percentile(defined, (2.5, 97.5))
    return Shuffled(float(defined.mean()), float(low), float(high), shuffles)


def share_with_interval(count: int, n: int) -> Resampled:
    """Return a share with its 95 % interval, for independent draws; it is right for none and for all, too.

    Source: E. B. Wilson, Probable inference, the law of succession, and statistical inference, Journal of the American
    Statistical Association 22, 1927.

    Args:
        count: how many of them.
        n: of how many.

    Raises:
        DataError: none, or more than there are.
    """
    if not 0 <= count <= n or n < 1:
        raise DataError(f"{count} of {n} is no share", fix="count at least one cell")
    middle = (count + Z**2 / 2) / (n + Z**2)
    reach = Z / (n + Z**2) * float(np.sqrt(count * (n - count) / n + Z**2 / 4))
    return Resampled(count / n, max(0.0, middle - reach), min(1.0, middle + reach))
