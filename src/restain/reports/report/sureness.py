"""What a report says of intervals: how much of the truth they hold, and whether anybody promised that."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any, final

from restain.reports.matching import listed
from restain.reports.report.books import Reading
from restain.reports.report.cases import Case
from restain.reports.report.content import Block, Cell, Figure, Table, Text, count, number
from restain.reports.report.figures import draw_reliability, draw_risk
from restain.reports.report.found import find_file, parse_file, summary_file
from restain.reports.report.model import Origin
from restain.reports.report.options import ReportOptions
from restain.reports.report.record import Record
from restain.uncertainty import ReliabilityPoint, ReliabilitySummary

GREY = 255
"""Grey levels of white: widths are fractions of white elsewhere."""


@final
@dataclass(frozen=True)
class Promise:
    """What a calibration promised, as a file tells it.

    Args:
        alpha: share that may lie outside.
        delta: chance that more does.
        n: images, patients or slides of the calibration.
        lambda_: how far intervals are widened.
        form: what it multiplies.
        samples: of an interval.
    """

    alpha: float
    delta: float
    n: int
    lambda_: float
    form: str
    samples: int

    def __str__(self) -> str:
        """Return it as a sentence."""
        return (
            f"Intervals of {self.samples} samples, widened by lambda = {self.lambda_:.4g} ({self.form}), promise: "
            f"with a chance of {1 - self.delta:.0%} over the choice of the {self.n} calibration images, at most "
            f"{self.alpha:.0%} of the truth lies outside, in the mean over images like them; not in every image, nor "
            "in every kind of tissue."
        )


@final
@dataclass(frozen=True)
class Tested:
    """How good intervals are.

    Args:
        inside: share of the truth inside, mean over images, patients or slides.
        n: how many of them.
        pooled: of all pixels.
    """

    inside: float
    n: int
    pooled: ReliabilitySummary


@final
@dataclass(frozen=True)
class CalibrationFile:
    """What is read from ``calibration.json``.

    Args:
        promise: of the calibration.
        images: digits of the SHA-256 of the source pixels of its images, by name.
        groups: their patients or slides, where known.
        tested: how good intervals are on test images, before and after.
        curves: reliability curves of the test images by name.
    """

    promise: Promise
    images: Mapping[str, str]
    groups: Mapping[str, str]
    tested: Mapping[str, Tested]
    curves: Mapping[str, Sequence[ReliabilityPoint]]


@final
@dataclass(frozen=True)
class Sureness:
    """What the page says of intervals, and what speaks against them."""

    blocks: Sequence[Block]
    doubts: Sequence[str]


def sureness(
    record: Record,
    cases: Sequence[Case],
    reading: Reading,
    origin: Origin,
    options: ReportOptions,
    patients: Collection[str] = (),
) -> Sureness:
    """Return what there is to say of intervals beside the virtual images, and of the calibration that was found.

    Args:
        record: of the evaluation.
        cases: its images.
        reading: what was read of them.
        origin: their model.
        options: may name the calibration.
        patients: of the images, where known.

    Raises:
        DataError: a calibration that was named and is not there, or files that are damaged.
    """
    path = find_file(record, "calibration.json", options.calibration)
    file = None if path is None else parse_file(path, "calibrate", _calibration_file)
    summary = summary_file(record)
    used = None if summary is None else parse_file(summary, "stain --uncertainty", _used)
    has_intervals = any(case.uncertainty or case.lower for case in cases)
    blocks = list(_blocks(reading, file, used if has_intervals else None))
    doubts = [*_doubts(reading, used, has_intervals), *_leaks(reading, file, origin, patients)]
    return Sureness(blocks, doubts)


def _promise(tree: dict[str, Any]) -> Promise:
    return Promise(
        tree["alpha"],
        tree["delta"],
        tree["n"],
        tree["lambda"] if "lambda" in tree else tree["lambda_"],
        tree["form"],
        tree["interval"]["samples"],
    )


def _used(tree: dict[str, Any]) -> Promise | None:
    return None if tree["calibration"] is None else _promise(tree["calibration"])


def _calibration_file(tree: dict[str, Any]) -> CalibrationFile:
    test = tree["test"]
    tested = {}
    curves = {}
    if test is not None:
        for name in ("uncalibrated", "calibrated"):
            pooled = test[name]["pooled"]
            tested[name] = Tested(test[name]["mean"], test[name]["n"], ReliabilitySummary(**_without_null(pooled)))
            curves[name] = [ReliabilityPoint(point["nominal"], point["empirical"]) for point in test[f"levels_{name}"]]
    return CalibrationFile(_promise(tree["calibration"]), tree["images"], tree["groups"], tested, curves)


def _without_null(tree: dict[str, Any]) -> dict[str, Any]:
    return {key: float("nan") if value is None else value for key, value in tree.items()}


def _blocks(reading: Reading, file: CalibrationFile | None, used: Promise | None) -> Iterator[Block]:
    promise = used or (None if file is None else file.promise)
    if promise is not None:
        yield Text(str(promise))
    rows = []
    if reading.coverage is not None:
        beside = Tested(fmean(reading.inside), len(reading.inside), reading.coverage)
        rows.append(("beside these images", "", _cells(beside)))
    for name, found in ({} if file is None else file.tested).items():
        rows.append((f"test of the calibration, {name}", "", _cells(found)))
    if rows:
        heads = [
            "intervals",
            "truth inside",
            "mean width, grey levels",
            "outside: narrowest quarter",
            "second",
            "third",
        ]
        yield Table(
            [*heads, "widest", "Spearman's rank correlation of width and error", "n"],
            rows,
            "Over tissue, all channels; the share inside is a mean over n images. Good intervals miss equally often, "
            "narrow or wide. Ends beside images are 8-bit files, rounded outwards; the error there is that of the "
            "virtual image.",
        )
    if reading.coverage is not None:
        yield Figure(
            "risk",
            draw_risk(reading.coverage, None if promise is None else promise.alpha),
            f"Size-stratified risk of {len(reading.inside)} images: the share outside, by quarters of width.",
        )
    if file is not None and file.curves:
        yield Figure(
            "reliability",
            draw_reliability(dict(file.curves)),
            "On the test images of the calibration: the share of the truth inside intervals of several levels. On the "
            "diagonal they hold what they say; below it they are too narrow.",
        )


def _cells(found: Tested) -> list[Cell]:
    pooled = found.pooled
    shares = [Cell(f"{100 * risk:.1f} %", repr(risk)) for risk in pooled.risk_by_width]
    inside = Cell(f"{100 * found.inside:.2f} %", repr(found.inside))
    return [inside, number(GREY * pooled.width, 4), *shares, number(pooled.rank_correlation, 3), count(found.n)]


def _doubts(reading: Reading, used: Promise | None, has_intervals: bool) -> Iterator[str]:
    if has_intervals and used is None:
        yield (
            "The uncertainty beside the virtual images is not calibrated: its intervals promise nothing, and those of "
            "few samples are too narrow. Run `restain calibrate`, then `restain stain --uncertainty` again."
        )
    if used is not None and reading.inside and fmean(reading.inside) < 1 - used.alpha:
        yield (
            f"The intervals hold {100 * fmean(reading.inside):.1f} % of the truth in these images, and "
            f"{100 * (1 - used.alpha):.0f} % was promised for images like those of the calibration: these may differ."
        )


def _leaks(reading: Reading, file: CalibrationFile | None, origin: Origin, patients: Collection[str]) -> Iterator[str]:
    """Yield whether intervals are judged by images, or patients, that they were calibrated on."""
    card = None if origin.card is None else origin.card.calibration
    records = [record for record in (file, card) if record is not None]
    known = {digits for record in records for digits in record.images.values()}
    same = [name for name, digest in reading.digests.items() if any(digest.startswith(digits) for digits in known)]
    if same:
        yield (
            f"Intervals were calibrated on {len(same)} of the images that are looked at here ({listed(same)}): what "
            "they hold there says nothing of other images."
        )
    if shared := sorted({group for record in records for group in record.groups.values()} & set(patients)):
        yield (
            f"Intervals were calibrated on images of {len(shared)} of the patients here ({listed(shared)}): what they "
            "hold there may flatter them."
        )
