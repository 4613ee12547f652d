"""From a model and images with known truth to a calibration, and to how it does on other images."""

import warnings
from collections import defaultdict
from collections.abc import Generator, Mapping
from pathlib import Path
from typing import final

import numpy as np

from restain.bundle import WEIGHTS, Model
from restain.calibration.images import ImageSet, digests_of
from restain.calibration.leaks import refuse_shared, refuse_training_images, refuse_twins
from restain.calibration.measure import Laboratory, Measurement
from restain.calibration.options import CalibrateOptions
from restain.calibration.result import CalibrationResult, TestResult
from restain.calibration.trial import Books, levels_after, levels_before, risks_of_groups
from restain.errors import CalibrationWarning, ConfigError, DataError
from restain.inference import Progress, StainOptions
from restain.inference.draws import check_sampler
from restain.inference.stainer import choose_sampling
from restain.uncertainty import CalibrationRecord, ImageRisk, ReliabilityCurve, calibrate, images_needed
from restain.uncertainty.rcps import LAMBDAS

WORK = "work"
"""Folder of what was measured of each image; it may be deleted when all is done."""

DRAWN = 20
"""Every how many lambdas the risk is kept to be drawn."""


def calibrate_model(
    model: Model,
    images: ImageSet,
    options: CalibrateOptions = CalibrateOptions(),
    running: StainOptions = StainOptions(),
    *,
    test: ImageSet | None = None,
    folder: Path | None = None,
) -> Generator[Progress, None, CalibrationResult]:
    """Find how far the intervals of a model must be widened, and how they do on other images.

    Args:
        model: that draws samples and was trained on pairs.
        images: with known truth, of slides that the model has not seen.
        options: what is promised, by which intervals.
        running: how the model runs; its seed is not used.
        test: other images, of other slides; None tests nothing.
        folder: where each measured image is kept, so that the same call goes on after a kill; None keeps nothing.

    Returns:
        The calibration; nothing is written into the card.

    Raises:
        ConfigError: a model whose samples are no intervals', or one that makes several stains.
        DataError: too few images, images of training, images that are in both sets, or intervals that do not hold the
            truth however far they are widened.

    Warns:
        CalibrationWarning: images without tissue, which are left out.
        LeakageWarning: images of training are not at hand to be compared.
    """
    check_sampler(model)
    sampling = choose_sampling(model, running) or model.card.sampling
    if len(model.card.targets) > 1:
        raise ConfigError(
            f"model {model.card.name!r} makes {model.card.made}, and a calibration is of one stain",
            fix="calibrate a model of one stain",
        )
    _refuse_few(images, options)
    known = yield from _identified(images, "reading images")
    refuse_twins(known)
    refuse_training_images(model.card, images, known, "calibration")
    if test is not None:
        others = yield from _identified(test, "reading test images")
        refuse_shared(images, known, test, others)
        refuse_training_images(model.card, test, others, "test")
    laboratory = Laboratory(model, options, running, None if folder is None else folder / WORK)
    risks = _Kept(images, "calibration")
    yield from risks.collect(laboratory)
    units = risks_of_groups(risks.groups, risks.risks)
    calibration = calibrate(units, options.interval, alpha=options.alpha, delta=options.delta, bound=options.bound)
    found = None
    if test is not None:
        books = Books(calibration)
        labels: dict[str, Books] = defaultdict(lambda: Books(calibration))
        tested = _Kept(test, "test", books, labels)
        yield from tested.collect(laboratory)
        before, after = books.result()
        found = TestResult(
            data=test.text,
            unit=test.unit,
            uncalibrated=before,
            calibrated=after,
            levels_uncalibrated=levels_before(tested.curves, calibration),
            levels_calibrated=levels_after(units, risks_of_groups(tested.groups, tested.risks), calibration),
            by={label: each.result() for label, each in sorted(labels.items())},
            images=tuple(books.images),
        )
    record = CalibrationRecord(
        calibration=calibration,
        weights=model.card.files.get(WEIGHTS, ""),
        sampler=sampling.sampler,
        steps=sampling.steps,
        source=model.card.source.name,
        target=model.card.made,
        mpp=model.card.mpp,
        data=images.text,
        images={name: known[name][:12] for name in risks.names},
        groups={name: images.group(name) for name in risks.names} if images.groups else {},
    )
    grid, risk = LAMBDAS[options.form], np.mean([unit.curve() for unit in units], axis=0)
    thinned = tuple((float(at), float(each)) for at, each in zip(grid[::DRAWN], risk[::DRAWN], strict=True))
    return CalibrationResult(model.card.name, record, images.unit, options.seed, thinned, found)


@final
class _Kept:
    """What is kept of the measurements of a set: maps are large, and pass by."""

    def __init__(
        self, images: ImageSet, use: str, books: Books | None = None, labels: Mapping[str, Books] | None = None
    ) -> None:
        self.images, self.use, self._books, self._labels = images, use, books, labels
        self.names: list[str] = []
        self.groups: list[str] = []
        self.risks: list[ImageRisk] = []
        self.curves: list[ReliabilityCurve] = []

    def collect(self, laboratory: Laboratory) -> Generator[Progress, None, None]:
        """Measure all images."""
        for index, name in enumerate(self.images.names):
            yield Progress(f"drawing, {self.use}", index, len(self.images))
            measured = laboratory.measure(*self.images.pairs.read(index))
            if measured is not None:
                self._add(name, measured)
        yield Progress(f"drawing, {self.use}", len(self.images), len(self.images))
        if left_out := len(self.images) - len(self.names):
            warnings.warn(
                f"{left_out} of {len(self.images)} images for {self.use} show no tissue and are left out",
                CalibrationWarning,
                stacklevel=2,
            )

    def _add(self, name: str, measured: Measurement) -> None:
        group = self.images.group(name)
        self.names.append(name)
        self.groups.append(group)
        self.risks.append(measured.risk)
        self.curves.append(measured.curve)
        if self._books is not None:
            self._books.add(name, group, measured)
        if self._labels is not None and name in self.images.labels:
            self._labels[self.images.labels[name]].add(name, group, measured)


def _identified(images: ImageSet, activity: str) -> Generator[Progress, None, dict[str, str]]:
    """Return the SHA-256 of every source image by its name."""
    known = {}
    for done, (name, digest) in enumerate(zip(images.names, digests_of(images), strict=True), start=1):
        known[name] = digest
        yield Progress(activity, done, len(images))
    return known


def _refuse_few(images: ImageSet, options: CalibrateOptions) -> None:
    """Refuse too few images before hours are spent on them."""
    n = len({images.group(name) for name in images.names})
    least = images_needed(options.alpha, options.delta, options.bound)
    if n < least:
        raise DataError(
            f"{images.text} holds {n} {images.unit}{'' if n == 1 else 's'}, and a calibration with alpha "
            f"{options.alpha:g} and delta {options.delta:g} needs at least {least}, more where intervals are imperfect",
            fix=f"add {images.unit}s, or raise alpha or delta; cutting images into more tiles does not help",
        )
