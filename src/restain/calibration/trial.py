"""How good intervals are on images that took no part in the calibration."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np

from restain.calibration.measure import Measurement
from restain.errors import DataError
from restain.uncertainty import (
    Calibration,
    ImageRisk,
    Reliability,
    ReliabilityCurve,
    ReliabilityPoint,
    ReliabilitySummary,
    calibrate,
    widen,
)

ALPHAS = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1, 0.05)
"""For the reliability curve after calibration; those below the alpha of the calibration are left out."""


@final
@dataclass(frozen=True, slots=True)
class Coverage:
    """How much of the truth lies inside, over images or groups: each counts once, however large.

    Args:
        n: images, patients or slides.
        mean: mean share inside.
        standard_error: of the mean; NaN of a single one.
        lowest: of the worst one.
        pooled: all values together, with width, risk by width and rank correlation.
    """

    n: int
    mean: float
    standard_error: float
    lowest: float
    pooled: ReliabilitySummary


@final
@dataclass(frozen=True, slots=True)
class ImageCoverage:
    """One test image.

    Args:
        name: of the image.
        group: patient or slide, or the name.
        uncalibrated: share inside before calibration.
        calibrated: and after.
        width: mean width after calibration, fraction of white.
    """

    name: str
    group: str
    uncalibrated: float
    calibrated: float
    width: float


@final
@dataclass(frozen=True, slots=True)
class LevelCoverage:
    """One point of the reliability curve after calibration.

    Args:
        nominal: 1 - alpha, what was promised.
        lambda_: with which a calibration keeps this promise.
        empirical: mean share inside over test images or groups.
    """

    nominal: float
    lambda_: float
    empirical: float


@final
class Books:
    """Collects the coverage of test images before and after calibration.

    Args:
        calibration: that is tested.
    """

    def __init__(self, calibration: Calibration) -> None:
        self.calibration = calibration
        self.images: list[ImageCoverage] = []
        self._pooled = Reliability(), Reliability()
        self._groups: dict[str, tuple[Reliability, Reliability]] = {}

    def add(self, name: str, group: str, measured: Measurement) -> None:
        """Enter an image."""
        wide = widen(measured.interval, self.calibration.lambda_, self.calibration.form)
        shares = []
        of_group = self._groups.setdefault(group, (Reliability(), Reliability()))
        for place, interval in enumerate((measured.interval, wide)):
            alone = Reliability()
            for books in (alone, self._pooled[place], of_group[place]):
                books.add(interval, measured.truth, measured.mask)
            shares.append(alone.result())
        self.images.append(ImageCoverage(name, group, shares[0].coverage, shares[1].coverage, shares[1].width))

    def result(self) -> tuple[Coverage, Coverage]:
        """Return the coverage before and after calibration.

        Raises:
            DataError: no image was entered.
        """
        before, after = ([books[place].result().coverage for books in self._groups.values()] for place in (0, 1))
        return _coverage(before, self._pooled[0]), _coverage(after, self._pooled[1])


def _coverage(shares: Sequence[float], pooled: Reliability) -> Coverage:
    if not shares:
        raise DataError("no test image shows tissue", fix="choose other test images")
    error = float(np.std(shares, ddof=1) / math.sqrt(len(shares))) if len(shares) > 1 else math.nan
    return Coverage(len(shares), float(np.mean(shares)), error, min(shares), pooled.result())


def levels_before(curves: Sequence[ReliabilityCurve], calibration: Calibration) -> tuple[ReliabilityPoint, ...]:
    """Return the reliability curve of intervals as they come from samples, over all pixels."""
    whole = ReliabilityCurve(calibration.interval)
    for curve in curves:
        whole.add_counts(curve.counts)
    return whole.points()


def levels_after(
    calibrated: Sequence[ImageRisk], tested: Sequence[ImageRisk], calibration: Calibration
) -> tuple[LevelCoverage, ...]:
    """Return the reliability curve of calibrated intervals: what other alphas promise, and what they keep.

    Args:
        calibrated: risks of the calibration images or groups.
        tested: risks of the test images or groups.
        calibration: of which rule, form and delta are taken.
    """
    points = []
    for alpha in [alpha for alpha in ALPHAS if alpha > calibration.alpha] + [calibration.alpha]:
        at = calibrate(
            calibrated, calibration.interval, alpha=alpha, delta=calibration.delta, bound=calibration.bound_by
        ).lambda_
        points.append(LevelCoverage(1 - alpha, at, 1 - float(np.mean([risk.at(at) for risk in tested]))))
    return tuple(points)


def risks_of_groups(groups: Sequence[str], risks: Sequence[ImageRisk]) -> list[ImageRisk]:
    """Return one risk per group, of all its images together, in the order of first appearance."""
    whole: dict[str, ImageRisk] = {}
    for group, risk in zip(groups, risks, strict=True):
        whole.setdefault(group, ImageRisk(risk.form)).add_counts(risk.counts)
    return list(whole.values())
