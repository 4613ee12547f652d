"""Risk-controlling prediction sets: the smallest widening that is safe on images not yet seen.

Bates et al. 2021, J. ACM 68, 43, "Distribution-free, risk-controlling prediction sets"; of images Angelopoulos et al.
2022, arXiv 2202.05265. If calibration and future images are independent draws of the same kind, then with
probability 1 - delta at most the share alpha of the pixels of future images lies outside, in the mean over images.

What is drawn independently is an image, or a slide; pixels are not. Counting them as n makes the bound meaningless:
where errors vary from image to image (lognormal, 0.5) and 100 images are at hand, more than half of all calibrations
then miss their promise, instead of one in ten.
"""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import final

import numpy as np
from numpy.typing import NDArray

from restain.errors import DataError
from restain.uncertainty.bounds import (
    Bound,
    betting_bound,
    betting_wealth,
    hoeffding_bentkus_bound,
    images_needed,
    p_value,
)
from restain.uncertainty.calibration import Calibration, Form, least_lambda
from restain.uncertainty.comparison import Mask, compared
from restain.uncertainty.intervals import Interval, IntervalRule, Values

LAMBDAS: Mapping[Form, NDArray[np.float64]] = MappingProxyType(
    {"centred": np.linspace(0, 6, 2000), "multiplicative": np.linspace(0.8, 5, 1000)}
)
"""The lambdas tried, rising; those of the published programs. A grid must not be chosen after looking at the images."""


@final
class ImageRisk:
    """The share of an image that lies outside its intervals, for every lambda at once.

    Tiles are added one by one: memory does not grow with the image, and the sums are whole numbers, so a slide in parts
    gives exactly what the whole slide gives. Tiles of one slide belong into one of these.

    Args:
        form: how lambda widens intervals.
    """

    def __init__(self, form: Form = "centred") -> None:
        self.form: Form = form
        self._holds = np.zeros(len(LAMBDAS[form]) + 1, np.int64)
        """Weight of the values by the first lambda whose interval holds them; the last is for those of none."""

    def add(self, interval: Interval, truth: Values, mask: Mask | None = None) -> None:
        """Enter an image or a part of it.

        Args:
            interval: (..., C), not widened.
            truth: (..., C) float, in the unit of the interval.
            mask: which pixels count, for example tissue: (...) or (..., C), booleans or whole numbers as weights.

        Raises:
            DataError: shapes or types that do not fit, values that are not finite, or values outside [0, 1] in the
                form ``multiplicative``.
        """
        values = compared(interval, truth, mask)
        first = np.searchsorted(LAMBDAS[self.form], least_lambda(values.interval, values.truth, self.form))
        self._holds += np.bincount(first, values.weight, len(self._holds)).astype(np.int64)

    @property
    def counts(self) -> NDArray[np.int64]:
        """What was collected, to be kept in a file: (lambdas + 1,), see ``add_counts``."""
        return self._holds.copy()

    def add_counts(self, counts: NDArray[np.int64]) -> None:
        """Enter what another of the same form has collected: an image of the same slide, or one from a file."""
        self._holds += counts

    def at(self, lambda_: float) -> float:
        """Return the share outside for one of the ``LAMBDAS``, as a calibration names it.

        Raises:
            DataError: no pixel counted.
        """
        return float(self.curve()[np.abs(LAMBDAS[self.form] - lambda_).argmin()])

    def curve(self) -> NDArray[np.float64]:
        """Return the share outside for each of the ``LAMBDAS`` of the form.

        Raises:
            DataError: no pixel counted.
        """
        total = self._holds.sum()
        if total == 0:
            raise DataError("a calibration image has no pixel that counts", fix="leave images without tissue out")
        outside: NDArray[np.float64] = (total - np.cumsum(self._holds)[:-1]) / total
        return outside


def calibrate(
    images: Sequence[ImageRisk],
    rule: IntervalRule,
    *,
    alpha: float = 0.1,
    delta: float = 0.1,
    bound: Bound = "hoeffding_bentkus",
) -> Calibration:
    """Return the smallest lambda that is safe, with all larger ones.

    Args:
        images: the risk of each image, or of each slide where several images come from one; all of one form. They must
            have taken no part in training or in any choice.
        rule: how the intervals were made.
        alpha: share of pixels that may lie outside, in the mean over images.
        delta: chance that this is not kept.
        bound: by which confidence bound; for ``betting`` the images are shuffled, always in the same way.

    Raises:
        DataError: forms that differ, too few images, or intervals that do not hold the truth however far widened.
    """
    forms = {image.form for image in images}
    if len(forms) > 1:
        raise DataError("the risks of images are of different forms", fix="use one form for all")
    if not (0 < alpha < 1 and 0 < delta < 1):
        raise DataError(f"alpha {alpha} and delta {delta} are no chances", fix="pass numbers between 0 and 1")
    n, least = len(images), images_needed(alpha, delta, bound)
    if n < least:
        raise DataError(
            f"a calibration with alpha {alpha} and delta {delta} needs at least {least} images, not {n}",
            fix="add images of other slides, or raise alpha or delta; cutting images into more tiles does not help",
        )
    (form,) = forms
    curves = np.stack([image.curve() for image in images])
    if bound == "betting":  # names sort images by kind, and a bet needs an order that knows nothing of them
        curves = curves[np.random.default_rng(0).permutation(n)]
    risk = curves.mean(axis=0)
    at = walk_down(safe_lambdas(curves, alpha, delta, bound))
    if at is None:
        raise DataError(
            f"{risk[-1]:.1%} of the pixels of {n} images lie outside even of the widest intervals, too many for alpha "
            f"{alpha} and delta {delta}",
            fix="check that truth and samples show the same pixels in the same unit; if they do, the samples agree far "
            "more than they should: train longer, draw with more steps, or raise alpha",
        )
    return Calibration(
        lambda_=float(LAMBDAS[form][at]),
        form=form,
        interval=rule,
        alpha=alpha,
        delta=delta,
        n=n,
        risk=float(risk[at]),
        bound_by=bound,
        bound=upper_bound(curves[:, at], delta, bound),
    )


def upper_bound(losses: NDArray[np.float64], delta: float, bound: Bound) -> float:
    """Return the upper confidence bound of a mean.

    Args:
        losses: (n,) independent values in [0, 1].
        delta: chance that the mean is above.
        bound: which.
    """
    if bound == "betting":
        return betting_bound(losses, delta)
    return hoeffding_bentkus_bound(float(losses.mean()), len(losses), delta)


def safe_lambdas(curves: NDArray[np.float64], alpha: float, delta: float, bound: Bound) -> NDArray[np.bool_]:
    """Return for each lambda whether the upper confidence bound of its risk is at most alpha, which needs no root.

    Args:
        curves: (n, G) risks of independent images for rising lambdas.
        alpha: the risk that is allowed.
        delta: chance that it is exceeded.
        bound: which.

    Returns:
        (G,).
    """
    is_safe: NDArray[np.bool_]
    if bound == "betting":
        is_safe = betting_wealth(curves, alpha, delta) >= 1 / delta
    else:
        is_safe = p_value(curves.mean(axis=0), len(curves), alpha) <= delta
    return is_safe


def walk_down(is_safe: NDArray[np.bool_]) -> int | None:
    """Return the place of the last safe lambda before the first unsafe one, from the largest downwards.

    Args:
        is_safe: (G,) for rising lambdas.

    Returns:
        None where the largest lambda is not safe.
    """
    unsafe = np.flatnonzero(~is_safe)
    at = int(unsafe[-1]) + 1 if unsafe.size else 0
    return at if at < len(is_safe) else None
